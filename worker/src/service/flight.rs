//! One job from its lease to its end: analyse, store, deliver (`handover`), settle. The same for `analyze` and for the worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::Instrument;

use super::earlier;
use super::failpoint::{reach, reach_with};
use super::gate::{Gate, LaneTurns};
use super::under_way::UnderWay;
use crate::cli::DeviceArg;
use crate::deliver::Targets;
use crate::ending::{Ending, is_held};
use crate::job::Request;
use crate::ledger::{Job, JobState, Ledger, LedgerError, ReportBytes, Standing};
use crate::message::Mode;
use crate::outcome::{Outcome, State};
use crate::pipeline::scoring::Scoring;
use crate::pipeline::{Analysis, Room, Stages, Start};
use crate::telemetry::metrics::Metrics;

/// Gives the device to the jobs of a lane.
pub trait DeviceFor: Send + Sync {
    /// The device for this job.
    fn scoring(&self, job: &Job) -> Box<dyn Scoring + '_>;
}

/// What carries jobs.
pub struct Flight {
    /// The stages.
    pub stages: Arc<Stages>,
    /// Where jobs stand.
    pub ledger: Arc<dyn Ledger>,
    /// The device.
    pub device: Arc<dyn DeviceFor>,
    /// The processor.
    pub gate: Arc<Gate>,
    /// Where reports go.
    pub targets: Arc<Targets>,
    /// Servers with records by their names as sources: they say whose a report is where no target can.
    pub witnesses: Targets,
    /// What is counted.
    pub metrics: Metrics,
    /// How long a report is tried to be delivered.
    pub deliver_for: Duration,
    /// How long a refusal is held for a person, at most.
    pub hold_for: Duration,
    /// Jobs that are under lease at this moment.
    pub under_way: UnderWay,
}

/// How a job left this worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Landed {
    /// It is in its terminal state.
    Ended {
        /// Which.
        state: JobState,
        /// The line of the study.
        outcome: Box<Outcome>,
    },
    /// Its refusal is stored and held for a person.
    Held {
        /// The line of the study.
        outcome: Box<Outcome>,
    },
    /// Its report is stored and cannot be delivered now; the ledger keeps it for later.
    Deferred {
        /// Stable code of what stood in the way.
        code: String,
        /// The line of the study.
        outcome: Box<Outcome>,
    },
    /// Another worker owns it now.
    Lost,
}

impl Landed {
    /// What a listener is told: where the job stands, and its line.
    pub(super) fn news(&self) -> Option<(JobState, &Outcome)> {
        match self {
            Self::Ended { state, outcome } => Some((*state, outcome)),
            Self::Held { outcome } => Some((JobState::Held, outcome)),
            Self::Deferred { .. } | Self::Lost => None,
        }
    }
}

impl Flight {
    /// For one job after the other, without a worker around it: `analyze`.
    pub fn alone(stages: Arc<Stages>, ledger: Arc<dyn Ledger>, device: DeviceArg) -> Self {
        let metrics = Metrics::new(stages.readings.built_in().bundle.digest());
        let device = super::device_on_demand(&stages, device, &metrics);
        Self {
            metrics,
            deliver_for: stages.config.worker.deliver_for,
            // Who asked waits for the answer.
            hold_for: Duration::ZERO,
            stages,
            ledger,
            device: Arc::new(device),
            gate: Arc::new(Gate::new(1)),
            targets: Arc::new(Targets::default()),
            witnesses: Targets::default(),
            under_way: UnderWay::default(),
        }
    }

    /// Carries a leased job. `Err` means that the ledger itself failed; the job is given back and is taken up again.
    pub async fn carry(&self, job: Job, start: Start) -> Result<Landed, LedgerError> {
        let span = tracing::info_span!("job", job = %job.job_key, lane = %job.lane, attempt = job.attempts);
        self.under_way.add(&job);
        let landed = self.fly(&job, start).instrument(span).await;
        self.under_way.remove(&job);
        match landed {
            Err(LedgerError::LeaseLost { .. }) => {
                tracing::warn!(job = %job.job_key, "the lease was lost; another worker owns the job");
                self.metrics.record_lease_lost();
                self.repair(&job).await?;
                Ok(Landed::Lost)
            }
            Err(error) => {
                self.give_back(&job).await;
                Err(error)
            }
            landed => {
                if let Ok(Landed::Ended { state, outcome }) = &landed {
                    let accepted: Timestamp = job.accepted_at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
                    // A clock that was set back gives no negative time.
                    let took =
                        Duration::try_from(Timestamp::now().duration_since(accepted)).unwrap_or_default();
                    self.metrics.record_job_ended(job.lane, *state, outcome.code.as_deref(), took);
                }
                landed
            }
        }
    }

    /// Gives a leased job back that did not stop this worker: it was not started. Where the ledger is away, its lease runs out.
    pub(super) async fn give_back(&self, job: &Job) {
        self.under_way.remove(job);
        if let Err(error) = self.ledger.release(job).await {
            tracing::warn!(%error, job = %job.job_key, "a lease was not handed back; it runs out, or ends with this process");
        }
    }

