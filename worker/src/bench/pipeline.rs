//! `chiasm bench pipeline` and `soak`: the whole way of the worker, embedded queue and ledger, seeded phantoms.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ground::Ground;
use super::watched::{Busy, OpenWatched};
use crate::cli::DeviceArg;
use crate::config::Config;
use crate::intake::{self, Acceptance, Offered};
use crate::model::BUILT_IN;
use crate::outcome::{Outcome, State};
use crate::pipeline::Stages;
use crate::service::device::{Batching, DeviceThread, OpenChild, Opening};
use crate::service::fetch::Sources;
use crate::service::pressure::Pressure;
use crate::service::{Ended, Worker};
use crate::telemetry::http::Exposition;
use crate::telemetry::metrics::{Metrics, Samples};
use crate::{decoders, deliver, ledger, queue};

/// Outcomes that wait to be counted.
const OUTCOMES: usize = 64;
/// What a study waits for; its time is no work.
const WAITS: &str = "wait";

/// One run over all studies.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Processes that read files.
    pub decoders: usize,
    /// From the start of the worker to the last outcome, in seconds.
    pub wall_s: f64,
    /// Studies by how they ended.
    pub ended: BTreeMap<String, usize>,
    /// Seconds of each stage, over all studies. A stage that waits for the device or a reader holds that too.
    pub stage_s: BTreeMap<String, f64>,
    /// Seconds that the device computed.
    pub device_busy_s: f64,
    /// Mean of the pictures scored together, over the greatest number that a batch may have.
    pub batch_fill: Option<f64>,
    /// Milliseconds of each study's own stages, in the order they ended.
    pub study_ms: Vec<f64>,
    /// Resident memory of this process and of the device's afterwards, in bytes.
    pub resident_bytes: (Option<u64>, Option<u64>),
}

impl Run {
    /// Studies a second.
    pub fn rate(&self) -> f64 {
        self.study_ms.len() as f64 / self.wall_s.max(1e-9)
    }

    /// The share of the run in which the device had nothing to compute.
    pub fn device_idle(&self) -> f64 {
        (1.0 - self.device_busy_s / self.wall_s.max(1e-9)).clamp(0.0, 1.0)
    }

    /// Seconds of all stages over the wall: how many studies were worked on at once, in the mean.
    pub fn overlap(&self) -> f64 {
        self.stage_s.iter().filter(|(stage, _)| *stage != WAITS).map(|(_, s)| s).sum::<f64>()
            / self.wall_s.max(1e-9)
    }
}

/// The device and what is counted of it, over several runs.
pub struct Bench {
    runtime: Runtime,
    metrics: Metrics,
    device: Arc<DeviceThread>,
    busy: Busy,
}

impl Bench {
    /// Opens the device in its process.
    pub fn open(config: &Config, device: DeviceArg) -> anyhow::Result<Self> {
        let metrics = Metrics::new(models::Bundle::embedded()?.digest());
        let opens = OpenChild {
            device,
            json_log: config.log.json,
            opening: Opening::built_in(config)?,
            kernels: None,
            timeout: config.worker.device_timeout,
        };
        let busy = Busy::default();
        let watched = OpenWatched { opens: Box::new(opens), busy: busy.clone() };
        let batching = Batching { max: config.worker.max_batch, wait: config.worker.max_wait };
        let device =
            Arc::new(DeviceThread::start(Box::new(watched), batching, &[BUILT_IN], metrics.clone())?);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { runtime, metrics, device, busy })
    }

    /// The device in words.
    pub fn device(&self) -> String {
        self.busy.facts().description
    }

    /// Submits every study of the ground into an empty ledger and works all of them off.
    pub fn run(&self, ground: &Ground, index: usize, decoders: usize) -> anyhow::Result<Run> {
        let config = ground.config(index, decoders)?;
        let stages = Arc::new(Stages::new(config.clone(), decoders::open(&config.worker)?)?);
        let records = ground.records();
        let reports = ground.reports(index);
        std::fs::create_dir_all(&reports).context("could not make the folder for reports")?;
        let acceptance = Acceptance::Now(jiff::Timestamp::now());
        let archive = [ground.archive()];
        let offered = Offered { paths: &archive, record: Some(&records), pipeline: None };
        let offered = intake::intake(&stages, &offered, &reports, acceptance, &mut |_| {})?;
        let before = self.counted();
        let (wall_s, outcomes) = self.runtime.block_on(async {
            let ledger = ledger::open(&config.ledger, &config.state, config.worker.lease).await?;
            for job in &offered.jobs {
                ledger.accept(job).await?;
            }
            let targets = deliver::open(&config.places.targets, config.patient_id_system.as_deref())?;
            let worker = Worker {
                ledger,
                queue: queue::open(&config.queue, &config.state).await?,
                sources: Arc::new(Sources::open(&config)?),
                pressure: Arc::new(Pressure::new(&config, &targets)),
                device: Arc::clone(&self.device),
                stages,
                metrics: self.metrics.clone(),
            };
            work(worker).await
        })?;
        let after = self.counted();
        ground.clear(index);
        if !outcomes.iter().any(|outcome| outcome.state == State::Reported) {
            let code = outcomes.iter().find_map(|outcome| outcome.code.clone()).unwrap_or_default();
            bail!("no phantom study was reported ({code}): nothing was measured");
        }
        Ok(between(decoders, wall_s, &outcomes, &before, &after))
    }

    fn counted(&self) -> Counted {
        let samples = Samples::parse(&self.metrics.encode());
        let stages = samples.by("chiasm_stage_duration_seconds_sum", "stage");
        Counted {
            stage_s: stages.into_iter().map(|(stage, sum)| (stage.to_owned(), sum)).collect(),
            batches: samples.value("chiasm_batch_fill_ratio_count").unwrap_or(0.0),
            fill: samples.value("chiasm_batch_fill_ratio_sum").unwrap_or(0.0),
            busy_s: self.busy.seconds(),
            resident: (
                samples.value("chiasm_process_resident_memory_bytes"),
                self.busy.facts().resident_bytes,
            ),
        }
    }
}

