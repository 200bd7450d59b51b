//! Ridge logistic regression by Newton's method, weighted, with a not penalised intercept.

use serde::{Deserialize, Serialize};

use crate::formulas::logistic;

/// A standardising linear model: `intercept + sum(weight * (x - centre) / scale)`. A missing input counts
/// as its centre and so adds nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Linear {
    pub(super) centre: Vec<f64>,
    pub(super) scale: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) intercept: f64,
}

impl Linear {
    pub(super) fn logit(&self, columns: &[Option<f64>]) -> f64 {
        self.intercept + self.terms(columns).sum::<f64>()
    }

    /// What each column adds to the logit.
    pub(super) fn terms(&self, columns: &[Option<f64>]) -> impl Iterator<Item = f64> {
        let parameters = self.centre.iter().zip(&self.scale).zip(&self.weights);
        parameters.zip(columns).map(|(((centre, scale), weight), value)| match value {
            Some(value) => weight * (value - centre) / scale,
            None => 0.0,
        })
    }

    /// Whether it is of this width and all its numbers are finite and usable.
    pub(super) fn is_sound(&self, columns: usize) -> bool {
        let widths = [self.centre.len(), self.scale.len(), self.weights.len()];
        let numbers = self.centre.iter().chain(&self.scale).chain(&self.weights).chain([&self.intercept]);
        widths.iter().all(|width| *width == columns)
            && numbers.clone().all(|number| number.is_finite())
            && self.scale.iter().all(|scale| *scale > 0.0)
    }
}

/// Weighted mean and standard deviation of every column over the values that are there; 0 and 1 where
/// there are none or they do not vary.
pub(super) fn standardise(rows: &[Vec<Option<f64>>], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let columns = rows.first().map_or(0, Vec::len);
    let mut found = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    for column in 0..columns {
        let values = || rows.iter().zip(weights).filter_map(|(row, weight)| Some((row[column]?, *weight)));
        let total: f64 = values().map(|(_, weight)| weight).sum();
        let mean = if total > 0.0 {
            values().map(|(value, weight)| value * weight).sum::<f64>() / total
        } else {
            0.0
        };
        let variance =
            values().map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / total.max(1.0);
        found.0.push(mean);
        found.1.push(if variance > 1e-12 { variance.sqrt() } else { 1.0 });
    }
    found
}

/// Fits a [`Linear`] with the ridge penalty `lambda / 2 * sum(weight^2)` on standardised columns. `None`
/// where the labels are all the same.
pub(super) fn fit(rows: &[Vec<Option<f64>>], labels: &[f64], weights: &[f64], lambda: f64) -> Option<Linear> {
    let (centre, scale) = standardise(rows, weights);
    let design: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(centre.iter().zip(&scale))
                .map(|(value, (centre, scale))| value.map_or(0.0, |value| (value - centre) / scale))
                .collect()
        })
        .collect();
    let penalties = vec![lambda; centre.len()];
    let solved = newton(&design, labels, weights, &penalties)?;
    let (intercept, slopes) = solved.split_first()?;
    Some(Linear { centre, scale, weights: slopes.to_vec(), intercept: *intercept })
}

/// Fits intercept and slopes with every slope at least 0.
pub(super) fn fit_non_negative(
    design: &[Vec<f64>],
    labels: &[f64],
    weights: &[f64],
    lambda: f64,
) -> Option<Vec<f64>> {
    fit_signed(design, labels, weights, lambda, 0)
}

