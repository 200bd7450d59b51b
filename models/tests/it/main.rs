//! Tests of the crate from outside: bundles, scoring, training and devices.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod applies;
mod bundle;
mod classifier;
mod costs;
mod device;
mod embedded;
mod evaluation;
mod formula;
mod import;
mod maps;
mod networks;
mod parity;
mod plan;
mod pneumonia;
mod preprocessing;
mod readout;
mod scoring;
mod segmenter;
mod small;
mod training;
