//! What computes for the device's thread, and how it fails.

use std::sync::Arc;

use crate::ending::Ending;
use crate::model::{ModelFacts, ModelNumber};
use models::{GreyImage, ScoreError, Scores};

/// A device and the models on it. It is used from one thread. A model that is asked and is not resident is loaded and
/// self-tested first; where the budget asks for it, the least recently used ones leave.
pub trait Engine: Send {
    /// What it is and holds.
    fn facts(&self) -> &Facts;

    /// Loads a model where it is not resident, and tests it. With `if_it_fits` only where none has to leave for it.
    fn load(&mut self, model: ModelNumber, if_it_fits: bool) -> Result<(), EngineError>;

    /// Begins to score pictures by this model. Two batches may be begun at a time, the second of the same model as the
    /// first; nothing else is asked before both are finished.
    fn begin(&mut self, model: ModelNumber, pictures: &[Arc<GreyImage>]);

    /// All scores of each picture of the batch that was begun first, in their order; or why it has none, or was not begun.
    fn finish(&mut self) -> Result<Vec<Scores>, EngineError>;

    /// All scores of each picture by this model, in their order, where no other batch is begun.
    fn score(&mut self, model: ModelNumber, pictures: &[Arc<GreyImage>]) -> Result<Vec<Scores>, EngineError> {
        self.begin(model, pictures);
        self.finish()
    }

    /// Where in the picture the score of `label` by this model comes from.
    fn saliency(
        &mut self,
        model: ModelNumber,
        picture: &GreyImage,
        label: &str,
    ) -> Result<GreyImage, EngineError>;
}

/// Opens engines: the first when a worker starts, another one for each that was lost.
pub trait OpenEngine: Send {
    /// A new engine. The error is the ending of every job that needs it.
    fn open(&self) -> Result<Box<dyn Engine>, Ending>;
}

/// What a device is, and what its last answer said of its memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The device in words.
    pub description: String,
    /// Whether it is a wgpu adapter, where a batch gains something.
    pub is_gpu: bool,
    /// Milliseconds from the start until models can be loaded.
    pub opened_ms: f64,
    /// Bytes that are allocated on the adapter, where its API tells.
    pub adapter_bytes: Option<u64>,
    /// Resident memory of the process that computes, where the system tells.
    pub resident_bytes: Option<u64>,
    /// The models, by their numbers.
    pub models: Vec<ModelFacts>,
}

impl Facts {
    /// Whether a model is resident.
    pub fn holds(&self, model: ModelNumber) -> bool {
        self.models.get(model.0).is_some_and(|model| model.is_resident)
    }
}

/// Why an engine gave no numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The question was answered, and the answer is no: the engine is well.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The model is not one that this device can use: the engine is well.
    #[error("{reason}")]
    Model {
        /// The stable code of what is wrong with it.
        code: String,
        /// What is wrong.
        reason: String,
        /// What a person can do.
        next_step: String,
    },
    /// The pictures are more than the device's process reads at once: the engine is well.
    #[error("the picture is larger than the device takes")]
    TooLarge,
    /// The device has no memory for this batch.
    #[error("the device has not enough memory")]
    OutOfMemory,
    /// The device gave no answer in time.
    #[error("the device gave no answer within {seconds} s")]
    Hung {
        /// The bound.
        seconds: u64,
    },
    /// The device, its driver or its process is gone.
    #[error("the device was lost ({reason})")]
    Lost {
        /// What was seen.
        reason: String,
    },
}

impl EngineError {
    /// Whether the engine cannot be used any more and another one has to be opened.
    pub fn is_end_of_engine(&self) -> bool {
        match self {
            Self::Score(ScoreError::Device { .. })
            | Self::OutOfMemory
            | Self::Hung { .. }
            | Self::Lost { .. } => true,
            Self::Score(_) | Self::Model { .. } | Self::TooLarge => false,
        }
    }

    /// The ending of a job whose picture could not be scored, alone and on a fresh engine too.
    pub fn ending(&self) -> Ending {
        let (code, next_step) = match self {
            Self::Model { code, next_step, .. } => (code.as_str(), next_step.as_str()),
            Self::Score(error) => {
                (error.code(), "Submit the study again; if it fails again, choose `--device cpu`.")
            }
            Self::TooLarge => ("PixelLimit", "Send the picture at a lower resolution, at most 8192 x 8192."),
            Self::OutOfMemory => (
                "DeviceOutOfMemory",
                "Free memory of the device or lower `worker.max_batch`, and submit the study again; or choose `--device cpu`.",
            ),
            Self::Hung { .. } => (
                "DeviceHung",
                "Look at the device's driver, raise `worker.device_timeout_s` if the device is that slow, and submit the study again.",
            ),
            Self::Lost { .. } => (
                "DeviceLost",
                "Look at the device's driver and at the log, and submit the study again; if it fails again, choose `--device cpu`.",
            ),
        };
        Ending::failed(code, self.to_string(), next_step)
    }
}