/// What was counted until a moment.
struct Counted {
    stage_s: BTreeMap<String, f64>,
    batches: f64,
    fill: f64,
    busy_s: f64,
    resident: (Option<f64>, Option<u64>),
}

fn between(decoders: usize, wall_s: f64, outcomes: &[Outcome], before: &Counted, after: &Counted) -> Run {
    let mut ended = BTreeMap::new();
    for outcome in outcomes {
        let state = match outcome.state {
            State::Reported => "reported",
            State::Refused => "refused",
            State::Failed => "failed",
        };
        *ended.entry(state.to_owned()).or_insert(0) += 1;
    }
    let since = |(stage, sum): (&String, &f64)| {
        (stage.clone(), sum - before.stage_s.get(stage).copied().unwrap_or(0.0))
    };
    let batches = after.batches - before.batches;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a process")]
    let worker = after.resident.0.map(|bytes| bytes.max(0.0) as u64);
    Run {
        decoders,
        wall_s,
        ended,
        stage_s: after.stage_s.iter().map(since).collect(),
        device_busy_s: after.busy_s - before.busy_s,
        batch_fill: (batches > 0.0).then(|| (after.fill - before.fill) / batches),
        study_ms: outcomes.iter().map(|outcome| outcome.timings_ms.values().sum()).collect(),
        resident_bytes: (worker, after.resident.1),
    }
}

/// Works off what waits; seconds until the last outcome, and all outcomes.
async fn work(worker: Worker) -> anyhow::Result<(f64, Vec<Outcome>)> {
    let (outcomes, mut arriving) = mpsc::channel::<Outcome>(OUTCOMES);
    let began = Instant::now();
    let counting = tokio::spawn(async move {
        let (mut all, mut last) = (Vec::new(), began);
        while let Some(outcome) = arriving.recv().await {
            last = Instant::now();
            all.push(outcome);
        }
        (last.duration_since(began).as_secs_f64(), all)
    });
    let ended = Box::pin(worker.run(true, CancellationToken::new(), outcomes)).await?;
    let counted = counting.await?;
    match ended {
        Ended::Stopped => Ok(counted),
        Ended::IntakePaused => bail!("intake paused; the log says why"),
        Ended::LedgerFailed => bail!("the ledger failed; the log says how"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(decode: f64, busy_s: f64, batches: f64, fill: f64) -> Counted {
        let stage_s = BTreeMap::from([("decode".to_owned(), decode), ("wait".to_owned(), 10.0 * decode)]);
        Counted { stage_s, batches, fill, busy_s, resident: (Some(1e6), None) }
    }

    fn outcome(state: State) -> Outcome {
        let mut outcome = Outcome::without_result(state, "Code", "a reason");
        outcome.timings_ms = BTreeMap::from([("decode".to_owned(), 3.0), ("score".to_owned(), 4.0)]);
        outcome
    }

    #[test]
    fn a_run_is_what_was_counted_between_its_ends() {
        let outcomes = [outcome(State::Reported), outcome(State::Refused)];
        let (before, after) = (counted(1.0, 1.0, 2.0, 0.5), counted(5.0, 2.0, 6.0, 2.5));
        let run = between(2, 2.0, &outcomes, &before, &after);
        assert!((run.rate() - 1.0).abs() < 1e-12, "two studies in two seconds");
        assert!((run.device_idle() - 0.5).abs() < 1e-12, "busy for one of two seconds");
        assert!((run.overlap() - 2.0).abs() < 1e-12, "four seconds of stages in two; waiting is none");
        assert_eq!(run.batch_fill, Some(0.5));
        assert_eq!(run.study_ms, [7.0, 7.0]);
        assert_eq!(run.ended, BTreeMap::from([("refused".to_owned(), 1), ("reported".to_owned(), 1)]));
        assert_eq!(run.resident_bytes, (Some(1_000_000), None));
    }
}
