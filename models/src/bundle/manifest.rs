//! What the bundle of an ensemble says of itself, as data: `manifest.json`.
//!
//! Format 1 has no seal; such bundles are still read. Format 2 is sealed. The
//! manifest of a single classifier is [`super::classifier`].

use serde::{Deserialize, Serialize};

use super::classifier::{CalibrationBin, Coding};
use super::maker::Maker;
use super::outside::Outside;
use super::seal::Seal;
use super::selftest::SelfTest;
use crate::calibration::Platt;
use crate::image::GreyImage;
use crate::network::{NetworkConfig, ReadoutConfig};
use crate::preprocess::resize;

/// The version of the manifest's format that this program writes.
pub const FORMAT: u32 = 2;
/// The oldest version that it reads.
pub const OLDEST_FORMAT: u32 = 1;

/// The manifest of an ensemble's bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format, [`OLDEST_FORMAT`] to [`FORMAT`].
    pub format: u32,
    /// The bundle's name, for example `cxr-findings`.
    pub id: String,
    /// The bundle's version.
    pub version: String,
    /// The name a person reads.
    pub title: String,
    /// What the model is for, and what it is not for.
    pub intended_use: String,
    /// The findings, in the order of the networks' outputs.
    pub labels: Vec<Label>,
    /// From a picture to the networks' input.
    pub preprocessing: Preprocessing,
    /// The networks.
    pub architecture: Architecture,
    /// The pictures it may be used on.
    pub applies_to: AppliesTo,
    /// When a picture passes as an upright frontal chest radiograph.
    pub frontal: FrontalRule,
    /// When a picture is too far from the training pictures.
    pub novelty: NoveltyRule,
    /// Where the model comes from.
    pub training: TrainingRecord,
    /// Who made the model and when, where it is stated; the report says it.
    #[serde(default, skip_serializing_if = "Maker::is_empty")]
    pub maker: Maker,
    /// What becomes of a picture that is out of distribution.
    #[serde(default, skip_serializing_if = "Outside::is_usual")]
    pub out_of_distribution: Outside,
    /// Predicted against observed on patients that were not trained on, all findings together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration_bins: Vec<CalibrationBin>,
    /// The file of weights.
    pub weights: WeightsFile,
    /// The check that is run when the bundle is loaded.
    pub self_test: SelfTest,
    /// Digests of the card and of this manifest; format 1 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The stable name, the column of the training labels, for example `Pleural_Thickening`.
    pub name: String,
    /// The name a person reads.
    pub title: String,
    /// The SNOMED CT concept (`http://snomed.info/sct`).
    pub snomed: Code,
    /// The RadLex concept (`http://www.radlex.org`), where there is one.
    pub radlex: Option<Code>,
    /// Concepts of further systems, such as RadElement or LOINC, that mean the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Coding>,
    /// Below this probability the finding is absent; from here to [`Self::threshold_high`] it is indeterminate.
    pub threshold_low: f64,
    /// From this probability on the finding is present.
    pub threshold_high: f64,
    /// From the ensemble's mean logit to a probability.
    pub calibration: Platt,
    /// Share of the training patients that have the finding, 0 to 1.
    pub base_rate: f64,
    /// Validation patients that have the finding.
    pub validation_cases: usize,
    /// Area under the ROC curve on the validation patients.
    pub auroc: f64,
    /// Lower bound of its 95 % interval.
    pub auroc_low: f64,
    /// Upper bound of its 95 % interval.
    pub auroc_high: f64,
    /// Area under the ROC curve of the teacher (a CheXNet re-implementation) on the same pictures.
    pub chexnet_auroc: f64,
}

/// A coded concept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The code.
    pub code: String,
    /// The concept's name in its code system.
    pub display: String,
    /// Whether code and name were compared with a public copy of the code system when the bundle was made.
    pub verified: bool,
}

/// From a picture to the networks' input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The resize rule.
    pub resize: ResizeRule,
    /// What is done to the grey values after each resize.
    pub standardisation: Standardisation,
    /// Side of the findings networks' input, in pixels.
    pub side: usize,
    /// Side of the frontal networks' input, in pixels; resized from the picture of [`Self::side`].
    pub frontal_side: usize,
    /// Side of the thumbnail that novelty is measured on, in pixels; resized likewise.
    pub thumbnail_side: usize,
    /// The readout's input, where there is one. The picture of [`Self::side`] is then resized from its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<ReadoutPicture>,
}

/// From a picture to the input of a readout: resized as a whole by the rule for all, cut, and scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadoutPicture {
    /// Side of the picture, in pixels.
    pub side: usize,
    /// What is cut off on each side, in pixels. The rest is scaled from 0 to 1 to -1 to 1, as the network learnt it.
    pub margin: usize,
}

impl ReadoutPicture {
    /// Side of what the network sees, in pixels.
    pub(crate) fn seen(self) -> usize {
        self.side.saturating_sub(2 * self.margin)
    }

