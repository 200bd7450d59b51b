//! Scoring: pictures in, calibrated findings out.

mod begun;
mod classifier;
mod ensemble;
mod maps;
mod mask;
pub mod overlay;
mod plans;
mod readback;
mod readout;
mod regions;
mod saliency;
mod segmenter;

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use crate::bundle::model_card::ModelCard;
use crate::bundle::weights::WeightsError;
use crate::bundle::{Bundle, Contents};
use crate::cpu::Computed;
use crate::device::Device;
use crate::image::GreyImage;

use ensemble::Ensemble;

pub(crate) use classifier::{ClassifierNetwork, NOVELTY_MEAN, NOVELTY_WHITENING};
pub(crate) use readout::grid;
pub(crate) use segmenter::SegmenterNetwork;

pub use begun::Begun;
pub use maps::LabelMaps;
pub use mask::{Bounds, MAX_RUNS, Mask};
pub use regions::Region;
pub use saliency::Explanation;

/// Pictures that go through the networks at once, at most; more are cut into such batches.
pub const MAX_BATCH: usize = 32;

/// A bundle on a device, ready to score.
pub struct Scorer {
    model_card: ModelCard,
    device: Device,
    networks: Networks,
    computed: Computed,
}

/// The networks by the bundle's kind.
enum Networks {
    Ensemble(Box<Ensemble>),
    Classifier(Box<ClassifierNetwork>),
    Segmenter(Box<SegmenterNetwork>),
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

    /// By how much the self-test differs; NaN where it was not computed.
    fn difference(&self) -> f64 {
        match self {
            Self::SelfTestDiffers { difference, .. } => *difference,
            Self::Weights { .. } | Self::SelfTest { .. } => f64::NAN,
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
    /// The model has no map of that kind.
    #[error("an ensemble has coarse maps only: ask for the other kind")]
    NoExplanation,
    /// An occlusion would take too many forward passes.
    #[error("an occlusion of {windows} windows is too fine: take a larger step")]
    TooFine {
        /// The windows asked for.
        windows: usize,
    },
    /// A mask falls into too many pieces to be an outline.
    #[error(
        "the model's outline in picture {index} of the batch falls into more than {MAX_RUNS} runs: it is noise"
    )]
    Ragged {
        /// Index of the picture in the batch.
        index: usize,
    },
    /// The model segments: it says neither findings nor where it looked.
    #[error("the model segments: it has no features, and no map of where it looked")]
    Segments,
}

impl ScoreError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device { .. } => "ScoreDevice",
            Self::NotFinite { .. } => "ScoreNotFinite",
            Self::UnknownLabel { .. } => "ScoreUnknownLabel",
            Self::NoExplanation => "ScoreNoExplanation",
            Self::TooFine { .. } => "ScoreTooFine",
            Self::Ragged { .. } => "ScoreRagged",
            Self::Segments => "ScoreSegments",
        }
    }
}

/// What a bundle says of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// One score a label, in the manifest's order.
    pub findings: Vec<Score>,
    /// What the model's own networks for frontal chest radiographs say; `None` where it has none.
    pub chest: Option<ChestCheck>,
    /// How far the picture is from the training pictures; `None` where the model cannot tell.
    pub out_of_distribution: Option<Novelty>,
    /// Where each finding's score comes from, in the findings' order; `None` where the model's scores come without maps
    /// and [`Scorer::saliency`] has to be asked.
    pub maps: Option<LabelMaps>,
    /// What a segmenter outlines, in the manifest's order; none of another model.
    #[serde(default)]
    pub segments: Vec<Segment>,
}

/// What a model outlines in a picture, in the picture's own pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The segment's stable name.
    pub label: String,
    /// Its pixels.
    pub mask: Mask,
    /// The mean of their probabilities, 0 to 1, as the network says them; `None` where there are none.
    pub probability: Option<f64>,
}

