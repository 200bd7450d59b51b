//! Tests of the fusion crate through its public interface.

mod assess;
mod evaluation;
mod features;
mod late_fusion;
mod nodules;
mod record;
mod support;
