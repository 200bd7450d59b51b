//! What a device is to hold: the models of a site, and the memory that they may take.

use models::bundle::seal::PublicKey;
use serde::{Deserialize, Serialize};

use crate::model::{ModelNumber, SiteModel};
use crate::pipeline::Stages;

/// What a device is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The models, by their numbers.
    pub models: Vec<SiteModel>,
    /// Only bundles signed by one of these keys are loaded; any where there is none.
    pub pinned: Vec<PublicKey>,
    /// Memory that resident models may take, in bytes.
    pub memory_bytes: u64,
    /// Pictures that are scored together at most, on a GPU.
    pub max_batch: usize,
}

impl Opening {
    /// All models of the site.
    pub fn of(stages: &Stages) -> Self {
        let config = &stages.config;
        Self {
            models: stages.readings.models().to_vec(),
            pinned: config.models.pinned.clone(),
            memory_bytes: config.models.memory_bytes,
            max_batch: config.worker.max_batch,
        }
    }

    /// The built-in model alone.
    pub fn built_in(config: &crate::config::Config) -> Result<Self, models::BundleError> {
        let place =
            crate::model::BundlePlace::BuiltIn { signature: config.models.built_in_signature.clone() };
        let bundle = place.open(&config.models.pinned)?;
        Ok(Self {
            models: vec![SiteModel::of(&bundle, place)?],
            pinned: config.models.pinned.clone(),
            memory_bytes: config.models.memory_bytes,
            max_batch: config.worker.max_batch,
        })
    }

    /// The name of a model, for logs.
    pub(super) fn name(&self, model: ModelNumber) -> &str {
        self.models.get(model.0).map_or("unknown", |model| &model.id)
    }
}
