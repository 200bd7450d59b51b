//! MONAI's `BasicUNet` in two dimensions (Falk et al. 2019, Nature Methods 16, 67-70):
//! a picture in, one map of logits a class out.
//!
//! Layout and names of weights: MONAI 1.6 `monai.networks.nets.BasicUNet` with
//! `spatial_dims=2`, `upsample="deconv"`, `bias=True` and no dropout, the defaults
//! beside the dimensions. Sides that are no multiple of 16 are handled as there: a
//! missing last row or column after an upsampling repeats the one before.

use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, InstanceNorm};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::init::{Init, Kernel};
use super::state::{self, Misfits, StateDict};

/// The hyper-parameters of a [`BasicUnet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicUnetConfig {
    /// Channels of a picture.
    pub input_channels: usize,
    /// Number of classes, the background included where it is one.
    pub outputs: usize,
    /// Channels of the five levels going down, and after the last upsampling.
    pub features: [usize; 6],
    /// The normalisation after each convolution.
    pub norm: UnetNorm,
    /// Slope of the leaky rectifier below 0.
    pub negative_slope: f64,
}

/// The normalisation of a [`BasicUnet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnetNorm {
    /// `("instance", {"affine": True})`, MONAI's default.
    Instance,
    /// `"batch"`.
    Batch,
}

impl BasicUnetConfig {
    /// MONAI's defaults.
    pub fn monai(input_channels: usize, outputs: usize) -> Self {
        Self {
            input_channels,
            outputs,
            features: [32, 32, 64, 128, 256, 32],
            norm: UnetNorm::Instance,
            negative_slope: 0.1,
        }
    }
}

/// A U-Net for segmentation.
#[derive(Module, Debug)]
pub struct BasicUnet {
    conv_0: TwoConv,
    down: Vec<TwoConv>,
    upcat: Vec<UpCat>,
    final_conv: Conv2d,
    pool: MaxPool2d,
}

impl BasicUnet {
    /// Makes a network with first weights from `generator`.
    pub fn new(config: &BasicUnetConfig, generator: &mut ChaCha8Rng, device: &Device) -> Self {
        Self::build(config, &mut Init::drawn(generator, device))
    }

    /// Makes a network of the weights in `state`; tensors that do not fit are named.
    pub fn from_state(config: &BasicUnetConfig, state: &StateDict, device: &Device) -> Result<Self, Misfits> {
        state::fill(Self::blank(config, device), state, &name)
    }

    /// A network to put weights into.
    pub(crate) fn blank(config: &BasicUnetConfig, device: &Device) -> Self {
        Self::build(config, &mut Init::zeros(device))
    }

    /// The weights under MONAI's names.
    pub fn state(&self) -> Result<StateDict, state::ReadBack> {
        state::collect(self, &name)
    }

    fn build(config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        let [f0, f1, f2, f3, f4, f5] = config.features;
        let mut two = |input, output| TwoConv::new(input, output, config, init);
        let conv_0 = two(config.input_channels, f0);
        let down = vec![two(f0, f1), two(f1, f2), two(f2, f3), two(f3, f4)];
        // level 4 first, as MONAI's forward pass takes them; the last one keeps its channels
        let upcat = vec![
            UpCat::new([f4, f4 / 2, f3, f3], config, init),
            UpCat::new([f3, f3 / 2, f2, f2], config, init),
            UpCat::new([f2, f2 / 2, f1, f1], config, init),
            UpCat::new([f1, f1, f0, f5], config, init),
        ];
        let final_conv = init.conv(f5, config.outputs, Kernel { side: 1, stride: 1, bias: true });
        let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
        Self { conv_0, down, upcat, final_conv, pool }
    }

    /// `[batch, channels, height, width]` to logits `[batch, outputs, height, width]`.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let mut maps = self.conv_0.forward(pictures);
        let mut levels = Vec::with_capacity(self.down.len());
        for convs in &self.down {
            levels.push(maps.clone());
            maps = convs.forward(self.pool.forward(maps));
        }
        for (up, level) in self.upcat.iter().zip(levels.into_iter().rev()) {
            maps = up.forward(maps, level);
        }
        self.final_conv.forward(maps)
    }
}

/// Two 3x3 convolutions, each with normalisation and leaky rectifier.
#[derive(Module, Debug)]
struct TwoConv {
    conv_0: ConvNorm,
    conv_1: ConvNorm,
}

impl TwoConv {
    fn new(input: usize, output: usize, config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        Self {
            conv_0: ConvNorm::new(input, output, config, init),
            conv_1: ConvNorm::new(output, output, config, init),
        }
    }

    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        self.conv_1.forward(self.conv_0.forward(maps))
    }
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    instance: Option<InstanceNorm>,
    batch: Option<BatchNorm>,
    negative_slope: f64,
}

impl ConvNorm {
    fn new(input: usize, output: usize, config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        Self {
            conv: init.conv(input, output, Kernel { side: 3, stride: 1, bias: true }),
            instance: (config.norm == UnetNorm::Instance).then(|| init.instance_norm(output)),
            batch: (config.norm == UnetNorm::Batch).then(|| init.batch_norm(output)),
            negative_slope: config.negative_slope,
        }
    }

    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let mut maps = self.conv.forward(maps);
        if let Some(norm) = &self.instance {
            maps = norm.forward(maps);
        }
        if let Some(norm) = &self.batch {
            maps = norm.forward(maps);
        }
        leaky_relu(maps, self.negative_slope)
    }
}

/// Upsampling, the encoder's maps before it, two convolutions.
#[derive(Module, Debug)]
struct UpCat {
    upsample: ConvTranspose2d,
    convs: TwoConv,
}

impl UpCat {
    /// Channels: from below, after upsampling, from the encoder, out.
    fn new([below, up, level, output]: [usize; 4], config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        Self { upsample: init.double(below, up), convs: TwoConv::new(level + up, output, config, init) }
    }

    fn forward(&self, below: Tensor<4>, level: Tensor<4>) -> Tensor<4> {
        let mut up = self.upsample.forward(below);
        let [_, _, height, width] = level.dims();
        if up.dims()[2] < height {
            let last = up.clone().slice([0..up.dims()[0], 0..up.dims()[1], height - 2..height - 1]);
            up = Tensor::cat(vec![up, last], 2);
        }
        if up.dims()[3] < width {
            let [batch, channels, rows, _] = up.dims();
            let last = up.clone().slice([0..batch, 0..channels, 0..rows, width - 2..width - 1]);
            up = Tensor::cat(vec![up, last], 3);
        }
        self.convs.forward(Tensor::cat(vec![level, up], 1))
    }
}

/// A weight's name in MONAI from its path here.
pub(super) fn name(path: &str) -> String {
    let mut parts = path.splitn(3, '.');
    let (head, index, rest) =
        (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let level = index.parse::<usize>().unwrap_or(0);
    let path = match head {
        "down" => format!("down_{}.convs.{rest}", level + 1),
        "upcat" => {
            format!("upcat_{}.{}", 4 - level.min(3), rest.replacen("upsample.", "upsample.deconv.", 1))
        }
        _ => path.to_owned(),
    };
    path.replace(".instance.", ".adn.N.").replace(".batch.", ".adn.N.")
}