/// Fits intercept and slopes, all but the last `unsigned` slopes at least 0: those that come out negative are set to 0, the most
/// negative first, and the rest is fitted again.
pub(super) fn fit_signed(
    design: &[Vec<f64>],
    labels: &[f64],
    weights: &[f64],
    lambda: f64,
    unsigned: usize,
) -> Option<Vec<f64>> {
    let columns = design.first().map_or(0, Vec::len);
    let signed = columns.saturating_sub(unsigned);
    let mut free: Vec<usize> = (0..columns).collect();
    loop {
        let part: Vec<Vec<f64>> =
            design.iter().map(|row| free.iter().map(|column| row[*column]).collect()).collect();
        let solved = newton(&part, labels, weights, &vec![lambda; free.len()])?;
        let worst = (0..free.len())
            .filter(|at| free[*at] < signed && solved[at + 1] < 0.0)
            .min_by(|one, other| solved[one + 1].total_cmp(&solved[other + 1]));
        if let Some(at) = worst {
            free.remove(at);
            continue;
        }
        let mut full = vec![0.0; columns + 1];
        full[0] = solved[0];
        for (at, column) in free.iter().enumerate() {
            full[column + 1] = solved[at + 1];
        }
        return Some(full);
    }
}

/// Most Newton steps; a convex problem of this size needs fewer than ten.
const MAX_STEPS: usize = 100;

/// Intercept and slopes that maximise the weighted log-likelihood less the ridge penalties. The intercept
/// is not penalised. `None` where the labels are all the same, as no finite intercept exists then.
pub(super) fn newton(
    design: &[impl AsRef<[f64]>],
    labels: &[f64],
    weights: &[f64],
    penalties: &[f64],
) -> Option<Vec<f64>> {
    let positive: f64 = labels.iter().zip(weights).map(|(label, weight)| label * weight).sum();
    let total: f64 = weights.iter().sum();
    if positive <= 0.0 || positive >= total {
        return None;
    }
    let size = penalties.len() + 1;
    let mut solution = vec![0.0; size];
    solution[0] = (positive / (total - positive)).ln();
    let mut best = objective(design, labels, weights, penalties, &solution);
    for _ in 0..MAX_STEPS {
        let step = newton_step(design, labels, weights, penalties, &solution)?;
        let mut share = 1.0;
        let mut moved = None;
        while share > 1e-8 {
            let candidate: Vec<f64> =
                solution.iter().zip(&step).map(|(old, step)| old + share * step).collect();
            let value = objective(design, labels, weights, penalties, &candidate);
            if value <= best {
                moved = Some((candidate, value));
                break;
            }
            share /= 2.0;
        }
        let Some((candidate, value)) = moved else { break };
        let largest = step.iter().fold(0.0_f64, |largest, step| largest.max(step.abs() * share));
        (solution, best) = (candidate, value);
        if largest < 1e-10 {
            break;
        }
    }
    solution.iter().all(|number| number.is_finite()).then_some(solution)
}

fn predict(row: &[f64], solution: &[f64]) -> f64 {
    solution[0] + row.iter().zip(&solution[1..]).map(|(value, weight)| value * weight).sum::<f64>()
}

/// Penalised negative log-likelihood.
fn objective(
    design: &[impl AsRef<[f64]>],
    labels: &[f64],
    weights: &[f64],
    penalties: &[f64],
    solution: &[f64],
) -> f64 {
    let loss: f64 = design
        .iter()
        .zip(labels.iter().zip(weights))
        .map(|(row, (label, weight))| {
            let logit = predict(row.as_ref(), solution);
            let signed = if *label > 0.5 { -logit } else { logit };
            weight * (signed.max(0.0) + (-signed.abs()).exp().ln_1p())
        })
        .sum();
    loss + penalties
        .iter()
        .zip(&solution[1..])
        .map(|(penalty, slope)| 0.5 * penalty * slope * slope)
        .sum::<f64>()
}

fn newton_step(
    design: &[impl AsRef<[f64]>],
    labels: &[f64],
    weights: &[f64],
    penalties: &[f64],
    solution: &[f64],
) -> Option<Vec<f64>> {
    let size = solution.len();
    let mut gradient = vec![0.0; size];
    let mut hessian = vec![vec![0.0; size]; size];
    let mut extended = vec![1.0; size];
    for (row, (label, weight)) in design.iter().zip(labels.iter().zip(weights)) {
        let row = row.as_ref();
        let probability = logistic(predict(row, solution));
        extended[1..].copy_from_slice(row);
        let curvature = weight * probability * (1.0 - probability);
        for (one, value) in extended.iter().enumerate() {
            gradient[one] += weight * (label - probability) * value;
            for (other, second) in extended.iter().enumerate().take(one + 1) {
                hessian[one][other] += curvature * value * second;
            }
        }
    }
    for (index, penalty) in penalties.iter().enumerate() {
        gradient[index + 1] -= penalty * solution[index + 1];
        hessian[index + 1][index + 1] += penalty;
    }
    for (index, row) in hessian.iter_mut().enumerate() {
        row[index] += 1e-10;
    }
    cholesky_solve(hessian, gradient)
}

