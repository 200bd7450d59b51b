//! The readout of an ensemble: for each fold a ridge on what a trained network's first blocks say of the patients outside
//! of it, and their mean as one linear layer.
//!
//! The features are those of [`crate::network::readout`], each minus its mean over the fold's training patients, divided by
//! their standard deviation and by the root of the features of its map, so that each map counts alike. The targets are mixed
//! of the teacher's standardised logits and the standardised labels. Ridge regression (Hoerl and Kennard 1970) in its dual
//! form, as there are fewer patients than features.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augment::{self, Augmentation};
use super::config::{Example, FINDINGS, Split, TrainConfig, TrainError};
use super::data::Data;
use super::learner::numbers;
use crate::bundle::manifest::{self, BackboneRecord, ReadoutPicture};
use crate::import::Backbone;
use crate::linear;
use crate::network::efficientnet::EfficientnetLiteConfig;
use crate::network::readout::means;
use crate::network::{Readout, ReadoutConfig};
use crate::preprocess::resize;

/// What is added to a feature's standard deviation, so that one that hardly varies does not count for much.
const LEAST_DEVIATION: f64 = 1e-3;
/// Pictures that go through the network at once.
const BATCH: usize = 8;
/// The most altered copies of a picture.
const MAX_COPIES: usize = 20;
/// Outputs of the published network, whose last layers are not kept.
const PUBLISHED_OUTPUTS: usize = 1000;

/// How a readout is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadoutRecipe {
    /// What the network's weights are and where they come from, with their licence: for manifest and card.
    pub source: String,
    /// The network of the weights; it takes one grey channel.
    #[serde(default = "lite0")]
    pub network: EfficientnetLiteConfig,
    /// Numbers of the blocks whose maps are read, from 0.
    pub blocks: Vec<usize>,
    /// Cells on each side of the grid that means are taken over.
    pub cells: usize,
    /// Side of the picture, in pixels.
    pub side: usize,
    /// What is cut off on each side of it, in pixels.
    pub margin: usize,
    /// Altered copies of each picture that are learnt from beside it.
    #[serde(default)]
    pub copies: usize,
    /// What is added to the diagonal of the kernel.
    pub ridge: f64,
    /// Share of the labels in the targets; the rest is the teacher.
    pub label_share: f64,
    /// Share of the readout in a logit; the rest is the networks' mean.
    pub share: f64,
}

fn lite0() -> EfficientnetLiteConfig {
    EfficientnetLiteConfig::lite0(1, PUBLISHED_OUTPUTS)
}

impl ReadoutRecipe {
    /// What is read.
    pub(crate) fn config(&self) -> ReadoutConfig {
        let (network, blocks) = (self.network.clone(), self.blocks.clone());
        ReadoutConfig { network, blocks, cells: self.cells, outputs: FINDINGS }
    }

    /// The picture it is read of.
    pub(crate) fn picture(&self) -> ReadoutPicture {
        ReadoutPicture { side: self.side, margin: self.margin }
    }

    /// The same for the manifest.
    pub(crate) fn described(&self) -> manifest::Readout {
        manifest::Readout { config: self.config(), share: self.share }
    }

    /// What the manifest says of the weights.
    pub(crate) fn record(&self, backbone: &Backbone) -> BackboneRecord {
        BackboneRecord { source: self.source.clone(), sha256: backbone.sha256().to_owned() }
    }

    /// The field that cannot be used, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.config().check().is_err() || self.network.input_channels != 1 {
            return Err((
                "readout",
                "a network of these blocks and cells is outside the limits, or not of one channel",
            ));
        }
        if !(16..=1024).contains(&self.side) || self.margin >= self.side {
            return Err(("readout.side", "pictures are too small or too large"));
        }
        if crate::score::grid(&self.config(), self.picture()).is_none() {
            return Err(("readout.margin", "the maps of the blocks do not lie on one grid of the picture"));
        }
        if self.copies > MAX_COPIES {
            return Err(("readout.copies", "20 are allowed"));
        }
        if !(self.ridge.is_finite() && self.ridge > 0.0) {
            return Err(("readout.ridge", "a number above 0 is needed"));
        }
        if !(0.0..=1.0).contains(&self.label_share) {
            return Err(("readout.label_share", "0 to 1 is needed"));
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(("readout.share", "above 0 to 1 is needed"));
        }
        Ok(())
    }
}

/// A readout with what its folds say of the patients that they left out.
pub(crate) struct TrainedReadout {
    pub(crate) network: Readout,
    /// `[finding][patient]`, with mean and spread of the networks' logits.
    pub(crate) left_out: Vec<Vec<f64>>,
}

