//! Whether a row is like those that a model was fitted on: the Mahalanobis distance of its columns, against the distance
//! that 99.5 % of the fitted rows stay within.
//!
//! Columns are standardised and their correlations shrunk by a tenth towards none, so that the matrix can be inverted
//! whatever the columns are. A missing value counts as the average, as in the model itself, and adds no distance: what is
//! not known cannot be unusual. Beyond the bound a number is an extrapolation; within it, it need not be right.

use serde::{Deserialize, Serialize};

use super::linear::standardise;

/// Share of the fitted rows that are within the bound.
const QUANTILE: f64 = 0.995;

/// How much of the correlations is given up.
const SHRINKAGE: f64 = 0.1;

/// Fewer rows say nothing about what is usual.
const LEAST_ROWS: usize = 30;

/// What rows a model knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Familiarity {
    centre: Vec<f64>,
    scale: Vec<f64>,
    /// Lower triangle of the Cholesky factor of the shrunk correlations, row by row.
    factor: Vec<Vec<f64>>,
    /// Distance that 99.5 % of the fitted rows are within.
    bound: f64,
}

/// How far a row is from those that a model was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// Mahalanobis distance, 0 or more.
    pub value: f64,
    /// Distance that 99.5 % of the fitted rows are within.
    pub bound: f64,
}

impl Distance {
    /// Whether the row is unlike the fitted ones.
    pub fn is_beyond(&self) -> bool {
        self.value > self.bound
    }

    /// What a reader must know of a number that is beyond; `None` where it is not.
    pub fn warning(&self) -> Option<String> {
        self.is_beyond().then(|| {
            format!(
                "the values are unlike those that the model was fitted on (Mahalanobis distance {:.1}; 99.5 % of the fitted \
                 rows are within {:.1}): the number is an extrapolation",
                self.value, self.bound
            )
        })
    }
}

impl Familiarity {
    /// What these rows say; `None` for fewer than 30, or without columns.
    pub(super) fn fit(rows: &[Vec<Option<f64>>]) -> Option<Self> {
        let columns = rows.first()?.len();
        if rows.len() < LEAST_ROWS || columns == 0 {
            return None;
        }
        let (centre, scale) = standardise(rows, &vec![1.0; rows.len()]);
        let mut made = Self { centre, scale, factor: Vec::new(), bound: 0.0 };
        let standard: Vec<Vec<f64>> = rows.iter().map(|row| made.standard(row)).collect();
        let correlation = |one: usize, other: usize| {
            if one == other {
                return 1.0;
            }
            let sum: f64 = standard.iter().map(|row| row[one] * row[other]).sum();
            (1.0 - SHRINKAGE) * sum / standard.len() as f64
        };
        made.factor = cholesky(columns, correlation)?;
        let mut distances: Vec<f64> = standard.iter().map(|row| made.length(row)).collect();
        distances.sort_by(f64::total_cmp);
        made.bound = crate::evaluation::quantile(&distances, QUANTILE);
        made.is_sound(columns).then_some(made)
    }

    /// Distance of a row.
    pub(super) fn distance(&self, row: &[Option<f64>]) -> Distance {
        Distance { value: self.length(&self.standard(row)), bound: self.bound }
    }

    /// Whether it is of this width and can be computed with.
    pub(super) fn is_sound(&self, columns: usize) -> bool {
        let triangle = self.factor.len() == columns
            && self.factor.iter().enumerate().all(|(at, row)| row.len() == at + 1 && row[at] > 0.0);
        let numbers = self.centre.iter().chain(&self.scale).chain(self.factor.iter().flatten());
        triangle
            && self.centre.len() == columns
            && self.scale.len() == columns
            && numbers.chain([&self.bound]).all(|number| number.is_finite())
            && self.scale.iter().all(|scale| *scale > 0.0)
            && self.bound >= 0.0
    }

    fn standard(&self, row: &[Option<f64>]) -> Vec<f64> {
        let parameters = self.centre.iter().zip(&self.scale);
        row.iter()
            .zip(parameters)
            .map(|(value, (centre, scale))| value.map_or(0.0, |value| (value - centre) / scale))
            .collect()
    }

