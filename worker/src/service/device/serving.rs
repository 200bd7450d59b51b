//! The inside of the device's thread: batches to the engine, answers to the jobs, and what is done when an engine ends.
//!
//! The ladder of a batch that ended its engine: a fresh engine and half the batch, once; then each picture alone. So one
//! picture that no device can score fails its own job and never its neighbours'.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use models::{GreyImage, Scores};

use super::engine::{Engine, EngineError, OpenEngine};
use super::waiting::{Ask, Shared};
use super::{Batching, no_score};
use crate::ending::Ending;
use crate::model::{ModelFacts, ModelNumber};
use crate::telemetry::metrics::Metrics;

type Reply = SyncSender<Result<Scores, Ending>>;

/// How often a fresh engine is opened that is lost before its model is on it.
const OPENINGS: u32 = 3;

/// The code of a lost device.
const LOST: &str = "DeviceLost";

/// What the thread owns.
pub(super) struct Serving {
    pub(super) opens: Box<dyn OpenEngine>,
    pub(super) engine: Option<Box<dyn Engine>>,
    pub(super) batching: Batching,
    pub(super) metrics: Metrics,
    /// The models of this engine as they were last counted.
    pub(super) counted: Vec<ModelFacts>,
}

impl Serving {
    pub(super) fn serve(mut self, shared: &Shared) {
        while let Some(batch) = shared.next(self.batching) {
            let model = batch.model;
            let mut waiting = Vec::new();
            for ask in batch.asks {
                match ask {
                    Ask::Score(image, reply) => waiting.push((image, reply)),
                    Ask::Saliency(image, label, reply) => {
                        let made = self.twice(shared, model, |engine| engine.saliency(model, &image, &label));
                        drop(reply.send(made));
                    }
                    Ask::Load(reply) => {
                        let loaded = self.twice(shared, model, |engine| engine.load(model, false));
                        drop(reply.send(loaded));
                    }
                }
            }
            if !waiting.is_empty() {
                self.metrics.record_batch(waiting.len(), self.batching.max);
                self.score(shared, model, &waiting);
            }
        }
    }

    /// Models onto the device before anything is asked, as many as have room; the first has to be one of them.
    pub(super) fn warm_up(&mut self, shared: &Shared, models: &[ModelNumber]) -> Result<(), Ending> {
        for (place, model) in models.iter().enumerate() {
            self.twice(shared, *model, |engine| engine.load(*model, place > 0))?;
        }
        Ok(())
    }

    /// Scores pictures together.
    fn score(&mut self, shared: &Shared, model: ModelNumber, waiting: &[(Arc<GreyImage>, Reply)]) {
        if let [(image, reply)] = waiting {
            let scored = self.twice(shared, model, |engine| engine.score(model, std::slice::from_ref(image)));
            drop(reply.send(scored.and_then(|scores| scores.into_iter().next().ok_or_else(no_score))));
            return;
        }
        if self.together(shared, model, waiting).is_ok() {
            return;
        }
        for half in waiting.chunks(waiting.len().div_ceil(2)) {
            if half.len() > 1 && self.together(shared, model, half).is_ok() {
                continue;
            }
            for alone in half {
                self.score(shared, model, std::slice::from_ref(alone));
            }
        }
    }

    /// One attempt; the jobs are answered where it succeeds.
    fn together(
        &mut self,
        shared: &Shared,
        model: ModelNumber,
        waiting: &[(Arc<GreyImage>, Reply)],
    ) -> Result<(), Ending> {
        let images: Vec<_> = waiting.iter().map(|(image, _)| Arc::clone(image)).collect();
        let scores =
            self.once(shared, model, |engine| engine.score(model, &images)).map_err(|failed| failed.1)?;
        if scores.len() != waiting.len() {
            return Err(no_score());
        }
        waiting.iter().zip(scores).for_each(|((_, reply), scores)| drop(reply.send(Ok(scores))));
        Ok(())
    }

    /// Asks, and where that ended the engine, asks a fresh one once more.
    fn twice<T>(
        &mut self,
        shared: &Shared,
        model: ModelNumber,
        ask: impl Fn(&mut dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, Ending> {
        match self.once(shared, model, &ask) {
            Err((true, _)) => self.once(shared, model, &ask).map_err(|failed| failed.1),
            other => other.map_err(|failed| failed.1),
        }
    }

    /// Asks the engine, a fresh one where the last ended. The flag of an error: whether the engine ended with it.
    fn once<T>(
        &mut self,
        shared: &Shared,
        model: ModelNumber,
        ask: impl Fn(&mut dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, (bool, Ending)> {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.fresh(shared, model).map_err(|ending| (false, ending))?,
        };
        match ask(engine.as_mut()) {
            Err(error) if error.is_end_of_engine() => {
                tracing::error!(%error, "the device failed and is opened anew");
                shared.failed();
                self.metrics.record_device_error();
                self.metrics.record_models_gone();
                Err((true, error.ending()))
            }
            answer => {
                shared.succeeded(engine.facts());
                self.metrics.record_device_success();
                let facts = engine.facts();
                self.metrics.set_device_memory(facts.adapter_bytes, facts.resident_bytes);
                self.metrics.record_models(&self.counted, &facts.models);
                self.counted.clone_from(&facts.models);
                self.engine = Some(engine);
                answer.map_err(|error| (false, error.ending()))
            }
        }
    }

    /// A fresh engine with the model on it. One that is lost before that says nothing of a picture: another one is opened.
    fn fresh(&mut self, shared: &Shared, model: ModelNumber) -> Result<Box<dyn Engine>, Ending> {
        let mut openings = 0;
        loop {
            openings += 1;
            let (is_lost, ending) = match self.opens.open() {
                Err(ending) => (ending.why().code == LOST, ending),
                Ok(mut engine) => {
                    self.metrics.record_device_opened(engine.facts().opened_ms);
                    self.counted.clear();
                    match engine.load(model, false) {
                        Err(error) if error.is_end_of_engine() => {
                            (matches!(error, EngineError::Lost { .. }), error.ending())
                        }
                        // what is wrong with the model is the answer to what is asked of it
                        _ => return Ok(engine),
                    }
                }
            };
            shared.failed();
            self.metrics.record_device_error();
            if !is_lost || openings >= OPENINGS {
                return Err(ending);
            }
            tracing::error!(
                reason = ending.why().reason,
                "the device failed while it was opened, and is opened anew"
            );
        }
    }
}
