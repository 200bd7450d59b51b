//! Training of one classifier of any architecture: labels, or labels mixed with a
//! teacher's probabilities.
//!
//! A share of the training patients is held out: early stopping watches them, and
//! calibration and thresholds are fitted on them. The validation patients take no
//! part in anything here.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augment::{self, Augmentation};
use super::checkpoint::{Checkpoints, RunDigest};
use super::config::{Progress, Split, Stage, TrainError, parts_are_apart};
use super::fit::{self, MOST_EPOCHS, Plan, Task};
use super::learner::{Rates, numbers};
use crate::calibration::{self, Platt};
use crate::device::Device;
use crate::image::GreyImage;
use crate::network::{Architecture, Classifier, StateDict};
use crate::preprocess::pipeline::{Channel, Pipeline, Resampling, Step};
use crate::preprocess::{resize, standardise};

/// Pictures scored at once.
const SCORE_BATCH: usize = 64;
/// What augmentation starts from is this much larger than a network's input, so that zooming in does not blur.
const SOURCE_SCALE: f64 = 9.0 / 7.0;

/// One labelled picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The picture, decoded and windowed as it will be when the model is used.
    pub image: GreyImage,
    /// 1 where the finding is labelled, else 0; one a label.
    pub labels: Vec<f32>,
    /// The teacher's probability of each finding; empty without a teacher.
    pub teacher: Vec<f32>,
    /// The patient; the parts are by patient.
    pub patient: String,
    /// Training or validation.
    pub split: Split,
}

/// The recipe of a classifier. The same recipe and pictures give the same weights on the same kind of processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// The network; it takes one grey channel and has one output a label.
    pub architecture: Architecture,
    /// Side of its input in pixels.
    pub side: usize,
    /// Passes over the training patients, at most.
    pub epochs: usize,
    /// Passes without a lower loss of the held-out patients after which it ends.
    pub patience: Option<usize>,
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
    /// Share of the training patients that is held out, 0 to 0.5.
    pub held_out: f64,
    /// Part of the target that is the teacher's probability, 0 to 1; the rest is the label.
    pub teacher_weight: f32,
    /// Targets are this far from 0 and 1 (Szegedy et al. 2016).
    pub smoothing: f32,
    /// How pictures are altered.
    pub augmentation: Augmentation,
    /// The seed of everything random.
    pub seed: u64,
}

/// A trained classifier, not yet a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedClassifier {
    /// The weights under PyTorch's names.
    pub state: StateDict,
    /// From a picture to the network's input.
    pub preprocessing: Pipeline,
    /// The calibration of each label, fitted on the held-out patients.
    pub calibration: Vec<Platt>,
    /// Share of the training pictures that have the finding, held-out ones included.
    pub base_rates: Vec<f64>,
    /// Training pictures whose patients were held out, by their place among all pictures.
    pub held_out: Vec<usize>,
    /// The logits of those pictures, one row a picture.
    pub held_out_logits: Vec<Vec<f64>>,
}

/// Trains a classifier on the CPU, from where its checkpoint stands.
pub fn train(
    pictures: &[Picture],
    config: &ClassifierConfig,
    checkpoints: Option<&Path>,
    progress: &dyn Fn(Progress),
) -> Result<TrainedClassifier, TrainError> {
    check(pictures, config)?;
    let device = Device::reference();
    let checkpoints = Checkpoints::new(checkpoints, run_digest(pictures, config));
    let preprocessing = pipeline(config.side);
    let mut rng = super::generator(config.seed, 6, 0);
    let held_out = held_out(pictures, config, &mut rng)?;
    let training = device.burn().clone().autodiff();
    let network = Classifier::new(&config.architecture, &mut rng, &training)
        .ok_or(TrainError::Config { field: "architecture", reason: "it does not classify" })?;
    let task = Pictures::new(pictures, &held_out, config, &preprocessing, device.burn());
    let plan = Plan {
        stage: Stage::Classifier,
        fold: 0,
        order: (0..task.sources.len()).collect(),
        batch: config.batch,
        epochs: config.epochs,
        rates: Rates {
            peak: config.peak_rate,
            weight_decay: config.weight_decay,
            gradient_norm: config.gradient_norm,
            average_decay: config.average_decay,
        },
        patience: config.patience,
    };
    let network = fit::fit(plan, network, &task, &mut rng, &checkpoints, progress)?;
    let held_out_logits = task.held_out_logits(&network)?;
    let labels = config.architecture.outputs();
    let column = |label: usize| held_out_logits.iter().map(|row| row[label]).collect::<Vec<f64>>();
    let targets = |label: usize| held_out.iter().map(|i| f64::from(pictures[*i].labels[label])).collect();
    let columns: Vec<Vec<f64>> = (0..labels).map(column).collect();
    let truths: Vec<Vec<f64>> = (0..labels).map(targets).collect();
    Ok(TrainedClassifier {
        state: network.state().map_err(|error| TrainError::Device { reason: error.reason })?,
        preprocessing,
        calibration: calibration::fit_labels(&columns, &truths),
        base_rates: (0..labels).map(|label| base_rate(pictures, label)).collect(),
        held_out,
        held_out_logits,
    })
}

