//! What the tests of this crate share: where the data lie, and a writer of DICOM files, and what is written with it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "not every test needs everything; a test may stop where it fails"
)]

pub(crate) mod data;
pub(crate) mod file;
pub(crate) mod malformed;
pub(crate) mod series;
