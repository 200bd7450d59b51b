//! Architectures as data: which network, with every hyper-parameter and its limits.

use serde::{Deserialize, Serialize};

use super::convnext::ConvnextConfig;
use super::densenet::DensenetConfig;
use super::efficientnet::EfficientnetLiteConfig;
use super::residual::NetworkConfig;
use super::resnet::{ResnetConfig, Stem};
use super::resnet3d::Resnet3dConfig;
use super::unet::{BasicUnetConfig, UnetNorm};

/// The most values that the weights of a network may have: about four times ConvNeXt-Base.
pub const MAX_WEIGHTS: u64 = 400_000_000;
/// The most input channels of a network.
pub const MAX_INPUT_CHANNELS: usize = 16;
/// The most outputs of a network.
pub const MAX_OUTPUTS: usize = 1024;
/// The most channels of one layer.
const MAX_CHANNELS: usize = 8192;
/// The most layers of one stage.
const MAX_LAYERS: usize = 128;

/// A network with every hyper-parameter, as it stands in a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Architecture {
    /// Our compact residual network ([`super::residual`]).
    Residual(NetworkConfig),
    /// torchvision's or MedMNIST's ResNet ([`super::resnet`]).
    Resnet(ResnetConfig),
    /// torchvision's or TorchXRayVision's DenseNet ([`super::densenet`]).
    Densenet(DensenetConfig),
    /// MONAI's `BasicUNet` ([`super::unet`]); segments, does not classify.
    BasicUnet(BasicUnetConfig),
    /// torchvision's ConvNeXt ([`super::convnext`]).
    Convnext(ConvnextConfig),
    /// TensorFlow's EfficientNet-Lite ([`super::efficientnet`]).
    EfficientnetLite(EfficientnetLiteConfig),
    /// MONAI's ResNet for volumes ([`super::resnet3d`]).
    Resnet3d(Resnet3dConfig),
    /// MONAI's `BasicUNet` for volumes ([`super::unet3d`]).
    #[serde(rename = "basic-unet-3d")]
    BasicUnet3d(BasicUnetConfig),
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// One logit an output for a picture.
    Classification,
    /// One map of logits an output for a picture.
    Segmentation,
}

/// Why an architecture is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// No architecture has that name.
    #[error("there is no architecture `{name}`; there are {}", PRESETS.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// A hyper-parameter is outside its limits.
    #[error("`{field}` of the architecture has to be between {least} and {most}")]
    Limit {
        /// The field.
        field: &'static str,
        /// Its least value.
        least: usize,
        /// Its largest value.
        most: usize,
    },
    /// The network would have too many weights.
    #[error("the architecture has more than {MAX_WEIGHTS} weights")]
    TooLarge,
}

impl ArchitectureError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "ArchitectureUnknown",
            Self::Limit { .. } => "ArchitectureLimit",
            Self::TooLarge => "ArchitectureTooLarge",
        }
    }
}

/// The names that [`Architecture::preset`] knows.
pub const PRESETS: [&str; 10] = [
    "resnet18",
    "resnet18-28",
    "resnet50",
    "densenet121",
    "convnext-tiny",
    "efficientnet-lite0",
    "basic-unet",
    "resnet18-3d",
    "medicalnet-resnet18",
    "basic-unet-3d",
];

impl Architecture {
    /// The published network of that name with these numbers of channels and outputs.
    pub fn preset(name: &str, input_channels: usize, outputs: usize) -> Result<Self, ArchitectureError> {
        let architecture = match name {
            "resnet18" => Self::Resnet(ResnetConfig::resnet18(input_channels, outputs)),
            "resnet18-28" => Self::Resnet(ResnetConfig::resnet18_small(input_channels, outputs)),
            "resnet50" => Self::Resnet(ResnetConfig::resnet50(input_channels, outputs)),
            "densenet121" => Self::Densenet(DensenetConfig::densenet121(input_channels, outputs)),
            "convnext-tiny" => Self::Convnext(ConvnextConfig::tiny(input_channels, outputs)),
            "efficientnet-lite0" => {
                Self::EfficientnetLite(EfficientnetLiteConfig::lite0(input_channels, outputs))
            }
            "resnet18-3d" => Self::Resnet3d(Resnet3dConfig::monai(input_channels, outputs)),
            "medicalnet-resnet18" => Self::Resnet3d(Resnet3dConfig::medicalnet(input_channels, outputs)),
            "basic-unet-3d" => Self::BasicUnet3d(BasicUnetConfig::monai(input_channels, outputs)),
            "basic-unet" => Self::BasicUnet(BasicUnetConfig::monai(input_channels, outputs)),
            _ => return Err(ArchitectureError::Unknown { name: name.chars().take(64).collect() }),
        };
        architecture.check()?;
        Ok(architecture)
    }

