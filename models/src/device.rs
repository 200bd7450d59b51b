//! The device tensors live on. This is the only module that makes one; the
//! program opens one device when it starts and hands it on.

mod adapter;
mod shader;

use std::fmt;
use std::sync::Arc;

pub use adapter::AdapterFacts;
pub use shader::{ShaderError, ShadingLanguage};

/// Which device to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A real GPU through wgpu where there is one, else the CPU. A software
    /// rasteriser (lavapipe, llvmpipe, SwiftShader, WARP) is no real GPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// Any wgpu adapter, a software rasteriser included; an error where there is none.
    Gpu,
}

/// An open device, cheap to clone.
#[derive(Clone)]
pub struct Device {
    inner: burn::tensor::Device,
    description: String,
    is_gpu: bool,
    allocated: Option<AllocatedBytes>,
    adapter: Option<Arc<AdapterFacts>>,
}

/// Asks the adapter's allocator.
type AllocatedBytes = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// Why a device could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The program was built without the feature `gpu`.
    #[error(
        "this program was built without GPU support: build it with `--features gpu`, or choose `cpu` or `auto`"
    )]
    NotBuilt,
    /// wgpu found no adapter.
    #[error(
        "no GPU adapter was found: install a Vulkan driver for the GPU (or `mesa-vulkan-drivers` for the software rasteriser), or choose `cpu`"
    )]
    NoAdapter,
    /// The adapter refused to open.
    #[error("the GPU adapter `{adapter}` could not be opened ({reason}): update its driver, or choose `cpu`")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// What wgpu said.
        reason: String,
    },
}

impl DeviceError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBuilt => "DeviceNotBuilt",
            Self::NoAdapter => "DeviceNoAdapter",
            Self::Open { .. } => "DeviceOpen",
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Device {
    /// Opens the device that `choice` names.
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Gpu => gpu::open(gpu::Adapters::Any),
            DeviceChoice::Auto => match gpu::open(gpu::Adapters::Real) {
                Ok(device) => Ok(device),
                Err(DeviceError::NotBuilt | DeviceError::NoAdapter | DeviceError::Open { .. }) => {
                    Ok(Self::cpu())
                }
            },
        }
    }

    /// The device in words: "CPU (flex, 2 threads)", or the adapter's name, API and driver.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether the device is a wgpu adapter.
    pub fn is_gpu(&self) -> bool {
        self.is_gpu
    }

    /// The device that numbers are compared with: the CPU, which is always there.
    pub(crate) fn reference() -> Self {
        Self::cpu()
    }

    /// Bytes that are allocated on the adapter now, this program's share of it; `None` on the CPU, and where the
    /// adapter's API does not tell (wgpu 30 knows it on Vulkan and Direct3D 12).
    pub fn allocated_bytes(&self) -> Option<u64> {
        self.allocated.as_ref().and_then(|ask| ask())
    }

    /// Gives memory back that nothing uses: after a model was dropped, its share of the allocator's pools.
    pub fn free_unused(&self) {
        self.inner.memory_cleanup();
    }

    /// What kernels are handed over in; `None` on the CPU, which is given none.
    pub fn shading_language(&self) -> Option<ShadingLanguage> {
        self.adapter().map(|adapter| adapter.shading_language)
    }

    /// What the adapter says of itself; `None` on the CPU.
    pub fn adapter(&self) -> Option<&AdapterFacts> {
        self.adapter.as_deref()
    }

    /// Burn's device, without autodiff: what a network alone ([`crate::network`]) is made on.
    pub fn burn(&self) -> &burn::tensor::Device {
        &self.inner
    }

    fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let plural = if threads == 1 { "thread" } else { "threads" };
        Self {
            inner: burn::tensor::Device::flex(),
            description: format!("CPU (flex, {threads} {plural})"),
            is_gpu: false,
            allocated: None,
            adapter: None,
        }
    }
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::{Device, DeviceError};

    #[derive(Clone, Copy)]
    pub(super) enum Adapters {
        Any,
        Real,
    }

    pub(super) fn open(adapters: Adapters) -> Result<Device, DeviceError> {
        match adapters {
            Adapters::Any | Adapters::Real => Err(DeviceError::NotBuilt),
        }
    }
}

#[cfg(feature = "gpu")]
mod gpu;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        let device = Device::open(DeviceChoice::Cpu).unwrap();
        assert!(!device.is_gpu());
        assert!(device.description().starts_with("CPU (flex, "), "{}", device.description());
    }

    #[test]
    fn auto_never_fails() {
        assert!(Device::open(DeviceChoice::Auto).is_ok());
    }

    #[cfg(not(feature = "gpu"))]
    #[test]
    fn a_gpu_that_was_not_built_is_an_error_with_the_next_step() {
        let error = Device::open(DeviceChoice::Gpu).unwrap_err();
        assert_eq!(error.code(), "DeviceNotBuilt");
        assert!(error.to_string().contains("--features gpu"));
    }
}
