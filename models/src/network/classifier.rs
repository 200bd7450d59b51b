//! One type for every classifier of pictures: pictures in, one logit an output out.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::convnext::Convnext;
use super::densenet::Densenet;
use super::efficientnet::EfficientnetLite;
use super::init::Init;
use super::resnet::Resnet;
use super::state::{self, Misfits, ReadBack, StateDict};
use super::{Architecture, Network, Outputs, convnext, densenet, efficientnet, resnet};

/// A network for classification, of any family.
#[derive(Module, Debug)]
pub enum Classifier {
    /// Our compact residual network.
    Residual(Network),
    /// A ResNet.
    Resnet(Resnet),
    /// A DenseNet.
    Densenet(Densenet),
    /// A ConvNeXt.
    Convnext(Convnext),
    /// An EfficientNet-Lite.
    EfficientnetLite(EfficientnetLite),
}

impl Classifier {
    /// Makes a network with first weights from `generator`: the same generator
    /// gives the same weights on every device. `None` where the architecture is no classifier of pictures.
    pub fn new(architecture: &Architecture, generator: &mut ChaCha8Rng, device: &Device) -> Option<Self> {
        Some(match architecture {
            Architecture::Residual(config) => Self::Residual(Network::new(config, generator, device)),
            Architecture::Resnet(config) => {
                Self::Resnet(Resnet::new(config, &mut Init::drawn(generator, device)))
            }
            Architecture::Densenet(config) => {
                Self::Densenet(Densenet::new(config, &mut Init::drawn(generator, device)))
            }
            Architecture::Convnext(config) => {
                Self::Convnext(Convnext::new(config, &mut Init::drawn(generator, device)))
            }
            Architecture::EfficientnetLite(config) => {
                Self::EfficientnetLite(EfficientnetLite::new(config, &mut Init::drawn(generator, device)))
            }
            Architecture::BasicUnet(_) | Architecture::Resnet3d(_) | Architecture::BasicUnet3d(_) => {
                return None;
            }
        })
    }

    /// Makes a network of the weights in `state`; tensors that do not fit are named.
    /// `None` where the architecture is no classifier of pictures.
    pub fn from_state(
        architecture: &Architecture,
        state: &StateDict,
        device: &Device,
    ) -> Option<Result<Self, Misfits>> {
        let blank = Self::blank(architecture, device)?;
        let rename = blank.rename();
        Some(state::fill(blank, state, &rename))
    }

    /// A network to put weights into. `None` where the architecture is no classifier of pictures.
    pub(crate) fn blank(architecture: &Architecture, device: &Device) -> Option<Self> {
        Some(match architecture {
            Architecture::Residual(config) => {
                Self::Residual(Network::new(config, &mut ChaCha8Rng::seed_from_u64(0), device))
            }
            Architecture::Resnet(config) => Self::Resnet(Resnet::new(config, &mut Init::zeros(device))),
            Architecture::Densenet(config) => Self::Densenet(Densenet::new(config, &mut Init::zeros(device))),
            Architecture::Convnext(config) => Self::Convnext(Convnext::new(config, &mut Init::zeros(device))),
            Architecture::EfficientnetLite(config) => {
                Self::EfficientnetLite(EfficientnetLite::new(config, &mut Init::zeros(device)))
            }
            Architecture::BasicUnet(_) | Architecture::Resnet3d(_) | Architecture::BasicUnet3d(_) => {
                return None;
            }
        })
    }

    /// The weights under PyTorch's names, running statistics included.
    pub fn state(&self) -> Result<StateDict, ReadBack> {
        state::collect(self, &self.rename())
    }

    /// Maps pictures `[batch, channels, height, width]` to [`Outputs`].
    pub fn forward(&self, pictures: Tensor<4>) -> Outputs {
        self.tail(self.maps(pictures))
    }

    /// The last feature maps, those that the mean is taken of: `[batch, features, height, width]`.
    pub fn maps(&self, pictures: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Residual(network) => network.maps(pictures),
            Self::Resnet(network) => network.maps(pictures),
            Self::Densenet(network) => network.maps(pictures),
            Self::Convnext(network) => network.maps(pictures),
            Self::EfficientnetLite(network) => network.maps(pictures),
        }
    }

    /// From the last feature maps to the outputs.
    pub fn tail(&self, maps: Tensor<4>) -> Outputs {
        match self {
            Self::Residual(network) => network.tail(maps),
            Self::Resnet(network) => network.tail(maps),
            Self::Densenet(network) => network.tail(maps),
            Self::Convnext(network) => network.tail(maps),
            Self::EfficientnetLite(network) => network.tail(maps),
        }
    }

    fn rename(&self) -> fn(&str) -> String {
        match self {
            Self::Residual(_) => str::to_owned,
            Self::Resnet(_) => resnet::name,
            Self::Densenet(_) => densenet::name,
            Self::Convnext(_) => convnext::name,
            Self::EfficientnetLite(_) => efficientnet::name,
        }
    }
}
