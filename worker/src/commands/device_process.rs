//! `chiasm device-process`: the device of a worker, in a process of its own.

use anyhow::Context;

use super::runtime;
use crate::cli::DeviceProcessArgs;
use crate::service::device;

/// Serves the worker that started it until that ends, or the device does. Signals that end a whole group of processes are
/// the worker's to answer: what it has under way, it finishes with this device.
pub(super) fn run(args: &DeviceProcessArgs) -> anyhow::Result<u8> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = runtime()?;
    let _heard = runtime
        .block_on(async { Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)) })
        .map_err(|error: std::io::Error| error)
        .context("could not listen for signals")?;
    let (mut asks, mut answers) = (std::io::stdin().lock(), std::io::stdout().lock());
    match device::serve(args.device, &mut asks, &mut answers) {
        Ok(()) => Ok(0),
        // The worker is gone: there is nobody to tell.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(error).context("the worker could not be understood"),
    }
}
