//! ResNet-18 for volumes (Chen, Ma, Zheng 2019, "Med3D: Transfer Learning for 3D Medical Image Analysis"; He et al. 2016).
//!
//! Layout and names of weights: MONAI 1.6 `monai.networks.nets.resnet` with `spatial_dims=3`, which MedicalNet's weights fit.
//! They differ in what weights do not show, so it is stated: MONAI's default stem has stride 1 and shortcuts with weights,
//! MedicalNet's ResNet-18 has stride 2 and shortcuts that only skip and pad.

use burn::module::Module;
use burn::nn::conv::Conv3d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::init::{Init, Kernel};
use super::state::{self, Misfits, ReadBack, StateDict};
use super::volume::{Cube, max_pool, mean_of_maps};

/// The hyper-parameters of a [`Resnet3d`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resnet3dConfig {
    /// Channels of a volume.
    pub input_channels: usize,
    /// Number of outputs of the last layer; 0 where there is none, as in MedicalNet's files, and the features are given.
    pub outputs: usize,
    /// Blocks of each of the four stages: `[2, 2, 2, 2]` for ResNet-18.
    pub blocks: [usize; 4],
    /// Channels after the stem and of the first stage; they double with each stage.
    pub width: usize,
    /// Stride of the stem, 1 or 2.
    pub stem_stride: usize,
    /// What a shortcut does where the shape changes.
    pub shortcut: Shortcut,
}

/// What a shortcut of a [`Resnet3d`] does where the shape changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Skips every second place and pads with channels of zeros (`"A"`).
    Pad,
    /// A convolution with bias and a normalisation (`"B"`, `bias_downsample=True`).
    Project,
    /// The same without bias (`"B"`, `bias_downsample=False`).
    ProjectWithoutBias,
}

impl Resnet3dConfig {
    /// MONAI's `resnet18` with its defaults.
    pub fn monai(input_channels: usize, outputs: usize) -> Self {
        let (blocks, shortcut) = ([2, 2, 2, 2], Shortcut::Project);
        Self { input_channels, outputs, blocks, width: 64, stem_stride: 1, shortcut }
    }

    /// MedicalNet's ResNet-18, as MONAI's `ResNetFeatures` has it.
    pub fn medicalnet(input_channels: usize, outputs: usize) -> Self {
        Self { stem_stride: 2, shortcut: Shortcut::Pad, ..Self::monai(input_channels, outputs) }
    }

    /// Number of pooled features.
    pub fn features(&self) -> usize {
        self.width * 8
    }

    /// Input channels, output channels and stride of each block.
    pub(crate) fn plan(&self) -> Vec<[usize; 3]> {
        let mut input = self.width;
        let mut plan = Vec::new();
        for (stage, blocks) in self.blocks.iter().enumerate() {
            for index in 0..*blocks {
                let (width, stride) = (self.width << stage, if stage > 0 && index == 0 { 2 } else { 1 });
                plan.push([input, width, stride]);
                input = width;
            }
        }
        plan
    }

    /// How many values the weights have, running statistics included.
    pub(super) fn weights(&self) -> u64 {
        let conv = |input: usize, output: usize, side: usize| (input * output * side.pow(3)) as u64;
        let norm = |channels: usize| 4 * channels as u64;
        let mut sum = conv(self.input_channels, self.width, 7) + norm(self.width);
        for [input, width, stride] in self.plan() {
            sum += conv(input, width, 3) + conv(width, width, 3) + 2 * norm(width);
            if stride != 1 || input != width {
                sum += match self.shortcut {
                    Shortcut::Pad => 0,
                    Shortcut::Project => conv(input, width, 1) + width as u64 + norm(width),
                    Shortcut::ProjectWithoutBias => conv(input, width, 1) + norm(width),
                };
            }
        }
        sum + (self.features() * self.outputs + self.outputs) as u64
    }
}

/// A residual network for volumes.
#[derive(Module, Debug)]
pub struct Resnet3d {
    conv1: Conv3d,
    bn1: BatchNorm,
    layers: Vec<Vec<Block>>,
    fc: Option<Linear>,
}

/// What a forward pass gives.
#[derive(Debug, Clone)]
pub struct VolumeOutputs {
    /// Means of the last maps, `[batch, features]`.
    pub features: Tensor<2>,
    /// The last layer's outputs, `[batch, outputs]`, where there is one.
    pub logits: Option<Tensor<2>>,
}

