//! What the stages ask of the device, wherever it is: in this thread, or behind the worker's device thread.

use std::sync::Arc;
use std::sync::OnceLock;

use models::{Bundle, Device, GreyImage, ScoreError, Scorer, Scores};

use crate::cli::DeviceArg;
use crate::ending::Ending;

/// Scores pictures.
pub trait Scoring: Send + Sync {
    /// The device, for a reader of the report.
    fn device(&self) -> Result<String, Ending>;

    /// All scores of one picture.
    fn score(&self, image: &Arc<GreyImage>) -> Result<Scores, Ending>;

    /// Where in the picture the score of `label` comes from.
    fn saliency(&self, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending>;
}

/// Whose turn it is to use the processor. Reading, decoding and composing take a turn; waiting for the device does not
/// hold one.
pub trait Turns: Send + Sync {
    /// Waits for a turn; it ends when the value is dropped.
    fn take(&self) -> Box<dyn Send + '_>;
}

/// One job at a time: it is always its turn.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Turns for Alone {
    fn take(&self) -> Box<dyn Send + '_> {
        Box::new(())
    }
}

/// The device in the caller's own thread, opened when the first picture needs it.
pub struct Direct {
    bundle: Arc<Bundle>,
    device: DeviceArg,
    opened: OnceLock<(Device, Scorer)>,
}

impl Direct {
    /// Nothing is opened yet.
    pub fn new(bundle: Arc<Bundle>, device: DeviceArg) -> Self {
        Self { bundle, device, opened: OnceLock::new() }
    }

    fn scorer(&self) -> Result<&(Device, Scorer), Ending> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = open(&self.bundle, self.device)?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

impl Scoring for &Direct {
    fn device(&self) -> Result<String, Ending> {
        Ok(self.scorer()?.0.description().to_owned())
    }

    fn score(&self, image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        let scores = self.scorer()?.1.score(std::slice::from_ref(image)).map_err(|error| broken(&error))?;
        scores.into_iter().next().ok_or_else(no_score)
    }

    fn saliency(&self, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending> {
        self.scorer()?.1.saliency(image, label).map_err(|error| broken(&error))
    }
}

/// Opens the device and loads the networks onto it.
pub fn open(bundle: &Bundle, device: DeviceArg) -> Result<(Device, Scorer), Ending> {
    let device = crate::device::open(device).map_err(|error| {
        Ending::failed("DeviceUnavailable", error.to_string(), "Choose another device with --device.")
    })?;
    let scorer = Scorer::load(bundle, &device).map_err(|error| {
        let next_step = "Choose `--device cpu`, or install the bundle again.";
        Ending::failed(error.code(), error.to_string(), next_step)
    })?;
    Ok((device, scorer))
}

/// The ending of a job whose picture the device could not score.
pub fn broken(error: &ScoreError) -> Ending {
    let next_step = "Submit the study again; if it fails again, choose `--device cpu`.";
    Ending::failed(error.code(), error.to_string(), next_step)
}

/// The ending of a job for which the device returned nothing.
pub fn no_score() -> Ending {
    Ending::failed("ScoreDevice", "the device returned no score", "Submit the study again.")
}
