//! How long each stage of one study took in this run.

use std::collections::BTreeMap;
use std::time::Instant;

/// Milliseconds by stage.
#[derive(Debug, Default)]
pub(super) struct Timings(BTreeMap<String, f64>);

impl Timings {
    /// Runs a stage and adds its time.
    pub(super) fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let _span = tracing::info_span!("stage", otel.name = stage).entered();
        let began = Instant::now();
        let value = work();
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        *self.0.entry(stage.to_owned()).or_default() += (took * 1_000.0).round() / 1_000.0;
        value
    }

    /// The times so far.
    pub(super) fn into_map(self) -> BTreeMap<String, f64> {
        self.0
    }
}