    /// What the network is for.
    pub fn task(&self) -> Task {
        match self {
            Self::Residual(_)
            | Self::Resnet(_)
            | Self::Densenet(_)
            | Self::Convnext(_)
            | Self::EfficientnetLite(_)
            | Self::Resnet3d(_) => Task::Classification,
            Self::BasicUnet(_) | Self::BasicUnet3d(_) => Task::Segmentation,
        }
    }

    /// Whether it takes volumes rather than pictures.
    pub fn is_volumetric(&self) -> bool {
        matches!(self, Self::Resnet3d(_) | Self::BasicUnet3d(_))
    }

    /// Channels of a picture or volume.
    pub fn input_channels(&self) -> usize {
        match self {
            Self::Residual(_) => 1,
            Self::Resnet(config) => config.input_channels,
            Self::Densenet(config) => config.input_channels,
            Self::Convnext(config) => config.input_channels,
            Self::EfficientnetLite(config) => config.input_channels,
            Self::Resnet3d(config) => config.input_channels,
            Self::BasicUnet(config) | Self::BasicUnet3d(config) => config.input_channels,
        }
    }

    /// Outputs for a picture (classification) or a pixel (segmentation).
    pub fn outputs(&self) -> usize {
        match self {
            Self::Residual(config) => config.outputs,
            Self::Resnet(config) => config.outputs,
            Self::Densenet(config) => config.outputs,
            Self::Convnext(config) => config.outputs,
            Self::EfficientnetLite(config) => config.outputs,
            Self::Resnet3d(config) => config.outputs,
            Self::BasicUnet(config) | Self::BasicUnet3d(config) => config.outputs,
        }
    }

    /// The pooled features that the last layer of a classifier reads; `None` where the network segments.
    pub fn features(&self) -> Option<usize> {
        match self {
            Self::Residual(config) => Some(config.features()),
            Self::Resnet(config) => Some(config.features()),
            Self::Densenet(config) => Some(config.features()),
            Self::Convnext(config) => Some(config.features()),
            Self::EfficientnetLite(config) => Some(config.features()),
            Self::Resnet3d(config) => Some(config.features()),
            Self::BasicUnet(_) | Self::BasicUnet3d(_) => None,
        }
    }

    /// The least side of a picture or volume, in pixels: below it a pooling would have nothing to pool.
    pub fn least_side(&self) -> usize {
        match self {
            Self::Residual(_) | Self::Resnet(_) | Self::EfficientnetLite(_) | Self::Resnet3d(_) => 8,
            Self::Densenet(_) | Self::BasicUnet(_) | Self::BasicUnet3d(_) | Self::Convnext(_) => 32,
        }
    }

    /// Whether every hyper-parameter is within its limits; a network is made of nothing else.
    pub fn check(&self) -> Result<(), ArchitectureError> {
        limit("input_channels", self.input_channels(), 1, MAX_INPUT_CHANNELS)?;
        // the backbones of MedicalNet have no last layer
        let least = usize::from(!matches!(self, Self::Resnet3d(_)));
        limit("outputs", self.outputs(), least, MAX_OUTPUTS)?;
        match self {
            Self::Residual(config) => residual(config),
            Self::Resnet(config) => {
                limit("width", config.width, 1, MAX_CHANNELS / 32)?;
                each("blocks", &config.blocks, 1, MAX_LAYERS)
            }
            Self::Densenet(config) => {
                each("blocks", &config.blocks, 1, MAX_LAYERS)?;
                limit("growth", config.growth, 1, 256)?;
                limit("bottleneck", config.bottleneck, 1, 16)?;
                // transitions halve the channels
                limit("stem_channels", config.stem_channels, 2, MAX_CHANNELS)
            }
            Self::Convnext(config) => {
                each("blocks", &config.blocks, 1, MAX_LAYERS)?;
                each("channels", &config.channels, 1, MAX_CHANNELS)
            }
            Self::EfficientnetLite(config) => {
                each("blocks", &config.blocks, 1, MAX_LAYERS)?;
                // they are widened sixfold
                each("channels", &config.channels, 1, MAX_CHANNELS / 6)?;
                limit("stem_channels", config.stem_channels, 1, MAX_CHANNELS)?;
                limit("head_channels", config.head_channels, 1, MAX_CHANNELS)
            }
            Self::Resnet3d(config) => {
                limit("width", config.width, 1, MAX_CHANNELS / 8)?;
                limit("stem_stride", config.stem_stride, 1, 2)?;
                each("blocks", &config.blocks, 1, MAX_LAYERS)
            }
            Self::BasicUnet(config) | Self::BasicUnet3d(config) => {
                each("features", &config.features, 2, MAX_CHANNELS)?;
                let slope = config.negative_slope;
                if (0.0..=1.0).contains(&slope) { Ok(()) } else { limit("negative_slope", 2, 0, 1) }
            }
        }?;
        if self.weights() > MAX_WEIGHTS { Err(ArchitectureError::TooLarge) } else { Ok(()) }
    }

