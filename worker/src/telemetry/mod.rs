//! What is seen from outside: metrics, probes, logs and traces. Nothing that identifies a patient passes here.

pub mod http;
pub mod metrics;
