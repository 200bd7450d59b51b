//! Models of a table with pictures: levels L0 to L2 of the ladder, compared on patients kept apart, of which one is kept.
//!
//! L0 is each side alone, calibrated: picture, record, and a published formula where the configuration declares one. L1 is a ridge
//! logistic regression over their logits with weights of at least 0, and a term for each side that is missing (late fusion).
//! L2 adds to L1's logit what a gated network sees in a frozen embedding of the picture and in the row together; it starts
//! as L1 and is kept only where [`Decision`] finds it better. Where one side alone is there its calibrated probability answers, at
//! every level; where none is, nobody does.

mod answer;
mod card;
mod coder;
mod config;
mod decision;
mod embedding;
mod gated;
mod ladder;
mod late;
mod model;
mod network;
mod prepared;
mod train;

pub use super::formula::FormulaInput;
pub use answer::{Answered, FusedPrediction};
pub use config::{FusedConfig, FusedConfigError, ImageInput, NetworkShape, Splits, Subset, Vectors};
pub use decision::{Decision, Level, Worse};
pub use embedding::{EmbeddingError, Embeddings};
pub use gated::NetworkError;
pub use ladder::{ArmOverSplits, Ladder, LadderSubset};
pub use model::FusedModel;
pub use train::{FusedTrainError, FusedTrained, evaluate_fused, train_fused};
