//! Which models are on the device, and what their coming and going took.

use std::sync::PoisonError;

use super::families::ModelLabel;
use super::{Metrics, whole};
use crate::model::{ModelFacts, SiteModel};

impl Metrics {
    /// The models of the site, by their numbers; each is exported from here on.
    pub fn name_models(&self, models: &[SiteModel]) {
        let label =
            |model: &SiteModel| ModelLabel { model: model.id.clone(), digest: model.short().to_owned() };
        let labels: Vec<ModelLabel> = models.iter().map(label).collect();
        for label in &labels {
            self.families().model_resident.get_or_create(label).set(0);
            drop(self.families().model_loads.get_or_create(label));
            drop(self.families().model_evictions.get_or_create(label));
        }
        *self.0.models.lock().unwrap_or_else(PoisonError::into_inner) = labels;
    }

    /// What an engine last told of its models, and what it had told before.
    pub fn record_models(&self, before: &[ModelFacts], now: &[ModelFacts]) {
        let labels = self.0.models.lock().unwrap_or_else(PoisonError::into_inner);
        let (families, nothing) = (self.families(), ModelFacts::default());
        for (number, (label, facts)) in labels.iter().zip(now).enumerate() {
            let before = before.get(number).unwrap_or(&nothing);
            families.model_resident.get_or_create(label).set(i64::from(facts.is_resident));
            families.model_loads.get_or_create(label).inc_by(facts.loads.saturating_sub(before.loads));
            let left = facts.evictions.saturating_sub(before.evictions);
            families.model_evictions.get_or_create(label).inc_by(left);
            if facts.loads > 0 {
                families.model_memory.get_or_create(label).set(whole(facts.bytes));
                families.model_load_time.get_or_create(label).set(facts.load_ms / 1e3);
                families.model_warm_up_time.get_or_create(label).set(facts.warm_up_ms / 1e3);
            }
        }
    }

    /// The engine ended, and its models with it.
    pub fn record_models_gone(&self) {
        for label in self.0.models.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            self.families().model_resident.get_or_create(label).set(0);
        }
    }
}
