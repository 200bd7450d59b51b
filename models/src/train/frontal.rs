//! Training of one fold's frontal network, which tells upright frontal chest
//! radiographs from everything else.

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::augment::{self, SOURCE_SIDE};
use super::checkpoint::Checkpoints;
use super::config::{Progress, Stage, TrainConfig, TrainError};
use super::data::Data;
use super::findings::{cross_entropy, tensor};
use super::fit::{self, Plan, Task};
use super::learner::{Rates, numbers};
use super::negatives::{self, Sources};
use crate::image::GreyImage;
use crate::network::{Network, NetworkConfig};
use crate::preprocess::{resize, standardise};

/// Targets are this far from 0 and 1, so that the network does not become oversure.
const SMOOTHING: f32 = 0.01;
/// Negatives a left-out frontal picture is compared with.
const CHECK_NEGATIVES: usize = 400;

/// A fold's frontal network with its logits for pictures it has not seen.
pub(crate) struct FrontalFold {
    pub(crate) network: Network,
    /// Logits of the radiographs left out: index of the sample, logit.
    pub(crate) left_out: Vec<(usize, f64)>,
    /// Logits of drawn negatives made of them.
    pub(crate) negatives: Vec<f64>,
    /// Logits of the photographs left out.
    pub(crate) photographs: Vec<f64>,
}

/// The network's hyper-parameters.
pub(crate) fn architecture(config: &TrainConfig) -> NetworkConfig {
    // every stage halves the maps
    let strides = vec![2; config.frontal_channels.len()];
    super::residual(config.frontal_side, &config.frontal_channels, &strides, 1)
}

/// Trains the network that leaves `fold` out; `photographs` are of [`SOURCE_SIDE`].
pub(crate) fn train(
    data: &Data,
    photographs: &[GreyImage],
    config: &TrainConfig,
    fold: usize,
    device: &Device,
    checkpoints: &Checkpoints,
    report: &dyn Fn(Progress),
) -> Result<FrontalFold, TrainError> {
    let mut rng = super::generator(config.seed, 3, fold);
    let order: Vec<usize> = (0..data.samples.len()).filter(|i| data.samples[*i].fold != fold).collect();
    let frontal: Vec<&GreyImage> = order.iter().map(|i| &data.samples[*i].source).collect();
    let kept = |index: usize| index % config.folds != fold;
    let seen = photographs.iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, p)| p).collect::<Vec<_>>();
    let sources = Sources { frontal: &frontal, photographs: &seen };
    let training = device.clone().autodiff();
    let network = Network::new(&architecture(config), &mut rng, &training);
    // half of each step is negatives
    let batch = (config.batch / 2).max(1);
    let (epochs, rates) = (config.frontal_epochs, Rates::from(config));
    let plan = Plan { stage: Stage::Frontal, fold, order, batch, epochs, rates, patience: None };
    let task = Frontal { data, sources, side: config.frontal_side, device: &training };
    let network = fit::fit(plan, network, &task, &mut rng, checkpoints, report)?;
    evaluate(network, data, photographs, config, fold, device)
}

/// Radiographs against as many negatives.
struct Frontal<'a> {
    data: &'a Data,
    sources: Sources<'a>,
    side: usize,
    device: &'a Device,
}

impl Task<Network> for Frontal<'_> {
    fn loss(&self, network: &Network, members: &[usize], rng: &mut ChaCha8Rng) -> Tensor<1> {
        let side = self.side;
        let mut pictures = Vec::new();
        for index in members {
            let positive = augment::frontal(&self.data.samples[*index].source, side, rng);
            pictures.extend(standardise(positive.pixels()));
        }
        for _ in members {
            pictures.extend(standardise(negatives::draw(&self.sources, side, rng).pixels()));
        }
        let count = members.len() * 2;
        let targets = (0..count).map(|i| if i < members.len() { 1.0 - SMOOTHING } else { SMOOTHING });
        let targets =
            Tensor::<2>::from_data(TensorData::new(targets.collect::<Vec<f32>>(), [count, 1]), self.device);
        cross_entropy(network.forward(tensor(pictures, side, self.device)).logits, targets)
    }
}

fn evaluate(
    network: Network,
    data: &Data,
    photographs: &[GreyImage],
    config: &TrainConfig,
    fold: usize,
    device: &Device,
) -> Result<FrontalFold, TrainError> {
    let side = config.frontal_side;
    let logits = |pictures: &[GreyImage]| -> Result<Vec<f64>, TrainError> {
        let mut all = Vec::new();
        for chunk in pictures.chunks(64) {
            let values = chunk.iter().flat_map(|p| standardise(p.pixels())).collect();
            all.extend(numbers(network.forward(tensor(values, side, device)).logits)?);
        }
        Ok(all.into_iter().map(f64::from).collect())
    };
    let left: Vec<usize> = (0..data.samples.len()).filter(|i| data.samples[*i].fold == fold).collect();
    let plain: Vec<GreyImage> = left.iter().map(|i| resize(&data.samples[*i].plain, side, side)).collect();
    let unseen: Vec<&GreyImage> = left.iter().map(|i| &data.samples[*i].source).collect();
    let mut rng = super::generator(config.seed, 4, fold);
    let sources = Sources { frontal: &unseen, photographs: &[] };
    let drawn: Vec<GreyImage> =
        (0..CHECK_NEGATIVES).map(|_| negatives::draw(&sources, side, &mut rng)).collect();
    let other: Vec<GreyImage> = photographs
        .iter()
        .enumerate()
        .filter(|(index, _)| index % config.folds == fold)
        .map(|(_, picture)| resize(&resize(picture, config.side, config.side), side, side))
        .collect();
    Ok(FrontalFold {
        left_out: left.into_iter().zip(logits(&plain)?).collect(),
        negatives: logits(&drawn)?,
        photographs: logits(&other)?,
        network,
    })
}

/// Photographs brought to the size that augmentation starts from.
pub(crate) fn prepare(photographs: &[GreyImage]) -> Vec<GreyImage> {
    photographs.iter().map(|picture| resize(picture, SOURCE_SIDE, SOURCE_SIDE)).collect()
}
