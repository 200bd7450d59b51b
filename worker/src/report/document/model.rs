//! The trained models and what is known about them.

/// A trained model and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Stable identifier, such as `cxr-findings`.
    pub id: String,
    /// Version.
    pub version: String,
    /// Title for a reader.
    pub title: String,
    /// What it reads.
    pub kind: ModelKind,
    /// SHA-256 of the weights, 64 hexadecimal digits.
    pub digest: String,
    /// Who made it, where that is stated.
    pub manufacturer: Option<String>,
    /// Where its maker says more of it.
    pub url: Option<String>,
    /// Day it was trained, `YYYY-MM-DD`.
    pub created: Option<String>,
    /// The whole model card, in Markdown.
    pub card_markdown: String,
    /// What it was trained on, in one sentence.
    pub training_data: String,
    /// How the probabilities were calibrated, in one sentence.
    pub calibration: String,
    /// Predicted against observed, in bins, for the calibration plot; may be empty.
    pub calibration_points: Vec<CalibrationPoint>,
    /// What it applies to, in one sentence.
    pub applicability: String,
    /// What it must not be used for and where it is weak, one sentence each.
    pub limits: Vec<String>,
}

/// What a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Pixels to findings.
    Image,
    /// Image scores and record to a risk.
    Fusion,
    /// The record alone to a risk.
    Record,
}

/// One bin of a calibration plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationPoint {
    /// Mean predicted probability, 0 to 1.
    pub predicted: f64,
    /// Observed frequency, 0 to 1.
    pub observed: f64,
    /// Cases in the bin.
    pub cases: u32,
}

/// How well a model separates, with a 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Area under the receiver operating characteristic curve, 0 to 1.
    pub auroc: f64,
    /// Lower 95 % bound.
    pub low: f64,
    /// Upper 95 % bound.
    pub high: f64,
    /// Patients it was measured on.
    pub cases: u32,
    /// Of them with the finding.
    pub positives: u32,
}
