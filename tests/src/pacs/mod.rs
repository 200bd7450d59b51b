//! Two PACS for tests, which keep every copy of what they are given and misbehave on request: one over DICOMweb, one over
//! DICOM.

mod peer;
mod stow;

pub use peer::{Behaviour, Peer};
pub use stow::{Copies, StowServer};
