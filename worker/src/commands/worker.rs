//! `chiasm worker`: takes requests from the queue and jobs from the ledger, until told to stop.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::show::Show;
use super::{load, runtime};
use crate::cli::WorkerArgs;
use crate::config::{Config, Environment};
use crate::ledger::{JobFilter, JobState};
use crate::outcome::Outcome;
use crate::pipeline::Stages;
use crate::service::fetch::Sources;
use crate::service::pressure::Pressure;
use crate::service::{self, Ended, Worker};
use crate::service::{failpoint, shutdown};
use crate::telemetry::metrics::Metrics;
use crate::{decoders, deliver, ledger, queue};

/// Outcomes that wait to be shown.
const OUTCOMES: usize = 64;

/// Runs a worker and gives the exit code: 0 when it was told to stop, and with `--once` as `analyze` does.
pub(super) fn run(args: &WorkerArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, Some(&args.state))?;
    failpoint::arm(Environment::of_process().value(failpoint::VARIABLE));
    let stages = Arc::new(Stages::new(config.clone(), decoders::open(&config.worker)?)?);
    let metrics = Metrics::new(stages.readings.built_in().bundle.digest());
    metrics.name_models(stages.readings.models());
    let runtime = runtime()?;
    let stopping = CancellationToken::new();
    runtime.block_on(async { shutdown::listen(stopping.clone()) }).context("could not listen for signals")?;
    let device = service::start_device(&stages, args.device, &metrics)?;
    let code = runtime.block_on(async {
        let worker = worker(&config, stages, device, metrics).await?;
        let waiting = if args.once { waiting(&worker).await? } else { 0 };
        work(worker, args, stopping, waiting).await
    });
    // What still blocks a thread is lost to nobody: its job was handed back.
    runtime.shutdown_background();
    code
}

async fn worker(
    config: &Config,
    stages: Arc<Stages>,
    device: service::device::DeviceThread,
    metrics: Metrics,
) -> anyhow::Result<Worker> {
    Ok(Worker {
        ledger: ledger::open(&config.ledger, &config.state, config.worker.lease).await?,
        queue: queue::open(&config.queue, &config.state).await?,
        sources: Arc::new(Sources::open(config)?),
        pressure: Arc::new(Pressure::new(
            config,
            &deliver::open(&config.places.targets, config.patient_id_system.as_deref())?,
        )),
        device: Arc::new(device),
        stages,
        metrics,
    })
}

/// Jobs and requests that wait at this moment, for the progress bar.
async fn waiting(worker: &Worker) -> anyhow::Result<usize> {
    let jobs = worker.ledger.jobs(&JobFilter::default()).await?;
    let open = jobs.iter().filter(|job| !job.state.is_terminal() && job.state != JobState::Held).count();
    let status = worker.queue.status().await?;
    Ok(open + usize::try_from(status.stat + status.routine).unwrap_or(0))
}

async fn work(
    worker: Worker,
    args: &WorkerArgs,
    stopping: CancellationToken,
    waiting: usize,
) -> anyhow::Result<u8> {
    let (outcomes, mut arriving) = mpsc::channel::<Outcome>(OUTCOMES);
    let (json, once) = (args.json, args.once);
    let showing = tokio::spawn(async move {
        let mut show = Show::new(json, waiting);
        let mut written = Ok(());
        while let Some(outcome) = arriving.recv().await {
            // Without `--json` a worker that runs on has a log and no table.
            if (once || json) && written.is_ok() {
                written = show.take(outcome);
            }
        }
        written.and_then(|()| if once { show.finish() } else { Ok(0) })
    });
    let ended = worker.run(once, stopping, outcomes).await?;
    let code = showing.await??;
    match ended {
        Ended::Stopped => Ok(code),
        Ended::IntakePaused => anyhow::bail!("nothing can be taken in at this moment; the log says why"),
        Ended::LedgerFailed => anyhow::bail!("the ledger failed; the log says how"),
    }
}
