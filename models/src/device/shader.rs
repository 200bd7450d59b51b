//! The language that kernels are handed to a GPU's driver in.
//!
//! Burn takes it from how the program was built and from the adapter: with the feature `spirv`, an adapter on Vulkan
//! that has Vulkan's memory model and buffer device addresses is given SPIR-V, and every other one WGSL. Nothing chooses
//! between the two at run time, so that comparing them takes two programs.

use serde::Serialize;

/// A shading language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ShadingLanguage {
    /// WebGPU's text; wgpu translates it for the driver.
    #[serde(rename = "WGSL")]
    Wgsl,
    /// Vulkan's binary form, handed over as Burn made it.
    #[serde(rename = "SPIR-V")]
    SpirV,
}

/// Why kernels are not handed over in the language that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShaderError {
    /// The program has no compiler of it.
    #[error(
        "this program was built without {asked}: build it with `--features {feature}`, such as `cargo build --release --bin chiasm --features {feature}`"
    )]
    NotBuilt {
        /// The language asked for.
        asked: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The device takes another one, or none.
    #[error("{device} takes {takes} in this program, not {asked}: {next_step}")]
    Another {
        /// The device in words.
        device: String,
        /// What it takes, in words.
        takes: &'static str,
        /// The language asked for.
        asked: &'static str,
        /// What to do about it.
        next_step: &'static str,
    },
}

impl ShaderError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBuilt { .. } => "ShaderNotBuilt",
            Self::Another { .. } => "ShaderAnother",
        }
    }
}

impl ShadingLanguage {
    /// What this program can compile kernels to; none without the feature `gpu`.
    pub fn built() -> &'static [Self] {
        if cfg!(feature = "spirv") {
            &[Self::Wgsl, Self::SpirV]
        } else if cfg!(feature = "gpu") {
            &[Self::Wgsl]
        } else {
            &[]
        }
    }

    /// `WGSL` or `SPIR-V`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wgsl => "WGSL",
            Self::SpirV => "SPIR-V",
        }
    }

    /// An error where this program cannot compile to it, whatever the device.
    pub fn check_built(self) -> Result<(), ShaderError> {
        if Self::built().contains(&self) {
            return Ok(());
        }
        let feature = match self {
            Self::Wgsl => "gpu",
            Self::SpirV => "spirv",
        };
        Err(ShaderError::NotBuilt { asked: self.as_str(), feature })
    }

    /// An error where `device` is not given its kernels in this language.
    pub fn check_device(self, device: &super::Device) -> Result<(), ShaderError> {
        self.check_built()?;
        let found = device.shading_language();
        let (takes, next_step) = match found {
            Some(found) if found == self => return Ok(()),
            Some(Self::SpirV) => ("SPIR-V", "measure WGSL with a program built without the feature `spirv`"),
            Some(Self::Wgsl) => ("WGSL", "its driver lacks what SPIR-V needs of Vulkan"),
            None => ("no kernels", "choose the device `gpu`, or leave the language out"),
        };
        let device = device.description().to_owned();
        Err(ShaderError::Another { device, takes, asked: self.as_str(), next_step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, DeviceChoice};

    #[test]
    fn a_processor_takes_no_kernels_in_any_language() {
        let cpu = Device::open(DeviceChoice::Cpu).unwrap();
        assert_eq!(cpu.shading_language(), None);
        for language in ShadingLanguage::built() {
            let error = language.check_device(&cpu).unwrap_err();
            assert_eq!(error.code(), "ShaderAnother");
            assert!(error.to_string().contains(language.as_str()), "{error}");
        }
    }

    #[cfg(not(feature = "spirv"))]
    #[test]
    fn what_was_not_built_is_an_error_that_says_how_to_build_it() {
        let error = ShadingLanguage::SpirV.check_built().unwrap_err();
        assert_eq!(error.code(), "ShaderNotBuilt");
        assert!(error.to_string().contains("--features spirv"), "{error}");
    }
}
