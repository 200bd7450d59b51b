//! Scoring: pictures in, calibrated findings out.

mod batch;
mod saliency;

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use crate::bundle::manifest::{Label, Manifest};
use crate::bundle::weights::{Weights, WeightsError};
use crate::bundle::{Bundle, selftest};
use crate::calibration::sigmoid;
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::Network;
use crate::novelty::Distance;

use batch::Raw;

/// Pictures that go through the networks at once, at most; more are cut into such batches.
pub const MAX_BATCH: usize = 32;

/// A bundle on a device, ready to score.
pub struct Scorer {
    manifest: Manifest,
    device: Device,
    findings: Vec<Network>,
    frontal: Vec<Network>,
    features: Vec<Distance>,
    thumbnail: Distance,
}

/// Why a bundle is not ready to score.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// The weights do not fit the architecture.
    #[error("the weights of model `{id}` do not fit its architecture: install the bundle again")]
    Weights {
        /// The bundle's id.
        id: String,
        /// The cause.
        source: WeightsError,
    },
    /// The self-test could not be computed.
    #[error("the self-test of model `{id}` could not be computed on {device}")]
    SelfTest {
        /// The bundle's id.
        id: String,
        /// The device in words.
        device: String,
        /// The cause.
        source: ScoreError,
    },
    /// The self-test gave other numbers than the manifest states.
    #[error(
        "the self-test of model `{id}` on {device} differs by {difference:.2e} from its manifest, more than {tolerance:.0e}: do not use this device with this model; choose `cpu`"
    )]
    SelfTestDiffers {
        /// The bundle's id.
        id: String,
        /// The device in words.
        device: String,
        /// The largest absolute difference of a logit.
        difference: f64,
        /// What the manifest allows.
        tolerance: f64,
    },
}

impl ScorerError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Weights { .. } => "ModelWeights",
            Self::SelfTest { .. } => "ModelSelfTest",
            Self::SelfTestDiffers { .. } => "ModelSelfTestDiffers",
        }
    }
}

/// Why pictures could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ScoreError {
    /// The device did not give its numbers back.
    #[error("the device did not return the scores ({reason}): restart the program, or choose `cpu`")]
    Device {
        /// What the device said.
        reason: String,
    },
    /// A network gave NaN or infinity.
    #[error("the model gave a value that is not a finite number for picture {index} of the batch")]
    NotFinite {
        /// Index of the picture in the batch.
        index: usize,
    },
    /// The bundle has no such label.
    #[error("the model has no finding `{label}`")]
    UnknownLabel {
        /// The label asked for.
        label: String,
    },
}

impl ScoreError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device { .. } => "ScoreDevice",
            Self::NotFinite { .. } => "ScoreNotFinite",
            Self::UnknownLabel { .. } => "ScoreUnknownLabel",
        }
    }
}

/// What a bundle says of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// One score a label, in the manifest's order.
    pub findings: Vec<Score>,
    /// Probability that the picture is an upright frontal chest radiograph, 0 to 1 (not calibrated).
    pub frontal: f64,
    /// Whether the picture passes as one: `frontal` reaches the manifest's threshold and the picture is not novel.
    pub is_frontal: bool,
    /// Probability that the view is AP rather than PA, 0 to 1 (not calibrated).
    pub view_ap: f64,
    /// Probability that the patient is male, 0 to 1 (not calibrated); a check of identity, no finding.
    pub male: f64,
    /// Age in years as the picture suggests it; a check of identity, no finding.
    pub age_years: f64,
    /// How far the picture is from the training pictures.
    pub out_of_distribution: Novelty,
}

/// One finding's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The label's stable name.
    pub label: String,
    /// Mean of the members' outputs, before calibration.
    pub logit: f64,
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
    /// The probability against the label's thresholds.
    pub present: Present,
}

/// A probability against a label's two thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Present {
    /// At or above the upper threshold.
    Present,
    /// Between the thresholds.
    Indeterminate,
    /// Below the lower threshold.
    Absent,
}

