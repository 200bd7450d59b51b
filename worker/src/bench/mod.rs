//! `chiasm bench`: measurements that another program can read and another machine can repeat.
//!
//! [`statistics`] and [`compare`] are pure. [`file`] is what is written; [`machine`] describes where it was measured;
//! [`timing`] is the one place that reads the clock around a piece of work. [`device`] and [`model`] measure; [`text`] and
//! [`plot`] show. `docs/performance.md` tells what the figures mean.

pub mod compare;
pub mod device;
pub mod file;
pub mod machine;
pub mod model;
pub mod plot;
pub mod statistics;
pub mod text;
pub mod timing;
