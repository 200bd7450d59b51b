//! Training of one fold's findings network.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::augment;
use super::checkpoint::Checkpoints;
use super::config::{FINDINGS, Progress, Stage, TrainConfig, TrainError};
use super::data::{Data, Sample};
use super::fit::{self, Plan, Task};
use super::learner::{Rates, numbers};
use crate::network::{AUXILIARY, Network, NetworkConfig, Outputs};
use crate::novelty::Distance;
use crate::preprocess::standardise;

/// Weight of the squared error on the teacher's standardised logits.
const TEACHER_WEIGHT: f64 = 0.7;
/// Weight of the cross-entropy on the labels.
const LABEL_WEIGHT: f64 = 0.9;
/// Weight of age, sex and view.
const AUXILIARY_WEIGHT: f64 = 0.2;
/// Augmented copies of each picture that the features' distance is fitted on, beside the plain one.
const DISTANCE_COPIES: usize = 3;
/// Pictures scored at once.
const SCORE_BATCH: usize = 32;

/// A fold's findings network with what it says of the patients left out.
pub(crate) struct FindingsFold {
    pub(crate) network: Network,
    pub(crate) distance: Distance,
    /// For each patient left out: index of the sample, outputs, distance.
    pub(crate) left_out: Vec<(usize, Vec<f32>, f64)>,
}

/// The network's hyper-parameters.
pub(crate) fn architecture(config: &TrainConfig) -> NetworkConfig {
    super::residual(config.side, &config.channels, &config.strides, FINDINGS + AUXILIARY)
}

/// Trains the network that leaves `fold` out.
pub(crate) fn train(
    data: &Data,
    config: &TrainConfig,
    fold: usize,
    device: &Device,
    checkpoints: &Checkpoints,
    report: &dyn Fn(Progress),
) -> Result<FindingsFold, TrainError> {
    let mut rng = super::generator(config.seed, 1, fold);
    let order = (0..data.samples.len()).filter(|i| data.samples[*i].fold != fold).collect();
    let training = device.clone().autodiff();
    let network = Network::new(&architecture(config), &mut rng, &training);
    let (batch, epochs, rates) = (config.batch, config.epochs, Rates::from(config));
    let plan = Plan { stage: Stage::Findings, fold, order, batch, epochs, rates, patience: None };
    let task = Findings { data, side: config.side, device: &training };
    let network = fit::fit(plan, network, &task, &mut rng, checkpoints, report)?;
    evaluate(network, data, config, fold, device)
}

/// Augmented pictures with the teacher's and the reports' word on them.
struct Findings<'a> {
    data: &'a Data,
    side: usize,
    device: &'a Device,
}

impl Task<Network> for Findings<'_> {
    fn loss(&self, network: &Network, members: &[usize], rng: &mut ChaCha8Rng) -> Tensor<1> {
        let samples: Vec<&Sample> = members.iter().map(|i| &self.data.samples[*i]).collect();
        let pictures = samples
            .iter()
            .flat_map(|s| standardise(augment::findings(&s.source, self.side, rng).pixels()))
            .collect();
        loss(network.forward(tensor(pictures, self.side, self.device)), &samples, self.data, self.device)
    }
}

