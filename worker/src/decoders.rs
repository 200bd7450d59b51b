//! The processes of this program that read the files of studies.

use std::io;
use std::num::NonZero;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use dicom_ingest::decoders::{Event, Pool, PoolError, PoolOptions};
use dicom_ingest::limits::Limits;
use dicom_ingest::reader::Reader;

use crate::config::site::WorkerConfig;

/// Starts the first of the processes; the others are started when there is work for them.
pub fn open(config: &WorkerConfig) -> Result<Arc<dyn Reader>, PoolError> {
    let options = PoolOptions {
        command: Box::new(command),
        processes: config.decoders,
        threads: std::thread::available_parallelism().map_or(1, NonZero::get),
        limits: Limits::default(),
        memory_bytes: config.decoder_memory_bytes,
        timeout: config.decoder_timeout,
        heard: Box::new(log),
    };
    Ok(Arc::new(Pool::open(options)?))
}

fn command() -> io::Result<Command> {
    let mut command = Command::new(own_program()?);
    // Its own group: a signal of the terminal is for whoever started it to answer.
    command.arg0("chiasm").arg("decode-process").env_clear().process_group(0);
    Ok(command)
}

fn log(event: &Event) {
    match event {
        Event::Started { process, confinement } if confinement.lacking().is_empty() => {
            tracing::debug!(pid = process, "a process that reads files is ready");
        }
        Event::Started { process, confinement } => {
            let lacking = confinement.lacking().join(", ");
            tracing::warn!(
                pid = process,
                lacking,
                "a process that reads files is ready, less bounded than it could be: the system lacks something"
            );
        }
        Event::NotStarted { reason } => {
            tracing::warn!(reason, "a process that reads files could not be started");
        }
        Event::Lost { process, reason } => {
            tracing::warn!(pid = process, reason, "a process that reads files was lost over a file");
        }
    }
}

/// The program that this process runs. A file that was replaced by an upgrade is still there under its process.
pub(crate) fn own_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    if program.exists() { Ok(program) } else { Ok("/proc/self/exe".into()) }
}