/// A linear layer on the features as they are.
struct Layer {
    /// `[finding][feature]`.
    weights: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

/// Trains on the training part of `examples`, whose folds stand in `data`; `networks` is what the networks say of the
/// patients they left out, `[finding][patient]`.
pub(crate) fn train(
    examples: &[Example],
    data: &Data,
    (recipe, config): (&ReadoutRecipe, &TrainConfig),
    backbone: &Backbone,
    networks: &[Vec<f64>],
    device: &Device,
) -> Result<TrainedReadout, TrainError> {
    let own = recipe.config();
    let network = Readout::of_backbone(&own, backbone.state(), device)
        .map_err(|misfits| TrainError::Backbone { misfits })?;
    let train: Vec<&Example> = examples.iter().filter(|e| e.split == Split::Train).collect();
    let features = (0..=recipe.copies)
        .map(|copy| features(&network, recipe, &pictures(recipe, &train, copy, config.seed), device))
        .collect::<Result<Vec<_>, _>>()?;
    let plain = &features[0];
    let sizes: Vec<usize> = own
        .maps(recipe.picture().seen())
        .iter()
        .map(|(channels, _)| channels * own.cells * own.cells)
        .collect();
    let targets = targets(data, recipe.label_share);
    let fit = |fold: usize| {
        let seen: Vec<usize> = (0..plain.len()).filter(|i| data.samples[*i].fold != fold).collect();
        layer(&features, &sizes, &targets, &seen, recipe.ridge).ok_or(TrainError::Distance { fold })
    };
    let layers: Vec<Layer> = (0..config.folds).into_par_iter().map(fit).collect::<Result<_, _>>()?;
    let mut left_out = vec![vec![0.0; plain.len()]; FINDINGS];
    for (patient, (values, sample)) in plain.iter().zip(&data.samples).enumerate() {
        for (finding, row) in left_out.iter_mut().enumerate() {
            row[patient] = layers[sample.fold].output(finding, values);
        }
    }
    let mut mean = Layer::mean(&layers);
    for (finding, (row, networks)) in left_out.iter_mut().zip(networks).enumerate() {
        let (own, wanted) = (moments(row), moments(networks));
        let factor = wanted.1 / own.1.max(1e-9);
        for value in row.iter_mut() {
            *value = (*value - own.0) * factor + wanted.0;
        }
        for weight in &mut mean.weights[finding] {
            *weight *= factor;
        }
        mean.bias[finding] = (mean.bias[finding] - own.0) * factor + wanted.0;
    }
    let (weights, bias) = mean.single();
    Ok(TrainedReadout { network: network.with_linear(weights, &bias), left_out })
}

impl Layer {
    fn output(&self, finding: usize, features: &[f32]) -> f64 {
        let sum: f64 = self.weights[finding].iter().zip(features).map(|(w, v)| w * f64::from(*v)).sum();
        sum + self.bias[finding]
    }

    /// The mean of layers, which gives the mean of their outputs.
    fn mean(layers: &[Self]) -> Self {
        let count = layers.len().max(1) as f64;
        let mean = |value: &dyn Fn(&Self) -> f64| layers.iter().map(value).sum::<f64>() / count;
        let features = layers.first().and_then(|layer| layer.weights.first()).map_or(0, Vec::len);
        let row = |finding: usize| (0..features).map(|k| mean(&|layer| layer.weights[finding][k])).collect();
        Self {
            weights: (0..FINDINGS).map(row).collect(),
            bias: (0..FINDINGS).map(|finding| mean(&|layer| layer.bias[finding])).collect(),
        }
    }

