//! Training input: labelled studies from a folder, read through the same DICOM path as every study.

pub mod fusion;
pub mod radiographs;
mod table;
