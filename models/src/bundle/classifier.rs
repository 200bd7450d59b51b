//! The manifest of a classifier: one network of a stated architecture with everything that is needed to use it rightly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check;
use super::gate::Gate;
use super::maker::Maker;
use super::manifest::WeightsFile;
use super::outside::Outside;
use super::seal::Seal;
use crate::calibration::{Platt, sigmoid};
use crate::network::Architecture;
use crate::network::architecture::Task;
use crate::preprocess::pipeline::Pipeline;

/// What `kind` says in the manifest of a classifier.
pub const KIND: &str = "classifier";
/// The most labels of a classifier.
pub const MAX_LABELS: usize = crate::network::architecture::MAX_OUTPUTS;

/// The manifest of a classifier's bundle, format 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierManifest {
    /// Version of the manifest's format, [`super::manifest::FORMAT`].
    pub format: u32,
    /// [`KIND`].
    pub kind: String,
    /// The bundle's name, for example `pneumonia-mnist`.
    pub id: String,
    /// The bundle's version.
    pub version: String,
    /// The name a person reads.
    pub title: String,
    /// What the model is for, and what it is not for.
    pub intended_use: String,
    /// What is known to go wrong.
    pub limits: Vec<String>,
    /// The findings.
    pub labels: Vec<ClassifierLabel>,
    /// From a picture to the network's input.
    pub preprocessing: Pipeline,
    /// The network.
    pub architecture: Architecture,
    /// From the network's outputs to one logit a label.
    pub activation: Activation,
    /// The pictures it may be used on.
    pub applies_to: Gate,
    /// When a picture is too far from the training pictures.
    pub novelty: NoveltyRecord,
    /// The data that calibration and thresholds were fitted on, in words.
    pub calibration_data: String,
    /// Where the model comes from.
    pub origin: Origin,
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
    /// The checks that are run when the bundle is loaded; at least one.
    pub self_test: ClassifierSelfTest,
    /// Digests of the card and of this manifest.
    pub seal: Seal,
}

/// One finding of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierLabel {
    /// The stable name, as the training data has it.
    pub name: String,
    /// The name a person reads.
    pub title: String,
    /// Which output of the network it is, from 0.
    pub output: usize,
    /// Its concepts, the first for FHIR's code.
    pub codes: Vec<Coding>,
    /// Below this probability the finding is absent; from here to [`Self::threshold_high`] it is indeterminate.
    pub threshold_low: f64,
    /// From this probability on the finding is present.
    pub threshold_high: f64,
    /// How the thresholds were chosen.
    pub threshold_source: String,
    /// From its logit to a probability.
    pub calibration: Calibration,
    /// Share of the training patients that have the finding, 0 to 1, where it is known.
    pub base_rate: Option<f64>,
    /// What was measured on patients that were not trained on.
    pub performance: Option<Performance>,
}

/// A coded concept in a code system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coding {
    /// The code system, for example `http://snomed.info/sct`.
    pub system: String,
    /// The code.
    pub code: String,
    /// The concept's name there.
    pub display: String,
}

/// One bin of a calibration plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// Mean predicted probability, 0 to 1.
    pub predicted: f64,
    /// Share that had the finding, 0 to 1.
    pub observed: f64,
    /// Values in the bin.
    pub values: u32,
}

impl CalibrationBin {
    /// Whether it can be drawn.
    pub(crate) fn is_usable(&self) -> bool {
        [self.predicted, self.observed].iter().all(|share| (0.0..=1.0).contains(share))
    }
}

/// An area under the ROC curve with its 95 % interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// The area.
    pub auroc: f64,
    /// Lower bound of the interval.
    pub low: f64,
    /// Upper bound of the interval.
    pub high: f64,
    /// Patients it was measured on.
    pub patients: u32,
    /// Those of them that have the finding.
    pub positives: u32,
}

/// From a logit to a probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Calibration {
    /// The network's own probability: nothing was fitted.
    None,
    /// Platt's logistic calibration.
    Platt {
        /// The slope.
        a: f64,
        /// The intercept.
        b: f64,
    },
    /// The logit divided by a temperature (Guo et al. 2017).
    Temperature {
        /// The temperature.
        temperature: f64,
    },
    /// TorchXRayVision's `op_norm`: piecewise linear, the operating point becomes one half. A score, not a frequency.
    OperatingPoint {
        /// The network's probability that becomes one half.
        threshold: f64,
    },
}

impl Calibration {
    /// The probability that belongs to `logit`.
    pub fn probability(&self, logit: f64) -> f64 {
        match *self {
            Self::None => sigmoid(logit),
            Self::Platt { a, b } => Platt { a, b }.probability(logit),
            Self::Temperature { temperature } => sigmoid(logit / temperature),
            Self::OperatingPoint { threshold } => {
                let p = sigmoid(logit);
                if p < threshold {
                    p / (threshold * 2.0)
                } else {
                    1.0 - (1.0 - p) / ((1.0 - threshold) * 2.0)
                }
            }
        }
    }

    /// The method in words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::None => "none: the network's own probability",
            Self::Platt { .. } => "Platt scaling",
            Self::Temperature { .. } => "temperature scaling",
            Self::OperatingPoint { .. } => {
                "TorchXRayVision's operating point (a score: its half is the operating point, it is no frequency)"
            }
        }
    }

    fn is_usable(&self) -> bool {
        match *self {
            Self::None => true,
            Self::Platt { a, b } => a.is_finite() && b.is_finite() && a > 0.0,
            Self::Temperature { temperature } => temperature.is_finite() && temperature > 0.0,
            Self::OperatingPoint { threshold } => threshold > 0.0 && threshold < 1.0,
        }
    }
}