    /// How many values the weights have, running statistics included.
    pub fn weights(&self) -> u64 {
        match self {
            Self::Residual(config) => {
                let mut input = config.stem;
                let mut sum = conv(1, config.stem, config.stem_kernel) + norm(config.stem);
                for stage in &config.stages {
                    let output = stage.channels;
                    sum += conv(input, output, 3) + conv(output, output, 3) + 2 * norm(output);
                    if input != output || stage.stride != 1 {
                        sum += conv(input, output, 1) + norm(output);
                    }
                    input = output;
                }
                sum + linear(input, config.outputs)
            }
            Self::Resnet(config) => resnet(config),
            Self::Densenet(config) => config.weights(),
            Self::Convnext(config) => config.weights(),
            Self::EfficientnetLite(config) => config.weights(),
            Self::Resnet3d(config) => config.weights(),
            Self::BasicUnet(config) => basic_unet(config, 2),
            Self::BasicUnet3d(config) => basic_unet(config, 3),
        }
    }
}

fn residual(config: &NetworkConfig) -> Result<(), ArchitectureError> {
    limit("input", config.input, 8, 4096)?;
    limit("stem", config.stem, 1, MAX_CHANNELS)?;
    limit("stem_kernel", config.stem_kernel, 1, 15)?;
    limit("stages", config.stages.len(), 1, 16)?;
    for stage in &config.stages {
        limit("channels", stage.channels, 1, MAX_CHANNELS)?;
        limit("stride", stage.stride, 1, 4)?;
    }
    Ok(())
}

fn resnet(config: &ResnetConfig) -> u64 {
    let stem = match config.stem {
        Stem::Large => 7,
        Stem::Small => 3,
    };
    let expansion = config.block.expansion();
    let mut sum = conv(config.input_channels, config.width, stem) + norm(config.width);
    for plan in config.plan().into_iter().flatten() {
        let output = plan.width * expansion;
        sum += if expansion == 1 {
            conv(plan.input, plan.width, 3) + conv(plan.width, plan.width, 3) + 2 * norm(plan.width)
        } else {
            let ends = conv(plan.input, plan.width, 1) + conv(plan.width, output, 1);
            ends + conv(plan.width, plan.width, 3) + 2 * norm(plan.width) + norm(output)
        };
        if plan.stride != 1 || plan.input != output {
            sum += conv(plan.input, output, 1) + norm(output);
        }
    }
    sum + linear(config.features(), config.outputs)
}

/// In so many dimensions.
fn basic_unet(config: &BasicUnetConfig, dimensions: u32) -> u64 {
    let conv = |input: usize, output: usize| (input * output * 3_usize.pow(dimensions)) as u64;
    let own = |channels: usize| {
        // a bias, scale and shift; batch normalisation keeps mean and variance too
        let each = if config.norm == UnetNorm::Batch { 5 } else { 3 };
        each * channels as u64
    };
    let two = |input: usize, output: usize| conv(input, output) + conv(output, output) + 2 * own(output);
    let up = |below: usize, up: usize, level: usize, output: usize| {
        (below * up * 2_usize.pow(dimensions)) as u64 + up as u64 + two(level + up, output)
    };
    let [f0, f1, f2, f3, f4, f5] = config.features;
    two(config.input_channels, f0)
        + (two(f0, f1) + two(f1, f2) + two(f2, f3) + two(f3, f4))
        + (up(f4, f4 / 2, f3, f3) + up(f3, f3 / 2, f2, f2) + up(f2, f2 / 2, f1, f1) + up(f1, f1, f0, f5))
        + linear(f5, config.outputs)
}