    async fn fly(&self, job: &Job, start: Start) -> Result<Landed, LedgerError> {
        // What stopped its worker too often is not begun again.
        if !job.is_poison(self.stages.config.worker.poison_after) {
            reach_with("leased", &job.study_uid);
        }
        let (report, address, timings, standing) = if let Some(stored) = &job.composed {
            // Nothing of its files is needed any more, and delivery may take long.
            drop(start);
            (stored.clone(), None, BTreeMap::new(), None)
        } else {
            let analysis = self.analyse(job, start).await;
            reach_with("analysed", &job.study_uid);
            self.gate.give_way(job.lane).await;
            let held = self.is_held(job, &analysis.report).await?;
            let standing = self.store(job, &analysis, held.as_deref()).await?;
            if let Some(code) = held {
                reach("stored");
                tracing::warn!(code, "the refusal is held; a person has to look");
                let outcome = Box::new(line(&analysis.report).with_timings(analysis.timings_ms));
                return Ok(Landed::Held { outcome });
            }
            (analysis.report, analysis.address, analysis.timings_ms, standing)
        };
        reach("stored");
        tracing::debug!("report stored");
        let stored_at = job.composed_at.unwrap_or_else(Timestamp::now);
        let standing = match standing {
            Some(standing) => standing,
            None => self.ledger.standing(job).await?,
        };
        if standing.is_superseded {
            self.ledger.settle(job, JobState::Superseded, None).await?;
            let reason = "a newer version of this report took its place";
            let outcome =
                Outcome::without_result(State::Refused, "Superseded", reason).of_study(&job.study_uid);
            return Ok(Landed::Ended { state: JobState::Superseded, outcome: Box::new(outcome) });
        }
        self.gate.give_way(job.lane).await;
        let earlier = earlier::of(self.ledger.as_ref(), job, standing).await?;
        let addressed = (&report, address.as_ref());
        let delivered = self.deliver(job, addressed, &earlier, job.composed.is_some()).await;
        match delivered {
            Ok(files) => {
                reach("delivered");
                tracing::debug!("report delivered");
                let began = Instant::now();
                self.ledger.settle(job, report.ends, None).await?;
                self.metrics.record_stage("settle", began.elapsed());
                reach("settled");
                let outcome = Outcome { files, ..line(&report) };
                tracing::info!(state = %report.ends, code = outcome.code, "job ended");
                let outcome = Box::new(outcome.with_timings(timings));
                Ok(Landed::Ended { state: report.ends, outcome })
            }
            Err(error) => self.undelivered(job, stored_at, &error).await,
        }
    }

    /// The code that the report is held for, if it is: a refusal that a person can resolve, of the newest version, that would
    /// go somewhere.
    async fn is_held(&self, job: &Job, report: &ReportBytes) -> Result<Option<String>, LedgerError> {
        if report.ends != JobState::Refused || self.hold_for.is_zero() {
            return Ok(None);
        }
        let code = line(report).code.filter(|code| is_held(code));
        let request = serde_json::from_str::<Request>(&job.request).ok();
        let goes_out = request.is_some_and(|request| request.mode != Mode::Shadow);
        if !goes_out || code.is_none() {
            return Ok(None);
        }
        Ok(if self.ledger.is_superseded(job).await? { None } else { code })
    }

    /// Model output, report and audit entry into the ledger, at once; the job is held because of `held`, or how it stands to other
    /// versions is known then.
    async fn store(
        &self,
        job: &Job,
        analysis: &Analysis,
        held: Option<&str>,
    ) -> Result<Option<Standing>, LedgerError> {
        let output = analysis.output.as_ref().and_then(|output| serde_json::to_string(output).ok());
        let began = Instant::now();
        let (output, report) = (output.as_deref(), &analysis.report);
        let standing = if let Some(code) = held {
            self.ledger.store_held(job, output, report, code, self.hold_for).await?;
            None
        } else {
            Some(self.ledger.store_report(job, output, report).await?)
        };
        self.metrics.record_stage("store", began.elapsed());
        self.metrics.record_stages(&analysis.timings_ms);
        if let Some(output) = &analysis.output {
            self.metrics.record_drift(&analysis.model, output);
        }
        if let Some(features) = &analysis.features {
            self.metrics.record_features(features);
        }
        Ok(standing)
    }

    /// The stages, on a thread that may block. A panic in them ends the job as failed.
    async fn analyse(&self, job: &Job, start: Start) -> Analysis {
        let (stages, device, gate) =
            (Arc::clone(&self.stages), Arc::clone(&self.device), Arc::clone(&self.gate));
        let (owned, span) = (job.clone(), tracing::Span::current());
        let analysed = tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            let scoring = device.scoring(&owned);
            let turns = LaneTurns { gate: &gate, lane: owned.lane };
            stages.analyse(&owned, start, Room { scoring: scoring.as_ref(), turns: &turns })
        });
        if let Ok(analysis) = analysed.await {
            return analysis;
        }
        tracing::error!("a stage panicked; the job fails");
        let ending = Ending::failed(
            "StagePanicked",
            "a stage of the analysis stopped unexpectedly",
            "Report this as a defect with the program's log, and read the study without this program.",
        );
        let scoring = self.device.scoring(job);
        let turns = LaneTurns { gate: &self.gate, lane: job.lane };
        self.stages.without_result(job, &ending, Room { scoring: scoring.as_ref(), turns: &turns })
    }
}

/// The stored line of a report.
pub fn line(report: &ReportBytes) -> Outcome {
    serde_json::from_str(&report.outcome).unwrap_or_else(|_| {
        let reason = "the stored outcome is not of a form that this version reads";
        Outcome::without_result(State::Failed, "OutcomeUnreadable", reason)
    })
}
