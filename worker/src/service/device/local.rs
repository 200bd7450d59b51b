//! The networks in this process: what the device process runs, and what tests of the thread use.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use models::bundle::selftest;
use models::cpu::Computed;
use models::score::{Begun, MAX_BATCH};
use models::{Bundle, Device, Footprint, GreyImage, ScoreError, Scorer, ScorerError, Scores};

use super::contained::contained;
use super::engine::{Engine, EngineError, Facts, OpenEngine};
use super::opening::Opening;
use super::shelf::{Shelf, TooLarge};
use crate::cli::DeviceArg;
use crate::ending::Ending;
use crate::model::{ModelFacts, ModelNumber};

const MIB: u64 = 1024 * 1024;

/// Side of the picture that a model is warmed up with, in pixels, before it prepares it.
const WARM_UP_SIDE: usize = 256;

/// Opens the device in this process.
#[derive(Debug, Clone)]
pub struct OpenLocal {
    /// What it is to hold.
    pub opening: Opening,
    /// Where the networks run.
    pub device: DeviceArg,
}

/// A batch that a model began.
type BegunBatch = (ModelNumber, Begun<Arc<GreyImage>>);

/// A device that is open in this process.
pub struct Local {
    opening: Opening,
    device: Device,
    shelf: Shelf,
    scorers: BTreeMap<ModelNumber, Scorer>,
    /// Batches in the order in which they were begun; or why one was not.
    begun: VecDeque<Result<BegunBatch, EngineError>>,
    facts: Facts,
}

impl OpenLocal {
    /// Opens the device; models come when they are loaded.
    pub fn local(&self) -> Result<Local, Ending> {
        let began = Instant::now();
        let opened = contained(|| Ok(crate::device::open(self.device)));
        let device = opened.map_err(|error| error.ending())?.map_err(|error| {
            Ending::failed("DeviceUnavailable", error.to_string(), "Choose another device with --device.")
        })?;
        let facts = Facts {
            description: device.description().to_owned(),
            is_gpu: device.is_gpu(),
            opened_ms: began.elapsed().as_secs_f64() * 1e3,
            adapter_bytes: device.allocated_bytes(),
            resident_bytes: resident_bytes(),
            models: vec![ModelFacts::default(); self.opening.models.len()],
        };
        let shelf = Shelf::new(self.opening.memory_bytes);
        let (opening, scorers, begun) = (self.opening.clone(), BTreeMap::new(), VecDeque::new());
        Ok(Local { opening, device, shelf, scorers, begun, facts })
    }
}

impl OpenEngine for OpenLocal {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        Ok(Box::new(self.local()?))
    }
}

impl Local {
    /// The model, resident from here on.
    fn scorer(&mut self, model: ModelNumber) -> Result<&Scorer, EngineError> {
        self.bring(model, false)?;
        self.scorers.get(&model).ok_or_else(|| unknown(model))
    }

    fn bring(&mut self, model: ModelNumber, if_it_fits: bool) -> Result<(), EngineError> {
        if self.shelf.touch(model) {
            return Ok(());
        }
        let began = Instant::now();
        let bundle = self.bundle(model)?;
        // a CPU scores one picture after the other
        let footprint = if self.device.is_gpu() {
            Footprint::on_gpu(&bundle, self.opening.max_batch)
        } else {
            Footprint::of(&bundle, 1)
        };
        let bytes = footprint.total();
        if if_it_fits && !self.shelf.has_room(bytes) {
            return Ok(());
        }
        let leaving = self
            .shelf
            .make_room(bytes)
            .map_err(|TooLarge { budget }| too_large(bundle.id(), bytes, budget))?;
        for left in leaving {
            self.leave(left);
        }
        let scorer = load(&bundle, &self.device)?;
        let device = scorer.device().description().to_owned();
        let load_ms = began.elapsed().as_secs_f64() * 1e3;
        tracing::info!(model = bundle.id(), bytes, load_ms, device, "model loaded, self-test passed");
        let warm_up_ms = self.warm_up(&scorer)?;
        self.scorers.insert(model, scorer);
        self.shelf.put(model, bytes);
        if let Some(facts) = self.facts.models.get_mut(model.0) {
            *facts = ModelFacts {
                is_resident: true,
                bytes,
                loads: facts.loads + 1,
                evictions: facts.evictions,
                load_ms,
                warm_up_ms,
                device,
            };
        }
        Ok(())
    }

    /// Runs what studies will ask, where that compiles kernels; gives the milliseconds that it took.
    fn warm_up(&self, scorer: &Scorer) -> Result<f64, EngineError> {
        if !scorer.device().is_gpu() {
            return Ok(0.0);
        }
        let began = Instant::now();
        let picture = selftest::picture(WARM_UP_SIDE, WARM_UP_SIDE);
        let batch = vec![picture; self.opening.max_batch.clamp(1, MAX_BATCH)];
        let label = scorer.model_card().labels.first().map(|label| label.name.clone()).unwrap_or_default();
        contained(|| {
            if !scorer.model_card().says_where_it_looked() {
                // one picture after the other, and no map
                return scorer.score(&batch[..1]).map(drop);
            }
            scorer.score(&batch)?;
            scorer.saliency(&batch[0], &label).map(drop)
        })?;
        let warm_up_ms = began.elapsed().as_secs_f64() * 1e3;
        tracing::info!(pictures = batch.len(), warm_up_ms, "model warmed up: its kernels are compiled");
        Ok(warm_up_ms)
    }

