//! Weights of a trained network that a readout stands on.

use std::path::Path;

use super::{ImportError, Source};
use crate::network::{StateDict, StateTensor};

/// The floating-point tensors of a file, under the names that stand there.
#[derive(Debug, Clone, PartialEq)]
pub struct Backbone {
    state: StateDict,
    sha256: String,
}

impl Backbone {
    /// Reads a PyTorch state dict or safetensors. Tensors that are not of floating-point numbers, such as counts of batches,
    /// are passed over; a value that no trained network has is an error.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let source = Source::open(path)?;
        let mut state = StateDict::new();
        for (name, entry) in source.entries() {
            let values = match source.values(name) {
                Ok((values, _)) => values,
                Err(ImportError::Dtype { .. }) => continue,
                Err(error) => return Err(error),
            };
            let finite = values.iter().all(|value| value.is_finite());
            let tensor = StateTensor::new(entry.shape.clone(), values).filter(|_| finite);
            let tensor = tensor.ok_or_else(|| ImportError::Value { name: name.clone() })?;
            state.insert(name.clone(), tensor);
        }
        source.is_unchanged()?;
        Ok(Self { state, sha256: source.sha256().to_owned() })
    }

    /// Tensors that are at hand, with the digest of what they are of.
    pub fn of(state: StateDict, sha256: String) -> Self {
        Self { state, sha256 }
    }

    /// The tensors by name.
    pub fn state(&self) -> &StateDict {
        &self.state
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}
