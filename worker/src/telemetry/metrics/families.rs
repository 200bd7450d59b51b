//! The metrics by name: what is exported, with its help text, labels and buckets.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// A gauge of a number that need not be whole.
pub(super) type Real = Gauge<f64, AtomicU64>;
/// A family of histograms, all with the same buckets.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
/// A gauge that is not there while its value is not known.
pub(super) type Known<G> = Family<[(&'static str, &'static str); 0], G>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LaneLabel {
    pub(super) lane: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabel {
    pub(super) stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StateLabel {
    pub(super) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabel {
    pub(super) code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndLabels {
    pub(super) state: &'static str,
    pub(super) code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct FindingLabel {
    pub(super) model: String,
    pub(super) finding: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ModelLabel {
    pub(super) model: String,
    pub(super) digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BuildLabels {
    pub(super) version: &'static str,
    pub(super) model_digest: String,
}

/// All metrics.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) deliveries: Family<LaneLabel, Counter>,
    pub(super) jobs_ended: Family<EndLabels, Counter>,
    pub(super) job_duration: Histograms<LaneLabel>,
    pub(super) stage_duration: Histograms<StageLabel>,
    pub(super) batch_size: Histogram,
    pub(super) batch_fill: Histogram,
    pub(super) jobs_under_way: Family<LaneLabel, Gauge>,
    pub(super) memory_used: Gauge,
    pub(super) memory_budget: Gauge,
    pub(super) queue_depth: Family<LaneLabel, Gauge>,
    pub(super) queue_resting: Gauge,
    pub(super) queue_dead: Gauge,
    pub(super) queue_unsettled: Known<Gauge>,
    pub(super) queue_oldest_age: Known<Gauge>,
    pub(super) ledger_jobs: Family<StateLabel, Gauge>,
    pub(super) outbox_reports: Gauge,
    pub(super) outbox_oldest_age: Real,
    pub(super) deferrals: Family<CodeLabel, Counter>,
    pub(super) settlements_lost: Counter,
    pub(super) leases_lost: Counter,
    pub(super) dead_letters: Family<CodeLabel, Counter>,
    pub(super) ledger_errors: Counter,
    pub(super) device_up: Gauge,
    pub(super) device_errors: Counter,
    pub(super) device_success_age: Known<Real>,
    pub(super) device_openings: Counter,
    pub(super) device_open_time: Real,
    pub(super) model_resident: Family<ModelLabel, Gauge>,
    pub(super) model_memory: Family<ModelLabel, Gauge>,
    pub(super) model_loads: Family<ModelLabel, Counter>,
    pub(super) model_evictions: Family<ModelLabel, Counter>,
    pub(super) model_load_time: Family<ModelLabel, Real>,
    pub(super) model_warm_up_time: Family<ModelLabel, Real>,
    pub(super) device_memory: Known<Gauge>,
    pub(super) device_resident_memory: Known<Gauge>,
    pub(super) ready: Gauge,
    pub(super) resident_memory: Gauge,
    pub(super) finding_probability: Histograms<FindingLabel>,
    pub(super) novelty: Histogram,
    pub(super) frontal: Histogram,
    pub(super) record_age: Histogram,
    pub(super) features: Family<StateLabel, Counter>,
}

impl Families {
    pub(super) fn new() -> Self {
        Self {
            deliveries: Family::default(),
            jobs_ended: Family::default(),
            job_duration: Family::new_with_constructor(|| Histogram::new(JOB_SECONDS)),
            stage_duration: Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
            batch_size: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            batch_fill: Histogram::new(TENTHS),
            jobs_under_way: Family::default(),
            memory_used: Gauge::default(),
            memory_budget: Gauge::default(),
            queue_depth: Family::default(),
            queue_resting: Gauge::default(),
            queue_dead: Gauge::default(),
            queue_unsettled: Family::default(),
            queue_oldest_age: Family::default(),
            ledger_jobs: Family::default(),
            outbox_reports: Gauge::default(),
            outbox_oldest_age: Gauge::default(),
            deferrals: Family::default(),
            settlements_lost: Counter::default(),
            leases_lost: Counter::default(),
            dead_letters: Family::default(),
            ledger_errors: Counter::default(),
            device_up: Gauge::default(),
            device_errors: Counter::default(),
            device_success_age: Family::default(),
            device_openings: Counter::default(),
            device_open_time: Gauge::default(),
            model_resident: Family::default(),
            model_memory: Family::default(),
            model_loads: Family::default(),
            model_evictions: Family::default(),
            model_load_time: Family::default(),
            model_warm_up_time: Family::default(),
            device_memory: Family::default(),
            device_resident_memory: Family::default(),
            ready: Gauge::default(),
            resident_memory: Gauge::default(),
            finding_probability: Family::new_with_constructor(|| Histogram::new(TENTHS)),
            novelty: Histogram::new([0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0]),
            frontal: Histogram::new(TENTHS),
            record_age: Histogram::new([0.25, 1.0, 3.0, 7.0, 30.0, 90.0, 365.0, 1825.0]),
            features: Family::default(),
        }
    }

    /// The registry that names them. Counters take `_total`, units their own suffix.
    pub(super) fn registry(&self, model_digest: &str) -> Registry {
        let mut registry = Registry::with_prefix("chiasm");
        self.register_work(&mut registry);
        self.register_queue_and_ledger(&mut registry);
        self.register_device(&mut registry);
        self.register_models(&mut registry);
        self.register_drift(&mut registry);
        let build = BuildLabels { version: env!("CARGO_PKG_VERSION"), model_digest: model_digest.to_owned() };
        registry.register("build", "Version of the program and digest of its image model", Info::new(build));
        registry
    }

    fn register_work(&self, to: &mut Registry) {
        to.register("deliveries", "Deliveries taken from the queue", self.deliveries.clone());
        to.register("jobs_ended", "Jobs that reached a terminal state", self.jobs_ended.clone());
        seconds(to, "job_duration", "From acceptance to the terminal state", self.job_duration.clone());
        seconds(to, "stage_duration", "Time of one stage of one study", self.stage_duration.clone());
        to.register("batch_size_pictures", "Pictures scored together", self.batch_size.clone());
        ratios(
            to,
            "batch_fill",
            "Pictures of a batch in relation to the most it may have",
            self.batch_fill.clone(),
        );
        to.register("jobs_under_way", "Jobs that this worker carries now", self.jobs_under_way.clone());
        bytes(
            to,
            "memory_used",
            "Bytes of the budget that studies under way have taken",
            self.memory_used.clone(),
        );
        bytes(to, "memory_budget", "Bytes that studies under way may take", self.memory_budget.clone());
        bytes(to, "process_resident_memory", "Resident memory of this process", self.resident_memory.clone());
        to.register("ready", "1 while the worker takes work, else 0", self.ready.clone());
    }

    fn register_queue_and_ledger(&self, to: &mut Registry) {
        to.register("queue_depth_messages", "Messages that wait", self.queue_depth.clone());
        to.register(
            "queue_resting_messages",
            "Messages that rest before a retry",
            self.queue_resting.clone(),
        );
        to.register("queue_dead_messages", "Messages on the dead-letter queue", self.queue_dead.clone());
        to.register(
            "queue_unsettled_messages",
            "Messages under delivery at some worker, where the queue can tell",
            self.queue_unsettled.clone(),
        );
        seconds(
            to,
            "queue_oldest_age",
            "How long the oldest message has waited, where the queue can tell",
            self.queue_oldest_age.clone(),
        );
        to.register("ledger_jobs", "Jobs of the ledger by state", self.ledger_jobs.clone());
        to.register("outbox_reports", "Reports that wait for their delivery", self.outbox_reports.clone());
        seconds(
            to,
            "outbox_oldest_age",
            "How long the oldest report has waited for its delivery",
            self.outbox_oldest_age.clone(),
        );
        to.register("deferrals", "Requests and deliveries put off for later", self.deferrals.clone());
        to.register(
            "settlements_lost",
            "Deliveries that could not be settled and come again",
            self.settlements_lost.clone(),
        );
        to.register("leases_lost", "Jobs that another worker took over", self.leases_lost.clone());
        to.register("dead_letters", "Messages sent to the dead-letter queue", self.dead_letters.clone());
        to.register("ledger_errors", "Times that the ledger failed", self.ledger_errors.clone());
    }

    fn register_device(&self, to: &mut Registry) {
        to.register("device_up", "1 when the device did its last work, else 0", self.device_up.clone());
        to.register(
            "device_errors",
            "Times that the device failed and was opened anew",
            self.device_errors.clone(),
        );
        seconds(
            to,
            "device_success_age",
            "Time since the device last did its work",
            self.device_success_age.clone(),
        );
        to.register(
            "device_openings",
            "Times that a process of the device was started",
            self.device_openings.clone(),
        );
        seconds(
            to,
            "device_open_time",
            "From the start of the device's process until models can be loaded, the last time",
            self.device_open_time.clone(),
        );
        bytes(
            to,
            "device_memory",
            "Bytes allocated on the adapter, where its API tells",
            self.device_memory.clone(),
        );
        bytes(
            to,
            "device_resident_memory",
            "Resident memory of the device's process",
            self.device_resident_memory.clone(),
        );
    }

    fn register_models(&self, to: &mut Registry) {
        to.register(
            "model_resident",
            "1 while the model is on the device, else 0",
            self.model_resident.clone(),
        );
        bytes(
            to,
            "model_memory",
            "What the budget counts for the model: weights and the activations of its batches",
            self.model_memory.clone(),
        );
        to.register(
            "model_loads",
            "Times that the model was loaded and passed its self-test",
            self.model_loads.clone(),
        );
        to.register(
            "model_evictions",
            "Times that the model left the device for another one",
            self.model_evictions.clone(),
        );
        seconds(
            to,
            "model_load_time",
            "From the model's files to its passed self-test, the last time",
            self.model_load_time.clone(),
        );
        seconds(
            to,
            "model_warm_up_time",
            "The largest batch and a map before the model's first study, the last time; 0 on a CPU",
            self.model_warm_up_time.clone(),
        );
    }

    fn register_drift(&self, to: &mut Registry) {
        ratios(
            to,
            "finding_probability",
            "Calibrated probability of each finding",
            self.finding_probability.clone(),
        );
        ratios(
            to,
            "novelty",
            "Distance from the training pictures; above 1 is too far",
            self.novelty.clone(),
        );
        ratios(
            to,
            "frontal_probability",
            "Probability that the picture is a frontal radiograph",
            self.frontal.clone(),
        );
        to.register(
            "record_age_days",
            "Age of the newest value of the patient's record at the time of the study",
            self.record_age.clone(),
        );
        to.register(
            "features",
            "Features of the record by state: known, or why there is no value",
            self.features.clone(),
        );
    }
}

/// Up to a day.
const JOB_SECONDS: [f64; 14] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 86400.0];
const STAGE_SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
const TENTHS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

fn seconds(to: &mut Registry, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
    to.register_with_unit(name, help, Unit::Seconds, metric);
}

fn bytes(to: &mut Registry, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
    to.register_with_unit(name, help, Unit::Bytes, metric);
}

fn ratios(to: &mut Registry, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
    to.register_with_unit(name, help, Unit::Other("ratio".into()), metric);
}
