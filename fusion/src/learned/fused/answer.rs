//! What a fused model answers: which sides did, the probability with its interval, and why.

use serde::{Deserialize, Serialize};

use super::decision::Level;
use crate::learned::familiarity::Distance;

/// Which sides answered. The last three are of models with a formula alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// Picture and record, and the formula where the model has one and the row states it.
    Fused,
    /// The calibrated picture alone: the record says nothing.
    ImageOnly,
    /// The calibrated record alone: there is no picture.
    RecordOnly,
    /// The calibrated formula alone.
    FormulaOnly,
    /// Picture and formula: the record says nothing.
    ImageAndFormula,
    /// Record and formula: there is no picture.
    RecordAndFormula,
}

impl Answered {
    /// The stratum's word, as files have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::ImageOnly => "image-only",
            Self::RecordOnly => "record-only",
            Self::FormulaOnly => "formula-only",
            Self::ImageAndFormula => "image-and-formula",
            Self::RecordAndFormula => "record-and-formula",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FusedPrediction {
    /// 0 to 1.
    pub probability: f64,
    /// 2.5 % point over models of resampled patients, and over the members of L2.
    pub low: f64,
    /// 97.5 % point.
    pub high: f64,
    /// Neither class, or both, would be surprising, among answers of the same sides; `None` for a file of an older program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indeterminate: Option<bool>,
    /// Which sides answered.
    pub answered: Answered,
    /// The level that answered; without picture or without record it is L1, with one side alone that side calibrated.
    pub level: Level,
    /// The calibrated picture alone.
    pub image_only: Option<f64>,
    /// The calibrated record alone.
    pub record_only: Option<f64>,
    /// The calibrated formula alone, where the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula_only: Option<f64>,
    /// Exact Shapley values of the logit over the picture, the record and the formula where the model has one, against a row of which nothing is known.
    pub sides: Vec<(String, f64)>,
    /// What each input adds to L1's logit, against the average row; the largest first. What L2 adds to it is in `correction`.
    pub contributions: Vec<(String, f64)>,
    /// What L2 adds to L1's logit; 0 where L1 answers.
    pub correction: f64,
    /// How far the record is from those that the model was fitted on; `None` without a record, or for a file of an older
    /// program.
    pub distance: Option<Distance>,
}
