//! EfficientNet-Lite (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", and
//! TensorFlow's `efficientnet/lite` of 2020: no squeeze-and-excitation, rectifiers that end at 6, stem and head not scaled).
//!
//! Names of weights: the PyTorch package `efficientnet_lite_pytorch` 0.1.0, whose drop of whole blocks is not here: it does
//! nothing once a network is trained. Padding is TensorFlow's SAME, with what is odd of it behind, for the size of what
//! comes in. The package computes it once, for the published size (224 px for Lite0): the same there.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu6;
use serde::{Deserialize, Serialize};

use super::Outputs;
use super::init::{Init, Kernel};

/// Stages of a network.
const STAGES: usize = 7;
/// Side of the depthwise kernels of each stage.
const KERNELS: [usize; STAGES] = [3, 3, 5, 3, 5, 5, 3];
/// Stride of each stage's first block.
const STRIDES: [usize; STAGES] = [1, 2, 2, 2, 1, 2, 1];
/// Channels inside a block over those that come into it.
const EXPANSIONS: [usize; STAGES] = [1, 6, 6, 6, 6, 6, 6];
/// Side of the stem's kernel, whose stride is 2.
pub(crate) const STEM: usize = 3;
/// The name of the stem's kernel in the package.
pub(super) const STEM_WEIGHT: &str = "_conv_stem.weight";
/// What keeps a normalisation from dividing by zero.
pub(crate) const EPSILON: f64 = 1e-3;
/// Share of a batch in the running statistics.
const MOMENTUM: f64 = 0.01;

/// The hyper-parameters of an [`EfficientnetLite`]; kernels, strides and expansions are those of the whole family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfficientnetLiteConfig {
    /// Channels of a picture: 1 for grey, 3 for colour.
    pub input_channels: usize,
    /// Number of outputs of the last layer.
    pub outputs: usize,
    /// Channels after the stem: 32 in the whole family.
    pub stem_channels: usize,
    /// Blocks of each of the seven stages: `[1, 2, 2, 3, 3, 4, 1]` for Lite0.
    pub blocks: [usize; STAGES],
    /// Channels of each stage: `[16, 24, 40, 80, 112, 192, 320]` for Lite0.
    pub channels: [usize; STAGES],
    /// Channels of the last maps: 1280 in the whole family.
    pub head_channels: usize,
}

/// The shape of one block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockPlan {
    pub(crate) input: usize,
    /// Channels of the depthwise convolution.
    pub(crate) wide: usize,
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
}

impl BlockPlan {
    /// Whether a convolution widens the maps first.
    pub(crate) fn widens(&self) -> bool {
        self.wide != self.input
    }

    /// Whether the shape stays, so that there is a way around. The package has none around a stage's first block; in the
    /// family none of those keeps its shape.
    pub(crate) fn keeps(&self) -> bool {
        self.stride == 1 && self.input == self.output
    }
}

impl EfficientnetLiteConfig {
    /// EfficientNet-Lite0.
    pub fn lite0(input_channels: usize, outputs: usize) -> Self {
        Self {
            input_channels,
            outputs,
            stem_channels: 32,
            blocks: [1, 2, 2, 3, 3, 4, 1],
            channels: [16, 24, 40, 80, 112, 192, 320],
            head_channels: 1280,
        }
    }

    /// Number of pooled features.
    pub fn features(&self) -> usize {
        self.head_channels
    }

    /// The blocks of all stages.
    pub(crate) fn plan(&self) -> Vec<BlockPlan> {
        let mut input = self.stem_channels;
        let mut plan = Vec::new();
        for (stage, (blocks, output)) in self.blocks.into_iter().zip(self.channels).enumerate() {
            for index in 0..blocks {
                let stride = if index == 0 { STRIDES[stage] } else { 1 };
                plan.push(BlockPlan {
                    input,
                    wide: input * EXPANSIONS[stage],
                    output,
                    kernel: KERNELS[stage],
                    stride,
                });
                input = output;
            }
        }
        plan
    }

    /// How many values the weights have, running statistics included.
    pub(super) fn weights(&self) -> u64 {
        let [.., last] = self.channels;
        let head = conv_weights(last, self.head_channels) + ((self.head_channels + 1) * self.outputs) as u64;
        self.block_weights(usize::MAX) + head
    }

    /// The same of the stem and the first `blocks` blocks.
    pub(super) fn block_weights(&self, blocks: usize) -> u64 {
        let mut sum = conv_weights(self.input_channels * STEM * STEM, self.stem_channels);
        for plan in self.plan().into_iter().take(blocks) {
            if plan.widens() {
                sum += conv_weights(plan.input, plan.wide);
            }
            sum += conv_weights(plan.kernel * plan.kernel, plan.wide) + conv_weights(plan.wide, plan.output);
        }
        sum
    }
}

/// Values of a convolution with so many taps for each output channel, and of its normalisation.
fn conv_weights(taps: usize, output: usize) -> u64 {
    ((taps + 4) * output) as u64
}

