//! SIGTERM and Ctrl-C: the first drains, the second ends at once. Neither loses anything.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a worker that was told twice to stop (128 + SIGTERM).
const ENDED_AT_ONCE: i32 = 143;

/// Cancels `stopping` at the first signal; at the second the process ends. What was under way is taken up again by the
/// next worker, as after a crash. Called inside a runtime, before anything that takes long: a worker that is told to stop
/// while it starts ends in order too.
pub fn listen(stopping: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopping.is_cancelled() {
                tracing::warn!("told a second time to stop: ending at once");
                std::process::exit(ENDED_AT_ONCE);
            }
            tracing::info!("told to stop: no more studies are taken, those under way are finished");
            stopping.cancel();
        }
    });
    Ok(())
}