    /// Length of the row after the factor is divided out: forward substitution.
    fn length(&self, standard: &[f64]) -> f64 {
        let mut solved: Vec<f64> = Vec::with_capacity(standard.len());
        for (row, value) in self.factor.iter().zip(standard) {
            let known: f64 = row.iter().zip(&solved).map(|(factor, solved)| factor * solved).sum();
            let diagonal = row.last().copied().unwrap_or(1.0);
            solved.push((value - known) / diagonal);
        }
        solved.iter().map(|value| value * value).sum::<f64>().sqrt()
    }
}

/// The lower triangle `L` with `L L' = matrix`; `None` where the matrix is not positive definite.
fn cholesky(size: usize, matrix: impl Fn(usize, usize) -> f64) -> Option<Vec<Vec<f64>>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(size);
    for row in 0..size {
        let mut made = Vec::with_capacity(row + 1);
        for column in 0..row {
            let other: &Vec<f64> = &factor[column];
            let known: f64 = made.iter().zip(other).map(|(one, other): (&f64, &f64)| one * other).sum();
            made.push((matrix(row, column) - known) / other[column]);
        }
        let rest = matrix(row, row) - made.iter().map(|value| value * value).sum::<f64>();
        if rest.is_nan() || rest <= 0.0 {
            return None;
        }
        made.push(rest.sqrt());
        factor.push(made);
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two columns with correlation 1/2 by construction: (1,1), (-1,-1), (1,0)... every sign alike.
    fn rows() -> Vec<Vec<Option<f64>>> {
        let corners = [(2.0, 1.0), (-2.0, -1.0), (1.0, 2.0), (-1.0, -2.0)];
        (0..40).map(|at| corners[at % 4]).map(|(x, y)| vec![Some(10.0 + x), Some(y)]).collect()
    }

    /// By hand: variances are 2.5, the correlation is 0.8, shrunk 0.72. (10 + s, s) with s the deviation has the standard
    /// form (1, 1) and the squared distance 2 / 1.72; (10 + s, -s) has 2 / 0.28.
    #[test]
    fn distances_follow_the_correlation() {
        let known = Familiarity::fit(&rows()).unwrap();
        let deviation = 2.5_f64.sqrt();
        let along = known.distance(&[Some(10.0 + deviation), Some(deviation)]).value;
        let across = known.distance(&[Some(10.0 + deviation), Some(-deviation)]).value;
        assert!((along.powi(2) - 2.0 / 1.72).abs() < 1e-9, "{along}");
        assert!((across.powi(2) - 2.0 / 0.28).abs() < 1e-9, "{across}");
        assert!(known.distance(&[None, None]).value < 1e-12, "what is not known is not unusual");
        let far = known.distance(&[Some(10.0), Some(30.0)]);
        assert!(far.is_beyond() && far.warning().unwrap().contains("extrapolation"));
        assert!(rows().iter().all(|row| !known.distance(row).is_beyond()));
        assert_eq!(known.distance(&rows()[0]).warning(), None);
    }

    #[test]
    fn columns_that_repeat_or_never_vary_can_be_told_too() {
        let rows: Vec<Vec<Option<f64>>> = (0..60)
            .map(|at| f64::from(at % 7))
            .map(|x| vec![Some(x), Some(2.0 * x), Some(5.0), None])
            .collect();
        let known = Familiarity::fit(&rows).unwrap();
        assert!(!known.distance(&rows[3]).is_beyond());
        assert!(
            known.distance(&[Some(6.0), Some(0.0), Some(5.0), None]).is_beyond(),
            "against the correlation"
        );
        assert!(
            known.distance(&[Some(3.0), Some(6.0), Some(50.0), None]).is_beyond(),
            "a constant that changed"
        );
        assert_eq!(Familiarity::fit(&rows[..29]), None);
        let text = serde_json::to_string(&known).unwrap();
        let read: Familiarity = serde_json::from_str(&text).unwrap();
        assert!(read.is_sound(4) && !read.is_sound(3));
    }
}
