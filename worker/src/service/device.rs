//! The device: one thread that asks it, one process that it lives in with the models of all pipelines. Pictures of several
//! studies are scored together; STAT pictures go first.
//!
//! Jobs ask over `waiting`; the thread (`serving`) forms batches, on a GPU one while another is computed, and asks an
//! [`engine`], which is a `child` process of the same program. An engine that is lost, exhausted or hangs is replaced; what fails on two of them ends its job.
//! Inside the process `local` has the models; its `shelf` decides which of them are resident.

mod child;
mod contained;
pub mod engine;
mod inside;
mod local;
mod on_demand;
mod opening;
mod serving;
mod shelf;
mod waiting;
mod wire;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use models::{GreyImage, Scores};

use crate::ending::Ending;
use crate::lane::Lane;
use crate::model::{ModelFacts, ModelNumber};
use crate::pipeline::scoring::Scoring;
use crate::telemetry::metrics::Metrics;

use engine::OpenEngine;
use serving::Serving;
use waiting::{Ask, Shared};

pub use child::OpenChild;
pub use inside::serve;
pub use local::OpenLocal;
pub use on_demand::OnDemand;
pub use opening::Opening;

/// Failures of the device one after another that make the worker not ready.
const FAILURES_UNTIL_NOT_READY: u32 = 3;

/// How many pictures are scored together, and how long the first of them waits.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// Pictures; 1 on a CPU, where a batch gains nothing.
    pub max: usize,
    /// The first picture's wait for others.
    pub wait: Duration,
}

/// What the device was last seen to do.
#[derive(Debug, Clone, Default)]
pub struct DeviceHealth {
    /// The device in words; empty until it was opened.
    pub description: String,
    /// When it last gave numbers.
    pub last_success: Option<Instant>,
    /// Failures since then.
    pub failures: u32,
    /// The models as it last told of them, by their numbers.
    pub models: Vec<ModelFacts>,
}

impl DeviceHealth {
    /// Whether jobs can be scored now.
    pub fn is_ready(&self) -> bool {
        self.last_success.is_some() && self.failures < FAILURES_UNTIL_NOT_READY
    }
}

/// The thread, and how to ask it.
pub struct DeviceThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Opens the device on the new thread and loads the models `warm`, the first and as many of the others as have room,
    /// self-tests passed; returns when that is done. Other models are loaded when a job asks for them.
    pub fn start(
        opens: Box<dyn OpenEngine>,
        batching: Batching,
        warm: &[ModelNumber],
        metrics: Metrics,
    ) -> Result<Self, Ending> {
        let shared = Arc::new(Shared::default());
        let (opened, when_opened) = sync_channel(1);
        let (inside, warm) = (Arc::clone(&shared), warm.to_vec());
        let thread = std::thread::Builder::new().name("device".into()).spawn(move || {
            let engine = match opens.open() {
                Ok(engine) => engine,
                Err(ending) => return drop(opened.send(Err(ending))),
            };
            let facts = engine.facts();
            metrics.record_device_opened(facts.opened_ms);
            let batching = if facts.is_gpu { batching } else { Batching { max: 1, ..batching } };
            inside.succeeded(facts);
            let mut serving = Serving { opens, engine: Some(engine), batching, metrics, counted: Vec::new() };
            let warmed = serving.warm_up(&inside, &warm);
            let is_warm = warmed.is_ok();
            drop(opened.send(warmed));
            if is_warm {
                serving.serve(&inside);
            }
        });
        let thread = thread.map_err(|error| {
            Ending::failed(
                "DeviceThread",
                format!("no thread for the device: {error}"),
                "Free memory and start again.",
            )
        })?;
        when_opened.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The same device for the jobs of one lane.
    pub fn lane(&self, lane: Lane) -> LaneScoring<'_> {
        if lane == Lane::Stat {
            self.shared.stat_begins();
        }
        LaneScoring { shared: &self.shared, lane }
    }

    /// What it was last seen to do.
    pub fn health(&self) -> DeviceHealth {
        self.shared.lock().health.clone()
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The device as the jobs of one lane see it.
pub struct LaneScoring<'a> {
    shared: &'a Shared,
    lane: Lane,
}

impl Scoring for LaneScoring<'_> {
    fn device(&self, model: ModelNumber) -> Result<String, Ending> {
        if let Some(device) = self.known_device(model) {
            return Ok(device);
        }
        let (reply, answer) = sync_channel(1);
        self.shared.ask(self.lane, model, Ask::Load(reply));
        answer.recv().unwrap_or_else(|_| Err(gone()))?;
        self.known_device(model).ok_or_else(gone)
    }

    fn score(&self, model: ModelNumber, image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        let (reply, answer) = sync_channel(1);
        self.shared.ask(self.lane, model, Ask::Score(Arc::clone(image), reply));
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    fn saliency(&self, model: ModelNumber, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending> {
        let (reply, answer) = sync_channel(1);
        self.shared.ask(self.lane, model, Ask::Saliency(Arc::clone(image), label.to_owned(), reply));
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl LaneScoring<'_> {
    /// The device that a model is on, or was on when it left.
    fn known_device(&self, model: ModelNumber) -> Option<String> {
        let waiting = self.shared.lock();
        let facts = waiting.health.models.get(model.0)?;
        (!facts.device.is_empty()).then(|| facts.device.clone())
    }
}

impl Drop for LaneScoring<'_> {
    fn drop(&mut self) {
        if self.lane == Lane::Stat {
            self.shared.stat_ends();
        }
    }
}

fn gone() -> Ending {
    Ending::failed("DeviceThread", "the thread of the device ended", "Start the worker again.")
}

fn no_score() -> Ending {
    Ending::failed("ScoreDevice", "the device returned no score", "Submit the study again.")
}

#[cfg(test)]
mod tests;
