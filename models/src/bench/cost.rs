//! What a network costs, counted from its architecture: multiply-adds, FLOP and bytes a layer.
//!
//! A multiply-add counts as two FLOP. Convolutions and linear layers are counted;
//! normalisations, rectifiers, sums of shortcuts and poolings are not, as torchvision
//! and fvcore count (torchvision calls the multiply-adds `_ops`). Bytes are the least
//! that has to move when all of that is fused into its neighbours: each counted layer
//! reads its input and its weights once and writes its output once.

use serde::Serialize;

use crate::network::convnext::{ConvnextConfig, DEPTHWISE, STEM, WIDENS};
use crate::network::densenet::DensenetConfig;
use crate::network::efficientnet::{EfficientnetLiteConfig, STEM as LITE_STEM};
use crate::network::residual::NetworkConfig;
use crate::network::resnet::{BlockKind, ResnetConfig, Stem};
use crate::network::resnet3d::{Resnet3dConfig, Shortcut};
use crate::network::unet::BasicUnetConfig;
use crate::network::{Architecture, ReadoutConfig};

/// The kind of a counted layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A convolution with a square kernel and a padding of half its side, or one that gives as many places.
    Convolution {
        /// Side of the kernel.
        kernel: usize,
        /// Stride.
        stride: usize,
    },
    /// A convolution of squares that do not overlap, without padding.
    Patches {
        /// Side of a square, and the stride.
        side: usize,
    },
    /// A [`Kind::Convolution`] of each channel by itself.
    Depthwise {
        /// Side of the kernel.
        kernel: usize,
        /// Stride.
        stride: usize,
    },
    /// A transposed convolution, 2x2 with stride 2.
    Upsampling,
    /// A convolution of a volume with a cubic kernel and a padding of half its side.
    Cube {
        /// Side of the kernel.
        kernel: usize,
        /// Stride.
        stride: usize,
    },
    /// A transposed convolution of a volume, 2x2x2 with stride 2.
    CubeUpsampling,
    /// A linear layer.
    Linear,
}

/// One layer on a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its name in PyTorch.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// `[batch, channels, height, width]` that go in.
    pub input: [usize; 4],
    /// The same that come out.
    pub output: [usize; 4],
    /// Slices of a volume that go in and come out; 1 of a picture.
    #[serde(skip_serializing_if = "flat")]
    pub depth: [usize; 2],
}

/// Whether what goes in and comes out is one slice deep.
fn flat(depth: &[usize; 2]) -> bool {
    *depth == [1, 1]
}

impl Layer {
    /// Multiply-adds.
    pub fn multiply_adds(&self) -> u64 {
        let taps = match self.kind {
            Kind::Convolution { kernel: side, .. } | Kind::Patches { side } => self.input[1] * side * side,
            Kind::Depthwise { kernel, .. } => kernel * kernel,
            Kind::Cube { kernel, .. } => self.input[1] * kernel.pow(3),
            // each output pixel has one tap of the kernel
            Kind::Upsampling | Kind::CubeUpsampling | Kind::Linear => self.input[1],
        };
        self.values().1 * taps as u64
    }

    /// Floating point operations: two a multiply-add.
    pub fn flop(&self) -> u64 {
        2 * self.multiply_adds()
    }

    /// Values of the kernel or matrix.
    pub fn weights(&self) -> u64 {
        let taps = match self.kind {
            Kind::Convolution { kernel: side, .. } | Kind::Patches { side } => self.input[1] * side * side,
            Kind::Depthwise { kernel, .. } => kernel * kernel,
            Kind::Upsampling => 4 * self.input[1],
            Kind::Cube { kernel, .. } => self.input[1] * kernel.pow(3),
            Kind::CubeUpsampling => 8 * self.input[1],
            Kind::Linear => self.input[1],
        };
        (self.output[1] * taps) as u64
    }

    /// The least bytes that move, with `size` bytes a value.
    pub fn bytes(&self, size: u64) -> u64 {
        let (input, output) = self.values();
        size * (input + self.weights() + output)
    }

