//! Training input: labelled studies from a folder, read through the same DICOM path as every study; and the pictures of plots.

pub mod file;
pub mod fusion;
pub mod npz;
pub mod pictures;
pub mod radiographs;
pub mod raster;
pub mod scores;
pub(crate) mod table;
