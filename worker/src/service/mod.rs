//! The queue worker: takes deliveries, carries each study through the stages beside others, and settles them.
//!
//! One job is one task. It waits for bytes of the [`budget`], for a place at the [`gate`] to read, decode and compose,
//! and for its turn at the [`device`], where pictures of several studies are scored together; so the stages of
//! different studies overlap, each behind a bound. What a queue delivered is `arrival`'s, what happens to a leased job
//! is [`flight`]'s, how its report reaches the targets is `handover`'s, and what the ledger holds of dead workers and
//! put-off deliveries comes back through `feed`.

mod announce;
mod arrival;
pub mod budget;
pub mod device;
mod earlier;
pub mod failpoint;
mod feed;
pub mod fetch;
pub mod flight;
pub mod gate;
mod given_up;
mod handover;
pub mod health;
mod load;
mod poison;
pub mod pressure;
mod records;
mod rejected;
mod resume;
mod right_of_way;
pub mod shutdown;
pub mod spool;
#[cfg(test)]
mod tests;
mod under_way;
pub(crate) mod widen;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{RwLock, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::DeviceArg;
use crate::config::Config;
use crate::ending::Ending;
use crate::lane::Lane;
use crate::ledger::{Job, Ledger};
use crate::outcome::Outcome;
use crate::pipeline::Stages;
use crate::pipeline::scoring::Scoring;
use crate::queue::{Queue, QueueError};
use crate::telemetry::metrics::Metrics;

use arrival::Arrivals;
use budget::Budget;
use device::{Batching, DeviceThread, OnDemand, OpenChild, Opening};
use feed::{Feeds, Intake};
use fetch::Sources;
use flight::{DeviceFor, Flight};
use gate::Gate;
use pressure::Pressure;
use under_way::UnderWay;

/// The folder in `state` where the device's driver keeps compiled kernels.
const KERNELS_FOLDER: &str = "kernels";

/// How often the ledger is asked for jobs when it had none.
const LEDGER_POLL: Duration = Duration::from_millis(200);

/// How often a worker that ends when nothing is left looks whether anything is.
const IDLE_POLL: Duration = Duration::from_millis(50);

/// How long such a worker waits for a pause of the intake to end.
const ONCE_WAITS_PAUSED: Duration = Duration::from_secs(10);

/// What a worker is made of.
pub struct Worker {
    /// The stages.
    pub stages: Arc<Stages>,
    /// Where jobs stand.
    pub ledger: Arc<dyn Ledger>,
    /// Where requests wait.
    pub queue: Arc<dyn Queue>,
    /// Where studies and records are.
    pub sources: Arc<Sources>,
    /// The device.
    pub device: Arc<DeviceThread>,
    /// Where reports go, and whether intake pauses.
    pub pressure: Arc<Pressure>,
    /// What is counted.
    pub metrics: Metrics,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop, or nothing was left; all that was under way is finished or handed back.
    Stopped,
    /// The ledger failed while the worker was to end with the queue empty.
    LedgerFailed,
    /// Nothing could be taken in for a while, while the worker was to end with the queue empty.
    IntakePaused,
}

impl DeviceFor for DeviceThread {
    fn scoring(&self, job: &Job) -> Box<dyn Scoring + '_> {
        Box::new(self.lane(job.lane))
    }
}

impl DeviceFor for OnDemand {
    fn scoring(&self, _job: &Job) -> Box<dyn Scoring + '_> {
        Box::new(self)
    }
}

/// Opens the device on its thread, as the configuration wants it.
pub fn start_device(stages: &Stages, device: DeviceArg, metrics: &Metrics) -> Result<DeviceThread, Ending> {
    let limits = &stages.config.worker;
    let batching = Batching { max: limits.max_batch, wait: limits.max_wait };
    let warm = stages.readings.in_order();
    let opens = OpenChild { kernels: kernels(&stages.config.state), ..opens(stages, device) };
    DeviceThread::start(Box::new(opens), batching, &warm, metrics.clone())
}

/// The device of a command that carries one job after the other and may need none.
pub fn device_on_demand(stages: &Stages, device: DeviceArg, metrics: &Metrics) -> OnDemand {
    OnDemand::new(opens(stages, device), metrics.clone())
}

fn opens(stages: &Stages, device: DeviceArg) -> OpenChild {
    OpenChild {
        device,
        json_log: stages.config.log.json,
        opening: Opening::of(stages),
        kernels: None,
        timeout: stages.config.worker.device_timeout,
    }
}

/// The folder of compiled kernels in the worker's state; without it each start compiles them again.
fn kernels(state: &Path) -> Option<PathBuf> {
    let folder = state.join(KERNELS_FOLDER);
    match std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize()) {
        Ok(folder) => Some(folder),
        Err(error) => {
            tracing::warn!(kind = %error.kind(), "no folder for compiled kernels: each start compiles them again");
            None
        }
    }
}

