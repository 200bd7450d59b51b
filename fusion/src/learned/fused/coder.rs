//! From the columns of a row to the numbers that the network of L2 reads.

use serde::{Deserialize, Serialize};

/// Piecewise-linear embedding (Gorishniy et al., arXiv 2203.05556): a number becomes one cell a bin between quantiles of the
/// fitted rows, 1 below its bin, 0 above it and linear inside. A missing value has zeros and a flag of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coder {
    /// Edges of each column's bins, ascending; none where a column did not vary.
    edges: Vec<Vec<f64>>,
}

impl Coder {
    /// Edges at quantiles of the values that are there.
    pub(super) fn fit(rows: &[&[Option<f64>]], bins: usize) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let edges = (0..columns)
            .map(|column| {
                let mut values: Vec<f64> = rows.iter().filter_map(|row| row[column]).collect();
                values.sort_by(f64::total_cmp);
                let at = |part: usize| crate::evaluation::quantile(&values, part as f64 / bins as f64);
                let mut edges: Vec<f64> = (0..=bins).map(at).filter(|edge| edge.is_finite()).collect();
                edges.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
                if edges.len() < 2 { Vec::new() } else { edges }
            })
            .collect();
        Self { edges }
    }

    /// Cells of a row: each column's bins, then its flag.
    #[expect(clippy::cast_possible_truncation, reason = "the network computes in f32")]
    pub(super) fn cells(&self, row: &[Option<f64>]) -> Vec<f32> {
        let mut made = Vec::with_capacity(self.width());
        for (edges, value) in self.edges.iter().zip(row) {
            for bin in edges.windows(2) {
                let part = value.map_or(0.0, |value| ((value - bin[0]) / (bin[1] - bin[0])).clamp(0.0, 1.0));
                made.push(part as f32);
            }
            made.push(if value.is_some() { 0.0 } else { 1.0 });
        }
        made
    }

    /// Cells of a row.
    pub(super) fn width(&self) -> usize {
        self.edges.iter().map(|edges| edges.len().saturating_sub(1) + 1).sum()
    }

    /// Columns that it reads.
    pub(super) fn columns(&self) -> usize {
        self.edges.len()
    }

    /// Whether edges are finite and ascend.
    pub(super) fn is_sound(&self) -> bool {
        let ascends = |edges: &Vec<f64>| edges.windows(2).all(|pair| pair[0] < pair[1]);
        self.edges.iter().all(|edges| ascends(edges) && edges.iter().all(|edge| edge.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fills_its_bins_and_a_missing_one_raises_the_flag() {
        let rows: Vec<Vec<Option<f64>>> =
            (0..=10).map(|value| vec![Some(f64::from(value)), Some(1.0)]).collect();
        let shown: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
        let coder = Coder::fit(&shown, 2);
        assert_eq!(coder.width(), 4);
        assert_eq!(coder.cells(&[Some(7.5), Some(1.0)]), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(coder.cells(&[Some(-3.0), None]), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(coder.cells(&[None, Some(9.0)]), [0.0, 0.0, 1.0, 0.0]);
        assert!(coder.is_sound());
    }
}
