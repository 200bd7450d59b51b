//! ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s").
//!
//! Layout and names of weights: torchvision 0.29 `torchvision.models.convnext`, whose
//! stochastic depth is not here: it does nothing once a network is trained.

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;
use serde::{Deserialize, Serialize};

use super::Outputs;
use super::init::{Init, Kernel};

/// Side of the square that one value after the stem is made of, and by how much the stem shrinks.
pub(crate) const STEM: usize = 4;
/// Side of a depthwise convolution's kernel.
pub(crate) const DEPTHWISE: usize = 7;
/// Channels inside a block over those outside.
pub(crate) const WIDENS: usize = 4;
/// What keeps a normalisation from dividing by zero.
const EPSILON: f64 = 1e-6;
/// The first value of a block's scale.
const FIRST_SCALE: f32 = 1e-6;

/// The hyper-parameters of a [`Convnext`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvnextConfig {
    /// Channels of a picture: 1 for grey, 3 for colour.
    pub input_channels: usize,
    /// Number of outputs of the last layer.
    pub outputs: usize,
    /// Blocks of each of the four stages: `[3, 3, 9, 3]` for ConvNeXt-Tiny.
    pub blocks: [usize; 4],
    /// Channels of each stage: `[96, 192, 384, 768]` for ConvNeXt-Tiny.
    pub channels: [usize; 4],
}

impl ConvnextConfig {
    /// ConvNeXt-Tiny.
    pub fn tiny(input_channels: usize, outputs: usize) -> Self {
        Self { input_channels, outputs, blocks: [3, 3, 9, 3], channels: [96, 192, 384, 768] }
    }

    /// Number of pooled features.
    pub fn features(&self) -> usize {
        self.channels[3]
    }

    /// How many values the weights have.
    pub(super) fn weights(&self) -> u64 {
        let conv = |input: usize, output: usize, side: usize| input * output * side * side + output;
        let norm = |channels: usize| 2 * channels;
        let block = |channels: usize| {
            let wide = WIDENS * channels;
            let linear = channels * wide + wide + wide * channels + channels;
            conv(1, channels, DEPTHWISE) + norm(channels) + linear + channels
        };
        let [first, .., last] = self.channels;
        let mut sum = conv(self.input_channels, first, STEM) + norm(first);
        for (stage, (blocks, channels)) in self.blocks.iter().zip(self.channels).enumerate() {
            if stage > 0 {
                let before = self.channels[stage - 1];
                sum += norm(before) + conv(before, channels, 2);
            }
            sum += blocks * block(channels);
        }
        (sum + norm(last) + last * self.outputs + self.outputs) as u64
    }
}

/// A ConvNeXt for classification.
#[derive(Module, Debug)]
pub struct Convnext {
    stem: Conv2d,
    stem_norm: LayerNorm,
    stages: Vec<Stage>,
    norm: LayerNorm,
    head: Linear,
}

impl Convnext {
    pub(super) fn new(config: &ConvnextConfig, init: &mut Init<'_>) -> Self {
        let stem = init.patches(config.input_channels, config.channels[0], STEM);
        let stem_norm = init.layer_norm(config.channels[0], EPSILON);
        let stages = (0..4).map(|stage| Stage::new(config, stage, init)).collect();
        Self {
            stem,
            stem_norm,
            stages,
            norm: init.layer_norm(config.features(), EPSILON),
            head: init.linear(config.features(), config.outputs),
        }
    }

    /// `[batch, channels, height, width]` to the last stage's maps.
    pub(super) fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        let maps = over_channels(&self.stem_norm, self.stem.forward(pictures));
        self.stages.iter().fold(maps, |maps, stage| stage.forward(maps))
    }

    /// From the last feature maps to the outputs.
    pub(super) fn tail(&self, maps: Tensor<4>) -> Outputs {
        let features = super::mean_of_maps(maps.clone());
        let logits = self.head.forward(self.norm.forward(features.clone()));
        Outputs { maps, features, logits }
    }
}

/// Blocks of one width, after a step that halves height and width in all stages but the first.
#[derive(Module, Debug)]
struct Stage {
    reduce_norm: Option<LayerNorm>,
    reduce: Option<Conv2d>,
    blocks: Vec<Block>,
}

impl Stage {
    fn new(config: &ConvnextConfig, stage: usize, init: &mut Init<'_>) -> Self {
        let channels = config.channels[stage];
        let before = stage.checked_sub(1).map(|before| config.channels[before]);
        Self {
            reduce_norm: before.map(|before| init.layer_norm(before, EPSILON)),
            reduce: before.map(|before| init.patches(before, channels, 2)),
            blocks: (0..config.blocks[stage]).map(|_| Block::new(channels, init)).collect(),
        }
    }

    fn forward(&self, mut maps: Tensor<4>) -> Tensor<4> {
        if let (Some(norm), Some(reduce)) = (&self.reduce_norm, &self.reduce) {
            maps = reduce.forward(over_channels(norm, maps));
        }
        self.blocks.iter().fold(maps, |maps, block| block.forward(maps))
    }
}

/// A depthwise convolution, two linear layers over the channels of each pixel, and a shortcut.
#[derive(Module, Debug)]
struct Block {
    depthwise: Conv2d,
    norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    layer_scale: Param<Tensor<3>>,
}

impl Block {
    fn new(channels: usize, init: &mut Init<'_>) -> Self {
        Self {
            depthwise: init.depthwise(channels, Kernel { side: DEPTHWISE, stride: 1, bias: true }),
            norm: init.layer_norm(channels, EPSILON),
            widen: init.linear(channels, WIDENS * channels),
            narrow: init.linear(WIDENS * channels, channels),
            layer_scale: init.constant([channels, 1, 1], FIRST_SCALE),
        }
    }

    /// `[batch, channels, height, width]` to the same.
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let pixels = self.depthwise.forward(maps.clone()).permute([0, 2, 3, 1]); // [batch, height, width, channels]
        let pixels = self.narrow.forward(gelu(self.widen.forward(self.norm.forward(pixels))));
        let through = pixels.permute([0, 3, 1, 2]); // [batch, channels, height, width]
        maps + through * self.layer_scale.val().unsqueeze()
    }
}

/// Normalises the channels of each pixel: `[batch, channels, height, width]` to the same.
fn over_channels(norm: &LayerNorm, maps: Tensor<4>) -> Tensor<4> {
    norm.forward(maps.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
}

/// A weight's name in torchvision from its path here.
pub(super) fn name(path: &str) -> String {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match head {
        "stem" => format!("features.0.0.{rest}"),
        "stem_norm" => format!("features.0.1.{rest}"),
        "norm" => format!("classifier.0.{rest}"),
        "head" => format!("classifier.2.{rest}"),
        "stages" => {
            let (stage, rest) = rest.split_once('.').unwrap_or((rest, ""));
            stage_name(stage.parse().unwrap_or(0), rest)
        }
        _ => path.to_owned(),
    }
}

/// The stages are every second part of `features`, with the steps between them.
fn stage_name(stage: usize, rest: &str) -> String {
    let (part, rest) = rest.split_once('.').unwrap_or((rest, ""));
    match part {
        "reduce_norm" => format!("features.{}.0.{rest}", 2 * stage),
        "reduce" => format!("features.{}.1.{rest}", 2 * stage),
        _ => {
            let (block, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let (layer, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let layer = match layer {
                "depthwise" => "block.0.",
                "norm" => "block.2.",
                "widen" => "block.3.",
                "narrow" => "block.5.",
                other => other,
            };
            format!("features.{}.{block}.{layer}{rest}", 2 * stage + 1)
        }
    }
}
