//! Layers with first weights: drawn from a seeded generator for training, zeros where a state dict follows.

use burn::module::Param;
use burn::nn::conv::{
    Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
    ConvTranspose3dConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, Initializer, InstanceNorm, InstanceNormConfig, LayerNorm, LayerNormConfig,
    Linear, LinearConfig, PaddingConfig2d, PaddingConfig3d,
};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::weights::normal;

/// Where layers are made and with which weights.
pub(super) struct Init<'a> {
    device: &'a Device,
    generator: Option<&'a mut ChaCha8Rng>,
}

/// The shape of a convolution with a square kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    pub(super) side: usize,
    pub(super) stride: usize,
    pub(super) bias: bool,
}

impl Kernel {
    /// Without bias, for a normalisation that follows.
    pub(super) const fn plain(side: usize, stride: usize) -> Self {
        Self { side, stride, bias: false }
    }
}

impl<'a> Init<'a> {
    /// Every weight is zero.
    pub(super) fn zeros(device: &'a Device) -> Self {
        Self { device, generator: None }
    }

    /// The same generator gives the same weights on every device.
    pub(super) fn drawn(generator: &'a mut ChaCha8Rng, device: &'a Device) -> Self {
        Self { device, generator: Some(generator) }
    }

    /// A convolution with "same" padding, He normal by fan-out (He et al. 2015), bias zero.
    pub(super) fn conv(&mut self, input: usize, output: usize, kernel: Kernel) -> Conv2d {
        let pad = kernel.side / 2;
        let mut conv = Conv2dConfig::new([input, output], [kernel.side, kernel.side])
            .with_stride([kernel.stride, kernel.stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(kernel.bias)
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        let deviation = (2.0 / (output * kernel.side * kernel.side) as f32).sqrt();
        if let Some(weight) = self.draw([output, input, kernel.side, kernel.side], deviation) {
            conv.weight = weight;
        }
        conv
    }

    /// A transposed convolution that doubles height and width, with bias.
    pub(super) fn double(&mut self, input: usize, output: usize) -> ConvTranspose2d {
        let mut conv = ConvTranspose2dConfig::new([input, output], [2, 2])
            .with_stride([2, 2])
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        // each new pixel has one tap an input channel
        let deviation = (2.0 / input as f32).sqrt();
        if let Some(weight) = self.draw([input, output, 2, 2], deviation) {
            conv.weight = weight;
        }
        conv
    }

    /// A linear layer with bias zero and small weights.
    pub(super) fn linear(&mut self, input: usize, output: usize) -> Linear {
        let mut linear =
            LinearConfig::new(input, output).with_initializer(Initializer::Zeros).init(self.device);
        if let Some(weight) = self.draw([input, output], (1.0 / input as f32).sqrt() * 0.5) {
            linear.weight = weight;
        }
        linear
    }

    /// Batch normalisation that starts as the identity.
    pub(super) fn batch_norm(&self, channels: usize) -> BatchNorm {
        BatchNormConfig::new(channels).with_epsilon(1e-5).with_momentum(0.1).init(self.device)
    }

    /// Instance normalisation with scale and shift, which starts with neither.
    pub(super) fn instance_norm(&self, channels: usize) -> InstanceNorm {
        InstanceNormConfig::new(channels).with_epsilon(1e-5).with_affine(true).init(self.device)
    }

    /// A convolution of squares that do not overlap, with bias.
    pub(super) fn patches(&mut self, input: usize, output: usize, side: usize) -> Conv2d {
        let mut conv = Conv2dConfig::new([input, output], [side, side])
            .with_stride([side, side])
            .with_padding(PaddingConfig2d::Valid)
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        let deviation = (1.0 / (input * side * side) as f32).sqrt();
        if let Some(weight) = self.draw([output, input, side, side], deviation) {
            conv.weight = weight;
        }
        conv
    }

    /// A convolution of each channel by itself, with "same" padding.
    pub(super) fn depthwise(&mut self, channels: usize, kernel: Kernel) -> Conv2d {
        let Kernel { side, stride, bias } = kernel;
        let pad = side / 2;
        let mut conv = Conv2dConfig::new([channels, channels], [side, side])
            .with_stride([stride, stride])
            .with_groups(channels)
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(bias)
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        if let Some(weight) = self.draw([channels, 1, side, side], 1.0 / side as f32) {
            conv.weight = weight;
        }
        conv
    }

    /// The same as [`Self::conv`] for volumes.
    pub(super) fn conv3d(&mut self, input: usize, output: usize, kernel: Kernel) -> Conv3d {
        let pad = kernel.side / 2;
        let mut conv = Conv3dConfig::new([input, output], [kernel.side; 3])
            .with_stride([kernel.stride; 3])
            .with_padding(PaddingConfig3d::Explicit(pad, pad, pad))
            .with_bias(kernel.bias)
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        let deviation = (2.0 / (output * kernel.side.pow(3)) as f32).sqrt();
        if let Some(weight) = self.draw([output, input, kernel.side, kernel.side, kernel.side], deviation) {
            conv.weight = weight;
        }
        conv
    }

    /// The same as [`Self::double`] for volumes.
    pub(super) fn double3d(&mut self, input: usize, output: usize) -> ConvTranspose3d {
        let mut conv = ConvTranspose3dConfig::new([input, output], [2, 2, 2])
            .with_stride([2, 2, 2])
            .with_initializer(Initializer::Zeros)
            .init(self.device);
        let deviation = (2.0 / input as f32).sqrt();
        if let Some(weight) = self.draw([input, output, 2, 2, 2], deviation) {
            conv.weight = weight;
        }
        conv
    }

    /// Layer normalisation that starts without scale and shift.
    pub(super) fn layer_norm(&self, size: usize, epsilon: f64) -> LayerNorm {
        LayerNormConfig::new(size).with_epsilon(epsilon).init(self.device)
    }

    /// A weight that is the same everywhere at first.
    pub(super) fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        let count = shape.iter().product();
        Param::from_data(TensorData::new(vec![value; count], shape), self.device)
    }

    fn draw<const D: usize>(&mut self, shape: [usize; D], deviation: f32) -> Option<Param<Tensor<D>>> {
        let generator = self.generator.as_deref_mut()?;
        let values = normal(shape.iter().product(), deviation, generator);
        Some(Param::from_data(TensorData::new(values, shape), self.device))
    }
}
