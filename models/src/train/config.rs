//! What a training run is told: examples, recipe and words for the card.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::readout::ReadoutRecipe;
use crate::image::GreyImage;
use crate::import::Backbone;

/// Number of findings.
pub const FINDINGS: usize = 14;

/// One labelled radiograph.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The picture, decoded and windowed as it will be when the model is used.
    pub image: GreyImage,
    /// 1 where the finding is labelled, else 0, in the order of [`super::vocabulary`].
    pub labels: [f32; FINDINGS],
    /// The teacher's probability of each finding, 0 to 1.
    pub teacher: [f32; FINDINGS],
    /// Age in years.
    pub age_years: f32,
    /// Whether the patient is male.
    pub male: bool,
    /// Whether the view is AP (else PA).
    pub view_ap: bool,
    /// The patient; folds and the split are by patient.
    pub patient: String,
    /// Training or validation.
    pub split: Split,
}

/// What a training run learns from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Labelled radiographs.
    pub examples: &'a [Example],
    /// Pictures that are no radiographs, for the frontal networks; there may be none.
    pub negatives: &'a [GreyImage],
    /// The weights that the readout stands on, where the recipe has one.
    pub backbone: Option<&'a Backbone>,
}

/// The part of the data an example belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Trains, and by cross-validation chooses thresholds and calibration.
    Train,
    /// Is scored once at the end, for the card.
    Validation,
}

/// Whether no patient is in both parts: what was trained on cannot be measured on.
pub(crate) fn parts_are_apart<'a>(
    rows: impl Iterator<Item = (&'a str, Split)> + Clone,
) -> Result<(), TrainError> {
    let trained: BTreeSet<&str> =
        rows.clone().filter(|(_, split)| *split == Split::Train).map(|(who, _)| who).collect();
    let measured = rows.filter(|(_, split)| *split == Split::Validation).map(|(who, _)| who);
    if measured.into_iter().any(|who| trained.contains(who)) {
        let reason = "a patient is in the training part and in the validation part: split by patient";
        return Err(TrainError::Config { field: "split", reason });
    }
    Ok(())
}

/// The recipe of a training run. The same configuration and examples give the
/// same bundle on the same kind of machine, with any number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// The bundle's version.
    pub version: String,
    /// Folds of the cross-validation; each gives one member of the ensemble.
    pub folds: usize,
    /// Passes of the findings networks over their patients.
    pub epochs: usize,
    /// Passes of the frontal networks.
    pub frontal_epochs: usize,
    /// Pictures a step.
    pub batch: usize,
    /// The highest learning rate of the one-cycle schedule.
    pub peak_rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f32,
    /// The gradient's norm is cut to this.
    pub gradient_norm: f32,
    /// Decay of the moving average of the weights, a step.
    pub average_decay: f32,
    /// The seed of everything random.
    pub seed: u64,
    /// Folds that are trained at the same time.
    pub threads: usize,
    /// Side of the findings networks' input, in pixels.
    pub side: usize,
    /// Channels of the stages of the findings networks; the first is also the stem's.
    pub channels: Vec<usize>,
    /// Strides of the stages of the findings networks, one a stage; the stem has stride 2.
    pub strides: Vec<usize>,
    /// Side of the frontal networks' input, in pixels.
    pub frontal_side: usize,
    /// Channels of the stages of the frontal networks.
    pub frontal_channels: Vec<usize>,
    /// Side of the thumbnail, in pixels.
    pub thumbnail_side: usize,
    /// Resamples of each bootstrap interval.
    pub bootstrap_rounds: usize,
    /// What is read beside the networks of one that learnt from other pictures, where anything is; its weights come with the
    /// material.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readout: Option<ReadoutRecipe>,
    /// The command that makes the bundle again, for manifest and card; it stands in no file.
    #[serde(skip)]
    pub command: String,
}

impl TrainConfig {
    /// Side of the picture that every network's input is made of, in pixels.
    pub(crate) fn picture_side(&self) -> usize {
        self.readout.as_ref().map_or(self.side, |readout| readout.side)
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            version: "1.0.0".to_owned(),
            folds: 7,
            epochs: 100,
            frontal_epochs: 12,
            batch: 32,
            peak_rate: 3e-3,
            weight_decay: 0.05,
            gradient_norm: 2.0,
            average_decay: 0.99,
            seed: 20_261_120,
            threads: 2,
            side: 112,
            channels: vec![24, 48, 96, 144],
            strides: vec![2, 2, 2, 1],
            frontal_side: 56,
            frontal_channels: vec![12, 24, 48, 64],
            thumbnail_side: 14,
            bootstrap_rounds: 2000,
            readout: None,
            command: String::new(),
        }
    }
}

