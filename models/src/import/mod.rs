//! Import of trained weights: PyTorch state dicts and safetensors, into a network of a stated architecture.
//!
//! A pickle is parsed and never run (`pytorch-reader`, the reader beneath Burn's
//! own store): a class it names is a word, not code. Sizes that a file claims are
//! bounded before anything is allocated, and a tensor is read only after its shape
//! was found to be the network's. Every tensor that does not fit is named.

mod backbone;
mod names;
pub mod recipe;
mod source;

use std::path::Path;

use crate::device::Device;
use crate::network::resnet3d::Resnet3d;
use crate::network::state::{Misshapen, ReadBack};
use crate::network::unet::BasicUnet;
use crate::network::unet3d::BasicUnet3d;
use crate::network::{Architecture, ArchitectureError, Classifier, Misfits, StateDict, StateTensor};

pub use backbone::Backbone;
pub(crate) use source::Source;

/// The largest file of weights that is read, in bytes.
pub const MAX_WEIGHTS_BYTES: u64 = 2 << 30;
/// The most tensors of a file: ConvNeXt-XLarge has about 700, an optimiser keeps two more each.
pub const MAX_TENSORS: usize = 20_000;

/// Why weights could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read, is too large or no plain file.
    #[error(
        "could not read the file of weights: check its path, rights and size (at most {MAX_WEIGHTS_BYTES} bytes)"
    )]
    Read {
        /// The cause.
        source: std::io::Error,
    },
    /// The file is neither a PyTorch file nor safetensors.
    #[error(
        "the file of weights is not one that can be read ({reason}): save `model.state_dict()` with `torch.save`, or as safetensors"
    )]
    Format {
        /// What the reader said.
        reason: String,
    },
    /// The file has too many tensors.
    #[error("the file of weights has {count} tensors, more than {MAX_TENSORS}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Two sets of tensors in the file would fit.
    #[error("the file holds more than one set of weights that fits ({}): save only the one to import", prefixes.join(", "))]
    Ambiguous {
        /// What the names of each set begin with.
        prefixes: Vec<String>,
    },
    /// Two tensors of the file are the same tensor of the network.
    #[error("the file holds tensor `{name}` twice")]
    Twice {
        /// The network's name of the tensor.
        name: String,
    },
    /// Tensors do not fit the architecture.
    #[error("the weights do not fit the architecture: {misfits}")]
    Misfits {
        /// Every tensor that does not fit.
        misfits: Misfits,
    },
    /// A tensor is not of floating-point numbers.
    #[error("tensor `{name}` is of {dtype} where floating-point numbers are needed")]
    Dtype {
        /// The tensor's name in the file.
        name: String,
        /// Its element type.
        dtype: String,
    },
    /// A tensor could not be read.
    #[error("tensor `{name}` could not be read ({reason}): the file is damaged")]
    Tensor {
        /// The tensor's name in the file.
        name: String,
        /// What the reader said.
        reason: String,
    },
    /// A tensor holds NaN or infinity, or a variance below 0.
    #[error(
        "tensor `{name}` holds a value that no trained network has (NaN, infinity or a negative variance)"
    )]
    Value {
        /// The tensor's name in the file.
        name: String,
    },
    /// The architecture is refused.
    #[error("the architecture is refused")]
    Architecture {
        /// The cause.
        #[from]
        source: ArchitectureError,
    },
    /// The device did not give weights back.
    #[error("the weights could not be compared with the network")]
    ReadBack {
        /// The cause.
        #[from]
        source: ReadBack,
    },
}

impl ImportError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ImportRead",
            Self::Format { .. } => "ImportFormat",
            Self::TooMany { .. } => "ImportTooMany",
            Self::Ambiguous { .. } => "ImportAmbiguous",
            Self::Twice { .. } => "ImportTwice",
            Self::Misfits { .. } => "ImportMisfits",
            Self::Dtype { .. } => "ImportDtype",
            Self::Tensor { .. } => "ImportTensor",
            Self::Value { .. } => "ImportValue",
            Self::Architecture { source } => source.code(),
            Self::ReadBack { .. } => "ImportReadBack",
        }
    }
}

/// Weights that fit an architecture, and what else the file held.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The weights under the architecture's own names.
    pub state: StateDict,
    /// What all their names began with in the file, for example `state_dict.module.`.
    pub prefix: String,
    /// Tensors beside the network's that a training run leaves behind (optimiser, counters), left aside.
    pub aside: Vec<String>,
    /// TorchXRayVision's operating points, one an output, where the file has them.
    pub operating_points: Option<Vec<f32>>,
    /// Tensors that were of another precision and were rounded or widened to f32.
    pub converted: Vec<String>,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Reads the file at `path` as weights of `architecture`.
pub fn import(path: &Path, architecture: &Architecture) -> Result<Imported, ImportError> {
    import_from(&Source::open(path)?, architecture)
}