/// From the network's outputs to one logit a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Each output is a logit of its own.
    Sigmoid,
    /// The outputs exclude each other; a label's logit is that of its softmax probability.
    Softmax,
}

impl Activation {
    /// The logit of output `index` whose [sigmoid] is the network's probability.
    pub fn logit(self, outputs: &[f32], index: usize) -> f64 {
        let own = outputs.get(index).copied().map_or(f64::NAN, f64::from);
        match self {
            Self::Sigmoid => own,
            Self::Softmax => {
                let others = outputs.iter().enumerate().filter(|(other, _)| *other != index);
                let most = others.clone().map(|(_, x)| f64::from(*x)).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = others.map(|(_, x)| (f64::from(*x) - most).exp()).sum();
                own - most - sum.ln()
            }
        }
    }
}

/// How a picture is compared with the training pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NoveltyRecord {
    /// Nothing is known of the training pictures' features.
    None {
        /// Why not.
        reason: String,
    },
    /// Squared Mahalanobis distance of the pooled features, per feature; mean and whitening are tensors of the weights
    /// (`novelty.mean`, `novelty.whitening`).
    Features {
        /// The distance at which a picture becomes novel.
        threshold: f64,
        /// The quantile of left-out pictures' distances that it is.
        quantile: f64,
        /// The pictures it was fitted on, in words.
        data: String,
    },
}

/// Where a classifier comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The training data, in words.
    pub training_data: String,
    /// Licence or terms of data and weights.
    pub licence: String,
    /// The attribution that those ask for.
    pub attribution: String,
    /// Patients it was trained on, where it is known.
    pub training_patients: Option<u64>,
    /// The command or recipe that makes it again.
    pub command: String,
    /// SHA-256 of the file of weights that was imported, where it was.
    pub imported_sha256: Option<String>,
}

/// What the network has to say of pictures from a formula.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSelfTest {
    /// The formula of the pictures, [`super::selftest::FORMULA`].
    pub formula: String,
    /// The pictures and the logits of each.
    pub vectors: Vec<SelfTestVector>,
    /// The largest difference that passes on the CPU, times the larger of 1 and the stated logit.
    pub tolerance_cpu: f64,
    /// The same on a GPU.
    pub tolerance_gpu: f64,
}

/// One picture of the self-test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTestVector {
    /// Width of the picture in pixels.
    pub width: usize,
    /// Height of the picture in pixels.
    pub height: usize,
    /// Each label's logit, by the label's name.
    pub logits: BTreeMap<String, f64>,
}

impl ClassifierManifest {
    /// What makes the manifest unusable, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.kind != KIND {
            return Err("it is of another kind");
        }
        if !self.calibration_bins.iter().all(CalibrationBin::is_usable) {
            return Err("a calibration bin is outside 0 to 1");
        }
        self.check_network()?;
        self.check_self_test()
    }

    /// What keeps a network from being made and used as stated, if anything.
    pub(crate) fn check_network(&self) -> Result<(), &'static str> {
        check::network(&self.architecture, Task::Classification, &self.preprocessing, self.activation)?;
        if let NoveltyRecord::Features { threshold, .. } = &self.novelty
            && !(threshold.is_finite() && *threshold > 0.0)
        {
            return Err("the threshold of its novelty is not usable");
        }
        self.check_labels()
    }

    fn check_labels(&self) -> Result<(), &'static str> {
        if self.labels.is_empty() || self.labels.len() > MAX_LABELS {
            return Err("it has no label or too many");
        }
        if !check::are_names(self.labels.iter().map(|label| label.name.as_str())) {
            return Err("a label's name is empty or stands twice");
        }
        let usable = |label: &ClassifierLabel| {
            label.output < self.architecture.outputs()
                && (0.0..=label.threshold_high).contains(&label.threshold_low)
                && label.threshold_high <= 1.0
                && label.calibration.is_usable()
        };
        if self.labels.iter().all(usable) {
            Ok(())
        } else {
            Err("a label's output, thresholds or calibration are not usable")
        }
    }

    fn check_self_test(&self) -> Result<(), &'static str> {
        let test = &self.self_test;
        let sizes = test.vectors.iter().map(|vector| (vector.width, vector.height));
        super::selftest::check(&test.formula, [test.tolerance_cpu, test.tolerance_gpu], sizes)?;
        let whole = |vector: &SelfTestVector| {
            vector.logits.len() == self.labels.len()
                && self
                    .labels
                    .iter()
                    .all(|label| vector.logits.get(&label.name).is_some_and(|logit| logit.is_finite()))
        };
        if test.vectors.iter().all(whole) {
            Ok(())
        } else {
            Err("a self-test does not have one logit a label")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softmax_logit_gives_the_softmax_probability() {
        let outputs = [1.5_f32, -0.5, 300.0, 299.0];
        let most = 300.0_f64;
        let sum: f64 = outputs.iter().map(|x| (f64::from(*x) - most).exp()).sum();
        for (index, output) in outputs.iter().enumerate() {
            let stated = (f64::from(*output) - most).exp() / sum;
            let found = sigmoid(Activation::Softmax.logit(&outputs, index));
            assert!((found - stated).abs() < 1e-12, "{index}: {found} {stated}");
        }
    }

    #[test]
    fn an_operating_point_becomes_one_half_and_order_is_kept() {
        let calibration = Calibration::OperatingPoint { threshold: 0.2 };
        let logit = (0.2_f64 / 0.8).ln();
        assert!((calibration.probability(logit) - 0.5).abs() < 1e-12);
        let values: Vec<f64> = (-50..50).map(|x| calibration.probability(f64::from(x) / 5.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
