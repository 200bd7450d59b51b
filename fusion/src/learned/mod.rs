//! Learned models: the late fusion of image and record, record-only models of tables ([`tabular`]), and models of tables
//! with pictures, late or gated ([`fused`]).
//!
//! The late fusion: intensive care at the time of the examination, from the logits of the image
//! model and the laboratory values known by then.
//!
//! It is level L1 of the ladder "baselines, late, gated": a logistic regression for each side, both
//! ridge-penalised, and a third one over their two logits, with both weights at least 0. Where one side
//! is missing the other's own calibrated model answers; where both are, nobody does. The view of the
//! radiograph is no input on purpose: it tells where the patient was, not how ill.
//!
//! It is a technical demonstration of a concurrent state on one small public data set, not a forecast.

mod card;
mod encode;
mod evaluate;
mod familiarity;
mod file;
mod fit;
mod formula;
pub mod fused;
mod holdout;
mod late;
mod linear;
mod measured;
mod model;
mod report;
pub mod tabular;
mod train;

pub use evaluate::{Arm, ArmMetrics, BeatRates, Evaluation, PooledMetrics, SubsetEvaluation};
pub use familiarity::Distance;
pub use file::ModelFileError;
pub use holdout::{Holdout, HoldoutKind, TimeColumn};
pub use measured::Interval;
pub use model::{LateFusionModel, ModelError, Prediction, Stratum};
pub use train::{Exam, TrainError, TrainOptions, Trained, train};

/// Logistic regression without a penalty: intercept and slopes; `None` where a class is empty.
pub(crate) fn unpenalised(design: &[impl AsRef<[f64]>], outcomes: &[f64]) -> Option<Vec<f64>> {
    let columns = design.first().map_or(0, |row| row.as_ref().len());
    linear::newton(design, outcomes, &vec![1.0; outcomes.len()], &vec![0.0; columns])
}

/// The same with every slope at least 0.
pub(crate) fn non_negative(design: &[Vec<f64>], outcomes: &[f64]) -> Option<Vec<f64>> {
    linear::fit_non_negative(design, outcomes, &vec![1.0; outcomes.len()], NO_PENALTY)
}

/// Keeps the slopes of classes that are told apart perfectly finite, and changes nothing else that could be seen.
const NO_PENALTY: f64 = 1e-6;
