//! The inside of the device's thread: batches to the engine, answers to the jobs, and what is done when an engine ends.
//!
//! On a GPU a full batch is begun while the one before it is computed, so that reading results stalls nothing. What goes
//! wrong with two begun is held against none of them: each is asked again by itself, and only that counts.
//!
//! The ladder of a batch that ended its engine: a fresh engine and half the batch, once; then each picture alone. So one
//! picture that no device can score fails its own job and never its neighbours'.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use models::{GreyImage, Scores};

use super::engine::{Engine, EngineError, OpenEngine};
use super::waiting::{Ask, Batch, Shared};
use super::{Batching, no_score};
use crate::ending::Ending;
use crate::model::{ModelFacts, ModelNumber};
use crate::telemetry::metrics::Metrics;

type Reply = SyncSender<Result<Scores, Ending>>;

/// A picture to score, and where its job waits.
type Waits = (Arc<GreyImage>, Reply);

/// Batches that are begun at once, at most.
const BEGUN: usize = 2;

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
            let waiting = self.scored(shared, batch);
            if !waiting.is_empty() {
                self.in_turn(shared, model, waiting);
            }
        }
    }

    /// Answers what is no picture to score; gives back what is.
    fn scored(&mut self, shared: &Shared, batch: Batch) -> Vec<Waits> {
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
        waiting
    }

    /// Scores a batch, and full ones behind it as long as there are such: each is begun before the one before it is read.
    /// A picture alone has nothing behind it: what goes wrong is its own.
    fn in_turn(&mut self, shared: &Shared, model: ModelNumber, first: Vec<Waits>) {
        if first.len() == 1 {
            self.metrics.record_batch(1, self.batching.max);
            return self.score(shared, model, &first);
        }
        let mut begun = VecDeque::new();
        let mut failed = Vec::new();
        match self.begin(shared, model, &first) {
            Ok(()) => begun.push_back(first),
            Err(_) => failed.push(first),
        }
        while !begun.is_empty() {
            while failed.is_empty() && begun.len() < BEGUN && self.begins_ahead(model) {
                let Some(batch) = shared.next_full(model, self.batching) else { break };
                let next = self.scored(shared, batch);
                match self.begin(shared, model, &next) {
                    Ok(()) => begun.push_back(next),
                    Err(_) => failed.push(next),
                }
            }
            let Some(batch) = begun.pop_front() else { break };
            if let Err(is_end) = self.finish(shared, model, &batch) {
                failed.push(batch);
                if is_end {
                    break;
                }
            }
        }
        for batch in failed {
            self.in_parts(shared, model, &batch);
        }
        // they were lost with an engine that another batch may have ended
        for batch in begun {
            self.score(shared, model, &batch);
        }
    }

    /// Whether a batch of this model may be begun while one is computed: on a CPU it would gain nothing, and a model that
    /// is not resident would be loaded meanwhile.
    fn begins_ahead(&self, model: ModelNumber) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.facts().is_gpu && engine.facts().holds(model))
    }

    /// Begins a batch, on a fresh engine where the last ended.
    fn begin(&mut self, shared: &Shared, model: ModelNumber, batch: &[Waits]) -> Result<(), Ending> {
        self.metrics.record_batch(batch.len(), self.batching.max);
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.fresh(shared, model)?,
        };
        engine.begin(model, &images(batch));
        self.engine = Some(engine);
        Ok(())
    }

    /// Waits for the batch that was begun first; its jobs are answered where there are scores. The error: whether the
    /// engine ended.
    fn finish(&mut self, shared: &Shared, model: ModelNumber, batch: &[Waits]) -> Result<(), bool> {
        let finished = self.once(shared, model, |engine| {
            let scores = engine.finish()?;
            Ok((scores.len() == batch.len()).then_some(scores))
        });
        let scores = finished.map_err(|(is_end, _)| is_end)?.ok_or(false)?;
        answer(batch, scores);
        Ok(())
    }

    /// Models onto the device before anything is asked, as many as have room; the first has to be one of them.
    pub(super) fn warm_up(&mut self, shared: &Shared, models: &[ModelNumber]) -> Result<(), Ending> {
        for (place, model) in models.iter().enumerate() {
            self.twice(shared, *model, |engine| engine.load(*model, place > 0))?;
        }
        Ok(())
    }

    /// Scores pictures together, where no other batch is begun.
    fn score(&mut self, shared: &Shared, model: ModelNumber, waiting: &[Waits]) {
        if waiting.len() == 1 || self.together(shared, model, waiting).is_err() {
            self.in_parts(shared, model, waiting);
        }
    }

    /// Scores pictures that could not be scored together: a half at a time, then each alone.
    fn in_parts(&mut self, shared: &Shared, model: ModelNumber, waiting: &[Waits]) {
        for half in waiting.chunks(waiting.len().div_ceil(2).max(1)) {
            if half.len() > 1 && self.together(shared, model, half).is_ok() {
                continue;
            }
            for (image, reply) in half {
                let scored =
                    self.twice(shared, model, |engine| engine.score(model, std::slice::from_ref(image)));
                drop(reply.send(scored.and_then(|scores| scores.into_iter().next().ok_or_else(no_score))));
            }
        }
    }

    /// One attempt; the jobs are answered where it succeeds.
    fn together(&mut self, shared: &Shared, model: ModelNumber, waiting: &[Waits]) -> Result<(), Ending> {
        let images = images(waiting);
        let scores =
            self.once(shared, model, |engine| engine.score(model, &images)).map_err(|failed| failed.1)?;
        if scores.len() != waiting.len() {
            return Err(no_score());
        }
        answer(waiting, scores);
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

fn images(batch: &[Waits]) -> Vec<Arc<GreyImage>> {
    batch.iter().map(|(image, _)| Arc::clone(image)).collect()
}

fn answer(batch: &[Waits], scores: Vec<Scores>) {
    batch.iter().zip(scores).for_each(|((_, reply), scores)| drop(reply.send(Ok(scores))));
}