impl Resnet3d {
    /// Makes a network with first weights from `generator`.
    pub fn new(config: &Resnet3dConfig, generator: &mut ChaCha8Rng, device: &Device) -> Self {
        Self::build(config, &mut Init::drawn(generator, device))
    }

    /// Makes a network of the weights in `state`; tensors that do not fit are named.
    pub fn from_state(config: &Resnet3dConfig, state: &StateDict, device: &Device) -> Result<Self, Misfits> {
        state::fill(Self::blank(config, device), state, &name)
    }

    /// A network to put weights into.
    pub(crate) fn blank(config: &Resnet3dConfig, device: &Device) -> Self {
        Self::build(config, &mut Init::zeros(device))
    }

    /// The weights under MONAI's names.
    pub fn state(&self) -> Result<StateDict, ReadBack> {
        state::collect(self, &name)
    }

    fn build(config: &Resnet3dConfig, init: &mut Init<'_>) -> Self {
        let mut plan = config.plan().into_iter();
        Self {
            conv1: init.conv3d(config.input_channels, config.width, Kernel::plain(7, config.stem_stride)),
            bn1: init.batch_norm(config.width),
            layers: config
                .blocks
                .iter()
                .map(|blocks| {
                    plan.by_ref()
                        .take(*blocks)
                        .map(|shape| Block::new(shape, config.shortcut, init))
                        .collect()
                })
                .collect(),
            fc: (config.outputs > 0).then(|| init.linear(config.features(), config.outputs)),
        }
    }

    /// `[batch, channels, depth, height, width]` to the outputs.
    pub fn forward(&self, volumes: Tensor<5>) -> VolumeOutputs {
        let maps = relu(self.bn1.forward(self.conv1.forward(volumes)));
        let maps = max_pool(maps, Cube { side: 3, stride: 2, padding: 1 });
        let maps = self.layers.iter().flatten().fold(maps, |maps, block| block.forward(maps));
        let features = mean_of_maps(maps);
        let logits = self.fc.as_ref().map(|fc| fc.forward(features.clone()));
        VolumeOutputs { features, logits }
    }
}

/// Two 3x3x3 convolutions and a shortcut.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv3d,
    bn1: BatchNorm,
    conv2: Conv3d,
    bn2: BatchNorm,
    downsample: Option<Downsample>,
    stride: usize,
}

/// A shortcut that changes the shape, with weights.
#[derive(Module, Debug)]
struct Downsample {
    conv: Conv3d,
    norm: BatchNorm,
}

impl Block {
    fn new([input, width, stride]: [usize; 3], shortcut: Shortcut, init: &mut Init<'_>) -> Self {
        let projects = shortcut != Shortcut::Pad && (stride != 1 || input != width);
        let bias = shortcut == Shortcut::Project;
        Self {
            conv1: init.conv3d(input, width, Kernel::plain(3, stride)),
            bn1: init.batch_norm(width),
            conv2: init.conv3d(width, width, Kernel::plain(3, 1)),
            bn2: init.batch_norm(width),
            downsample: projects.then(|| Downsample {
                conv: init.conv3d(input, width, Kernel { side: 1, stride, bias }),
                norm: init.batch_norm(width),
            }),
            stride,
        }
    }

    fn forward(&self, maps: Tensor<5>) -> Tensor<5> {
        let through = relu(self.bn1.forward(self.conv1.forward(maps.clone())));
        let through = self.bn2.forward(self.conv2.forward(through));
        let around = match &self.downsample {
            Some(down) => down.norm.forward(down.conv.forward(maps)),
            None => skipped_and_padded(maps, self.stride, through.dims()[1]),
        };
        relu(through + around)
    }
}

/// Every `stride`th place, with channels of zeros up to `channels`.
fn skipped_and_padded(maps: Tensor<5>, stride: usize, channels: usize) -> Tensor<5> {
    let skipped = if stride == 1 { maps } else { max_pool(maps, Cube { side: 1, stride, padding: 0 }) };
    let [batch, own, depth, height, width] = skipped.dims();
    if own == channels {
        return skipped;
    }
    let shape = [batch, channels - own, depth, height, width];
    let zeros = Tensor::zeros(shape, (&skipped.device(), skipped.dtype()));
    Tensor::cat(vec![skipped, zeros], 1)
}

/// A weight's name in MONAI from its path here: that of the network for pictures.
fn name(path: &str) -> String {
    super::resnet::name(path)
}
