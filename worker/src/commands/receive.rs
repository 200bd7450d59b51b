//! `chiasm receive`: takes studies over DICOM until told to stop.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{Usage, load, runtime};
use crate::cli::receive::ReceiveArgs;
use crate::receive::Receiver;
use crate::service::shutdown;
use crate::{decoders, queue, remote};

/// Runs a receiver and gives the exit code: 0 when it was told to stop.
pub(super) fn run(args: &ReceiveArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, Some(&args.state))?;
    let Some(receive) = config.receive.clone() else {
        return Err(Usage("the configuration has no `[receive]` with `listen`".into()).into());
    };
    let reader = decoders::open(&config.worker)?;
    let archive = receive.count_from.as_ref().map(|from| remote::archive(&from.source, &from.server));
    let archive = archive.transpose()?;
    let runtime = runtime()?;
    let stopping = CancellationToken::new();
    runtime.block_on(async { shutdown::listen(stopping.clone()) }).context("could not listen for signals")?;
    runtime.block_on(async {
        let queue = queue::open(&config.queue, &config.state).await?;
        let folder = receive.folder.display().to_string();
        let receiver = Receiver::open(receive, reader, config.worker.decoders, queue, archive)
            .with_context(|| format!("could not use the folder `{folder}` or the files of TLS"))?;
        receiver.run(stopping, config.worker.grace).await.context("could not listen")
    })?;
    runtime.shutdown_background();
    Ok(0)
}
