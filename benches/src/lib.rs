//! Inputs of the benchmarks: seeded, at real sizes, never zeros.

pub mod data;
pub mod drawn;
pub mod enlarged;
pub mod picture;
pub mod record;
pub mod size;