    /// Values that go in and come out, as far as can be counted.
    pub(super) fn values(&self) -> (u64, u64) {
        let of = |shape: &[usize; 4], depth: usize| product(shape).saturating_mul(depth as u64);
        (of(&self.input, self.depth[0]), of(&self.output, self.depth[1]))
    }
}

fn product(shape: &[usize; 4]) -> u64 {
    shape.iter().fold(1, |product, side| product.saturating_mul(*side as u64))
}

/// The counted layers of a network for a batch of pictures of `height` times `width` pixels, in the order they run. A volume
/// has as many slices as columns.
pub fn layers(architecture: &Architecture, batch: usize, height: usize, width: usize) -> Vec<Layer> {
    let shape = [batch, architecture.input_channels(), height, width];
    let volume = architecture.is_volumetric();
    let mut walk = Walk { shape, depth: if volume { width } else { 1 }, volume, layers: Vec::new() };
    match architecture {
        Architecture::Residual(config) => residual(&mut walk, config),
        Architecture::Resnet(config) => resnet(&mut walk, config),
        Architecture::Densenet(config) => densenet(&mut walk, config),
        Architecture::BasicUnet(config) | Architecture::BasicUnet3d(config) => basic_unet(&mut walk, config),
        Architecture::Convnext(config) => convnext(&mut walk, config),
        Architecture::EfficientnetLite(config) => efficientnet_lite(&mut walk, config),
        Architecture::Resnet3d(config) => resnet3d(&mut walk, config),
    }
    walk.layers
}

/// The same of a readout, for pictures of `side` times `side` pixels.
pub fn readout_layers(config: &ReadoutConfig, batch: usize, side: usize) -> Vec<Layer> {
    let shape = [batch, config.network.input_channels, side, side];
    let mut walk = Walk { shape, depth: 1, volume: false, layers: Vec::new() };
    lite_blocks(&mut walk, &config.network, config.end());
    walk.shape = [batch, config.features(), 1, 1];
    walk.linear("linear", config.outputs);
    walk.layers
}

/// A way through a network: what comes out of the last layer, and the layers so far.
struct Walk {
    shape: [usize; 4],
    /// Slices of a volume, 1 of a picture.
    depth: usize,
    /// Whether the network is one for volumes: convolutions and poolings go through the slices too.
    volume: bool,
    layers: Vec<Layer>,
}

impl Walk {
    fn push(&mut self, name: String, kind: Kind, output: [usize; 4], depth: usize) {
        let depths = [self.depth, depth];
        self.layers.push(Layer { name, kind, input: self.shape, output, depth: depths });
        (self.shape, self.depth) = (output, depth);
    }

    fn conv(&mut self, name: impl Into<String>, channels: usize, kernel: usize, stride: usize) {
        let [batch, _, height, width] = self.shape;
        let side = |side: usize| slid(side, kernel, stride, kernel / 2);
        let output = [batch, channels, side(height), side(width)];
        if self.volume {
            let depth = side(self.depth);
            self.push(name.into(), Kind::Cube { kernel, stride }, output, depth);
        } else {
            self.push(name.into(), Kind::Convolution { kernel, stride }, output, 1);
        }
    }

    fn depthwise(&mut self, name: String, kernel: usize, stride: usize) {
        let [batch, channels, height, width] = self.shape;
        let side = |side: usize| slid(side, kernel, stride, kernel / 2);
        let output = [batch, channels, side(height), side(width)];
        self.push(name, Kind::Depthwise { kernel, stride }, output, 1);
    }

    fn patches(&mut self, name: impl Into<String>, channels: usize, side: usize) {
        let [batch, _, height, width] = self.shape;
        self.push(name.into(), Kind::Patches { side }, [batch, channels, height / side, width / side], 1);
    }

    fn pool(&mut self, kernel: usize, stride: usize, padding: usize) {
        let [_, _, height, width] = &mut self.shape;
        *height = slid(*height, kernel, stride, padding);
        *width = slid(*width, kernel, stride, padding);
        if self.volume {
            self.depth = slid(self.depth, kernel, stride, padding);
        }
    }