impl Worker {
    /// Works until `stopping`, or with `once` until nothing is left. Outcomes go to `outcomes` as they come.
    pub async fn run(
        self,
        once: bool,
        stopping: CancellationToken,
        outcomes: mpsc::Sender<Outcome>,
    ) -> Result<Ended, WorkerError> {
        let config = self.stages.config.clone();
        let (let_in, intake) = watch::channel(Intake::Open);
        let feeds = self.feeds(&config, stopping.clone(), intake, outcomes);
        let budget = Arc::clone(&feeds.arrivals.budget);
        let watching = health::Watch::new(&self, &config, let_in, stopping.clone(), budget);
        let (side, over) = (TaskTracker::new(), CancellationToken::new());
        watching.start(&side, &over).await.map_err(WorkerError::Listen)?;

        let mut lanes = tokio::task::JoinSet::new();
        lanes.spawn(feeds.clone().lane(Lane::Stat, config.worker.stat_jobs_at_once));
        lanes.spawn(feeds.clone().lane(Lane::Routine, config.worker.jobs_at_once));
        let ledger_feed =
            side.spawn(feeds.clone().ledger(usize::from(config.worker.jobs_at_once), LEDGER_POLL));
        tracing::info!(
            device = self.device.health().description,
            stat = config.worker.stat_jobs_at_once,
            routine = config.worker.jobs_at_once,
            "worker started"
        );
        let ended = tokio::select! {
            ended = idle(&feeds, once) => ended,
            () = stopping.cancelled() => Ended::Stopped,
            unusable = first_error(&mut lanes) => {
                stopping.cancel();
                return Err(WorkerError::Queue(unusable));
            }
        };
        stopping.cancel();
        while lanes.join_next().await.is_some() {}
        drop(ledger_feed.await);
        feeds.drain(config.worker.grace).await;
        over.cancel();
        side.close();
        drop(tokio::time::timeout(Duration::from_secs(2), side.wait()).await);
        Ok(ended)
    }

    fn feeds(
        &self,
        config: &Config,
        stopping: CancellationToken,
        intake: watch::Receiver<Intake>,
        outcomes: mpsc::Sender<Outcome>,
    ) -> Feeds {
        let flight = Arc::new(Flight {
            stages: Arc::clone(&self.stages),
            ledger: Arc::clone(&self.ledger),
            device: Arc::clone(&self.device) as Arc<dyn DeviceFor>,
            gate: Arc::new(Gate::new(config.worker.decoders)),
            targets: self.pressure.targets(),
            witnesses: self.sources.witnesses(),
            metrics: self.metrics.clone(),
            deliver_for: config.worker.deliver_for,
            hold_for: config.worker.hold_for,
            under_way: UnderWay::default(),
        });
        let arrivals = Arc::new(Arrivals {
            flight,
            sources: Arc::clone(&self.sources),
            queue: Arc::clone(&self.queue),
            budget: Budget::new(config.worker.memory_bytes),
            mapping: config.mapping.clone(),
            retry: config.retry,
            limits: config.worker,
            alone: Arc::new(RwLock::new(())),
            suspects: Budget::new(1),
            handing_back: CancellationToken::new(),
        });
        Feeds {
            arrivals,
            tasks: TaskTracker::new(),
            stopping,
            intake,
            outcomes,
            ledger_is_empty: Arc::new(AtomicBool::new(false)),
            ledger_failed: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// Waits until nothing is left: no delivery waits or rests, no job is under way, and the ledger has nothing to lease.
async fn idle(feeds: &Feeds, once: bool) -> Ended {
    if !once {
        return std::future::pending().await;
    }
    let mut quiet = 0_u32;
    let mut last_open = Instant::now();
    loop {
        tokio::time::sleep(IDLE_POLL).await;
        if *feeds.intake.borrow() == Intake::Open || !feeds.tasks.is_empty() {
            last_open = Instant::now();
        } else if last_open.elapsed() > ONCE_WAITS_PAUSED {
            return Ended::IntakePaused;
        }
        if feeds.ledger_failed.load(Ordering::SeqCst) {
            return Ended::LedgerFailed;
        }
        let nothing_under_way = feeds.tasks.is_empty() && feeds.ledger_is_empty.load(Ordering::SeqCst);
        let nothing_waits = nothing_under_way
            && match feeds.arrivals.queue.status().await {
                Ok(status) => {
                    status.stat + status.routine + status.resting == 0 && status.unsettled.unwrap_or(0) == 0
                }
                Err(_) => false,
            };
        // A message may be on its way from the queue to its task; and a job may have waited in the ledger for another version of
        // its report to end, so the ledger has to be asked once more after that.
        quiet = if nothing_waits { quiet + 1 } else { 0 };
        if IDLE_POLL * quiet > LEDGER_POLL + IDLE_POLL {
            return Ended::Stopped;
        }
    }
}

async fn first_error(lanes: &mut tokio::task::JoinSet<Result<(), QueueError>>) -> QueueError {
    loop {
        match lanes.join_next().await {
            Some(Ok(Err(error))) => return error,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// A worker could not begin, or can never go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The address of `http.listen` is not to be had, or the Orthanc that is configured cannot be spoken to.
    #[error(transparent)]
    Listen(std::io::Error),
    /// The queue cannot be used as it is configured.
    #[error(transparent)]
    Queue(#[from] QueueError),
}
