//! The little linear algebra that distances and regressions need: a Cholesky
//! factor, its inverse, and solving with it. Row-major square matrices in f64.

/// The lower triangle `L` with `L L' = matrix`, or `None` where the matrix is
/// not positive definite.
pub(crate) fn cholesky(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    debug_assert_eq!(matrix.len(), size * size);
    let mut factor = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|k| factor[row * size + k] * factor[column * size + k]).sum();
            let rest = matrix[row * size + column] - dot;
            if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                factor[row * size + row] = rest.sqrt();
            } else {
                factor[row * size + column] = rest / factor[column * size + column];
            }
        }
    }
    Some(factor)
}

/// The inverse of a lower triangle with a positive diagonal.
pub(crate) fn invert_lower(factor: &[f64], size: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; size * size];
    for column in 0..size {
        for row in column..size {
            let unit = if row == column { 1.0 } else { 0.0 };
            let dot: f64 = (column..row).map(|k| factor[row * size + k] * inverse[k * size + column]).sum();
            inverse[row * size + column] = (unit - dot) / factor[row * size + row];
        }
    }
    inverse
}

/// Solves `matrix x = right` for a positive definite matrix.
pub(crate) fn solve(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    Some(Solver::new(matrix, right.len())?.solve(right))
}

/// A positive definite matrix that many are solved with.
pub(crate) struct Solver {
    size: usize,
    inverse: Vec<f64>,
}

impl Solver {
    /// `None` where the matrix is not positive definite.
    pub(crate) fn new(matrix: &[f64], size: usize) -> Option<Self> {
        Some(Self { size, inverse: invert_lower(&cholesky(matrix, size)?, size) })
    }

    /// The `x` with `matrix x = right`.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let Self { size, inverse } = self;
        let half: Vec<f64> =
            (0..*size).map(|row| (0..=row).map(|k| inverse[row * size + k] * right[k]).sum()).collect();
        (0..*size).map(|row| (row..*size).map(|k| inverse[k * size + row] * half[k]).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solving_undoes_multiplying() {
        let matrix = [4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0];
        let x = [1.0, -2.0, 3.0];
        let right: Vec<f64> = (0..3).map(|row| (0..3).map(|k| matrix[row * 3 + k] * x[k]).sum()).collect();
        for (found, stated) in solve(&matrix, &right).unwrap().iter().zip(x) {
            assert!((found - stated).abs() < 1e-12);
        }
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        assert!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
