//! A DICOMweb server as a source (PS3.18): QIDO-RS says which instances a study has and how large they are, WADO-RS gives
//! them, each in the transfer syntax in which the server holds it.
//!
//! Requests go to the configured origin alone: the URLs that a server writes into its answers are not read, and no redirect
//! is followed.

mod client;
pub mod multipart;
mod qido;
mod wado;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::web::{Hidden, OpenError, WebOptions};
use super::{FetchLimits, Holding, Source, SourceError};
use crate::uid::Uid;

use client::Client;
use qido::Listed;

/// Bytes of an instance beside its pixels: headers, overlays, thumbnails.
const BESIDE_PIXELS: u64 = 1 << 20;

/// How a server knows who asks.
#[derive(Debug, Clone)]
pub enum Login {
    /// HTTP basic authentication.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Hidden,
    },
    /// A bearer token.
    Bearer(Hidden),
}

/// How to reach a DICOMweb server.
#[derive(Debug, Clone)]
pub struct DicomwebConfig {
    /// Base URL: `/studies` is below it.
    pub url: String,
    /// Who asks.
    pub login: Option<Login>,
    /// TLS and time limits.
    pub web: WebOptions,
    /// Bytes that are allowed for an instance whose size the server does not let us know.
    pub max_instance_bytes: u64,
}

/// A DICOMweb server.
#[derive(Debug, Clone)]
pub struct Dicomweb {
    client: Arc<Client>,
    max_instance_bytes: u64,
}

/// A study on a DICOMweb server.
#[derive(Debug)]
struct OnServer {
    client: Arc<Client>,
    study: Uid,
    instances: usize,
    limits: FetchLimits,
}

impl Dicomweb {
    /// Prepares connections; nothing is sent yet.
    pub fn new(config: &DicomwebConfig) -> Result<Self, OpenError> {
        let client = Client::new(&config.url, config.login.clone(), &config.web)?;
        Ok(Self { client: Arc::new(client), max_instance_bytes: config.max_instance_bytes })
    }

    /// How many instances the server states that it holds of a study: Number of Study Related Instances (0020,1208).
    /// `None` where it knows the study and states none. A study that it does not know is [`SourceError::Absent`].
    pub async fn stated_instances(&self, study: &Uid) -> Result<Option<u64>, SourceError> {
        qido::stated_instances(&self.client, study).await
    }
}

#[async_trait]
impl Source for Dicomweb {
    async fn locate(&self, study: &Uid, limits: FetchLimits) -> Result<Box<dyn Holding>, SourceError> {
        let listed = qido::instances(&self.client, study, limits.max_files).await?;
        if listed.is_empty() {
            return Err(SourceError::Absent);
        }
        let bytes = most_bytes(&listed, self.max_instance_bytes);
        if bytes > limits.max_bytes {
            return Err(SourceError::TooLarge { bytes, limit: limits.max_bytes });
        }
        Ok(Box::new(OnServer {
            client: Arc::clone(&self.client),
            study: study.clone(),
            instances: listed.len(),
            limits: FetchLimits { max_bytes: bytes, ..limits },
        }))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        qido::any_study(&self.client).await
    }
}

#[async_trait]
impl Holding for OnServer {
    fn bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    fn instances(&self) -> Option<u64> {
        Some(self.instances as u64)
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    async fn fetch(&self, into: &Path) -> Result<(), SourceError> {
        wado::study(&self.client, &self.study, self.instances, into, self.limits).await
    }
}

/// The bytes of all instances at most: as large as their pixels are without compression, or as was allowed for one.
fn most_bytes(listed: &[Listed], max_instance_bytes: u64) -> u64 {
    let most = |instance: &Listed| {
        let pixels = instance.pixel_bytes.map(|pixels| pixels.saturating_add(BESIDE_PIXELS));
        // JPEG of noise is a little larger than the noise.
        pixels.map_or(max_instance_bytes, |bytes| bytes.saturating_add(bytes / 8))
    };
    listed.iter().map(most).fold(0, u64::saturating_add)
}
