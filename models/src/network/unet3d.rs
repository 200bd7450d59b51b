//! MONAI's `BasicUNet` in three dimensions (Falk et al. 2019; Çiçek et al. 2016, "3D U-Net"): a volume in, one volume of
//! logits a class out.
//!
//! Layout and names of weights: those of [`super::unet`] with `spatial_dims=3`.

use burn::module::Module;
use burn::nn::conv::{Conv3d, ConvTranspose3d};
use burn::nn::{BatchNorm, InstanceNorm};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::init::{Init, Kernel};
use super::state::{self, Misfits, ReadBack, StateDict};
use super::unet::{self, BasicUnetConfig, UnetNorm};
use super::volume::{Cube, max_pool};

/// A U-Net for the segmentation of volumes.
#[derive(Module, Debug)]
pub struct BasicUnet3d {
    conv_0: TwoConv,
    down: Vec<TwoConv>,
    upcat: Vec<UpCat>,
    final_conv: Conv3d,
}

impl BasicUnet3d {
    /// Makes a network with first weights from `generator`.
    pub fn new(config: &BasicUnetConfig, generator: &mut ChaCha8Rng, device: &Device) -> Self {
        Self::build(config, &mut Init::drawn(generator, device))
    }

    /// Makes a network of the weights in `state`; tensors that do not fit are named.
    pub fn from_state(config: &BasicUnetConfig, state: &StateDict, device: &Device) -> Result<Self, Misfits> {
        state::fill(Self::blank(config, device), state, &unet::name)
    }

    /// A network to put weights into.
    pub(crate) fn blank(config: &BasicUnetConfig, device: &Device) -> Self {
        Self::build(config, &mut Init::zeros(device))
    }

    /// The weights under MONAI's names.
    pub fn state(&self) -> Result<StateDict, ReadBack> {
        state::collect(self, &unet::name)
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
        let final_conv = init.conv3d(f5, config.outputs, Kernel { side: 1, stride: 1, bias: true });
        Self { conv_0, down, upcat, final_conv }
    }

    /// `[batch, channels, depth, height, width]` to logits `[batch, outputs, depth, height, width]`.
    pub fn forward(&self, volumes: Tensor<5>) -> Tensor<5> {
        let mut maps = self.conv_0.forward(volumes);
        let mut levels = Vec::with_capacity(self.down.len());
        for convs in &self.down {
            levels.push(maps.clone());
            maps = convs.forward(max_pool(maps, Cube { side: 2, stride: 2, padding: 0 }));
        }
        for (up, level) in self.upcat.iter().zip(levels.into_iter().rev()) {
            maps = up.forward(maps, level);
        }
        self.final_conv.forward(maps)
    }
}

/// Two 3x3x3 convolutions, each with normalisation and leaky rectifier.
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

    fn forward(&self, maps: Tensor<5>) -> Tensor<5> {
        self.conv_1.forward(self.conv_0.forward(maps))
    }
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv3d,
    instance: Option<InstanceNorm>,
    batch: Option<BatchNorm>,
    negative_slope: f64,
}

impl ConvNorm {
    fn new(input: usize, output: usize, config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        Self {
            conv: init.conv3d(input, output, Kernel { side: 3, stride: 1, bias: true }),
            instance: (config.norm == UnetNorm::Instance).then(|| init.instance_norm(output)),
            batch: (config.norm == UnetNorm::Batch).then(|| init.batch_norm(output)),
            negative_slope: config.negative_slope,
        }
    }

    fn forward(&self, maps: Tensor<5>) -> Tensor<5> {
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
    upsample: ConvTranspose3d,
    convs: TwoConv,
}

impl UpCat {
    /// Channels: from below, after upsampling, from the encoder, out.
    fn new([below, up, level, output]: [usize; 4], config: &BasicUnetConfig, init: &mut Init<'_>) -> Self {
        Self { upsample: init.double3d(below, up), convs: TwoConv::new(level + up, output, config, init) }
    }

    fn forward(&self, below: Tensor<5>, level: Tensor<5>) -> Tensor<5> {
        let mut up = self.upsample.forward(below);
        for axis in 2..5 {
            let (own, wanted) = (up.dims()[axis], level.dims()[axis]);
            if own < wanted {
                let last = up.clone().narrow(axis, own - 1, 1);
                up = Tensor::cat(vec![up, last], axis);
            }
        }
        self.convs.forward(Tensor::cat(vec![level, up], 1))
    }
}
