//! Networks: architectures as data, and the Burn modules they name.
//!
//! An [`Architecture`] holds every hyper-parameter; a [`Classifier`], a
//! [`unet::BasicUnet`] or a network for volumes is made of one. Weights travel as a [`StateDict`] under the
//! names that PyTorch gives them, so that a file from there fits without a map
//! and a file from here opens there.
//!
//! What each family copies: [`resnet`] torchvision's and MedMNIST's ResNet,
//! [`densenet`] torchvision's and TorchXRayVision's DenseNet, [`unet`] MONAI's
//! `BasicUNet`, [`convnext`] torchvision's ConvNeXt, [`efficientnet`] TensorFlow's EfficientNet-Lite under the names of
//! `efficientnet_lite_pytorch`, [`resnet3d`] and [`unet3d`] MONAI's networks for volumes (MedicalNet's
//! weights fit the first), [`residual`] our own; [`readout`] keeps the first blocks of an EfficientNet-Lite. `tests/it/parity.rs` and `networks.rs` compare them with those
//! packages.

pub mod architecture;
pub mod classifier;
pub mod convnext;
pub mod densenet;
pub mod efficientnet;
pub mod readout;
pub mod residual;
pub mod resnet;
pub mod resnet3d;
pub mod state;
pub mod unet;
pub mod unet3d;

mod block;
mod init;
mod volume;
mod weights;

use burn::tensor::Tensor;

pub use architecture::{Architecture, ArchitectureError};
pub use classifier::Classifier;
pub use readout::{Readout, ReadoutConfig};
pub use residual::{AUXILIARY, Network, NetworkConfig, Stage};
pub use state::{Misfits, StateDict, StateTensor};

/// What a classifier's forward pass gives.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// Feature maps that the mean is taken of, `[batch, features, height, width]`.
    pub maps: Tensor<4>,
    /// Their means, `[batch, features]`.
    pub features: Tensor<2>,
    /// The last layer's outputs, `[batch, outputs]`.
    pub logits: Tensor<2>,
}

/// The mean over height and width: `[batch, features, height, width]` to `[batch, features]`.
fn mean_of_maps(maps: Tensor<4>) -> Tensor<2> {
    let [batch, features, height, width] = maps.dims();
    let flat = maps.reshape([batch, features, height * width]);
    flat.mean_dim(2).reshape([batch, features]) // mean_dim keeps [batch, features, 1]
}
