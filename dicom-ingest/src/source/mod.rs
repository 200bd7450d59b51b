//! Where studies come from, behind one trait: a folder, a bucket of an S3 server, a DICOMweb server.
//!
//! A study is first located, which says how large it is at most, so that whoever fetches can make room before a byte is
//! on its way. Then it is fetched into a folder of the caller's, where the same reader as for any folder reads it: each
//! file there is named by the SHA-256 of its bytes, never by anything that a server says. Nothing here knows a queue, a
//! ledger or a job.

pub mod archive;
#[cfg(feature = "dicomweb")]
pub mod dicomweb;
mod directory;
mod error;
pub mod folder;
pub mod kept;
#[cfg(any(feature = "dicomweb", feature = "s3"))]
pub(crate) mod landing;
#[cfg(any(feature = "dicomweb", feature = "s3"))]
pub(crate) mod pause;
#[cfg(feature = "s3")]
pub mod s3;
pub mod shelf;
pub mod sizes;
#[cfg(any(feature = "dicomweb", feature = "s3"))]
pub mod web;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use crate::uid::Uid;

pub use error::{Fate, SourceError};

/// The most that is fetched of one study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Files.
    pub max_files: usize,
}

/// A place that studies come from.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// What the source holds of a study, without fetching it.
    async fn locate(&self, study: &Uid, limits: FetchLimits) -> Result<Box<dyn Holding>, SourceError>;

    /// Whether the source answers now.
    async fn probe(&self) -> Result<(), SourceError>;
}

/// What a source holds of one study.
#[async_trait]
pub trait Holding: fmt::Debug + Send + Sync {
    /// Bytes of its files at most; more is never fetched.
    fn bytes(&self) -> u64;

    /// How many instances the source says that it holds, where it says so.
    fn instances(&self) -> Option<u64>;

    /// Where its files lie on this machine already; `None` where they have to be fetched.
    fn folder(&self) -> Option<&Path>;

    /// Brings all files into a folder, which is there and empty. What lies there after an error is of no use.
    async fn fetch(&self, into: &Path) -> Result<(), SourceError>;
}
