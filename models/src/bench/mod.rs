//! Work to be timed: what a network costs by counting, and seeded pieces of work on a device.
//!
//! This module reads no clock. [`cost`] counts from an architecture alone; [`kernel`]
//! and [`forward`] do one piece of work a call and return when the device has finished
//! it. Who times them is `worker::bench`.

pub mod cost;
pub mod forward;
pub mod kernel;

/// The tensor library with its version, as a measurement states it.
pub const BURN: &str = "burn 0.22.1";

/// The precision that weights and activations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
}

impl Precision {
    /// `f32` or `f16`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of one value.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    fn dtype(self) -> burn::tensor::FloatDType {
        match self {
            Self::F32 => burn::tensor::FloatDType::F32,
            Self::F16 => burn::tensor::FloatDType::F16,
        }
    }
}

/// Why a piece of work could not be made or done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The device does not compute in that precision.
    #[error("{device} does not compute in {precision}: choose f32")]
    Precision {
        /// The device in words.
        device: String,
        /// The precision asked for.
        precision: &'static str,
    },
    /// The device did not finish it.
    #[error("the device did not finish its work ({reason}): take a smaller batch, or another device")]
    Device {
        /// What the device said.
        reason: String,
    },
    /// A side is too small for the network's poolings.
    #[error("pictures of {side} pixels are too small for this network, which needs {least}")]
    Side {
        /// The side asked for.
        side: usize,
        /// The least side.
        least: usize,
    },
    /// A layer has more values than are held.
    #[error(
        "a layer has {values} values in a batch of {batch}, the limit is {most}: take a smaller batch, or smaller pictures"
    )]
    Values {
        /// Pictures or volumes of the batch.
        batch: usize,
        /// What goes into a layer or comes out of it.
        values: u64,
        /// The limit.
        most: u64,
    },
    /// Weights or pictures do not fit the network.
    #[error("the weights or pictures do not fit ({reason}): give those of this architecture")]
    Weights {
        /// What does not fit.
        reason: String,
    },
    /// The bundle could not be loaded.
    #[error(transparent)]
    Scorer(#[from] crate::ScorerError),
    /// The pictures could not be scored.
    #[error(transparent)]
    Score(#[from] crate::ScoreError),
}

impl WorkError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Precision { .. } => "BenchPrecision",
            Self::Device { .. } => "BenchDevice",
            Self::Side { .. } => "BenchSide",
            Self::Values { .. } => "BenchValues",
            Self::Weights { .. } => "BenchWeights",
            Self::Scorer(error) => error.code(),
            Self::Score(error) => error.code(),
        }
    }
}

/// Whether `device` computes in `precision`.
fn supported(device: &crate::Device, precision: Precision) -> Result<(), WorkError> {
    if device.burn().supports_dtype(precision.dtype()) {
        Ok(())
    } else {
        let (device, precision) = (device.description().to_owned(), precision.as_str());
        Err(WorkError::Precision { device, precision })
    }
}

/// Seeded values from 0 to 1, none of them zero for long: no backend may skip them.
fn values(count: usize, generator: &mut rand_chacha::ChaCha8Rng) -> Vec<f32> {
    use rand::RngExt;
    (0..count).map(|_| generator.random::<f32>()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stated_version_of_burn_is_the_pinned_one() {
        let pinned = super::BURN.replacen("burn ", "burn = { version = \"=", 1);
        assert!(include_str!("../../../Cargo.toml").contains(&pinned), "{pinned}");
    }
}
