//! From the columns of a row to the numbers that the network of L2 reads.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Values that stand in for a missing one; a power of two, so that every column goes through all of them.
const STAND_INS: usize = 8;

/// Piecewise-linear embedding (Gorishniy et al., arXiv 2203.05556): a number becomes one cell a bin between quantiles of the
/// fitted rows: 0 below its bin, 1 above it and linear inside. Where missing flags are inputs, a missing value has zeros and a
/// flag; where they are not, as missing would tell the outcome, values that the fitted rows have stand in for it: one drawn anew
/// at each step of the training, several spread over their quantiles in an answer, whose mean is taken. One value, such as the
/// median, would not do: a network finds the rows that have exactly that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coder {
    /// Edges of each column's bins, ascending; none where a column did not vary.
    edges: Vec<Vec<f64>>,
    /// What stands in for a missing value of each column: quantiles; none where flags say that it is missing.
    stand_ins: Option<Vec<Vec<f64>>>,
}

impl Coder {
    /// Edges at quantiles of the values that are there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share below 1 of a number of rows is a position among them"
    )]
    pub(super) fn fit(rows: &[&[Option<f64>]], bins: usize, flags: bool) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let sorted = |column: usize| {
            let mut values: Vec<f64> = rows.iter().filter_map(|row| row[column]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let edges = (0..columns)
            .map(|column| {
                let values = sorted(column);
                let at = |part: usize| crate::evaluation::quantile(&values, part as f64 / bins as f64);
                let mut edges: Vec<f64> = (0..=bins).map(at).filter(|edge| edge.is_finite()).collect();
                edges.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
                if edges.len() < 2 { Vec::new() } else { edges }
            })
            .collect();
        let middles = |column: usize| -> Vec<f64> {
            let values = sorted(column);
            let part = |at: usize| (at as f64 + 0.5) / STAND_INS as f64;
            // of values that were there, none in between: a truth stays 0 or 1
            let nearest = |share: f64| values.get((share * values.len() as f64).floor() as usize).copied();
            (0..STAND_INS).map(|at| nearest(part(at)).unwrap_or(0.0)).collect()
        };
        let stand_ins = (!flags).then(|| (0..columns).map(middles).collect());
        Self { edges, stand_ins }
    }

    /// Cells of a row: each column's bins, then, where there are flags, its flag; a single zero where no column tells anything.
    #[expect(clippy::cast_possible_truncation, reason = "the network computes in f32")]
    pub(super) fn cells(&self, row: &[Option<f64>]) -> Vec<f32> {
        let mut made = Vec::with_capacity(self.width());
        for (edges, value) in self.edges.iter().zip(row) {
            for bin in edges.windows(2) {
                let part = value.map_or(0.0, |value| ((value - bin[0]) / (bin[1] - bin[0])).clamp(0.0, 1.0));
                made.push(part as f32);
            }
            if self.stand_ins.is_none() {
                made.push(if value.is_some() { 0.0 } else { 1.0 });
            }
        }
        if made.is_empty() {
            made.push(0.0);
        }
        made
    }

    /// The row with stand-ins drawn for what is missing; the row itself where flags say that it is missing.
    pub(super) fn drawn(&self, row: &[Option<f64>], random: &mut ChaCha8Rng) -> Vec<Option<f64>> {
        self.filled(row, |_| random.random_range(0..STAND_INS))
    }

    /// The rows whose mean answer is the row's: itself where nothing is missing or flags say it, else one for each stand-in,
    /// each column starting at another.
    pub(super) fn spread(&self, row: &[Option<f64>]) -> Vec<Vec<Option<f64>>> {
        if self.stand_ins.is_none() || row.iter().all(Option::is_some) {
            return vec![row.to_vec()];
        }
        (0..STAND_INS)
            .map(|at| self.filled(row, |column| (at * (2 * column + 1) + column) % STAND_INS))
            .collect()
    }

    fn filled(&self, row: &[Option<f64>], mut pick: impl FnMut(usize) -> usize) -> Vec<Option<f64>> {
        let Some(stand_ins) = &self.stand_ins else { return row.to_vec() };
        let columns = row.iter().zip(stand_ins).enumerate();
        columns.map(|(column, (value, all))| value.or_else(|| all.get(pick(column)).copied())).collect()
    }

    /// Cells of a row, at least one.
    pub(super) fn width(&self) -> usize {
        let flag = usize::from(self.stand_ins.is_none());
        self.edges.iter().map(|edges| edges.len().saturating_sub(1) + flag).sum::<usize>().max(1)
    }

    /// Columns that it reads.
    pub(super) fn columns(&self) -> usize {
        self.edges.len()
    }

    /// Whether edges are finite and ascend.
    pub(super) fn is_sound(&self) -> bool {
        let ascends = |edges: &Vec<f64>| edges.windows(2).all(|pair| pair[0] < pair[1]);
        let stand_ins = self.stand_ins.as_ref().is_none_or(|all| {
            let finite = |one: &Vec<f64>| one.len() == STAND_INS && one.iter().all(|value| value.is_finite());
            all.len() == self.edges.len() && all.iter().all(finite)
        });
        stand_ins
            && self.edges.iter().all(|edges| ascends(edges) && edges.iter().all(|edge| edge.is_finite()))
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
        let coder = Coder::fit(&shown, 2, true);
        assert_eq!(coder.width(), 4);
        assert_eq!(coder.cells(&[Some(7.5), Some(1.0)]), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(coder.cells(&[Some(-3.0), None]), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(coder.cells(&[None, Some(9.0)]), [0.0, 0.0, 1.0, 0.0]);
        assert!(coder.is_sound());
    }

    #[test]
    fn columns_that_do_not_vary_are_a_cell_of_zero() {
        let row = [Some(1.0), Some(-2.0)];
        for coder in [Coder::fit(&[&row[..]; 4], 3, false), Coder::fit(&[], 3, false)] {
            assert_eq!(coder.width(), 1);
            assert_eq!(coder.cells(&[Some(5.0), None]), [0.0]);
            assert!(coder.is_sound());
        }
    }

    #[test]
    fn where_missing_is_no_input_values_that_are_there_stand_in() {
        let rows: Vec<Vec<Option<f64>>> =
            (0..16).map(|value| vec![Some(f64::from(value)), Some(f64::from(value % 2))]).collect();
        let shown: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
        let coder = Coder::fit(&shown, 3, false);
        assert_eq!(coder.width(), 4, "no flags");
        assert_eq!(coder.spread(&[Some(3.0), Some(1.0)]), [[Some(3.0), Some(1.0)]]);
        let spread = coder.spread(&[None, None]);
        assert_eq!(spread.len(), STAND_INS);
        let column = |at: usize| spread.iter().map(|row| row[at].unwrap()).collect::<Vec<f64>>();
        let mut first = column(0);
        first.sort_by(f64::total_cmp);
        assert_eq!(first, [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0]);
        assert!((column(1).iter().sum::<f64>() - 4.0).abs() < 1e-9, "half are 1: {:?}", column(1));
        assert!(column(1).iter().all(|value| [0.0, 1.0].contains(value)));
        assert!(coder.is_sound());
    }
}
