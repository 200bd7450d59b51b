//! `chiasm bench`: measurements that another program can read and another machine can repeat.
//!
//! [`statistics`] and [`compare`] are pure. [`mod@file`] is what is written; [`machine`] describes where it was measured;
//! [`timing`] reads the clock around a piece of work. [`device`], [`model`] and [`pipeline`] measure, the last on a [`ground`]
//! of phantoms with a [`watched`] device; [`scaling`] is what several workers on one queue did; [`text`] and [`plot`] show. `docs/performance.md` tells what the figures mean.

pub mod compare;
pub mod device;
pub mod file;
pub mod ground;
pub mod machine;
pub mod model;
pub mod pipeline;
pub mod plot;
pub mod scaling;
pub mod statistics;
pub mod text;
pub mod timing;
pub mod watched;