/// Resized as a whole and standardised.
fn pipeline(side: usize) -> Pipeline {
    let resize = Step::Resize { height: side, width: side, rule: Resampling::TorchvisionBilinear };
    let channels = vec![Channel { mean: 0.0, deviation: 1.0 }];
    Pipeline { steps: vec![resize, Step::Standardise], height: side, width: side, channels }
}

fn is_training(picture: &Picture) -> bool {
    picture.split == Split::Train
}

fn base_rate(pictures: &[Picture], label: usize) -> f64 {
    let training = pictures.iter().filter(|picture| is_training(picture));
    let cases = training.clone().filter(|picture| picture.labels[label] > 0.5).count();
    cases as f64 / training.count().max(1) as f64
}

fn run_digest(pictures: &[Picture], config: &ClassifierConfig) -> String {
    let mut digest = RunDigest::new(config);
    for picture in pictures.iter().filter(|picture| is_training(picture)) {
        digest.picture(&picture.image);
        digest.numbers(&picture.labels);
        digest.numbers(&picture.teacher);
        digest.text(&picture.patient);
    }
    digest.finish()
}

/// The training pictures whose patients are held out: every so many patients, ordered by their number of findings.
fn held_out(
    pictures: &[Picture],
    config: &ClassifierConfig,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<usize>, TrainError> {
    let mut order: Vec<usize> = (0..pictures.len()).filter(|i| is_training(&pictures[*i])).collect();
    order.shuffle(rng);
    order.sort_by_key(|i| pictures[*i].labels.iter().filter(|label| **label > 0.5).count());
    let mut patients = BTreeSet::new();
    let mut out = BTreeSet::new();
    let mut due = 0.0;
    for index in order {
        let patient = pictures[index].patient.as_str();
        if patients.insert(patient) {
            due += config.held_out;
            if due >= 1.0 {
                due -= 1.0;
                out.insert(patient);
            }
        }
    }
    let held: Vec<usize> = (0..pictures.len())
        .filter(|i| is_training(&pictures[*i]) && out.contains(pictures[*i].patient.as_str()))
        .collect();
    for label in 0..config.architecture.outputs() {
        let cases = held.iter().filter(|i| pictures[**i].labels[label] > 0.5).count();
        if cases == 0 || cases == held.len() {
            return Err(TrainError::HeldOut { output: label });
        }
    }
    Ok(held)
}

/// The task: pictures to train on, pictures to watch.
struct Pictures<'a> {
    config: &'a ClassifierConfig,
    device: BurnDevice,
    sources: Vec<GreyImage>,
    targets: Vec<Vec<f32>>,
    watched: Vec<Vec<f32>>,
    watched_labels: Vec<Vec<f32>>,
}

impl<'a> Pictures<'a> {
    fn new(
        pictures: &[Picture],
        held_out: &[usize],
        config: &'a ClassifierConfig,
        preprocessing: &Pipeline,
        device: &BurnDevice,
    ) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a side of a picture")]
        let side = (config.side as f64 * SOURCE_SCALE).round() as usize;
        let source = |picture: &Picture| {
            let small = picture.image.width() <= side && picture.image.height() <= side;
            if small { picture.image.clone() } else { resize(&picture.image, side, side) }
        };
        let held: BTreeSet<usize> = held_out.iter().copied().collect();
        let seen = |i: &usize| is_training(&pictures[*i]) && !held.contains(i);
        let learnt: Vec<&Picture> = (0..pictures.len()).filter(seen).map(|i| &pictures[i]).collect();
        Self {
            config,
            device: device.clone(),
            sources: learnt.iter().map(|picture| source(picture)).collect(),
            targets: learnt.iter().map(|picture| targets(picture, config)).collect(),
            watched: held_out.iter().map(|i| preprocessing.apply(&pictures[*i].image)).collect(),
            watched_labels: held_out.iter().map(|i| pictures[*i].labels.clone()).collect(),
        }
    }

    fn input(&self, values: Vec<f32>, device: &BurnDevice) -> Tensor<4> {
        let side = self.config.side;
        let count = values.len() / (side * side);
        Tensor::from_data(TensorData::new(values, [count, 1, side, side]), device)
    }

    fn held_out_logits(&self, network: &Classifier) -> Result<Vec<Vec<f64>>, TrainError> {
        let outputs = self.config.architecture.outputs();
        let mut rows = Vec::with_capacity(self.watched.len());
        for chunk in self.watched.chunks(SCORE_BATCH) {
            let logits = numbers(network.forward(self.input(chunk.concat(), &self.device)).logits)?;
            rows.extend(logits.chunks_exact(outputs).map(|row| row.iter().copied().map(f64::from).collect()));
        }
        Ok(rows)
    }
}