/// Solves `matrix * x = right` for a symmetric positive definite matrix of which the lower half is given.
fn cholesky_solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        for row in column..size {
            let (above, below) = matrix.split_at(row);
            let lower = if row == column { &below[0] } else { &above[column] };
            let sum: f64 = (0..column).map(|at| below[0][at] * lower[at]).sum();
            let value = below[0][column] - sum;
            if row == column {
                if value <= 0.0 || !value.is_finite() {
                    return None;
                }
                matrix[row][column] = value.sqrt();
            } else {
                let pivot = matrix[column][column];
                matrix[row][column] = value / pivot;
            }
        }
    }
    for row in 0..size {
        let sum: f64 = (0..row).map(|at| matrix[row][at] * right[at]).sum();
        right[row] = (right[row] - sum) / matrix[row][row];
    }
    for row in (0..size).rev() {
        let sum: f64 = (row + 1..size).map(|at| matrix[at][row] * right[at]).sum();
        right[row] = (right[row] - sum) / matrix[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        ridge: Ridge,
    }

    #[derive(Deserialize)]
    struct Ridge {
        features: Vec<Vec<f64>>,
        labels: Vec<f64>,
        weights: Vec<f64>,
        lambda: f64,
        coefficients: Vec<f64>,
        intercept: f64,
    }

    /// Against scikit-learn; the script lies beside the numbers.
    #[test]
    fn ridge_agrees_with_scikit_learn() {
        let text = include_str!("../../tests/reference/evaluation.json");
        let reference = serde_json::from_str::<Reference>(text).unwrap().ridge;
        let rows: Vec<Vec<Option<f64>>> =
            reference.features.iter().map(|row| row.iter().copied().map(Some).collect()).collect();
        let found = fit(&rows, &reference.labels, &reference.weights, reference.lambda).unwrap();
        for (weight, expected) in found.weights.iter().zip(&reference.coefficients) {
            assert!((weight - expected).abs() < 1e-6, "{weight} against {expected}");
        }
        assert!((found.intercept - reference.intercept).abs() < 1e-6);
    }

    #[test]
    fn weights_that_would_be_negative_are_zero() {
        let design: Vec<Vec<f64>> =
            (0..40).map(|case| vec![f64::from(case % 7), -f64::from(case % 5)]).collect();
        let labels: Vec<f64> = (0..40).map(|case| f64::from(u8::from(case % 7 > 3))).collect();
        let flipped: Vec<Vec<f64>> = design.iter().map(|row| vec![-row[0], row[1]]).collect();
        let ones = vec![1.0; 40];
        let right = fit_non_negative(&design, &labels, &ones, 1.0).unwrap();
        assert!(right[1] > 0.0 && right[2] >= 0.0);
        let wrong = fit_non_negative(&flipped, &labels, &ones, 1.0).unwrap();
        assert!(wrong[1].abs() < 1e-12, "{wrong:?}");
        assert_eq!(fit_non_negative(&design, &ones, &ones, 1.0), None);
        // the last one may be: it says what the first would say with the other sign
        let falling: Vec<Vec<f64>> = design.iter().map(|row| vec![row[1], -row[0]]).collect();
        let free = fit_signed(&falling, &labels, &ones, 1.0, 1).unwrap();
        assert!(free[1] >= 0.0 && (free[2] + right[1]).abs() < 0.2 * right[1], "{free:?} {right:?}");
    }
}
