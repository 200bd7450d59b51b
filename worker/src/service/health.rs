//! Whether a worker should be given work: its heartbeat, its device, its ledger and queue, and whether intake pauses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use models::GreyImage;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Worker;
use super::budget::Budget;
use super::device::DeviceThread;
use super::feed::Intake;
use super::pressure::{Pressure, Verdict};
use crate::config::Config;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::model::{BUILT_IN, ModelNumber};
use crate::orthanc::changes::Poller;
use crate::pipeline::scoring::Scoring;
use crate::queue::Queue;
use crate::telemetry::http::{self, Probe};
use crate::telemetry::metrics::Metrics;

/// How often the worker looks after itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often depths and ages are read for metrics.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// A device that scored nothing for so long is asked to score a small picture.
const PROBE_DEVICE_AFTER: Duration = Duration::from_secs(30);

/// A main loop that did not come round for so long is not alive.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// Looks after a running worker.
pub(super) struct Watch {
    config: Config,
    ledger: Arc<dyn Ledger>,
    queue: Arc<dyn Queue>,
    device: Arc<DeviceThread>,
    metrics: Metrics,
    pressure: Arc<Pressure>,
    let_in: watch::Sender<Intake>,
    stopping: CancellationToken,
    budget: Arc<Budget>,
    state: Arc<State>,
}

/// What the probes answer from.
struct State {
    began: Instant,
    last_beat_ms: AtomicU64,
    reasons: Mutex<Vec<String>>,
}

impl Watch {
    pub(super) fn new(
        worker: &Worker,
        config: &Config,
        let_in: watch::Sender<Intake>,
        stopping: CancellationToken,
        budget: Arc<Budget>,
    ) -> Self {
        let starting = vec!["starting: the first look is not done".to_owned()];
        Self {
            config: config.clone(),
            ledger: Arc::clone(&worker.ledger),
            queue: Arc::clone(&worker.queue),
            device: Arc::clone(&worker.device),
            metrics: worker.metrics.clone(),
            pressure: Arc::clone(&worker.pressure),
            let_in,
            stopping,
            budget,
            state: Arc::new(State {
                began: Instant::now(),
                last_beat_ms: AtomicU64::new(0),
                reasons: Mutex::new(starting),
            }),
        }
    }

    /// Starts to look, to keep the leases, and to serve probes and metrics where an address is configured. Leases are kept
    /// and probes answered until `ended`, while the worker drains too.
    pub(super) async fn start(self, side: &TaskTracker, ended: &CancellationToken) -> std::io::Result<()> {
        if let Some(listen) = self.config.http.listen {
            let probe: Arc<dyn Probe> = Arc::clone(&self.state) as Arc<dyn Probe>;
            let intake =
                crate::orthanc::hook::intake(&self.config, &self.queue).map_err(std::io::Error::other)?;
            let server = http::bind("http.listen", listen).await?;
            side.spawn(http::serve(server, probe, Arc::new(self.metrics.clone()), intake, ended.clone()));
        }
        if let Some(orthanc) = &self.config.orthanc {
            let (queue, state) = (Arc::clone(&self.queue), &self.config.state);
            let poller = Poller::new(orthanc, queue, state).map_err(std::io::Error::other)?;
            side.spawn(poller.run(self.stopping.clone()));
        }
        self.look().await;
        let watch = Arc::new(self);
        side.spawn(Arc::clone(&watch).keep_leases(ended.clone()));
        side.spawn(Arc::clone(&watch).keep_measuring());
        side.spawn(watch.keep_looking());
        Ok(())
    }

    async fn keep_looking(self: Arc<Self>) {
        while self.again(LOOK_EVERY).await {
            self.look().await;
        }
        self.state.say(vec!["stopping: no more studies are taken".into()]);
    }

    async fn keep_leases(self: Arc<Self>, ended: CancellationToken) {
        let every = self.config.worker.lease / 4;
        while tokio::time::timeout(every, ended.cancelled()).await.is_err() {
            if let Err(error) = self.ledger.renew_leases().await {
                tracing::warn!(%error, "leases not renewed");
            }
        }
    }

    async fn keep_measuring(self: Arc<Self>) {
        loop {
            if let Ok(status) = self.queue.status().await {
                self.metrics.set_queue(&status);
            }
            if let Ok(counts) = self.ledger.counts().await {
                let age = self.ledger.outbox_age().await.ok().flatten();
                self.metrics.set_ledger(&counts, age);
            }
            if !self.again(MEASURE_EVERY).await {
                return;
            }
        }
    }

    /// One look: what stands against taking work. A look that cannot reach the ledger says so instead of waiting.
    async fn look(&self) {
        self.state.beat();
        let mut reasons = Vec::new();
        if !self.ledger.is_reachable().await {
            reasons.push("ledger: it does not answer".to_owned());
        }
        if !self.device_answers().await {
            reasons.push("device: it does not score".to_owned());
        }
        let unwell = !reasons.is_empty();
        if let Verdict::Paused(pressing) = self.pressure.look(self.ledger.as_ref()).await {
            reasons.extend(pressing.iter().map(ToString::to_string));
        }
        let intake = match (unwell, reasons.is_empty()) {
            (true, _) => Intake::Closed,
            (false, false) => Intake::Paused,
            (false, true) => Intake::Open,
        };
        // A queue that is away pauses nothing: its consumers wait for it by themselves.
        if !self.queue.is_reachable().await {
            reasons.push("queue: it does not answer".to_owned());
        }
        if self.let_in.send_if_modified(|before| std::mem::replace(before, intake) != intake) {
            if intake == Intake::Open {
                tracing::info!("intake goes on");
            } else {
                tracing::warn!(reasons = reasons.join("; "), "intake pauses");
            }
        }
        let (used, whole) = self.budget.used();
        self.metrics.set_memory(used, whole);
        self.metrics.set_ready(reasons.is_empty());
        self.state.say(reasons);
    }

    /// A real probe: a device that scored nothing for a while scores a small picture now.
    async fn device_answers(&self) -> bool {
        let health = self.device.health();
        let fresh = health.last_success.is_some_and(|last| last.elapsed() < PROBE_DEVICE_AFTER);
        if health.is_ready() && fresh {
            return true;
        }
        let device = Arc::clone(&self.device);
        // one that is there: a probe brings no other model onto the device
        let resident = health.models.iter().position(|model| model.is_resident);
        let probed = resident.map_or(BUILT_IN, ModelNumber);
        let scored = tokio::task::spawn_blocking(move || {
            probe_picture()
                .is_some_and(|picture| device.lane(Lane::Stat).score(probed, &Arc::new(picture)).is_ok())
        });
        matches!(tokio::time::timeout(DEAD_AFTER / 2, scored).await, Ok(Ok(true)))
    }

    /// Waits; false when the worker stops.
    async fn again(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// A small picture with some contrast.
fn probe_picture() -> Option<GreyImage> {
    const SIDE: usize = 64;
    let values = (0..SIDE * SIDE).map(|index| (index % SIDE) as f32 / SIDE as f32).collect();
    GreyImage::new(SIDE, SIDE, values).ok()
}

impl State {
    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_beat_ms.store(now, Ordering::SeqCst);
    }

    fn say(&self, reasons: Vec<String>) {
        *self.reasons.lock().unwrap_or_else(PoisonError::into_inner) = reasons;
    }
}

#[async_trait]
impl Probe for State {
    fn is_live(&self) -> bool {
        let last = Duration::from_millis(self.last_beat_ms.load(Ordering::SeqCst));
        self.began.elapsed().saturating_sub(last) < DEAD_AFTER
    }

    async fn not_ready(&self) -> Vec<String> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
