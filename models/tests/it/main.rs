//! Tests of the crate from outside: bundles, scoring, training and devices.

mod applies;
mod bundle;
mod device;
mod embedded;
mod scoring;
mod small;
mod training;
