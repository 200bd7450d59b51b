//! What is counted and measured, one method an event. `families` has the names that are exported.
//!
//! Labels come from closed lists: lanes, stages, states, documented codes, the site's models and their findings. No label is ever a UID,
//! a key or a text from outside.
//!
//! The device lives in a process of its own, so its memory is told apart from the worker's: resident memory of that
//! process, where the networks of the CPU device are, and what wgpu's allocator holds on a GPU, where its API tells.

mod code;
mod families;
mod models;
mod read;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fusion::{FeatureTable, FeatureValue};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::lane::Lane;
use crate::ledger::JobState;
use crate::pipeline::output::ModelOutput;
use crate::queue::QueueStatus;
use crate::telemetry::http::Exposition;
pub use read::Samples;

use families::{CodeLabel, EndLabels, Families, FindingLabel, LaneLabel, ModelLabel, StageLabel, StateLabel};

/// The stages that are measured; another one counts as `other`.
const STAGES: [&str; 15] = [
    "wait",
    "fetch",
    "read",
    "decode",
    "preprocess",
    "load",
    "score",
    "saliency",
    "picture",
    "features",
    "assess",
    "compose",
    "store",
    "deliver",
    "settle",
];

/// Findings of all models at most; more cannot be their closed lists.
const MOST_FINDINGS: usize = 512;

/// The metrics of one worker. A clone counts into the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    families: Families,
    registry: Registry,
    device_success: Mutex<Option<Instant>>,
    /// Findings that were seen, to bound their number.
    findings: Mutex<BTreeSet<FindingLabel>>,
    /// The models, by their numbers.
    models: Mutex<Vec<ModelLabel>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts a job as under way until it is dropped.
#[derive(Debug)]
#[must_use = "the job is under way for as long as this lives"]
pub struct UnderWay {
    metrics: Metrics,
    lane: Lane,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.metrics.families().jobs_under_way.get_or_create(&lane(self.lane)).dec();
    }
}

impl Metrics {
    /// Metrics of a program with this image model; its digest stands in `chiasm_build_info`.
    pub fn new(model_digest: &str) -> Self {
        let families = Families::new();
        let registry = families.registry(model_digest);
        for each in Lane::ALL {
            drop(families.deliveries.get_or_create(&lane(each)));
            drop(families.jobs_under_way.get_or_create(&lane(each)));
            drop(families.queue_depth.get_or_create(&lane(each)));
        }
        Self(Arc::new(Inner {
            families,
            registry,
            device_success: Mutex::default(),
            findings: Mutex::default(),
            models: Mutex::default(),
        }))
    }

    /// A delivery was taken from the queue, before anything of it is read.
    pub fn record_delivery(&self, of: Lane) {
        self.families().deliveries.get_or_create(&lane(of)).inc();
    }

    /// A job is carried from here on, until the guard is dropped.
    pub fn job_under_way(&self, of: Lane) -> UnderWay {
        self.families().jobs_under_way.get_or_create(&lane(of)).inc();
        UnderWay { metrics: self.clone(), lane: of }
    }

    /// A job reached its terminal state, settled in the ledger. `code` is that of a refusal or failure; `since_accepted` is
    /// the time from its acceptance.
    pub fn record_job_ended(&self, of: Lane, state: JobState, code: Option<&str>, since_accepted: Duration) {
        let labels = EndLabels { state: state.as_str(), code: code.map_or("", code::label) };
        self.families().jobs_ended.get_or_create(&labels).inc();
        self.families().job_duration.get_or_create(&lane(of)).observe(since_accepted.as_secs_f64());
    }

    /// A stage of one study took so long: `wait`, `fetch`, `deliver`, `store`, `settle`, or one that
    /// [`Self::record_stages`] takes.
    pub fn record_stage(&self, stage: &str, took: Duration) {
        let stage = STAGES.into_iter().find(|known| *known == stage).unwrap_or("other");
        self.families().stage_duration.get_or_create(&StageLabel { stage }).observe(took.as_secs_f64());
    }

    /// The stages of one analysed study, in milliseconds, once its report is stored.
    pub fn record_stages(&self, timings_ms: &BTreeMap<String, f64>) {
        for (stage, milliseconds) in timings_ms {
            if let Ok(took) = Duration::try_from_secs_f64(milliseconds / 1_000.0) {
                self.record_stage(stage, took);
            }
        }
    }

    /// Pictures go to the device together. `most` is the greatest size a batch may have.
    pub fn record_batch(&self, size: usize, most: usize) {
        self.families().batch_size.observe(size as f64);
        self.families().batch_fill.observe(size as f64 / most.max(1) as f64);
    }

    /// A request or a delivery was put off for later, for this code.
    pub fn record_deferral(&self, code: &str) {
        self.families().deferrals.get_or_create(&CodeLabel { code: code::label(code) }).inc();
    }

    /// A delivery could not be settled: the queue delivers it again.
    pub fn record_settlement_lost(&self) {
        self.families().settlements_lost.inc();
    }

    /// A job was found under another worker's lease.
    pub fn record_lease_lost(&self) {
        self.families().leases_lost.inc();
    }

    /// A message goes to the dead-letter queue for this code.
    pub fn record_dead_letter(&self, code: &str) {
        self.families().dead_letters.get_or_create(&CodeLabel { code: code::label(code) }).inc();
    }

    /// The ledger failed; its job is taken up again.
    pub fn record_ledger_error(&self) {
        self.families().ledger_errors.inc();
    }