fn import_from(source: &Source, architecture: &Architecture) -> Result<Imported, ImportError> {
    // nothing is made of an architecture that is outside its limits
    architecture.check()?;
    let wanted = template(architecture)?;
    let sorted = names::sort(source.entries().keys(), &wanted, architecture)?;
    let mut misfits = Misfits { unknown: sorted.unknown, ..Misfits::default() };
    for (name, tensor) in &wanted {
        match sorted.found.get(name).and_then(|own| source.entries().get(own)) {
            None => misfits.missing.push(name.clone()),
            Some(entry) if entry.shape != tensor.shape() => misfits.misshapen.push(Misshapen {
                name: name.clone(),
                wanted: tensor.shape().to_vec(),
                found: entry.shape.clone(),
            }),
            Some(_) => {}
        }
    }
    if misfits != Misfits::default() {
        return Err(ImportError::Misfits { misfits });
    }
    let (mut state, mut converted) = (StateDict::new(), Vec::new());
    for (name, own) in &sorted.found {
        let (values, exact) = source.values(own)?;
        let variance = name.ends_with("running_var");
        if values.iter().any(|value| !value.is_finite() || (variance && *value < 0.0)) {
            return Err(ImportError::Value { name: own.clone() });
        }
        if !exact {
            converted.push(own.clone());
        }
        let shape = source.entries().get(own).map(|entry| entry.shape.clone()).unwrap_or_default();
        let tensor = StateTensor::new(shape, values).ok_or_else(|| ImportError::Tensor {
            name: own.clone(),
            reason: "it has not one value for each place of its shape".to_owned(),
        })?;
        state.insert(name.clone(), tensor);
    }
    let operating_points = match &sorted.operating_points {
        Some(own) => operating_points(source, own, architecture)?,
        None => None,
    };
    source.is_unchanged()?;
    Ok(Imported {
        state,
        prefix: sorted.prefix,
        aside: sorted.aside,
        operating_points,
        converted,
        sha256: source.sha256().to_owned(),
    })
}

/// The published network `preset` with the numbers of channels and outputs that the file's tensors have.
fn infer(source: &Source, preset: &str) -> Result<Architecture, ImportError> {
    let least = Architecture::preset(preset, 1, 1)?;
    let (first, last) = match &least {
        Architecture::Resnet(_) | Architecture::Resnet3d(_) => ("conv1.weight", "fc.bias"),
        Architecture::Densenet(_) => ("features.conv0.weight", "classifier.bias"),
        Architecture::BasicUnet(_) | Architecture::BasicUnet3d(_) => {
            ("conv_0.conv_0.conv.weight", "final_conv.bias")
        }
        Architecture::Convnext(_) => ("features.0.0.weight", "classifier.2.bias"),
        Architecture::EfficientnetLite(_) => ("_conv_stem.weight", "_fc.bias"),
        Architecture::Residual(_) => ("stem.weight", "head.bias"),
    };
    let sorted = names::sort(source.entries().keys(), &template(&least)?, &least)?;
    let extent = |name: &str, axis: usize| {
        let entry = sorted.found.get(name).and_then(|own| source.entries().get(own));
        entry.and_then(|entry| entry.shape.get(axis)).copied()
    };
    match (extent(first, 1), extent(last, 0)) {
        (Some(channels), Some(outputs)) => Ok(Architecture::preset(preset, channels, outputs)?),
        (channels, outputs) => {
            let gone = [(first, channels), (last, outputs)];
            let missing =
                gone.iter().filter(|(_, extent)| extent.is_none()).map(|(name, _)| (*name).to_owned());
            let misfits = Misfits { missing: missing.collect(), ..Misfits::default() };
            Err(ImportError::Misfits { misfits })
        }
    }
}

/// TorchXRayVision's thresholds, one an output; NaN stands for an output that was not trained.
fn operating_points(
    source: &Source,
    own: &str,
    architecture: &Architecture,
) -> Result<Option<Vec<f32>>, ImportError> {
    let shape = source.entries().get(own).map(|entry| entry.shape.clone()).unwrap_or_default();
    if shape != [architecture.outputs()] {
        let misshapen =
            vec![Misshapen { name: own.to_owned(), wanted: vec![architecture.outputs()], found: shape }];
        return Err(ImportError::Misfits { misfits: Misfits { misshapen, ..Misfits::default() } });
    }
    let (values, _) = source.values(own)?;
    if !values.iter().all(|value| value.is_nan() || (*value > 0.0 && *value < 1.0)) {
        return Err(ImportError::Value { name: own.to_owned() });
    }
    Ok(Some(values))
}

/// The tensors that a network of `architecture` has.
fn template(architecture: &Architecture) -> Result<StateDict, ImportError> {
    let device = Device::reference();
    let state = match architecture {
        Architecture::BasicUnet(config) => BasicUnet::blank(config, device.burn()).state()?,
        Architecture::BasicUnet3d(config) => BasicUnet3d::blank(config, device.burn()).state()?,
        Architecture::Resnet3d(config) => Resnet3d::blank(config, device.burn()).state()?,
        other => match Classifier::blank(other, device.burn()) {
            Some(network) => network.state()?,
            None => StateDict::new(),
        },
    };
    Ok(state)
}
