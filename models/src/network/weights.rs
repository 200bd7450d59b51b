//! First weights, drawn from one seeded generator so that a seed means the same
//! network on every device and in every thread.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A convolution without bias and with "same" padding, He normal by fan-out.
pub(super) fn conv(
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Conv2d {
    let pad = kernel / 2;
    let mut conv = Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(Initializer::Zeros)
        .init(device);
    let shape = [channels[1], channels[0], kernel, kernel];
    let deviation = (2.0 / (channels[1] * kernel * kernel) as f32).sqrt();
    conv.weight =
        Param::from_data(TensorData::new(normal(shape.iter().product(), deviation, rng), shape), device);
    conv
}

/// Batch normalisation that starts as the identity.
pub(super) fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// A linear layer with small weights and a bias of zero.
pub(super) fn linear(input: usize, output: usize, rng: &mut ChaCha8Rng, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(input, output).with_initializer(Initializer::Zeros).init(device);
    let deviation = (1.0 / input as f32).sqrt() * 0.5;
    let values = normal(input * output, deviation, rng);
    linear.weight = Param::from_data(TensorData::new(values, [input, output]), device);
    linear
}

/// Normal values by the Box-Muller transform.
pub(super) fn normal(count: usize, deviation: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count)
        .map(|_| {
            let radius = (-2.0 * (1.0 - rng.random::<f32>()).max(f32::MIN_POSITIVE).ln()).sqrt();
            radius * (std::f32::consts::TAU * rng.random::<f32>()).cos() * deviation
        })
        .collect()
}
