//! Networks for volumes, whose inputs are cubes.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::{Cast, WorkError, read};
use crate::network::Architecture;
use crate::network::resnet3d::Resnet3d;
use crate::network::unet3d::BasicUnet3d;

/// A network for volumes.
pub(super) enum Volumetric {
    Classifier(Box<Resnet3d>),
    Segmenter(Box<BasicUnet3d>),
}

impl Volumetric {
    /// A network with first weights from `generator`, in the precision of `cast`.
    pub(super) fn new(
        architecture: &Architecture,
        generator: &mut ChaCha8Rng,
        device: &Device,
        cast: &mut Cast,
    ) -> Result<Self, WorkError> {
        match architecture {
            Architecture::Resnet3d(config) => {
                Ok(Self::Classifier(Box::new(Resnet3d::new(config, generator, device).map(cast))))
            }
            Architecture::BasicUnet3d(config) => {
                Ok(Self::Segmenter(Box::new(BasicUnet3d::new(config, generator, device).map(cast))))
            }
            Architecture::Residual(_)
            | Architecture::Resnet(_)
            | Architecture::Densenet(_)
            | Architecture::Convnext(_)
            | Architecture::EfficientnetLite(_)
            | Architecture::BasicUnet(_) => {
                Err(WorkError::Device { reason: "no network of that family".to_owned() })
            }
        }
    }

    /// From `[batch, channels, slices, height, width]` to outputs on this side of the device, or to features where the network
    /// has no last layer; how many values were read.
    pub(super) fn run(&self, volumes: Tensor<5>) -> Result<usize, WorkError> {
        match self {
            Self::Classifier(network) => {
                let seen = network.forward(volumes);
                read(seen.logits.unwrap_or(seen.features))
            }
            Self::Segmenter(network) => read(network.forward(volumes)),
        }
    }
}
