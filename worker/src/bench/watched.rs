//! A device whose work is timed: how much of a run it computed, and how much it waited for work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use models::{GreyImage, Scores};

use crate::ending::Ending;
use crate::model::ModelNumber;
use crate::service::device::engine::{Engine, EngineError, Facts, OpenEngine};

/// What the device has done since it was opened. A clone counts into the same.
#[derive(Debug, Clone, Default)]
pub struct Busy(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    nanoseconds: AtomicU64,
    facts: Mutex<Facts>,
}

impl Busy {
    /// Seconds that the device was asked and had not answered.
    pub fn seconds(&self) -> f64 {
        self.0.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// What the device said of itself last.
    pub fn facts(&self) -> Facts {
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.add(began);
        done
    }

    fn add(&self, since: Instant) {
        let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    fn look(&self, facts: &Facts) {
        *self.0.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts.clone();
    }
}

/// Opens watched engines.
pub struct OpenWatched {
    /// Opens the engine itself.
    pub opens: Box<dyn OpenEngine>,
    /// Where its time is counted.
    pub busy: Busy,
}

struct Watched {
    engine: Box<dyn Engine>,
    busy: Busy,
    /// Batches that are begun.
    begun: u32,
    /// Since when the first of them is computed and not counted yet.
    since: Instant,
}

impl OpenEngine for OpenWatched {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        let engine = self.opens.open()?;
        self.busy.look(engine.facts());
        Ok(Box::new(Watched { engine, busy: self.busy.clone(), begun: 0, since: Instant::now() }))
    }
}

impl Engine for Watched {
    fn facts(&self) -> &Facts {
        self.engine.facts()
    }

    fn load(&mut self, model: ModelNumber, if_it_fits: bool) -> Result<(), EngineError> {
        // loading is no work, as opening is none
        let loaded = self.engine.load(model, if_it_fits);
        self.busy.look(self.engine.facts());
        loaded
    }

    fn begin(&mut self, model: ModelNumber, pictures: &[Arc<GreyImage>]) {
        if self.begun == 0 {
            self.since = Instant::now();
        }
        self.begun += 1;
        self.engine.begin(model, pictures);
    }

    fn finish(&mut self) -> Result<Vec<Scores>, EngineError> {
        let scores = self.engine.finish();
        // a second that two batches share is counted once
        self.busy.add(std::mem::replace(&mut self.since, Instant::now()));
        self.begun = self.begun.saturating_sub(1);
        self.busy.look(self.engine.facts());
        scores
    }

    fn saliency(
        &mut self,
        model: ModelNumber,
        picture: &GreyImage,
        label: &str,
    ) -> Result<GreyImage, EngineError> {
        self.busy.time(|| self.engine.saliency(model, picture, label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::DeviceArg;
    use crate::config::Config;
    use crate::model::BUILT_IN;
    use crate::service::device::{OpenLocal, Opening};
    use models::Bundle;

    #[test]
    fn only_the_devices_work_counts() {
        let busy = Busy::default();
        let bundle = Bundle::embedded().unwrap();
        let opening = Opening::built_in(&Config::load(None, None).unwrap()).unwrap();
        let local = OpenLocal { opening, device: DeviceArg::Cpu };
        let opens = OpenWatched { opens: Box::new(local), busy: busy.clone() };
        let mut engine = opens.open().unwrap();
        engine.load(BUILT_IN, false).unwrap();
        assert!(busy.seconds() == 0.0, "opening is no work");
        assert!(busy.facts().description.starts_with("CPU"));
        let pixels = (0..64 * 64).map(|index| (index % 61) as f32 / 61.0).collect();
        let picture = Arc::new(bundle.prepare(GreyImage::new(64, 64, pixels).unwrap()));
        let began = Instant::now();
        engine.score(BUILT_IN, &[picture]).unwrap();
        let wall = began.elapsed().as_secs_f64();
        assert!(busy.seconds() > 0.0 && busy.seconds() <= wall);
    }
}