/// 0.7 x squared error to the teacher + 0.9 x cross-entropy on the labels, with the
/// outputs shifted to each finding's base rate, + 0.2 x (age, sex, view).
fn loss(outputs: Outputs, samples: &[&Sample], data: &Data, device: &Device) -> Tensor<1> {
    let count = samples.len();
    let matrix = |values: Vec<f32>, width: usize| {
        Tensor::<2>::from_data(TensorData::new(values, [count, width]), device)
    };
    let teacher = matrix(samples.iter().flat_map(|s| s.teacher).collect(), FINDINGS);
    let labels = matrix(samples.iter().flat_map(|s| s.labels).collect(), FINDINGS);
    let auxiliary = matrix(samples.iter().flat_map(|s| s.auxiliary).collect(), AUXILIARY);
    let base = Tensor::<2>::from_data(TensorData::new(data.base.to_vec(), [1, FINDINGS]), device);
    let findings = outputs.logits.clone().slice([0..count, 0..FINDINGS]);
    let age = outputs.logits.clone().slice([0..count, FINDINGS..FINDINGS + 1]);
    let binary = outputs.logits.slice([0..count, FINDINGS + 1..FINDINGS + AUXILIARY]);
    let age_error = (age - auxiliary.clone().slice([0..count, 0..1])).square().mean();
    // the mean over sex and view, doubled, is the sum of their means
    let binary_error = cross_entropy(binary, auxiliary.slice([0..count, 1..AUXILIARY])).mul_scalar(2.0);
    (findings.clone() - teacher).square().mean().mul_scalar(TEACHER_WEIGHT)
        + cross_entropy(findings + base, labels).mul_scalar(LABEL_WEIGHT)
        + (age_error + binary_error).mul_scalar(AUXILIARY_WEIGHT)
}

/// Mean binary cross-entropy of logits, without overflow.
pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let certainty = sigmoid(logits.clone().abs()).log().neg(); // ln(1 + exp(-|x|))
    (relu(logits.clone()) - logits * targets + certainty).mean()
}

/// Standardised pictures as `[batch, 1, side, side]`.
pub(super) fn tensor(values: Vec<f32>, side: usize, device: &Device) -> Tensor<4> {
    let count = values.len() / (side * side).max(1);
    Tensor::from_data(TensorData::new(values, [count, 1, side, side]), device)
}

fn evaluate(
    network: Network,
    data: &Data,
    config: &TrainConfig,
    fold: usize,
    device: &Device,
) -> Result<FindingsFold, TrainError> {
    let mut rng = super::generator(config.seed, 2, fold);
    let seen = data.samples.iter().filter(|s| s.fold != fold);
    let mut pictures: Vec<Vec<f32>> = seen.clone().map(|s| standardise(s.plain.pixels())).collect();
    for sample in seen {
        for _ in 0..DISTANCE_COPIES {
            pictures.push(standardise(augment::findings(&sample.source, config.side, &mut rng).pixels()));
        }
    }
    let seen = score(&network, &pictures, config.side, device)?;
    let distance = Distance::fit(&seen.features).ok_or(TrainError::Distance { fold })?;
    let left: Vec<usize> = (0..data.samples.len()).filter(|i| data.samples[*i].fold == fold).collect();
    let pictures: Vec<Vec<f32>> = left.iter().map(|i| standardise(data.samples[*i].plain.pixels())).collect();
    let said = score(&network, &pictures, config.side, device)?;
    let left_out = left
        .into_iter()
        .zip(said.outputs)
        .zip(said.features)
        .map(|((index, outputs), features)| (index, outputs, distance.of(&features)))
        .collect();
    Ok(FindingsFold { network, distance, left_out })
}

/// What a network says of pictures, one row a picture.
struct Said {
    outputs: Vec<Vec<f32>>,
    features: Vec<Vec<f32>>,
}

/// Outputs and features of standardised pictures.
fn score(network: &Network, pictures: &[Vec<f32>], side: usize, device: &Device) -> Result<Said, TrainError> {
    let mut said = Said { outputs: Vec::new(), features: Vec::new() };
    for chunk in pictures.chunks(SCORE_BATCH) {
        let outputs = network.forward(tensor(chunk.concat(), side, device));
        let rows = |values: Vec<f32>| -> Vec<Vec<f32>> {
            values.chunks_exact(values.len() / chunk.len()).map(<[f32]>::to_vec).collect()
        };
        said.outputs.extend(rows(numbers(outputs.logits)?));
        said.features.extend(rows(numbers(outputs.features)?));
    }
    Ok(said)
}
