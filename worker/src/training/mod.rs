//! Training input: labelled studies from a folder, read through the same DICOM path as every study; and the pictures of plots.

pub mod fusion;
pub mod radiographs;
pub mod raster;
mod table;
