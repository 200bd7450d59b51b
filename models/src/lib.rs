//! Networks, model bundles, scoring and training.
//!
//! A [`Bundle`] is a trained model with everything that is needed to use it
//! rightly: weights with their digest, labels with codes and thresholds,
//! preprocessing, what it applies to, a self-test and a model card. A
//! [`Scorer`] is a bundle on a [`Device`]; it takes plain grey pictures and
//! returns scores. [`train::train`] makes a bundle.
//!
//! This crate knows Burn. It knows neither DICOM nor FHIR nor the queue, does
//! no I/O beside bundles' folders, weights and a training run's checkpoints, and reads no clock.

pub mod bench;
pub mod bundle;
pub mod calibration;
pub mod cpu;
pub mod device;
pub mod evaluation;
pub mod footprint;
pub mod image;
pub mod import;
pub mod network;
pub mod preprocess;
pub mod score;
pub mod train;

mod linear;
mod novelty;

pub use bundle::applies::{Applies, StudyFacts};
pub use bundle::classifier::{CalibrationBin, Coding};
pub use bundle::maker::Maker;
pub use bundle::model_card::{Label, ModelCard};
pub use bundle::outside::Outside;
pub use bundle::segmenter::SegmentLabel;
pub use bundle::{Bundle, BundleError};
pub use device::{Device, DeviceChoice, DeviceError};
pub use footprint::Footprint;
pub use image::{GreyImage, ImageError};
pub use score::{
    Bounds, ChestCheck, Mask, Novelty, Present, Region, Score, ScoreError, Scorer, ScorerError, Scores,
    Segment,
};
