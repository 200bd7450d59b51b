//! What the stages ask of the device, wherever it is, and whose turn it is to use the processor.

use std::sync::Arc;

use models::{GreyImage, Scores};

use crate::ending::Ending;
use crate::model::ModelNumber;

/// Scores pictures.
pub trait Scoring: Send + Sync {
    /// The device that a model is on, for a reader of the report; one that is not there yet is opened.
    fn device(&self, model: ModelNumber) -> Result<String, Ending>;

    /// All scores of one picture.
    fn score(&self, model: ModelNumber, image: &Arc<GreyImage>) -> Result<Scores, Ending>;

    /// Where in the picture the score of `label` comes from.
    fn saliency(&self, model: ModelNumber, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending>;
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