impl Present {
    /// `present`, `indeterminate` or `absent`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Indeterminate => "indeterminate",
            Self::Absent => "absent",
        }
    }
}

/// Distance of a picture from the training pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    /// Distance of the networks' features, divided by its threshold.
    pub features: f64,
    /// Distance of the thumbnail, divided by its threshold.
    pub thumbnail: f64,
    /// The larger of both.
    pub score: f64,
    /// Whether the score is above 1: the picture is out of distribution.
    pub exceeded: bool,
}

impl Scorer {
    /// Loads a bundle onto a device and runs its self-test; a bundle that does
    /// not give its stated numbers there is refused.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, ScorerError> {
        let scorer = Self::unchecked(bundle, device)?;
        let (id, words) = (bundle.id().to_owned(), device.description().to_owned());
        let test = &scorer.manifest.self_test;
        let raw = scorer
            .raw(&[selftest::picture(test.width, test.height)])
            .map_err(|source| ScorerError::SelfTest { id: id.clone(), device: words.clone(), source })?;
        let tolerance = if device.is_gpu() { test.tolerance_gpu } else { test.tolerance_cpu };
        let difference = raw
            .iter()
            .flat_map(|raw| raw.logits.iter().zip(&test.logits).chain([(&raw.frontal, &test.frontal_logit)]))
            .map(|(found, stated)| (found - stated).abs())
            .fold(0.0, f64::max);
        if difference > tolerance || difference.is_nan() {
            return Err(ScorerError::SelfTestDiffers { id, device: words, difference, tolerance });
        }
        Ok(scorer)
    }

    /// Loads a bundle without its self-test, to compute what that should say.
    pub(crate) fn unchecked(bundle: &Bundle, device: &Device) -> Result<Self, ScorerError> {
        let manifest = bundle.manifest().clone();
        let failed = |source| ScorerError::Weights { id: manifest.id.clone(), source };
        let weights = Weights::from_bytes(
            bundle.weights(),
            &manifest.architecture,
            &manifest.preprocessing,
            device.burn(),
        )
        .map_err(failed)?;
        let features = weights.feature_distances().map_err(failed)?;
        let thumbnail = weights.thumbnail_distance().map_err(failed)?;
        let Weights { findings, frontal, .. } = weights;
        Ok(Self { manifest, device: device.clone(), findings, frontal, features, thumbnail })
    }

    /// The manifest of the bundle.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The device the networks are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Scores pictures, each by itself: a batch of three gives what three singles give.
    pub fn score<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Scores>, ScoreError> {
        Ok(self.raw(images)?.iter().map(|raw| self.scores(raw)).collect())
    }

    fn scores(&self, raw: &Raw) -> Scores {
        let rule = &self.manifest.novelty;
        let features = raw.features_distance / rule.features_threshold;
        let thumbnail = raw.thumbnail_distance / rule.thumbnail_threshold;
        let score = features.max(thumbnail);
        let novelty = Novelty { features, thumbnail, score, exceeded: score > 1.0 };
        let frontal = sigmoid(raw.frontal);
        let architecture = &self.manifest.architecture;
        Scores {
            findings: self
                .manifest
                .labels
                .iter()
                .zip(&raw.logits)
                .map(|(label, x)| finding(label, *x))
                .collect(),
            frontal,
            is_frontal: frontal >= self.manifest.frontal.threshold && !novelty.exceeded,
            view_ap: sigmoid(raw.view_ap),
            male: sigmoid(raw.male),
            age_years: architecture.age_mean + architecture.age_deviation * raw.age,
            out_of_distribution: novelty,
        }
    }
}

fn finding(label: &Label, logit: f64) -> Score {
    let probability = label.calibration.probability(logit);
    let present = if probability >= label.threshold_high {
        Present::Present
    } else if probability < label.threshold_low {
        Present::Absent
    } else {
        Present::Indeterminate
    };
    Score { label: label.name.clone(), logit, probability, present }
}