fn conv(input: usize, output: usize, side: usize) -> u64 {
    (input * output * side * side) as u64
}

/// Scale, shift, running mean and running variance.
fn norm(channels: usize) -> u64 {
    4 * channels as u64
}

fn linear(input: usize, output: usize) -> u64 {
    (input * output + output) as u64
}

pub(super) fn limit(
    field: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<(), ArchitectureError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ArchitectureError::Limit { field, least, most })
    }
}

fn each(field: &'static str, values: &[usize], least: usize, most: usize) -> Result<(), ArchitectureError> {
    values.iter().try_for_each(|value| limit(field, *value, least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: `sum(p.numel() for p in state_dict().values())` of torchvision 0.29, MONAI 1.6 and
    /// efficientnet_lite_pytorch 0.1.0, without `num_batches_tracked`.
    #[test]
    fn published_networks_have_their_published_number_of_weights() {
        let cases = [
            ("resnet18", 3, 1000, 11_699_112),
            ("resnet50", 3, 1000, 25_610_152),
            ("densenet121", 3, 1000, 8_062_504),
            ("convnext-tiny", 3, 1000, 28_589_128),
            ("efficientnet-lite0", 3, 1000, 4_694_024),
            ("resnet18-3d", 1, 400, 33_375_696),
            ("medicalnet-resnet18", 1, 0, 32_993_984),
            ("basic-unet-3d", 1, 2, 5_749_410),
        ];
        for (name, channels, outputs, weights) in cases {
            assert_eq!(Architecture::preset(name, channels, outputs).unwrap().weights(), weights, "{name}");
        }
    }

    /// The same reference for what the family's published scaling gives: Lite1 to Lite4.
    #[test]
    fn the_larger_networks_of_a_family_are_other_numbers() {
        let cases = [
            ([1, 3, 3, 4, 4, 5, 1], [16, 24, 40, 80, 112, 192, 320], 5_470_344),
            ([1, 3, 3, 4, 4, 5, 1], [16, 24, 48, 88, 120, 208, 352], 6_150_168),
            ([1, 3, 3, 5, 5, 6, 1], [24, 32, 48, 96, 136, 232, 384], 8_273_768),
            ([1, 4, 4, 6, 6, 8, 1], [24, 32, 56, 112, 160, 272, 448], 13_118_936),
        ];
        for (blocks, channels, weights) in cases {
            let config =
                EfficientnetLiteConfig { blocks, channels, ..EfficientnetLiteConfig::lite0(3, 1000) };
            assert_eq!(Architecture::EfficientnetLite(config).weights(), weights, "{blocks:?}");
        }
    }

    #[test]
    fn an_architecture_survives_its_text() {
        for name in PRESETS {
            let architecture = Architecture::preset(name, 1, 3).unwrap();
            let text = serde_json::to_string(&architecture).unwrap();
            assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
        }
        let surprise = r#"{"family":"resnet","input_channels":1,"outputs":1,"stem":"small","block":"basic","blocks":[2,2,2,2],"width":64,"surprise":1}"#;
        assert!(serde_json::from_str::<Architecture>(surprise).is_err());
    }

    #[test]
    fn what_is_outside_the_limits_is_refused() {
        let code = |architecture: &Architecture| architecture.check().err().map(|error| error.code());
        let resnet = |width, blocks| {
            Architecture::Resnet(ResnetConfig { blocks, width, ..ResnetConfig::resnet50(1, 1) })
        };
        assert_eq!(code(&resnet(0, [1; 4])), Some("ArchitectureLimit"));
        assert_eq!(code(&resnet(usize::MAX, [1; 4])), Some("ArchitectureLimit"));
        assert_eq!(code(&resnet(64, [1, 0, 1, 1])), Some("ArchitectureLimit"));
        assert_eq!(code(&resnet(256, [128; 4])), Some("ArchitectureTooLarge"));
        assert_eq!(code(&resnet(64, [1; 4])), None);
        assert!(Architecture::preset("densenet121", 0, 1).is_err());
        assert!(Architecture::preset("densenet121", 1, 100_000).is_err());
        assert_eq!(Architecture::preset("vgg", 1, 1).unwrap_err().code(), "ArchitectureUnknown");
    }
}
