//! Probes and counts of a receiver, served over HTTP, and the studies that were kept for long enough.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Receiver;
use crate::telemetry::http::{self, Probe};

/// How often disk and open studies are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked for studies that were kept for long enough.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// Open studies are looked at five times a second; a receiver that has not done so for this long hangs.
const STALE: Duration = Duration::from_mins(5);

/// When open studies were last looked at.
#[derive(Debug)]
pub(super) struct Beat {
    began: Instant,
    last_ms: AtomicU64,
}

impl Beat {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    pub(super) fn now(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(since, Ordering::Relaxed);
    }

    fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// What the probes ask. A receiver whose queue is away takes instances all the same: its studies wait, and are counted.
struct Door(Weak<Receiver>);

#[async_trait]
impl Probe for Door {
    fn is_live(&self) -> bool {
        self.0.upgrade().is_none_or(|receiver| receiver.beat.age() < STALE)
    }

    async fn not_ready(&self) -> Vec<String> {
        let Some(receiver) = self.0.upgrade() else {
            return vec!["stopping: no more instances are taken".into()];
        };
        if receiver.has_room().await {
            Vec::new()
        } else {
            vec!["disk: it cannot be looked at, or has less room than `receive.min_free_disk_mib`".into()]
        }
    }
}

/// Starts to serve, to measure and to sweep, until `stopping`.
pub(super) async fn start(
    receiver: &Arc<Receiver>,
    side: &TaskTracker,
    stopping: &CancellationToken,
) -> io::Result<()> {
    if let Some(listen) = receiver.config.http_listen {
        let server = http::bind("receive.http_listen", listen).await?;
        tracing::info!(http = %server.address()?, "probes and metrics are served");
        let probe = Arc::new(Door(Arc::downgrade(receiver)));
        let counts = Arc::new(receiver.counts.clone());
        side.spawn(http::serve(server, probe, counts, None, stopping.clone()));
    }
    side.spawn(measure(Arc::clone(receiver), stopping.clone()));
    if let Some(keep) = receiver.config.keep {
        side.spawn(sweep(Arc::clone(receiver), keep, stopping.clone()));
    }
    Ok(())
}

async fn measure(receiver: Arc<Receiver>, stopping: CancellationToken) {
    loop {
        let (open, oldest) = receiver.studies.waiting(Instant::now());
        receiver.counts.set_open(open, oldest);
        if let Some(free) = receiver.disk.free().await {
            receiver.counts.set_disk_free(free);
        }
        if stopping.run_until_cancelled(tokio::time::sleep(MEASURE_EVERY)).await.is_none() {
            return;
        }
    }
}

async fn sweep(receiver: Arc<Receiver>, keep: Duration, stopping: CancellationToken) {
    loop {
        let sweeping = Arc::clone(&receiver);
        // Before 1970 nothing was received.
        let before = SystemTime::now().checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
        let swept = tokio::task::spawn_blocking(move || sweeping.studies.remove_older(before)).await;
        match swept.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(0) => {}
            Ok(studies) => {
                receiver.counts.removed(studies);
                tracing::info!(studies, "studies were kept for long enough and are removed");
            }
            Err(error) => tracing::warn!(%error, "studies that were kept for long enough cannot be removed"),
        }
        if stopping.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_none() {
            return;
        }
    }
}