    fn leave(&mut self, model: ModelNumber) {
        drop(self.scorers.remove(&model));
        self.device.free_unused();
        tracing::info!(
            model = self.opening.name(model),
            "model left the device: another one needs its memory"
        );
        if let Some(facts) = self.facts.models.get_mut(model.0) {
            facts.is_resident = false;
            facts.evictions += 1;
        }
    }

    /// The bundle as the worker verified it, verified again.
    fn bundle(&self, model: ModelNumber) -> Result<Bundle, EngineError> {
        let wanted = self.opening.models.get(model.0).ok_or_else(|| unknown(model))?;
        let opened = wanted.place.open(&self.opening.pinned);
        let found = opened.and_then(|bundle| Ok((bundle.identity()?, bundle)));
        match found {
            Ok((identity, bundle)) if identity == wanted.identity => Ok(bundle),
            Ok(_) => Err(EngineError::Model {
                code: "ModelChanged".to_owned(),
                reason: format!(
                    "the bundle of model `{}` is another one than this worker began with",
                    wanted.id
                ),
                next_step: "Restart the worker, and submit the study again.".to_owned(),
            }),
            Err(error) => Err(EngineError::Model {
                code: error.code().to_owned(),
                reason: error.to_string(),
                next_step: "Install the bundle again, and submit the study again.".to_owned(),
            }),
        }
    }

    fn look(&mut self) {
        self.facts.adapter_bytes = self.device.allocated_bytes();
        self.facts.resident_bytes = resident_bytes();
    }
}

impl Engine for Local {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn load(&mut self, model: ModelNumber, if_it_fits: bool) -> Result<(), EngineError> {
        self.bring(model, if_it_fits)?;
        self.look();
        Ok(())
    }

    fn begin(&mut self, model: ModelNumber, pictures: &[Arc<GreyImage>]) {
        let begun = self.scorer(model).and_then(|scorer| contained(|| scorer.begin(pictures.to_vec())));
        self.begun.push_back(begun.map(|begun| (model, begun)));
    }

    fn finish(&mut self) -> Result<Vec<Scores>, EngineError> {
        let (model, begun) = self.begun.pop_front().unwrap_or_else(|| Err(nothing_begun()))?;
        let scorer = self.scorers.get(&model).ok_or_else(|| unknown(model))?;
        let scores = contained(|| scorer.finish(begun))?;
        self.look();
        Ok(scores)
    }

    fn saliency(
        &mut self,
        model: ModelNumber,
        picture: &GreyImage,
        label: &str,
    ) -> Result<GreyImage, EngineError> {
        let scorer = self.scorer(model)?;
        let map = contained(|| scorer.saliency(picture, label))?;
        self.look();
        Ok(map)
    }
}

/// Puts a model onto the device, or onto the CPU where the device gives other numbers than the model's maker stated.
fn load(bundle: &Bundle, device: &Device) -> Result<Scorer, EngineError> {
    match contained(|| Ok(Scorer::load(bundle, device)))? {
        Ok(scorer) => {
            if let Computed::Mismatch(error) = scorer.computed() {
                tracing::warn!(model = bundle.id(), %error, "THE PLAN FOR THE CPU IS NOT USED: the model is slower");
            }
            Ok(scorer)
        }
        Err(error @ ScorerError::SelfTestDiffers { .. }) if device.is_gpu() => {
            tracing::warn!(model = bundle.id(), %error, "THE MODEL IS NOT USED ON THIS GPU: it runs on the CPU");
            contained(|| Ok(Scorer::load_on_cpu(bundle)))?.map_err(|error| refused(&error))
        }
        // the device itself gave no numbers back
        Err(ScorerError::SelfTest { source: error @ ScoreError::Device { .. }, .. }) => {
            contained(|| Err(error))
        }
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &ScorerError) -> EngineError {
    EngineError::Model {
        code: error.code().to_owned(),
        reason: error.to_string(),
        next_step: "Choose `--device cpu`, or install the bundle again.".to_owned(),
    }
}

fn too_large(id: &str, bytes: u64, budget: u64) -> EngineError {
    let (needs, has) = (bytes.div_ceil(MIB), budget / MIB);
    EngineError::Model {
        code: "ModelTooLarge".to_owned(),
        reason: format!("model `{id}` takes {needs} MiB of the device, and `models.memory_mib` is {has}"),
        next_step: format!("Set `models.memory_mib` to {needs} at least, or lower `worker.max_batch`."),
    }
}

fn nothing_begun() -> EngineError {
    EngineError::Lost { reason: "it was asked for scores of nothing".to_owned() }
}

fn unknown(model: ModelNumber) -> EngineError {
    EngineError::Model {
        code: "ModelUnknown".to_owned(),
        reason: format!("the device holds no model of number {}", model.0),
        next_step: "Restart the worker.".to_owned(),
    }
}

/// Bytes of this process that are in memory, where the system tells.
fn resident_bytes() -> Option<u64> {
    crate::telemetry::metrics::resident_memory()
}

#[cfg(test)]
mod tests;
