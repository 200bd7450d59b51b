//! A compact residual network for one grey picture, the networks of `cxr-findings`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::{Outputs, weights};

/// Outputs of a findings network beside the labels, in this order after them:
/// age (standardised), sex (logit of male), view (logit of AP).
pub const AUXILIARY: usize = 3;

/// The hyper-parameters of a [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Side of the square input, in pixels.
    pub input: usize,
    /// Channels after the stem, which is also the width of the first stage.
    pub stem: usize,
    /// Side of the stem's kernel; the stem has stride 2.
    pub stem_kernel: usize,
    /// The residual stages in order, one block each.
    pub stages: Vec<Stage>,
    /// Number of outputs of the linear layer on the pooled features.
    pub outputs: usize,
}

/// One residual stage of a [`NetworkConfig`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Output channels.
    pub channels: usize,
    /// Stride of the block's first convolution.
    pub stride: usize,
}

impl NetworkConfig {
    /// Number of pooled features, the last stage's channels.
    pub fn features(&self) -> usize {
        self.stages.last().map_or(self.stem, |stage| stage.channels)
    }
}

/// A 5x5 (or as configured) stem with stride 2, residual stages, the mean over
/// the picture and one linear layer.
#[derive(Module, Debug)]
pub struct Network {
    stem: Conv2d,
    stem_norm: BatchNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl Network {
    /// Makes a network with weights drawn from `rng` (He normal for convolutions,
    /// small normal for the head): the same generator gives the same weights on
    /// every device.
    pub fn new(config: &NetworkConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let mut channels = config.stem;
        let kernel = config.stem_kernel;
        let stem = weights::conv([1, config.stem], kernel, 2, rng, device);
        let blocks = config
            .stages
            .iter()
            .map(|stage| {
                let block = Block::new(channels, stage.channels, stage.stride, rng, device);
                channels = stage.channels;
                block
            })
            .collect();
        Self {
            stem,
            stem_norm: weights::norm(config.stem, device),
            blocks,
            head: weights::linear(channels, config.outputs, rng, device),
        }
    }

    /// Maps standardised pictures `[batch, 1, side, side]` to [`Outputs`].
    pub fn forward(&self, pictures: Tensor<4>) -> Outputs {
        self.tail(self.maps(pictures))
    }

    /// Feature maps of the last stage, `[batch, features, height, width]`.
    pub(super) fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        let mut maps = relu(self.stem_norm.forward(self.stem.forward(pictures)));
        for block in &self.blocks {
            maps = block.forward(maps);
        }
        maps
    }

    /// From the last feature maps to the outputs.
    pub(super) fn tail(&self, maps: Tensor<4>) -> Outputs {
        let features = super::mean_of_maps(maps.clone());
        let logits = self.head.forward(features.clone());
        Outputs { maps, features, logits }
    }

    /// The weights of the linear layer's first outputs, which are the labels: `[features, labels]`.
    pub fn label_weights(&self, labels: usize) -> Tensor<2> {
        let weights = self.head.weight.val(); // [features, outputs]
        let [features, outputs] = weights.dims();
        weights.slice([0..features, 0..labels.min(outputs)])
    }
}
