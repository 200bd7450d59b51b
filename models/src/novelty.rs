//! How far a picture is from the training pictures: Mahalanobis distances with a
//! shrunk covariance.

use crate::linear;

/// Share of the covariance that is replaced by its mean variance on the diagonal.
const SHRINKAGE: f64 = 0.1;

/// A squared Mahalanobis distance per dimension, about 1 for what it was fitted on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distance {
    mean: Vec<f32>,
    /// Row-major lower triangle that makes the fitted vectors white.
    whitening: Vec<f32>,
}

impl Distance {
    /// Fits mean and covariance of `vectors`, which all have the same length.
    /// `None` where there are fewer than two or they do not vary.
    #[expect(clippy::cast_possible_truncation, reason = "stored as f32, like all weights")]
    pub(crate) fn fit(vectors: &[Vec<f32>]) -> Option<Self> {
        let size = vectors.first()?.len();
        let count = vectors.len() as f64;
        if vectors.len() < 2 {
            return None;
        }
        let mean: Vec<f64> =
            (0..size).map(|k| vectors.iter().map(|v| f64::from(v[k])).sum::<f64>() / count).collect();
        let mut covariance = vec![0.0; size * size];
        for vector in vectors {
            let centred: Vec<f64> = vector.iter().zip(&mean).map(|(v, m)| f64::from(*v) - m).collect();
            for (row, a) in covariance.chunks_exact_mut(size).zip(&centred) {
                for (cell, b) in row.iter_mut().zip(&centred) {
                    *cell += a * b / (count - 1.0);
                }
            }
        }
        let variance = (0..size).map(|k| covariance[k * size + k]).sum::<f64>() / size as f64;
        for (index, cell) in covariance.iter_mut().enumerate() {
            *cell *= 1.0 - SHRINKAGE;
            if index % (size + 1) == 0 {
                *cell += SHRINKAGE * variance + 1e-12;
            }
        }
        let whitening = linear::invert_lower(&linear::cholesky(&covariance, size)?, size);
        Some(Self {
            mean: mean.iter().map(|v| *v as f32).collect(),
            whitening: whitening.iter().map(|v| *v as f32).collect(),
        })
    }

    /// A distance of that size to read weights into.
    pub(crate) fn zero(size: usize) -> Self {
        Self { mean: vec![0.0; size], whitening: vec![0.0; size * size] }
    }

    /// Makes a distance from its stored parts; `None` where their sizes differ.
    pub(crate) fn from_parts(mean: Vec<f32>, whitening: Vec<f32>) -> Option<Self> {
        (mean.len() * mean.len() == whitening.len()).then_some(Self { mean, whitening })
    }

    /// Number of dimensions.
    pub(crate) fn size(&self) -> usize {
        self.mean.len()
    }

    /// The centre.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The whitening triangle, row-major.
    pub(crate) fn whitening(&self) -> &[f32] {
        &self.whitening
    }

    /// The squared distance of `vector` divided by the number of dimensions.
    pub(crate) fn of(&self, vector: &[f32]) -> f64 {
        let size = self.size();
        debug_assert_eq!(vector.len(), size);
        let centred: Vec<f64> =
            vector.iter().zip(&self.mean).map(|(v, m)| f64::from(*v) - f64::from(*m)).collect();
        let squares: f64 = self
            .whitening
            .chunks_exact(size.max(1))
            .enumerate()
            .map(|(row, line)| {
                line[..=row].iter().zip(&centred).map(|(w, c)| f64::from(*w) * c).sum::<f64>().powi(2)
            })
            .sum();
        squares / size.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fitted_is_near_and_the_rest_is_far() {
        let vectors: Vec<Vec<f32>> = (0..200)
            .map(|i| {
                let t = i as f32 * 0.7;
                vec![t.sin(), 3.0 * (t * 1.3).cos(), t.sin() + 0.1 * (t * 2.9).cos()]
            })
            .collect();
        let distance = Distance::fit(&vectors).unwrap();
        let mean = vectors.iter().map(|v| distance.of(v)).sum::<f64>() / 200.0;
        assert!((0.5..1.2).contains(&mean), "{mean}");
        assert!(distance.of(&[1.0, 0.0, -1.0]) > 3.0 * mean);
    }

    #[test]
    fn one_vector_is_not_enough() {
        assert!(Distance::fit(&[vec![1.0, 2.0]]).is_none());
    }
}
