//! ResNet (He et al. 2016, "Deep Residual Learning for Image Recognition").
//!
//! Layout and names of weights: torchvision 0.29 `torchvision.models.resnet`, with
//! the stride of a bottleneck on its 3x3 convolution ("v1.5"). [`Stem::Small`] is
//! the network that MedMNIST publishes its 28 px results of (`MedMNIST2D/models.py`
//! in MedMNIST/experiments, after kuangliu/pytorch-cifar): a 3x3 stem without
//! stride and without pooling, else the same.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::Outputs;
use super::init::{Init, Kernel};

/// The hyper-parameters of a [`Resnet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetConfig {
    /// Channels of a picture: 1 for grey, 3 for colour.
    pub input_channels: usize,
    /// Number of outputs of the last layer.
    pub outputs: usize,
    /// The first layers.
    pub stem: Stem,
    /// The kind of block.
    pub block: BlockKind,
    /// Blocks of each of the four stages: `[2, 2, 2, 2]` for ResNet-18.
    pub blocks: [usize; 4],
    /// Channels after the stem and in the first stage's convolutions; they double with each stage.
    pub width: usize,
}

/// The first layers of a [`Resnet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// A 7x7 convolution with stride 2 and a 3x3 maximum with stride 2: for pictures of 64 px and more.
    Large,
    /// A 3x3 convolution with stride 1: for pictures of 28 px.
    Small,
}

/// The kind of block of a [`Resnet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Two 3x3 convolutions: ResNet-18 and -34.
    Basic,
    /// 1x1, 3x3, and 1x1 to four times the channels: ResNet-50 and deeper.
    Bottleneck,
}

impl BlockKind {
    /// Output channels of a block over the width of its stage.
    pub(crate) fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

impl ResnetConfig {
    /// ResNet-18 for pictures of about 224 px.
    pub fn resnet18(input_channels: usize, outputs: usize) -> Self {
        Self {
            input_channels,
            outputs,
            stem: Stem::Large,
            block: BlockKind::Basic,
            blocks: [2, 2, 2, 2],
            width: 64,
        }
    }

    /// ResNet-18 as MedMNIST uses it for pictures of 28 px.
    pub fn resnet18_small(input_channels: usize, outputs: usize) -> Self {
        Self { stem: Stem::Small, ..Self::resnet18(input_channels, outputs) }
    }

    /// ResNet-50 for pictures of about 224 px.
    pub fn resnet50(input_channels: usize, outputs: usize) -> Self {
        Self { block: BlockKind::Bottleneck, blocks: [3, 4, 6, 3], ..Self::resnet18(input_channels, outputs) }
    }

    /// Number of pooled features.
    pub fn features(&self) -> usize {
        self.width * 8 * self.block.expansion()
    }

    /// Input channels, width and stride of each block, stage by stage.
    pub(crate) fn plan(&self) -> [Vec<BlockPlan>; 4] {
        let mut input = self.width;
        [0, 1, 2, 3].map(|stage| {
            let width = self.width << stage;
            (0..self.blocks[stage])
                .map(|index| {
                    let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                    let plan = BlockPlan { input, width, stride };
                    input = width * self.block.expansion();
                    plan
                })
                .collect()
        })
    }
}

/// The shape of one block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockPlan {
    pub(crate) input: usize,
    pub(crate) width: usize,
    pub(crate) stride: usize,
}

/// A residual network for classification.
#[derive(Module, Debug)]
pub struct Resnet {
    conv1: Conv2d,
    bn1: BatchNorm,
    pool: Option<MaxPool2d>,
    layers: Vec<Vec<Block>>,
    fc: Linear,
}

impl Resnet {
    pub(super) fn new(config: &ResnetConfig, init: &mut Init<'_>) -> Self {
        let (kernel, pools) = match config.stem {
            Stem::Large => (Kernel::plain(7, 2), true),
            Stem::Small => (Kernel::plain(3, 1), false),
        };
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Self {
            conv1: init.conv(config.input_channels, config.width, kernel),
            bn1: init.batch_norm(config.width),
            pool: pools.then(|| pool.init()),
            layers: config
                .plan()
                .into_iter()
                .map(|blocks| blocks.iter().map(|plan| Block::new(*plan, config.block, init)).collect())
                .collect(),
            fc: init.linear(config.features(), config.outputs),
        }
    }

    /// `[batch, channels, height, width]` to the last stage's maps.
    pub(super) fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        let mut maps = relu(self.bn1.forward(self.conv1.forward(pictures)));
        if let Some(pool) = &self.pool {
            maps = pool.forward(maps);
        }
        for block in self.layers.iter().flatten() {
            maps = block.forward(maps);
        }
        maps
    }

    /// From the last feature maps to the outputs.
    pub(super) fn tail(&self, maps: Tensor<4>) -> Outputs {
        let features = super::mean_of_maps(maps.clone());
        let logits = self.fc.forward(features.clone());
        Outputs { maps, features, logits }
    }
}

/// A block: two or three convolutions and a shortcut.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<Downsample>,
}

/// A shortcut that changes the shape.
#[derive(Module, Debug)]
struct Downsample {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new(plan: BlockPlan, kind: BlockKind, init: &mut Init<'_>) -> Self {
        let BlockPlan { input, width, stride } = plan;
        let output = width * kind.expansion();
        let narrows = kind == BlockKind::Bottleneck;
        let (first, second) = if narrows { (1, stride) } else { (3, 1) };
        let first_stride = if narrows { 1 } else { stride };
        Self {
            conv1: init.conv(input, width, Kernel::plain(first, first_stride)),
            bn1: init.batch_norm(width),
            conv2: init.conv(width, width, Kernel::plain(3, second)),
            bn2: init.batch_norm(width),
            conv3: narrows.then(|| init.conv(width, output, Kernel::plain(1, 1))),
            bn3: narrows.then(|| init.batch_norm(output)),
            downsample: (stride != 1 || input != output).then(|| Downsample {
                conv: init.conv(input, output, Kernel::plain(1, stride)),
                norm: init.batch_norm(output),
            }),
        }
    }

    /// `[batch, input, height, width]` to `[batch, output, height / stride, width / stride]`.
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let mut through = relu(self.bn1.forward(self.conv1.forward(maps.clone())));
        through = self.bn2.forward(self.conv2.forward(through));
        if let (Some(conv), Some(norm)) = (&self.conv3, &self.bn3) {
            through = norm.forward(conv.forward(relu(through)));
        }
        let around = match &self.downsample {
            Some(down) => down.norm.forward(down.conv.forward(maps)),
            None => maps,
        };
        relu(through + around)
    }
}

/// A weight's name in torchvision from its path here.
pub(super) fn name(path: &str) -> String {
    let Some(rest) = path.strip_prefix("layers.") else { return path.to_owned() };
    let (stage, rest) = rest.split_once('.').unwrap_or((rest, ""));
    let stage = stage.parse::<usize>().map_or(0, |stage| stage + 1);
    let rest = rest.replace("downsample.conv.", "downsample.0.").replace("downsample.norm.", "downsample.1.");
    format!("layer{stage}.{rest}")
}
