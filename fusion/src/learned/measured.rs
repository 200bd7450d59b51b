//! The measures by which arms are compared over many splits by patient, and their spread.

use serde::{Deserialize, Serialize};

use crate::evaluation::{auroc, brier, calibration, quantile};

/// A number with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean over splits, or the value on all cases.
    pub value: f64,
    /// 2.5 % point.
    pub low: f64,
    /// 97.5 % point.
    pub high: f64,
    /// Splits in which it exists, such as those with both classes among the tested cases; of a value on all cases, the cases.
    pub defined: usize,
}

impl Interval {
    /// Mean and 95 % interval of values; `None` for none.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Self {
            value: values.iter().sum::<f64>() / values.len() as f64,
            low: quantile(&values, 0.025),
            high: quantile(&values, 0.975),
            defined: values.len(),
        })
    }
}

/// The four measures of one arm on one set of cases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) auroc: Option<f64>,
    pub(super) brier: Option<f64>,
    pub(super) slope: Option<f64>,
    pub(super) intercept: Option<f64>,
}

impl Measured {
    pub(super) fn of(answers: &[f64], labels: &[bool]) -> Self {
        let calibrated = calibration(answers, labels);
        Self {
            auroc: auroc(answers, labels),
            brier: brier(answers, labels),
            slope: calibrated.map(|found| found.slope),
            intercept: calibrated.map(|found| found.intercept),
        }
    }
}