    /// As a network keeps it: `[features, findings]` and biases.
    #[expect(clippy::cast_possible_truncation, reason = "the precision of weights")]
    fn single(&self) -> (Vec<f32>, Vec<f32>) {
        let features = self.weights.first().map_or(0, Vec::len);
        let weights = (0..features).flat_map(|k| self.weights.iter().map(move |row| row[k] as f32)).collect();
        (weights, self.bias.iter().map(|bias| *bias as f32).collect())
    }
}

/// What the network takes of each picture: as scoring will see it for copy 0, altered for every other.
fn pictures(recipe: &ReadoutRecipe, examples: &[&Example], copy: usize, seed: u64) -> Vec<Vec<f32>> {
    let (picture, side) = (recipe.picture(), recipe.side);
    let mut rng = super::generator(seed, 6, copy);
    let input = |example: &&Example| {
        let plain = resize(&example.image, side, side);
        if copy == 0 {
            return picture.input(&plain);
        }
        picture.input(&augment::augmented(&plain, side, &Augmentation::READOUT, &mut rng))
    };
    examples.iter().map(input).collect()
}

/// What the linear layer reads of each picture.
fn features(
    network: &Readout,
    recipe: &ReadoutRecipe,
    inputs: &[Vec<f32>],
    device: &Device,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let (own, seen) = (recipe.config(), recipe.picture().seen());
    let mut all = Vec::with_capacity(inputs.len());
    for chunk in inputs.chunks(BATCH) {
        let inputs = chunk.concat();
        let pictures = Tensor::<4>::from_data(TensorData::new(inputs, [chunk.len(), 1, seen, seen]), device);
        let mut rows = vec![Vec::new(); chunk.len()];
        for maps in network.maps(&own, pictures) {
            let [_, channels, side, _] = maps.dims();
            let values = numbers(maps)?;
            for (row, map) in rows.iter_mut().zip(values.chunks_exact(channels * side * side)) {
                row.extend(means(map, side, own.cells));
            }
        }
        all.extend(rows);
    }
    Ok(all)
}

/// `[finding][patient]`.
fn targets(data: &Data, label_share: f64) -> Vec<Vec<f64>> {
    let one = |finding: usize| {
        let labels: Vec<f64> = data.samples.iter().map(|s| f64::from(s.labels[finding])).collect();
        let (mean, deviation) = moments(&labels);
        let mixed = data.samples.iter().zip(&labels).map(|(sample, label)| {
            let teacher = f64::from(sample.teacher[finding]);
            (1.0 - label_share) * teacher + label_share * (label - mean) / deviation.max(1e-9)
        });
        mixed.collect()
    };
    (0..FINDINGS).map(one).collect()
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// The ridge on the patients `seen` with all of their copies, `[copy][patient]`; `None` where the kernel has no factor.
fn layer(
    features: &[Vec<Vec<f32>>],
    sizes: &[usize],
    targets: &[Vec<f64>],
    seen: &[usize],
    ridge: f64,
) -> Option<Layer> {
    let scales: Vec<f64> =
        sizes.iter().flat_map(|size| vec![(sizes.len() * size) as f64; *size]).map(f64::sqrt).collect();
    let own: Vec<&[f32]> =
        features.iter().flat_map(|copy| seen.iter().map(|i| copy[*i].as_slice())).collect();
    let columns: Vec<(f64, f64)> = scales
        .iter()
        .enumerate()
        .map(|(k, scale)| {
            let values: Vec<f64> = own.iter().map(|row| f64::from(row[k])).collect();
            let (mean, deviation) = moments(&values);
            (mean, 1.0 / ((deviation + LEAST_DEVIATION) * scale))
        })
        .collect();
    let rows: Vec<Vec<f64>> = own
        .iter()
        .map(|row| row.iter().zip(&columns).map(|(v, (mean, by))| (f64::from(*v) - mean) * by).collect())
        .collect();
    let count = rows.len();
    let mut kernel = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            let dot: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
            (kernel[i * count + j], kernel[j * count + i]) = (dot, dot);
        }
        kernel[i * count + i] += ridge;
    }
    let solved = linear::Solver::new(&kernel, count)?;
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for targets in targets {
        let values: Vec<f64> = seen.iter().map(|i| targets[*i]).collect();
        let (mean, _) = moments(&values);
        let centred = values.iter().map(|value| value - mean).collect::<Vec<f64>>().repeat(features.len());
        let dual = solved.solve(&centred);
        let mut line = vec![0.0; columns.len()];
        for (row, alpha) in rows.iter().zip(&dual) {
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += alpha * value);
        }
        line.iter_mut().zip(&columns).for_each(|(weight, (_, by))| *weight *= by);
        bias.push(mean - line.iter().zip(&columns).map(|(weight, (mean, _))| weight * mean).sum::<f64>());
        weights.push(line);
    }
    Some(Layer { weights, bias })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: numpy, `Z = (X - X.mean(0)) / (X.std(0) + 1e-3) / np.sqrt(2)`, `Z @ Z.T @ solve(Z @ Z.T + np.eye(4), y -
    /// y.mean()) + y.mean()` of the numbers below.
    #[test]
    fn the_ridge_is_numpy_s() {
        let features = [[1.0, 5.0], [2.0, 3.0], [4.0, 4.0], [5.0, 0.0]].map(|row: [f32; 2]| row.to_vec());
        let targets = vec![vec![1.0, 0.0, 2.0, -1.0]; FINDINGS];
        let layer = layer(&[features.to_vec()], &[2], &targets, &[0, 1, 2, 3], 1.0).unwrap();
        let expected = [1.064_018_053_052, 0.410_414_255_073, 0.961_180_516_380, -0.435_612_824_505];
        for (row, expected) in features.iter().zip(expected) {
            let found = layer.output(3, row);
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
}
