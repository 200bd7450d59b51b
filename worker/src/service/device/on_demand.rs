//! The device of a command that may need none: opened when the first picture wants it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use models::{GreyImage, Scores};

use super::{Batching, DeviceThread, OpenChild};
use crate::ending::Ending;
use crate::lane::Lane;
use crate::model::ModelNumber;
use crate::pipeline::scoring::Scoring;
use crate::telemetry::metrics::Metrics;

/// A device that is not opened yet, or is.
pub struct OnDemand {
    opens: OpenChild,
    metrics: Metrics,
    thread: OnceLock<DeviceThread>,
    opening: Mutex<()>,
}

impl OnDemand {
    /// Nothing is opened yet.
    pub fn new(opens: OpenChild, metrics: Metrics) -> Self {
        Self { opens, metrics, thread: OnceLock::new(), opening: Mutex::new(()) }
    }

    fn thread(&self) -> Result<&DeviceThread, Ending> {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = self.thread.get() {
            return Ok(thread);
        }
        // Jobs come one after the other: there is nobody to wait for.
        let alone = Batching { max: 1, wait: Duration::ZERO };
        // Models are loaded when a picture wants them.
        let opened = DeviceThread::start(Box::new(self.opens.clone()), alone, &[], self.metrics.clone())?;
        Ok(self.thread.get_or_init(|| opened))
    }
}

impl Scoring for &OnDemand {
    fn device(&self, model: ModelNumber) -> Result<String, Ending> {
        self.thread()?.lane(Lane::Routine).device(model)
    }

    fn score(&self, model: ModelNumber, image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        self.thread()?.lane(Lane::Routine).score(model, image)
    }

    fn saliency(&self, model: ModelNumber, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending> {
        self.thread()?.lane(Lane::Routine).saliency(model, image, label)
    }
}