/// What is checked of a frontal chest radiograph beside its findings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChestCheck {
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
    /// Distance of the thumbnail, divided by its threshold, where the model has one.
    pub thumbnail: Option<f64>,
    /// The larger of them.
    pub score: f64,
    /// Whether the score is above 1: the picture is out of distribution.
    pub exceeded: bool,
}

impl Scorer {
    /// Loads a bundle onto a device and runs its self-test; a bundle that does
    /// not give its stated numbers there is refused. On the CPU its networks are computed by plans ([`crate::cpu`]) where
    /// those cover them and give their numbers; [`Self::computed`] says what came of that.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, ScorerError> {
        let mut scorer = Self::load_burn(bundle, device)?;
        scorer.computed = match &mut scorer.networks {
            Networks::Ensemble(ensemble) => ensemble.plan(),
            Networks::Classifier(network) => network.plan(),
            // no plan covers a U-Net
            Networks::Segmenter(_) => Computed::Burn,
        };
        Ok(scorer)
    }

    /// The same with nothing but Burn's modules: the reference, which training keeps to.
    pub fn load_burn(bundle: &Bundle, device: &Device) -> Result<Self, ScorerError> {
        let failed = |source| ScorerError::Weights { id: bundle.id().to_owned(), source };
        let networks = match bundle.contents() {
            Contents::Ensemble(manifest) => {
                let ensemble = Ensemble::new(manifest, bundle.weights(), device).map_err(failed)?;
                ensemble.self_test()?;
                Networks::Ensemble(Box::new(ensemble))
            }
            Contents::Classifier(manifest) => {
                let network = ClassifierNetwork::new(manifest, bundle.weights(), device).map_err(failed)?;
                network.self_test()?;
                Networks::Classifier(Box::new(network))
            }
            Contents::Segmenter(manifest) => {
                let network = SegmenterNetwork::new(manifest, bundle.weights(), device).map_err(failed)?;
                network.self_test()?;
                Networks::Segmenter(Box::new(network))
            }
        };
        let (model_card, device) = (bundle.model_card().clone(), device.clone());
        Ok(Self { model_card, device, networks, computed: Computed::Burn })
    }

    /// The same onto the CPU, for a model that gives other numbers on the device that was chosen.
    pub fn load_on_cpu(bundle: &Bundle) -> Result<Self, ScorerError> {
        Self::load(bundle, &Device::reference())
    }

    /// Loads an ensemble without its self-test, to compute what that should say.
    pub(crate) fn unchecked(bundle: &Bundle, device: &Device) -> Result<Ensemble, ScorerError> {
        let failed = |source| ScorerError::Weights { id: bundle.id().to_owned(), source };
        let none = || failed(WeightsError::new("it is no ensemble"));
        Ensemble::new(bundle.ensemble().ok_or_else(none)?, bundle.weights(), device).map_err(failed)
    }

    /// What the bundle says of itself.
    pub fn model_card(&self) -> &ModelCard {
        &self.model_card
    }

    /// The device the networks are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What computes the networks.
    pub fn computed(&self) -> Computed {
        self.computed
    }

    /// What the networks' last layers see of each picture: the pooled features, which other models may be fitted on. They
    /// mean something only beside features of the same bundle.
    pub fn embed<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Vec<f32>>, ScoreError> {
        let all = match &self.networks {
            Networks::Ensemble(ensemble) => ensemble.embed(images)?,
            Networks::Classifier(network) => {
                network.say(images)?.into_iter().map(|said| said.features).collect()
            }
            Networks::Segmenter(_) => return Err(ScoreError::Segments),
        };
        match all.iter().position(|features| !features.iter().all(|value| value.is_finite())) {
            Some(index) => Err(ScoreError::NotFinite { index }),
            None => Ok(all),
        }
    }
}

/// A probability against two thresholds.
fn present(probability: f64, low: f64, high: f64) -> Present {
    if probability >= high {
        Present::Present
    } else if probability < low {
        Present::Absent
    } else {
        Present::Indeterminate
    }
}
