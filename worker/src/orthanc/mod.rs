//! Studies that an Orthanc has received: polled from its change log, which is the durable way, or told by its Lua hook,
//! which is the quick one. Both become requests on the queue; what is asked twice is one job.
//!
//! Nothing of a patient is kept or logged: of a study's tags only the StudyInstanceUID is read.

pub mod changes;
mod client;
pub mod hook;
mod position;
#[cfg(test)]
mod tests;

pub use client::{Client, OrthancError};

/// The CloudEvents `source` of requests that begin here.
const ORIGIN: &str = "urn:chiasm:orthanc";
