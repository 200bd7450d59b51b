//! A published formula as a side of its own: what a table states of it, its calibration where it answers alone (L0), and its place
//! in late fusion of image and record (L1) with a term for each side that is missing. In a model of a table alone its logit is a
//! column.

use serde::{Deserialize, Serialize};

use super::fit::{self, Crossed, FUSION_LAMBDA, PLATT_LAMBDA};
use super::late::Late;
use super::tabular::{Row, Table};
use crate::calibrate::bounded_logit;
use crate::formulas::logistic;

/// A published formula that was computed outside, such as Brock: an arm of its own, and a part of what a model answers by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormulaInput {
    /// Column of its probability, 0 to 1; empty where it is not computable.
    pub column: String,
    /// Title for a reader, with the formula's version.
    pub label: String,
}

impl FormulaInput {
    /// The first row, from 1, whose cell is neither empty nor a probability.
    pub(in crate::learned) fn unusable(&self, table: &Table) -> Option<usize> {
        let is_wrong = |row: Row<'_>| row.text(&self.column).is_some() && self.probability(row).is_none();
        table.rows().position(is_wrong).map(|at| at + 1)
    }

    /// The probability that a row states; `None` where it states none, or something that is no probability.
    fn probability(&self, row: Row<'_>) -> Option<f64> {
        row.number(&self.column).filter(|value| (0.0..=1.0).contains(value))
    }

    /// The logit of that.
    pub(in crate::learned) fn logit(&self, row: Row<'_>) -> Option<f64> {
        self.probability(row).map(bounded_logit)
    }
}

/// Platt's intercept and slope of a formula alone, on the rows with a weight that have it. `None` where a class is empty.
pub(in crate::learned) fn alone(logits: &[Option<f64>], labels: &[f64], weights: &[f64]) -> Option<[f64; 2]> {
    let solved =
        fit::stacked(labels, weights, PLATT_LAMBDA, 0, |_, case| logits[case].map(|logit| vec![logit]))?;
    Some([solved[0], solved[1]])
}

/// The calibrated probability of the formula alone, by the numbers of [`alone`].
pub(in crate::learned) fn answer([intercept, slope]: [f64; 2], logit: f64) -> f64 {
    logistic(intercept + slope * logit)
}

/// The numbers of the formula's side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::learned) struct FormulaSide {
    /// Platt's intercept and slope of the formula alone.
    pub(in crate::learned) alone: [f64; 2],
    /// Weight of the formula's logit in L1.
    pub(in crate::learned) weight: f64,
    /// What L1 adds where image, record or formula is missing beside the two others.
    pub(in crate::learned) missing: [f64; 3],
    /// Mean logit among the fitted rows that have it: what contributions are stated against.
    pub(in crate::learned) centre: f64,
}

impl FormulaSide {
    /// The calibrated logit of the formula alone.
    pub(in crate::learned) fn alone_logit(&self, logit: f64) -> f64 {
        self.alone[0] + self.alone[1] * logit
    }

    /// Whether all numbers are finite and no weight is negative.
    pub(in crate::learned) fn is_sound(&self) -> bool {
        let numbers = self.alone.iter().chain(&self.missing).chain([&self.weight, &self.centre]);
        numbers.into_iter().all(|number| number.is_finite()) && self.weight >= 0.0 && self.alone[1] >= 0.0
    }
}

/// Which of a row's sides are there, and the formula's logit.
pub(in crate::learned) struct Known {
    pub(in crate::learned) image: bool,
    pub(in crate::learned) record: bool,
    pub(in crate::learned) formula: Option<f64>,
}

/// Adds the formula to a fusion of image and record: L1 is fitted anew on every row with at least two sides, the logits of image
/// and record cross-fitted as before. A formula is fitted on nobody here, so that its own logit needs no crossing. `None` where a
/// class is empty.
pub(in crate::learned) fn join(
    made: &mut Late,
    [image, record]: [&Crossed; 2],
    rows: &[Known],
    labels: &[f64],
    weights: &[f64],
) -> Option<()> {
    let where_known = |known: fn(&Known) -> bool| -> Vec<f64> {
        rows.iter().zip(weights).map(|(row, weight)| if known(row) { *weight } else { 0.0 }).collect()
    };
    let stated = where_known(|row| row.formula.is_some());
    let joined = where_known(|row| {
        usize::from(row.image) + usize::from(row.record) + usize::from(row.formula.is_some()) > 1
    });
    let logits: Vec<Option<f64>> = rows.iter().map(|row| row.formula).collect();
    let alone = alone(&logits, labels, &stated)?;
    let of = |side: &Crossed, is_there: bool, repeat: usize, case: usize| {
        if is_there { side.logits[repeat][case].map(Some) } else { Some(None) }
    };
    let solved = fit::stacked(labels, &joined, FUSION_LAMBDA, 3, |repeat, case| {
        let row = &rows[case];
        let logits =
            [of(image, row.image, repeat, case)?, of(record, row.record, repeat, case)?, row.formula];
        let missing = logits.iter().map(|logit| f64::from(u8::from(logit.is_none())));
        Some(logits.iter().map(|logit| logit.unwrap_or(0.0)).chain(missing).collect())
    })?;
    let total: f64 = stated.iter().sum();
    let sum: f64 = rows.iter().zip(&stated).map(|(row, weight)| weight * row.formula.unwrap_or(0.0)).sum();
    made.fused = [solved[0], solved[1], solved[2]];
    made.formula = Some(FormulaSide {
        alone,
        weight: solved[3],
        missing: [solved[4], solved[5], solved[6]],
        centre: sum / total,
    });
    Some(())
}