    /// Twice the sides, by a transposed convolution.
    fn up(&mut self, name: String, channels: usize) {
        let [batch, _, height, width] = self.shape;
        let output = [batch, channels, 2 * height, 2 * width];
        let (kind, depth) =
            if self.volume { (Kind::CubeUpsampling, 2 * self.depth) } else { (Kind::Upsampling, 1) };
        self.push(name, kind, output, depth);
    }

    fn linear(&mut self, name: impl Into<String>, outputs: usize) {
        (self.shape, self.depth) = ([self.shape[0], self.shape[1], 1, 1], 1);
        self.push(name.into(), Kind::Linear, [self.shape[0], outputs, 1, 1], 1);
    }
}

/// How many places a window has; 0 where it does not fit.
fn slid(side: usize, kernel: usize, stride: usize, padding: usize) -> usize {
    (side + 2 * padding).checked_sub(kernel).map_or(0, |rest| rest / stride + 1)
}

fn residual(walk: &mut Walk, config: &NetworkConfig) {
    walk.conv("stem", config.stem, config.stem_kernel, 2);
    for (index, stage) in config.stages.iter().enumerate() {
        let before = walk.shape;
        walk.conv(format!("blocks.{index}.first"), stage.channels, 3, stage.stride);
        walk.conv(format!("blocks.{index}.second"), stage.channels, 3, 1);
        if before[1] != stage.channels || stage.stride != 1 {
            walk.shape = before;
            walk.conv(format!("blocks.{index}.shortcut"), stage.channels, 1, stage.stride);
        }
    }
    walk.linear("head", config.outputs);
}

fn resnet(walk: &mut Walk, config: &ResnetConfig) {
    match config.stem {
        Stem::Large => {
            walk.conv("conv1", config.width, 7, 2);
            walk.pool(3, 2, 1);
        }
        Stem::Small => walk.conv("conv1", config.width, 3, 1),
    }
    for (stage, blocks) in (1..).zip(config.plan()) {
        for (index, plan) in blocks.into_iter().enumerate() {
            let before = walk.shape;
            let output = plan.width * config.block.expansion();
            let name = |layer: &str| format!("layer{stage}.{index}.{layer}");
            match config.block {
                BlockKind::Basic => {
                    walk.conv(name("conv1"), plan.width, 3, plan.stride);
                    walk.conv(name("conv2"), plan.width, 3, 1);
                }
                BlockKind::Bottleneck => {
                    walk.conv(name("conv1"), plan.width, 1, 1);
                    walk.conv(name("conv2"), plan.width, 3, plan.stride);
                    walk.conv(name("conv3"), output, 1, 1);
                }
            }
            if plan.stride != 1 || plan.input != output {
                walk.shape = before;
                walk.conv(name("downsample.0"), output, 1, plan.stride);
            }
        }
    }
    walk.linear("fc", config.outputs);
}

fn resnet3d(walk: &mut Walk, config: &Resnet3dConfig) {
    walk.conv("conv1", config.width, 7, config.stem_stride);
    walk.pool(3, 2, 1);
    let places =
        (1..).zip(config.blocks).flat_map(|(stage, blocks)| (0..blocks).map(move |own| (stage, own)));
    for ((stage, index), [input, width, stride]) in places.zip(config.plan()) {
        let before = (walk.shape, walk.depth);
        let name = |layer: &str| format!("layer{stage}.{index}.{layer}");
        walk.conv(name("conv1"), width, 3, stride);
        walk.conv(name("conv2"), width, 3, 1);
        if config.shortcut != Shortcut::Pad && (stride != 1 || input != width) {
            (walk.shape, walk.depth) = before;
            walk.conv(name("downsample.0"), width, 1, stride);
        }
    }
    if config.outputs > 0 {
        walk.linear("fc", config.outputs);
    }
}