/// The first convolution and its normalisation.
pub(super) fn stem(config: &EfficientnetLiteConfig, init: &mut Init<'_>) -> (Conv2d, BatchNorm) {
    let conv = same(init.conv(config.input_channels, config.stem_channels, Kernel::plain(STEM, 2)));
    (conv, norm(config.stem_channels, init))
}

/// What they make of pictures `[batch, channels, height, width]`.
pub(super) fn stemmed(stem: &Conv2d, norm: &BatchNorm, pictures: Tensor<4>) -> Tensor<4> {
    relu6(norm.forward(stem.forward(pictures)))
}

/// An EfficientNet-Lite for classification.
#[derive(Module, Debug)]
pub struct EfficientnetLite {
    stem: Conv2d,
    stem_norm: BatchNorm,
    blocks: Vec<Block>,
    head: Conv2d,
    head_norm: BatchNorm,
    classifier: Linear,
}

impl EfficientnetLite {
    pub(super) fn new(config: &EfficientnetLiteConfig, init: &mut Init<'_>) -> Self {
        let [.., last] = config.channels;
        let (stem, stem_norm) = stem(config, init);
        Self {
            stem,
            stem_norm,
            blocks: config.plan().into_iter().map(|plan| Block::new(plan, init)).collect(),
            head: init.conv(last, config.head_channels, Kernel::plain(1, 1)),
            head_norm: norm(config.head_channels, init),
            classifier: init.linear(config.head_channels, config.outputs),
        }
    }

    /// `[batch, channels, height, width]` to the last maps.
    pub(super) fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        let maps = stemmed(&self.stem, &self.stem_norm, pictures);
        let maps = self.blocks.iter().fold(maps, |maps, block| block.forward(maps));
        relu6(self.head_norm.forward(self.head.forward(maps)))
    }

    /// From the last feature maps to the outputs.
    pub(super) fn tail(&self, maps: Tensor<4>) -> Outputs {
        let features = super::mean_of_maps(maps.clone());
        let logits = self.classifier.forward(features.clone());
        Outputs { maps, features, logits }
    }
}

/// Widened by a 1x1 convolution, each channel by itself, narrowed by another, with a way around where the shape stays.
#[derive(Module, Debug)]
pub(super) struct Block {
    expand: Option<Conv2d>,
    expand_norm: Option<BatchNorm>,
    depthwise: Conv2d,
    depthwise_norm: BatchNorm,
    project: Conv2d,
    project_norm: BatchNorm,
    keeps: bool,
}

impl Block {
    pub(super) fn new(plan: BlockPlan, init: &mut Init<'_>) -> Self {
        let BlockPlan { input, wide, output, kernel, stride } = plan;
        Self {
            expand: plan.widens().then(|| init.conv(input, wide, Kernel::plain(1, 1))),
            expand_norm: plan.widens().then(|| norm(wide, init)),
            depthwise: same(init.depthwise(wide, Kernel::plain(kernel, stride))),
            depthwise_norm: norm(wide, init),
            project: init.conv(wide, output, Kernel::plain(1, 1)),
            project_norm: norm(output, init),
            keeps: plan.keeps(),
        }
    }

    /// `[batch, input, height, width]` to `[batch, output, height / stride, width / stride]`, rounded up.
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let mut through = maps.clone();
        if let (Some(expand), Some(norm)) = (&self.expand, &self.expand_norm) {
            through = relu6(norm.forward(expand.forward(through)));
        }
        through = relu6(self.depthwise_norm.forward(self.depthwise.forward(through)));
        through = self.project_norm.forward(self.project.forward(through));
        if self.keeps { through + maps } else { through }
    }
}

/// With as much padding as gives one place a stride; what is odd of it lies behind. Burn's rule is TensorFlow's.
fn same(conv: Conv2d) -> Conv2d {
    Conv2d { padding: PaddingConfig2d::Same, ..conv }
}

fn norm(channels: usize, init: &Init<'_>) -> BatchNorm {
    BatchNorm { epsilon: EPSILON, momentum: MOMENTUM, ..init.batch_norm(channels) }
}

/// A weight's name in the package from its path here.
pub(super) fn name(path: &str) -> String {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match head {
        "stem" => format!("_conv_stem.{rest}"),
        "stem_norm" => format!("_bn0.{rest}"),
        "head" => format!("_conv_head.{rest}"),
        "head_norm" => format!("_bn1.{rest}"),
        "classifier" => format!("_fc.{rest}"),
        _ => {
            let (block, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let (layer, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let layer = match layer {
                "expand" => "_expand_conv",
                "expand_norm" => "_bn0",
                "depthwise" => "_depthwise_conv",
                "depthwise_norm" => "_bn1",
                "project" => "_project_conv",
                "project_norm" => "_bn2",
                other => other,
            };
            format!("_blocks.{block}.{layer}.{rest}")
        }
    }
}
