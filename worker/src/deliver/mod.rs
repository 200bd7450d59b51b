//! Where reports go: folders, FHIR servers, PACS and buckets behind one trait.
//!
//! Delivery is the outbox's last step, so it may happen more than once: every target takes the same bytes again without
//! a second effect. A target never decides which version of a report is the newest; that is the ledger's, and its
//! caller asks [`crate::ledger::Ledger::is_superseded`] before it delivers.

pub mod dicom;
pub mod dicomweb;
mod drawn;
mod error;
pub mod fhir;
pub mod folder;
mod object;
mod retry_after;
pub mod s3;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod smart;
pub(crate) mod trouble;
pub(crate) mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::site::TargetConfig;
use crate::ledger::ReportBytes;
use crate::message::Name;
use crate::report::fhir::Earlier;

pub(crate) use drawn::drawn;
pub use error::{DeliverError, TerminalCode, TransientCode, next_step};
pub use folder::{WriteError, deliver};

/// One report on its way to a target.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// StudyInstanceUID.
    pub study_uid: &'a str,
    /// The job key J: this version.
    pub job_key: &'a str,
    /// The report key R: versions chain under it.
    pub report_key: &'a str,
    /// The bytes exactly as the ledger stores them; for targets of files and DICOM objects with the overlay drawn.
    pub report: &'a ReportBytes,
    /// Earlier versions of the report that a target may hold, newest first: what they asserted holds no longer.
    pub earlier: &'a [Earlier],
    /// False only where it is certain that nobody sent this version before: this worker composed it just now. True makes
    /// a target look before it writes, because a worker that was killed may have sent it without hearing the answer.
    pub sent_before: bool,
}

/// Where each part of a report lies now: `html`, `pdf`, `bundle`, `sr`, `overlay`, `segmentation` or `diagnostic_report` with a path or URL.
pub type Receipts = BTreeMap<String, String>;

/// A place that reports go to.
#[async_trait]
pub trait Target: Send + Sync + fmt::Debug {
    /// Puts the report there durably. On `Ok` the target holds this version; giving it the same parcel again is safe.
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError>;

    /// Whether it asks whose the report is before it takes it. Such a target comes first: what it refuses for the patient's
    /// sake goes nowhere.
    fn confirms_patient(&self) -> bool {
        false
    }

    /// Asks whose the report is and writes nothing: an error where it is not surely one current patient's. Who cannot say so
    /// has nothing against it.
    async fn confirm(&self, _parcel: &Parcel<'_>) -> Result<(), DeliverError> {
        Ok(())
    }

    /// Whether it can say what it is able to do: such a target is probed when the worker starts.
    fn says_what_it_can(&self) -> bool {
        false
    }

    /// Whether the target can be reached now, and is what the configuration says: for readiness, and for ending a pause.
    async fn probe(&self) -> Result<(), DeliverError>;
}

/// The targets of a site by name.
#[derive(Debug, Clone, Default)]
pub struct Targets(BTreeMap<Name, Arc<dyn Target>>);

/// A configured target cannot be used. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The base URL is none.
    #[error(
        "target `{target}`: the URL must be `http://` or `https://`, without user, password, query or fragment"
    )]
    Url {
        /// The target.
        target: Name,
    },
    /// A PEM file could not be read.
    #[error("target `{target}`: could not read `{path}`")]
    Read {
        /// The target.
        target: Name,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A PEM file holds no certificate.
    #[error("target `{target}`: `{path}` holds no PEM certificate")]
    Authority {
        /// The target.
        target: Name,
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client could not be made.
    #[error("target `{target}`: could not set up HTTPS; check the system's certificates or set `ca_file`")]
    Client {
        /// The target.
        target: Name,
        /// What the library said.
        source: reqwest::Error,
    },
    /// The key of SMART Backend Services cannot be used.
    #[error("target `{target}`: {source}")]
    SigningKey {
        /// The target.
        target: Name,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client of a bucket could not be made.
    #[error("target `{target}` cannot be used as it is configured")]
    Bucket {
        /// The target.
        target: Name,
        /// Why.
        source: crate::remote::SourceOpenError,
    },
}

/// Makes every configured target. Nothing is reached yet: a target that is away now is no error. `patient_id_system` is the
/// identifier system of the site's Patient IDs.
pub fn open(
    configured: &BTreeMap<Name, TargetConfig>,
    patient_id_system: Option<&str>,
) -> Result<Targets, OpenError> {
    let target = |(name, config): (&Name, &TargetConfig)| {
        let target: Arc<dyn Target> = match config {
            TargetConfig::Folder { path } => Arc::new(folder::FolderTarget::new(name.clone(), path.clone())),
            TargetConfig::Fhir(config, release) => {
                let system = patient_id_system.map(str::to_owned);
                Arc::new(fhir::FhirTarget::new(name.clone(), config, system)?.speaking(*release))
            }
            TargetConfig::S3(config) => Arc::new(s3::S3Target::new(name.clone(), config)?),
            TargetConfig::DicomWeb(config) => Arc::new(dicomweb::DicomWebTarget::new(name.clone(), config)?),
            TargetConfig::Dicom(config) => Arc::new(dicom::DicomTarget::new(name.clone(), config)),
        };
        Ok((name.clone(), target))
    };
    configured.iter().map(target).collect()
}

impl Targets {
    /// The target of this name.
    pub fn get(&self, name: &Name) -> Option<&Arc<dyn Target>> {
        self.0.get(name)
    }

    /// All of them in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Arc<dyn Target>)> {
        self.0.iter()
    }
}

impl FromIterator<(Name, Arc<dyn Target>)> for Targets {
    fn from_iter<I: IntoIterator<Item = (Name, Arc<dyn Target>)>>(targets: I) -> Self {
        Self(targets.into_iter().collect())
    }
}
