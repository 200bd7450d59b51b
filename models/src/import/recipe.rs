//! What a file of weights does not say of itself: a recipe beside it, in TOML or JSON.

mod bundled;

use serde::{Deserialize, Serialize};

use crate::bundle::classifier::{Activation, Calibration, CalibrationBin, Coding, Performance};
use crate::bundle::gate::Gate;
use crate::bundle::maker::Maker;
use crate::bundle::outside::Outside;
use crate::network::Architecture;
use crate::preprocess::pipeline::Pipeline;

pub use bundled::{RecipeError, bundle};

/// The recipe of an import. Everything may be left out; what is left out is stated as not known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The bundle's name: letters, digits, `-`, `_` and `.`.
    pub id: Option<String>,
    /// The bundle's version.
    pub version: Option<String>,
    /// The name a person reads.
    pub title: Option<String>,
    /// What the model is for, and what it is not for.
    pub intended_use: Option<String>,
    /// What is known to go wrong.
    pub limits: Vec<String>,
    /// The network, where it is none of the published ones.
    pub architecture: Option<Architecture>,
    /// Whether outputs exclude each other (`softmax`) or not (`sigmoid`).
    pub activation: Option<Activation>,
    /// From a picture to the network's input.
    pub preprocessing: Option<Pipeline>,
    /// The findings; without them each output is one.
    pub labels: Vec<RecipeLabel>,
    /// What a network that segments outlines; it needs them, and has no labels.
    pub segments: Vec<RecipeSegment>,
    /// The pictures it may be used on.
    pub applies_to: Gate,
    /// The data that calibration and thresholds were fitted on.
    pub calibration_data: Option<String>,
    /// The training data.
    pub training_data: Option<String>,
    /// Patients it was trained on.
    pub training_patients: Option<u64>,
    /// Licence or terms of data and weights.
    pub licence: Option<String>,
    /// The attribution that those ask for.
    pub attribution: Option<String>,
    /// Who made the model, when, and where more is said of it.
    pub maker: Maker,
    /// What becomes of a picture that is out of distribution.
    pub out_of_distribution: Outside,
    /// Predicted against observed on patients that were not trained on, all findings together.
    pub calibration_bins: Vec<CalibrationBin>,
}

/// A finding of a [`Recipe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeLabel {
    /// The stable name.
    pub name: String,
    /// The name a person reads; without it the stable name.
    pub title: Option<String>,
    /// Which output it is, from 0; without it the place in the list.
    pub output: Option<usize>,
    /// Its concepts.
    #[serde(default)]
    pub codes: Vec<Coding>,
    /// Absent below this probability; without it one half.
    pub threshold_low: Option<f64>,
    /// Present from this probability on; without it one half.
    pub threshold_high: Option<f64>,
    /// How the thresholds were chosen.
    pub threshold_source: Option<String>,
    /// From its logit to a probability.
    pub calibration: Option<Calibration>,
    /// Share of the training patients that have it.
    pub base_rate: Option<f64>,
    /// What was measured on patients that were not trained on.
    pub performance: Option<Performance>,
}

/// A segment of a [`Recipe`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeSegment {
    /// The stable name.
    pub name: String,
    /// The name a person reads; without it the stable name.
    pub title: Option<String>,
    /// Which output it is, from 0; without it the place in the list.
    pub output: Option<usize>,
    /// What kind of thing it is, in SNOMED CT.
    pub category: Coding,
    /// What it is, in SNOMED CT.
    #[serde(rename = "type")]
    pub property: Coding,
    /// A pixel with this probability or more is inside; without it one half.
    pub threshold: Option<f64>,
    /// How the threshold was chosen.
    pub threshold_source: Option<String>,
    /// A segment of fewer pixels is none.
    pub least_area_px: Option<u64>,
    /// A segment of a smaller area is none, where the picture states how large its pixels are.
    pub least_area_mm2: Option<f64>,
}

impl RecipeLabel {
    fn plain(name: String, output: usize) -> Self {
        Self {
            name,
            title: None,
            output: Some(output),
            codes: Vec::new(),
            threshold_low: None,
            threshold_high: None,
            threshold_source: None,
            calibration: None,
            base_rate: None,
            performance: None,
        }
    }
}