    /// What the network takes of a picture of [`Self::side`], row by row.
    pub(crate) fn input(self, picture: &GreyImage) -> Vec<f32> {
        let (margin, seen) = (self.margin, self.seen());
        let rows = picture.pixels().chunks_exact(picture.width().max(1)).skip(margin).take(seen);
        rows.flat_map(|row| row.iter().skip(margin).take(seen)).map(|value| 2.0 * value - 1.0).collect()
    }
}

impl Preprocessing {
    /// Side of the picture that everything else is made of, in pixels.
    pub fn picture_side(&self) -> usize {
        self.readout.map_or(self.side, |readout| readout.side)
    }

    /// The findings networks' picture, of one of [`Self::picture_side`].
    pub(crate) fn whole(&self, picture: &GreyImage) -> GreyImage {
        resize(picture, self.side, self.side)
    }
}

/// How a picture is brought to a network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeRule {
    /// The whole picture, aspect not kept, no padding, triangle filter as wide as a new pixel ([`crate::preprocess::resize`]).
    StretchAreaTriangle,
}

/// What is done to grey values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standardisation {
    /// Minus the picture's mean, divided by its standard deviation ([`crate::preprocess::standardise`]).
    PerPicture,
}

/// The networks of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Each findings network; its outputs are the labels, then age, sex and view.
    pub findings: NetworkConfig,
    /// Each frontal network; its one output is the logit of "upright frontal chest radiograph".
    pub frontal: NetworkConfig,
    /// Networks of each kind; a score is the mean over them.
    pub members: usize,
    /// Mean of the training patients' ages in years, which the age output is centred on.
    pub age_mean: f64,
    /// Standard deviation of the training patients' ages in years.
    pub age_deviation: f64,
    /// What is read beside them of a network that learnt from other pictures, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readout: Option<Readout>,
}

/// A readout beside the findings networks. Its outputs are the labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// What is read.
    pub config: ReadoutConfig,
    /// Its share of a label's logit, above 0 to 1; the rest is the findings networks' mean.
    pub share: f64,
}

/// The pictures a bundle may be used on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliesTo {
    /// Values of Modality (0008,0060).
    pub modalities: Vec<String>,
    /// Values of SOP Class UID (0008,0016).
    pub sop_classes: Vec<String>,
    /// Values of Body Part Examined (0018,0015) and of the coded region's meaning, upper case.
    pub body_parts: Vec<String>,
    /// Values of View Position (0018,5101).
    pub views: Vec<String>,
    /// The least age in years; younger patients are refused.
    pub age_min_years: f64,
    /// The youngest training patient's age in years.
    pub age_seen_min_years: f64,
    /// The oldest training patient's age in years.
    pub age_seen_max_years: f64,
}

/// When a picture whose view is not stated passes as a frontal chest radiograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontalRule {
    /// The least probability of the frontal networks.
    pub threshold: f64,
    /// Share of training pictures, scored by networks that did not see them, at or above the threshold.
    pub kept: f64,
}

/// When a picture is called out of distribution: the larger of two distances,
/// each divided by its threshold, is above 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoveltyRule {
    /// Threshold on the mean squared Mahalanobis distance of the pooled features, per feature.
    pub features_threshold: f64,
    /// Threshold on the squared Mahalanobis distance of the thumbnail, per pixel.
    pub thumbnail_threshold: f64,
    /// The quantile of the cross-fitted distances of training pictures at which the thresholds lie.
    pub quantile: f64,
}

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// The data, in words.
    pub data: String,
    /// Its licence or terms.
    pub licence: String,
    /// The attribution that those ask for.
    pub attribution: String,
    /// Patients the networks were trained on.
    pub patients: usize,
    /// Patients that were scored once, for the card.
    pub validation_patients: usize,
    /// Training and validation patients under 18 years.
    pub patients_under_18: usize,
    /// Folds of the cross-validation, which are the members.
    pub folds: usize,
    /// Passes over the training patients.
    pub epochs: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// The weights that the readout's network came with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<BackboneRecord>,
    /// The command that makes the bundle again.
    pub command: String,
}

/// Weights of others that a model stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecord {
    /// What they are and where they come from, with their licence.
    pub source: String,
    /// SHA-256 of their file, lower-case hexadecimal.
    pub sha256: String,
}

/// The file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// Its name beside the manifest.
    pub file: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The same manifest with every number at nine significant digits, so that its text reads back as what was written.
    pub(crate) fn rounded(&self) -> Result<Self, serde_json::Error> {
        rounded(self)
    }
}

/// The same value with every number at nine significant digits.
pub(crate) fn rounded<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> Result<T, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    round(&mut value);
    serde_json::from_value(value)
}

fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let short = number.as_f64().and_then(|exact| format!("{exact:.8e}").parse::<f64>().ok());
            if let Some(rounded) = short.and_then(serde_json::Number::from_f64) {
                *number = rounded;
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(round),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}