/// The label mixed with the teacher's probability, a little away from 0 and 1.
fn targets(picture: &Picture, config: &ClassifierConfig) -> Vec<f32> {
    let weight = if picture.teacher.is_empty() { 0.0 } else { config.teacher_weight };
    let soft = |label: f32| label * (1.0 - 2.0 * config.smoothing) + config.smoothing;
    let teacher = picture.teacher.iter().copied().chain(std::iter::repeat(0.0));
    picture
        .labels
        .iter()
        .zip(teacher)
        .map(|(label, teacher)| soft(*label) * (1.0 - weight) + teacher * weight)
        .collect()
}

impl Task<Classifier> for Pictures<'_> {
    fn loss(&self, network: &Classifier, members: &[usize], rng: &mut ChaCha8Rng) -> Tensor<1> {
        let config = self.config;
        let device = self.device.clone().autodiff();
        let mut values = Vec::with_capacity(members.len() * config.side * config.side);
        for index in members {
            let picture = augment::augmented(&self.sources[*index], config.side, &config.augmentation, rng);
            values.extend(standardise(picture.pixels()));
        }
        let targets = members.iter().flat_map(|i| self.targets[*i].iter().copied()).collect::<Vec<f32>>();
        let shape = [members.len(), config.architecture.outputs()];
        let targets = Tensor::<2>::from_data(TensorData::new(targets, shape), &device);
        let logits = network.forward(self.input(values, &device)).logits;
        let certainty = sigmoid(logits.clone().abs()).log().neg(); // ln(1 + exp(-|x|))
        (relu(logits.clone()) - logits * targets + certainty).mean()
    }

    /// Mean cross-entropy of the held-out pictures.
    fn watch(&self, network: &Classifier) -> Result<Option<f64>, TrainError> {
        let rows = self.held_out_logits(network)?;
        let losses = rows.iter().flatten().zip(self.watched_labels.iter().flatten());
        let sum: f64 = losses.map(|(x, y)| x.max(0.0) - x * f64::from(*y) + (-x.abs()).exp().ln_1p()).sum();
        Ok(Some(sum / (rows.len() * self.config.architecture.outputs()).max(1) as f64))
    }
}

fn check(pictures: &[Picture], config: &ClassifierConfig) -> Result<(), TrainError> {
    let wrong = |field, reason| Err(TrainError::Config { field, reason });
    if config.architecture.check().is_err() || config.architecture.input_channels() != 1 {
        return wrong("architecture", "it is outside the limits or does not take one grey channel");
    }
    if config.side < config.architecture.least_side() || config.side > 1024 {
        return wrong("side", "pictures are too small for the network, or larger than 1024");
    }
    if !(1..=MOST_EPOCHS).contains(&config.epochs) || config.patience == Some(0) {
        return wrong("epochs", "epochs and patience have to be 1 at least, epochs 1,000,000 at most");
    }
    if config.batch < 2 {
        return wrong("batch", "at least 2 are needed");
    }
    if !(config.held_out > 0.0 && config.held_out <= 0.5) {
        return wrong("held_out", "it has to be above 0 and 0.5 at most");
    }
    if !(0.0..=1.0).contains(&config.teacher_weight) || !(0.0..0.5).contains(&config.smoothing) {
        return wrong("teacher_weight", "weights are 0 to 1, smoothing is below one half");
    }
    if !config.augmentation.is_usable() {
        return wrong("augmentation", "a range is empty or far too wide");
    }
    let rates = [config.weight_decay, config.gradient_norm, config.average_decay];
    if !(config.peak_rate > 0.0 && config.peak_rate <= 1.0)
        || rates.iter().any(|v| !v.is_finite() || *v < 0.0)
    {
        return wrong("peak_rate", "rates have to be positive numbers");
    }
    let outputs = config.architecture.outputs();
    let whole =
        |p: &Picture| p.labels.len() == outputs && (p.teacher.is_empty() || p.teacher.len() == outputs);
    if !pictures.iter().all(whole) {
        return wrong("architecture", "a picture has not one label an output");
    }
    parts_are_apart(pictures.iter().map(|picture| (picture.patient.as_str(), picture.split)))?;
    let found = pictures.iter().filter(|picture| is_training(picture)).count();
    let needed = config.batch.saturating_mul(2);
    if found < needed {
        return Err(TrainError::TooFew { found, folds: 1, needed });
    }
    Ok(())
}
