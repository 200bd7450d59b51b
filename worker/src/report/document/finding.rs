//! What the image model says.

use super::Performance;

/// One finding of the image model.
#[derive(Clone, PartialEq)]
pub struct Finding {
    /// Stable label, as in the `--json` line, such as `Pleural_Thickening`.
    pub label: String,
    /// Title for a reader, such as `Pleural thickening`.
    pub title: String,
    /// SNOMED CT, RadLex and other codings of the finding.
    pub codings: Vec<Coding>,
    /// Identifier of the [`Model`](super::Model) that said it.
    pub model: String,
    /// What was said.
    pub assessment: Assessment,
    /// How probabilities become states.
    pub thresholds: Thresholds,
    /// How well the model tells this finding, from its card.
    pub performance: Option<Performance>,
    /// Frequency among the patients of the card, 0 to 1.
    pub base_rate: Option<f64>,
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// System, a URI such as `http://snomed.info/sct`.
    pub system: String,
    /// Code.
    pub code: String,
    /// The system's words for it.
    pub display: String,
}

/// What was said about a finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Assessment {
    /// A calibrated probability and the state it falls into.
    Assessed {
        /// 0 to 1.
        probability: f64,
        /// Three-way state.
        presence: Presence,
    },
    /// Nothing is said, for this reason.
    NotAssessed {
        /// One sentence.
        reason: String,
    },
}

/// Three-way state of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// At or above the upper threshold.
    Present,
    /// Between the thresholds.
    Indeterminate,
    /// Below the lower threshold.
    Absent,
}

/// How a probability becomes a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Below it a finding is absent, 0 to 1.
    pub absent_below: f64,
    /// From it on a finding is present, 0 to 1.
    pub present_from: f64,
}
