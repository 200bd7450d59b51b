//! A residual block: two 3x3 convolutions and a shortcut.

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::weights;

#[derive(Module, Debug)]
pub(super) struct Block {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
    shortcut: Option<Conv2d>,
    shortcut_norm: Option<BatchNorm>,
}

impl Block {
    pub(super) fn new(
        input: usize,
        output: usize,
        stride: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let projects = input != output || stride != 1;
        Self {
            first: weights::conv([input, output], 3, stride, rng, device),
            first_norm: weights::norm(output, device),
            second: weights::conv([output, output], 3, 1, rng, device),
            second_norm: weights::norm(output, device),
            shortcut: projects.then(|| weights::conv([input, output], 1, stride, rng, device)),
            shortcut_norm: projects.then(|| weights::norm(output, device)),
        }
    }

    /// `[batch, input, height, width]` to `[batch, output, height / stride, width / stride]`.
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let through = relu(self.first_norm.forward(self.first.forward(maps.clone())));
        let through = self.second_norm.forward(self.second.forward(through));
        let around = match (&self.shortcut, &self.shortcut_norm) {
            (Some(shortcut), Some(norm)) => norm.forward(shortcut.forward(maps)),
            _ => maps,
        };
        relu(through + around)
    }
}
