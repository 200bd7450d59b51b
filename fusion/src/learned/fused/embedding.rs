//! Vectors of pictures, and their principal components.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Vectors of one length by the name of their picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings {
    width: usize,
    by_key: BTreeMap<String, Vec<f32>>,
}

/// Why vectors cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// A vector is of another length than the first, or empty.
    #[error("vector {number} has {found} values, {expected} were expected")]
    Width {
        /// Which, from 1.
        number: usize,
        /// Its values.
        found: usize,
        /// Values of the first.
        expected: usize,
    },
    /// A value is not a finite number.
    #[error("vector {number} has a value that is no finite number")]
    NotFinite {
        /// Which, from 1.
        number: usize,
    },
    /// Two vectors have one name.
    #[error("vector {number} has a name that came before")]
    Twice {
        /// Which, from 1.
        number: usize,
    },
}

impl Embeddings {
    /// Vectors by name.
    pub fn new(vectors: impl IntoIterator<Item = (String, Vec<f32>)>) -> Result<Self, EmbeddingError> {
        let mut made = Self::default();
        for (at, (key, vector)) in vectors.into_iter().enumerate() {
            let number = at + 1;
            let expected = if at == 0 { vector.len().max(1) } else { made.width };
            if vector.len() != expected {
                return Err(EmbeddingError::Width { number, found: vector.len(), expected });
            }
            if !vector.iter().all(|value| value.is_finite()) {
                return Err(EmbeddingError::NotFinite { number });
            }
            made.width = expected;
            if made.by_key.insert(key, vector).is_some() {
                return Err(EmbeddingError::Twice { number });
            }
        }
        Ok(made)
    }

    /// Values of each vector; 0 where there is none.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The vector of a picture.
    pub fn vector(&self, key: &str) -> Option<&[f32]> {
        self.by_key.get(key).map(Vec::as_slice)
    }
}

/// The directions in which some vectors vary most, each scaled to a standard deviation of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Projection {
    mean: Vec<f32>,
    /// One row a component, already divided by the component's standard deviation.
    rows: Vec<Vec<f32>>,
}

/// Rounds of the subspace iteration; the components only have to span what varies.
const ROUNDS: usize = 60;

impl Projection {
    /// The first `components` of the vectors, fewer where they span fewer; `None` for fewer than two vectors.
    ///
    /// Subspace iteration on the vectors' inner products (Golub and Van Loan, Matrix Computations, 8.2.4), which are few
    /// where the vectors are long. The start is fixed, so that the same vectors give the same components.
    #[expect(clippy::cast_possible_truncation, reason = "stored as f32, like the vectors")]
    pub(super) fn fit(vectors: &[&[f32]], components: usize) -> Option<Self> {
        let width = vectors.first()?.len();
        let count = vectors.len();
        if count < 2 {
            return None;
        }
        let mean: Vec<f64> = (0..width)
            .map(|at| vectors.iter().map(|vector| f64::from(vector[at])).sum::<f64>() / count as f64)
            .collect();
        let centred: Vec<Vec<f64>> = vectors
            .iter()
            .map(|vector| vector.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect())
            .collect();
        let gram: Vec<Vec<f64>> =
            centred.iter().map(|one| centred.iter().map(|other| dot(one, other)).collect()).collect();
        let basis = subspace(&gram, components.min(count - 1).min(width));
        let mut rows = Vec::new();
        for vector in basis {
            // the direction in the space of the vectors, and how far they spread along it
            let mut direction = vec![0.0; width];
            for (weight, row) in vector.iter().zip(&centred) {
                for (cell, value) in direction.iter_mut().zip(row) {
                    *cell += weight * value;
                }
            }
            let length = dot(&direction, &direction).sqrt();
            let spread = length / (count as f64 - 1.0).sqrt();
            if length < 1e-9 {
                break;
            }
            rows.push(direction.iter().map(|cell| (cell / length / spread) as f32).collect());
        }
        (!rows.is_empty()).then(|| Self { mean: mean.iter().map(|value| *value as f32).collect(), rows })
    }

    /// The components of a vector; `None` where it is of another length.
    pub(super) fn apply(&self, vector: &[f32]) -> Option<Vec<f64>> {
        (vector.len() == self.mean.len()).then(|| {
            let along = |row: &Vec<f32>| {
                let centred = vector.iter().zip(&self.mean).map(|(value, mean)| f64::from(value - mean));
                centred.zip(row).map(|(value, weight)| value * f64::from(*weight)).sum()
            };
            self.rows.iter().map(along).collect()
        })
    }

    /// How many components there are.
    pub(super) fn components(&self) -> usize {
        self.rows.len()
    }

    /// Whether all rows are as long as the mean and all numbers are finite.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |numbers: &Vec<f32>| numbers.iter().all(|number| number.is_finite());
        !self.rows.is_empty()
            && finite(&self.mean)
            && self.rows.iter().all(|row| row.len() == self.mean.len() && finite(row))
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// The leading eigenvectors of a symmetric matrix, the largest first.
fn subspace(matrix: &[Vec<f64>], count: usize) -> Vec<Vec<f64>> {
    let size = matrix.len();
    let mut basis: Vec<Vec<f64>> = (0..count)
        .map(|column| (0..size).map(|row| ((row * (column + 1) + column) as f64 * 0.731).sin()).collect())
        .collect();
    orthonormalise(&mut basis);
    for _ in 0..ROUNDS {
        for vector in &mut basis {
            *vector = matrix.iter().map(|row| dot(row, vector)).collect();
        }
        orthonormalise(&mut basis);
    }
    basis
}

/// Gram and Schmidt, twice for the rounding; a vector that the others span becomes 0.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for at in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(at);
        let Some(own) = rest.first_mut() else { continue };
        let first = dot(own, own).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(own, other);
                for (cell, value) in own.iter_mut().zip(other) {
                    *cell -= along * value;
                }
            }
        }
        let length = dot(own, own).sqrt();
        let scale = if length > 1e-10 * first.max(1e-300) { 1.0 / length } else { 0.0 };
        for cell in own.iter_mut() {
            *cell *= scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_uncorrelated_with_unit_deviation_and_the_largest_first() {
        let made: Vec<Vec<f32>> = (0..60_u8)
            .map(|case| {
                let t = f32::from(case);
                let (a, b) = ((t * 0.9).sin() * 5.0, (t * 2.3).cos());
                vec![a + 10.0, a - b, b * 2.0, 7.0]
            })
            .collect();
        let vectors: Vec<&[f32]> = made.iter().map(Vec::as_slice).collect();
        let found = Projection::fit(&vectors, 3).unwrap();
        assert_eq!(found.components(), 2, "two things vary");
        let shown: Vec<Vec<f64>> = vectors.iter().map(|vector| found.apply(vector).unwrap()).collect();
        for (one, other, expected) in [(0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.0)] {
            let covariance = shown.iter().map(|row| row[one] * row[other]).sum::<f64>() / 59.0;
            assert!((covariance - expected).abs() < 1e-4, "{one} {other}: {covariance}");
        }
        // the first lies along (a, a): its weight on the third column is small
        assert!(found.rows[0][2].abs() < found.rows[1][2].abs());
        assert_eq!(found.apply(&[1.0]), None);
        assert!(Projection::fit(&vectors[..1], 3).is_none());
    }
}