    /// The device did what it was asked, in work or in a probe.
    pub fn record_device_success(&self) {
        *self.0.device_success.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.families().device_up.set(1);
    }

    /// The device failed; it is opened anew.
    pub fn record_device_error(&self) {
        self.families().device_up.set(0);
        self.families().device_errors.inc();
    }

    /// The device was opened, self-test passed, after so many milliseconds.
    pub fn record_device_opened(&self, opened_ms: f64) {
        self.families().device_openings.inc();
        self.families().device_open_time.set(opened_ms / 1e3);
    }

    /// What the device held when it last answered, in bytes: on the adapter, and resident in its process.
    pub fn set_device_memory(&self, adapter: Option<u64>, resident: Option<u64>) {
        let families = self.families();
        for (family, bytes) in
            [(&families.device_memory, adapter), (&families.device_resident_memory, resident)]
        {
            match bytes {
                Some(bytes) => drop(family.get_or_create(&[]).set(whole(bytes))),
                None => family.clear(),
            }
        }
    }

    /// What the networks of a model said of one study, once its report is stored: for seeing drift.
    pub fn record_drift(&self, model: &str, output: &ModelOutput) {
        let families = self.families();
        let mut seen = self.0.findings.lock().unwrap_or_else(PoisonError::into_inner);
        for score in &output.findings {
            let label = FindingLabel { model: model.to_owned(), finding: score.label.clone() };
            if !seen.contains(&label) && seen.len() >= MOST_FINDINGS {
                continue;
            }
            seen.insert(label.clone());
            families.finding_probability.get_or_create(&label).observe(score.probability);
        }
        drop(seen);
        if let Some(novelty) = output.novelty {
            families.novelty.observe(novelty);
        }
        if let Some(frontal) = output.frontal {
            families.frontal.observe(frontal);
        }
    }

    /// What the record gave for one study, once its report is stored: for seeing that a feed of the record has stopped.
    pub fn record_features(&self, table: &FeatureTable) {
        let families = self.families();
        for feature in &table.features {
            let state = match &feature.value {
                FeatureValue::Missing { reason } => reason.word(),
                FeatureValue::Number(_) | FeatureValue::Code(_) | FeatureValue::Bool(_) => "known",
            };
            families.features.get_or_create(&StateLabel { state }).inc();
        }
        // Age and the like hold at t0 itself; only what was entered says how fresh the record is.
        let ages =
            table.present().filter(|feature| feature.source.is_some()).filter_map(|feature| feature.age_days);
        if let Some(newest) = ages.min_by(f64::total_cmp) {
            families.record_age.observe(newest.max(0.0));
        }
    }

    /// The queue's depths as they were last read.
    pub fn set_queue(&self, status: &QueueStatus) {
        let families = self.families();
        for (of, depth) in [(Lane::Stat, status.stat), (Lane::Routine, status.routine)] {
            families.queue_depth.get_or_create(&lane(of)).set(whole(depth));
        }
        families.queue_resting.set(whole(status.resting));
        families.queue_dead.set(whole(status.dead));
        for (family, value) in
            [(&families.queue_unsettled, status.unsettled), (&families.queue_oldest_age, status.oldest_s)]
        {
            match value {
                Some(value) => drop(family.get_or_create(&[]).set(whole(value))),
                None => family.clear(),
            }
        }
    }

    /// The ledger's counts as they were last read, and how long the oldest report has waited for its delivery.
    pub fn set_ledger(&self, counts: &BTreeMap<JobState, u64>, outbox_age: Option<Duration>) {
        let families = self.families();
        for state in JOB_STATES {
            let count = whole(counts.get(&state).copied().unwrap_or(0));
            families.ledger_jobs.get_or_create(&StateLabel { state: state.as_str() }).set(count);
        }
        families.outbox_reports.set(whole(counts.get(&JobState::Composed).copied().unwrap_or(0)));
        families.outbox_oldest_age.set(outbox_age.unwrap_or_default().as_secs_f64());
    }

    /// Bytes that studies under way have taken, and the whole budget.
    pub fn set_memory(&self, used: u64, budget: u64) {
        self.families().memory_used.set(whole(used));
        self.families().memory_budget.set(whole(budget));
    }

    /// Whether the worker takes work.
    pub fn set_ready(&self, ready: bool) {
        self.families().ready.set(i64::from(ready));
    }

    fn families(&self) -> &Families {
        &self.0.families
    }
}

impl Exposition for Metrics {
    fn encode(&self) -> String {
        let families = self.families();
        let success = *self.0.device_success.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(success) = success {
            families.device_success_age.get_or_create(&[]).set(success.elapsed().as_secs_f64());
        }
        if let Some(bytes) = resident_memory() {
            families.resident_memory.set(whole(bytes));
        }
        let mut written = String::new();
        // Writing to a text cannot fail; should it, half a page would be worse than none.
        text::encode(&mut written, &self.0.registry).map_or_else(|_| String::new(), |()| written)
    }
}

const JOB_STATES: [JobState; 8] = [
    JobState::Accepted,
    JobState::Leased,
    JobState::Composed,
    JobState::Held,
    JobState::Reported,
    JobState::Refused,
    JobState::Failed,
    JobState::Superseded,
];

fn lane(lane: Lane) -> LaneLabel {
    LaneLabel { lane: lane.as_str() }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Bytes of this process that are in memory, where the system tells.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
