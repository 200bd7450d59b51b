//! Tests of the fusion crate through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod assess;
mod case;
mod evaluation;
mod features;
mod formula_arm;
mod fused;
mod future;
mod holdout;
mod late_fusion;
mod model_files;
mod nodules;
mod note_inputs;
mod notes;
mod own_models;
mod prior_imaging;
mod prostate;
mod provenance;
mod record;
mod schema;
mod smoking;
mod support;
mod swapped;
mod tabular;
mod views;
mod what_if;
