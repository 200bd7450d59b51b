//! Tests of the crate from outside: bundles, scoring, training and devices.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod applies;
mod bundle;
mod device;
mod embedded;
mod formula;
mod parity;
mod scoring;
mod small;
mod training;
