//! What the tests of this crate share: where the data lie, a small CSV reader, a writer of DICOM files.

pub mod data;