fn densenet(walk: &mut Walk, config: &DensenetConfig) {
    walk.conv("features.conv0", config.stem_channels, 7, 2);
    walk.pool(3, 2, 1);
    let middle = config.bottleneck * config.growth;
    for (index, layers) in config.blocks.into_iter().enumerate() {
        let block = index + 1;
        for layer in 1..=layers {
            let channels = walk.shape[1];
            let name = |conv: &str| format!("features.denseblock{block}.denselayer{layer}.{conv}");
            walk.conv(name("conv1"), middle, 1, 1);
            walk.conv(name("conv2"), config.growth, 3, 1);
            walk.shape[1] = channels + config.growth;
        }
        if index < 3 {
            let channels = walk.shape[1] / 2;
            walk.conv(format!("features.transition{block}.conv"), channels, 1, 1);
            walk.pool(2, 2, 0);
        }
    }
    walk.linear("classifier", config.outputs);
}

fn convnext(walk: &mut Walk, config: &ConvnextConfig) {
    walk.patches("features.0.0", config.channels[0], STEM);
    for (stage, (blocks, channels)) in config.blocks.into_iter().zip(config.channels).enumerate() {
        if stage > 0 {
            walk.patches(format!("features.{}.1", 2 * stage), channels, 2);
        }
        for block in 0..blocks {
            let name = |layer: usize| format!("features.{}.{block}.block.{layer}", 2 * stage + 1);
            walk.depthwise(name(0), DEPTHWISE, 1);
            // linear layers over the channels of each pixel
            walk.conv(name(3), WIDENS * channels, 1, 1);
            walk.conv(name(5), channels, 1, 1);
        }
    }
    walk.linear("classifier.2", config.outputs);
}

fn efficientnet_lite(walk: &mut Walk, config: &EfficientnetLiteConfig) {
    lite_blocks(walk, config, usize::MAX);
    walk.conv("_conv_head", config.head_channels, 1, 1);
    walk.linear("_fc", config.outputs);
}

/// Its stem and its first blocks.
fn lite_blocks(walk: &mut Walk, config: &EfficientnetLiteConfig, blocks: usize) {
    // SAME padding gives as many places as half of an odd side does
    walk.conv("_conv_stem", config.stem_channels, LITE_STEM, 2);
    for (block, plan) in config.plan().into_iter().take(blocks).enumerate() {
        let name = |layer: &str| format!("_blocks.{block}.{layer}");
        if plan.widens() {
            walk.conv(name("_expand_conv"), plan.wide, 1, 1);
        }
        walk.depthwise(name("_depthwise_conv"), plan.kernel, plan.stride);
        walk.conv(name("_project_conv"), plan.output, 1, 1);
    }
}

fn basic_unet(walk: &mut Walk, config: &BasicUnetConfig) {
    let [f0, f1, f2, f3, f4, f5] = config.features;
    let two = |walk: &mut Walk, name: &str, channels: usize| {
        walk.conv(format!("{name}.conv_0.conv"), channels, 3, 1);
        walk.conv(format!("{name}.conv_1.conv"), channels, 3, 1);
    };
    two(walk, "conv_0", f0);
    let mut levels = Vec::new();
    for (level, channels) in (1..).zip([f1, f2, f3, f4]) {
        levels.push((walk.shape, walk.depth));
        walk.pool(2, 2, 0);
        two(walk, &format!("down_{level}.convs"), channels);
    }
    let ups = [(f4 / 2, f3), (f3 / 2, f2), (f2 / 2, f1), (f1, f5)];
    let levels = [4, 3, 2, 1].into_iter().zip(ups).zip(levels.into_iter().rev());
    for ((level, (up, output)), ([batch, own, height, width], depth)) in levels {
        walk.up(format!("upcat_{level}.upsample.deconv"), up);
        (walk.shape, walk.depth) = ([batch, own + up, height, width], depth);
        two(walk, &format!("upcat_{level}.convs"), output);
    }
    walk.conv("final_conv", config.outputs, 1, 1);
}

#[cfg(test)]
mod tests;
