//! `chiasm device-process`: the device of a worker, in a process of its own.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

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
        .map_err(|error: io::Error| error)
        .context("could not listen for signals")?;
    // Without the library's buffer of lines: an answer goes out in one piece, and wakes the worker once.
    let answers = io::stdout().as_fd().try_clone_to_owned().context("could not use standard output")?;
    match device::serve(args.device, &mut io::stdin().lock(), &mut File::from(answers)) {
        Ok(()) => Ok(0),
        // The worker is gone: there is nobody to tell. It may not have read the last answer.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            Ok(0)
        }
        Err(error) => Err(error).context("the worker could not be understood"),
    }
}
