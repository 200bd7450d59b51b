//! DenseNet (Huang et al. 2017, "Densely Connected Convolutional Networks").
//!
//! Layout and names of weights: torchvision 0.29 `torchvision.models.densenet`,
//! which TorchXRayVision's networks share (`torchxrayvision.models.DenseNet`, one
//! input channel, eighteen outputs; Cohen et al. 2022). What TorchXRayVision does
//! around the network is data of the bundle: its normalisation to -1024..1024 in
//! the preprocessing, its operating points in the labels' calibration.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::Outputs;
use super::init::{Init, Kernel};

/// The hyper-parameters of a [`Densenet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DensenetConfig {
    /// Channels of a picture: 1 for grey, 3 for colour.
    pub input_channels: usize,
    /// Number of outputs of the last layer.
    pub outputs: usize,
    /// Layers of each dense block: `[6, 12, 24, 16]` for DenseNet-121.
    pub blocks: [usize; 4],
    /// Channels that each layer adds.
    pub growth: usize,
    /// Channels after the first convolution.
    pub stem_channels: usize,
    /// Channels between a layer's two convolutions, in multiples of the growth.
    pub bottleneck: usize,
}

impl DensenetConfig {
    /// DenseNet-121.
    pub fn densenet121(input_channels: usize, outputs: usize) -> Self {
        Self {
            input_channels,
            outputs,
            blocks: [6, 12, 24, 16],
            growth: 32,
            stem_channels: 64,
            bottleneck: 4,
        }
    }

    /// Channels into each dense block and out of it.
    pub(crate) fn channels(&self) -> [(usize, usize); 4] {
        let mut input = self.stem_channels;
        self.blocks.map(|layers| {
            let output = input + layers * self.growth;
            let both = (input, output);
            input = output / 2;
            both
        })
    }

    /// Number of pooled features.
    pub fn features(&self) -> usize {
        self.channels()[3].1
    }

    /// How many values the weights have, running statistics included.
    pub(super) fn weights(&self) -> u64 {
        let conv = |input: usize, output: usize, side: usize| input * output * side * side;
        let norm = |channels: usize| 4 * channels;
        let middle = self.bottleneck * self.growth;
        let mut sum = conv(self.input_channels, self.stem_channels, 7) + norm(self.stem_channels);
        for (index, (input, output)) in self.channels().into_iter().enumerate() {
            for layer in 0..self.blocks[index] {
                let own = input + layer * self.growth;
                sum += norm(own) + conv(own, middle, 1) + norm(middle) + conv(middle, self.growth, 3);
            }
            sum += norm(output);
            if index < 3 {
                sum += conv(output, output / 2, 1);
            }
        }
        (sum + self.features() * self.outputs + self.outputs) as u64
    }
}

/// A densely connected network for classification.
#[derive(Module, Debug)]
pub struct Densenet {
    features: Features,
    classifier: Linear,
}

#[derive(Module, Debug)]
struct Features {
    conv0: Conv2d,
    norm0: BatchNorm,
    pool0: MaxPool2d,
    denseblocks: Vec<Vec<Layer>>,
    transitions: Vec<Transition>,
    norm5: BatchNorm,
}

/// One layer of a dense block, whose output is put behind its input.
#[derive(Module, Debug)]
struct Layer {
    norm1: BatchNorm,
    conv1: Conv2d,
    norm2: BatchNorm,
    conv2: Conv2d,
}

/// Halves channels, height and width between two blocks.
#[derive(Module, Debug)]
struct Transition {
    norm: BatchNorm,
    conv: Conv2d,
    pool: AvgPool2d,
}

impl Densenet {
    pub(super) fn new(config: &DensenetConfig, init: &mut Init<'_>) -> Self {
        let conv0 = init.conv(config.input_channels, config.stem_channels, Kernel::plain(7, 2));
        let (mut denseblocks, mut transitions) = (Vec::new(), Vec::new());
        for (index, (input, output)) in config.channels().into_iter().enumerate() {
            let layers = config.blocks[index];
            denseblocks.push(
                (0..layers).map(|layer| Layer::new(input + layer * config.growth, config, init)).collect(),
            );
            if index < 3 {
                transitions.push(Transition {
                    norm: init.batch_norm(output),
                    conv: init.conv(output, output / 2, Kernel::plain(1, 1)),
                    pool: AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
                });
            }
        }
        let features = Features {
            conv0,
            norm0: init.batch_norm(config.stem_channels),
            pool0: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            denseblocks,
            transitions,
            norm5: init.batch_norm(config.features()),
        };
        Self { features, classifier: init.linear(config.features(), config.outputs) }
    }

    /// `[batch, channels, height, width]` to the rectified maps of the last block.
    pub(super) fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        let own = &self.features;
        let mut maps = own.pool0.forward(relu(own.norm0.forward(own.conv0.forward(pictures))));
        for (index, layers) in own.denseblocks.iter().enumerate() {
            for layer in layers {
                let new = layer.forward(maps.clone());
                maps = Tensor::cat(vec![maps, new], 1);
            }
            if let Some(transition) = own.transitions.get(index) {
                maps = transition.forward(maps);
            }
        }
        relu(own.norm5.forward(maps))
    }

    /// From the last feature maps to the outputs.
    pub(super) fn tail(&self, maps: Tensor<4>) -> Outputs {
        let features = super::mean_of_maps(maps.clone());
        let logits = self.classifier.forward(features.clone());
        Outputs { maps, features, logits }
    }
}

impl Layer {
    fn new(input: usize, config: &DensenetConfig, init: &mut Init<'_>) -> Self {
        let middle = config.bottleneck * config.growth;
        Self {
            norm1: init.batch_norm(input),
            conv1: init.conv(input, middle, Kernel::plain(1, 1)),
            norm2: init.batch_norm(middle),
            conv2: init.conv(middle, config.growth, Kernel::plain(3, 1)),
        }
    }

    /// `[batch, input, height, width]` to `[batch, growth, height, width]`.
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let narrow = self.conv1.forward(relu(self.norm1.forward(maps)));
        self.conv2.forward(relu(self.norm2.forward(narrow)))
    }
}

impl Transition {
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        self.pool.forward(self.conv.forward(relu(self.norm.forward(maps))))
    }
}

/// A weight's name in torchvision from its path here.
pub(super) fn name(path: &str) -> String {
    let one_more = |text: &str| text.parse::<usize>().map_or(0, |index| index + 1);
    if let Some(rest) = path.strip_prefix("features.denseblocks.") {
        let mut parts = rest.splitn(3, '.');
        if let (Some(block), Some(layer), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
            return format!("features.denseblock{}.denselayer{}.{rest}", one_more(block), one_more(layer));
        }
    }
    if let Some((index, rest)) =
        path.strip_prefix("features.transitions.").and_then(|rest| rest.split_once('.'))
    {
        return format!("features.transition{}.{rest}", one_more(index));
    }
    path.to_owned()
}