/// How far a training run is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A pass over the data ended.
    Epoch {
        /// Which networks.
        stage: Stage,
        /// The fold, from 0.
        fold: usize,
        /// The pass, from 1.
        epoch: usize,
        /// Passes in all.
        epochs: usize,
        /// Mean loss of the pass.
        loss: f64,
        /// What early stopping watches, lower is better, where it does.
        watched: Option<f64>,
        /// Whether the training of this network ended with the pass.
        done: bool,
    },
    /// A network goes on from its checkpoint.
    Resumed {
        /// Which networks.
        stage: Stage,
        /// The fold, from 0.
        fold: usize,
        /// Passes made.
        epoch: usize,
        /// Passes in all.
        epochs: usize,
        /// Whether nothing is left to train.
        done: bool,
    },
    /// A fold's networks are trained and have scored the patients left out.
    Fold {
        /// Which networks.
        stage: Stage,
        /// The fold, from 0.
        fold: usize,
        /// Findings: mean AUROC over the findings; frontal: share of left-out radiographs that pass.
        score: f64,
    },
}

/// The kinds of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The networks that score findings.
    Findings,
    /// The networks that tell frontal chest radiographs from other pictures.
    Frontal,
    /// The network of a classifier ([`super::classifier`]).
    Classifier,
}

impl Stage {
    /// The stage in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Frontal => "frontal",
            Self::Classifier => "classifier",
        }
    }
}

/// Why a training run stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// There are too few examples.
    #[error("{found} patients to train on are too few for {folds} folds: at least {needed} are needed")]
    TooFew {
        /// Patients found.
        found: usize,
        /// Folds asked for.
        folds: usize,
        /// Patients needed.
        needed: usize,
    },
    /// A finding has no case or no control.
    #[error("finding `{label}` has no case or no control among the {part} patients")]
    OneClass {
        /// The finding.
        label: &'static str,
        /// `training` or `validation`.
        part: &'static str,
    },
    /// The held-out patients have no case or no control of a finding.
    #[error("the held-out patients have no case or no control of output {output}: hold more patients out")]
    HeldOut {
        /// The output, from 0.
        output: usize,
    },
    /// A value of the configuration cannot be used.
    #[error("the training configuration's `{field}` cannot be used: {reason}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The loss is no longer a finite number.
    #[error("the loss of fold {fold} became NaN or infinite in epoch {epoch}: lower `peak_rate`")]
    Diverged {
        /// The fold, from 0.
        fold: usize,
        /// The pass, from 1.
        epoch: usize,
    },
    /// The device did not give its numbers back.
    #[error("the device did not return its numbers ({reason})")]
    Device {
        /// What the device said.
        reason: String,
    },
    /// A checkpoint could not be written or used.
    #[error(transparent)]
    Checkpoint(#[from] super::CheckpointError),
    /// The readout's network lacks weights.
    #[error("the weights that the readout stands on do not fit its network: {misfits}")]
    Backbone {
        /// Every tensor that does not fit.
        misfits: Box<crate::network::Misfits>,
    },
    /// A covariance could not be fitted.
    #[error("the distances of fold {fold} could not be fitted: its features do not vary")]
    Distance {
        /// The fold, from 0.
        fold: usize,
    },
    /// The weights could not be written.
    #[error("the weights could not be serialised")]
    Weights {
        /// The cause.
        source: crate::bundle::weights::WeightsError,
    },
    /// The bundle could not be put together.
    #[error("the trained bundle is not usable")]
    Bundle {
        /// The cause.
        source: crate::bundle::BundleError,
    },
    /// The bundle of a classifier could not be made.
    #[error("the trained classifier could not be made a bundle")]
    Make {
        /// The cause.
        source: Box<crate::bundle::make::MakeError>,
    },
    /// The trained bundle could not be loaded again.
    #[error("the trained bundle could not be loaded")]
    Load {
        /// The cause.
        source: Box<crate::score::ScorerError>,
    },
    /// The trained bundle could not score.
    #[error("the trained bundle could not score the pictures")]
    Score {
        /// The cause.
        source: crate::score::ScoreError,
    },
}
