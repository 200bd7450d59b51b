//! The one place that picks the device, once a run.

use models::{Device, DeviceChoice, DeviceError};

use crate::cli::DeviceArg;

/// Opens the device that was asked for and says which it is.
pub fn open(asked: DeviceArg) -> Result<Device, DeviceError> {
    let choice = match asked {
        DeviceArg::Auto => DeviceChoice::Auto,
        DeviceArg::Cpu => DeviceChoice::Cpu,
        DeviceArg::Gpu => DeviceChoice::Gpu,
    };
    let device = Device::open(choice)?;
    tracing::info!(device = device.description(), gpu = device.is_gpu(), "device opened");
    Ok(device)
}
