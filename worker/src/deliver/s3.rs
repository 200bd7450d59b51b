//! A bucket of an S3 server: each version under keys of its own, and one small object that names the newest.
//!
//! `<prefix><Study Instance UID>/<job key>/` holds `report.html`, `bundle.json`, `report.dcm`, `overlay.dcm` and `segmentation.dcm`, as
//! the ledger stores them, the overlay drawn, and `report.pdf` as the bundle presents it; the same version a second time is the same bytes
//! under the same keys. `<prefix><Study Instance UID>/latest.json` names the
//! version that was delivered last. It is written after what it names, so whoever follows it finds whole objects. Which
//! version is the newest is the ledger's to say; its caller asks it before each delivery.

use async_trait::async_trait;
use dicom_ingest::bucket::Bucket;
use dicom_ingest::source::SourceError;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{DeliverError, OpenError, Parcel, Receipts, Target, TerminalCode, TransientCode};
use crate::config::site::S3Config;
use crate::job::hex;
use crate::message::Name;
use crate::remote::bucket;
use crate::report::fhir::presented_pdf;

/// The longest pointer that is read.
const POINTER_BYTES: u64 = 64 * 1024;

/// A bucket as a target.
#[derive(Debug)]
pub struct S3Target {
    name: Name,
    bucket: Bucket,
    prefix: String,
    place: String,
}

impl S3Target {
    /// Makes the client; nothing is reached yet.
    pub fn new(name: Name, config: &S3Config) -> Result<Self, OpenError> {
        let bucket = bucket(&name, config)
            .and_then(|config| {
                Bucket::new(&config)
                    .map_err(|source| crate::remote::SourceOpenError::Open { name: name.clone(), source })
            })
            .map_err(|source| OpenError::Bucket { target: name.clone(), source })?;
        let place = format!("s3://{}", config.bucket);
        Ok(Self { name, bucket, prefix: config.prefix.clone(), place })
    }

    /// Whether the pointer names this version: then all of it is there.
    async fn holds(&self, key: &str, pointer: &[u8]) -> Result<bool, SourceError> {
        let stored = self.bucket.read_small(key, POINTER_BYTES).await?;
        Ok(stored.as_deref() == Some(pointer))
    }

    fn error(&self, error: SourceError) -> DeliverError {
        let target = self.name.clone();
        match code_of(&error) {
            Ok(code) => {
                DeliverError::Transient { target, code, retry_after: None, source: Some(Box::new(error)) }
            }
            Err(code) => DeliverError::Terminal { target, code, reason: error.to_string() },
        }
    }
}

#[async_trait]
impl Target for S3Target {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        // It comes from the ledger, and is checked again where it becomes a key.
        let Ok(study) = parcel.study_uid.parse::<dicom_ingest::uid::Uid>() else {
            let (target, code) = (self.name.clone(), TerminalCode::StudyUidUnusable);
            return Err(DeliverError::Terminal { target, code, reason: "it is no DICOM UID".into() });
        };
        let folder = format!("{}{study}/{}", self.prefix, parcel.job_key);
        let mut parts =
            vec![("html", "report.html", "text/html; charset=utf-8", parcel.report.html.as_slice())];
        let paper = parcel.report.bundle.as_deref().and_then(presented_pdf);
        if let Some(paper) = &paper {
            parts.push(("pdf", "report.pdf", "application/pdf", paper));
        }
        if let Some(bundle) = &parcel.report.bundle {
            parts.push(("bundle", "bundle.json", "application/fhir+json", bundle));
        }
        if let Some(sr) = &parcel.report.sr {
            parts.push(("sr", "report.dcm", "application/dicom", sr));
        }
        if let Some(overlay) = &parcel.report.overlay {
            parts.push(("overlay", "overlay.dcm", "application/dicom", overlay));
        }
        if let Some(segmentation) = &parcel.report.segmentation {
            parts.push(("segmentation", "segmentation.dcm", "application/dicom", segmentation));
        }
        let pointer = pointer(parcel, &parts);
        let latest = format!("{}{study}/latest.json", self.prefix);
        let is_there =
            parcel.sent_before && self.holds(&latest, &pointer).await.map_err(|error| self.error(error))?;
        let mut receipts = Receipts::new();
        for (part, name, content_type, bytes) in parts {
            let key = format!("{folder}/{name}");
            if !is_there {
                let written = self.bucket.write(&key, bytes.to_vec(), content_type).await;
                written.map_err(|error| self.error(error))?;
            }
            receipts.insert(part.to_owned(), format!("{}/{key}", self.place));
        }
        if !is_there {
            let written = self.bucket.write(&latest, pointer, "application/json").await;
            written.map_err(|error| self.error(error))?;
        }
        Ok(receipts)
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        self.bucket.probe().await.map_err(|error| self.error(error))
    }
}

/// The object that names the newest version: the same version gives the same bytes.
fn pointer(parcel: &Parcel<'_>, parts: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let files: serde_json::Map<String, serde_json::Value> = parts
        .iter()
        .map(|(part, name, _, bytes)| {
            let key = format!("{}/{name}", parcel.job_key);
            (
                (*part).to_owned(),
                json!({"key": key, "bytes": bytes.len(), "sha256": hex(&Sha256::digest(bytes))}),
            )
        })
        .collect();
    json!({"job": parcel.job_key, "report": parcel.report_key, "files": files}).to_string().into_bytes()
}

/// For now or for good.
const fn code_of(error: &SourceError) -> Result<TransientCode, TerminalCode> {
    match error {
        SourceError::TimedOut => Ok(TransientCode::TimedOut),
        SourceError::Busy { .. } => Ok(TransientCode::ServerBusy),
        SourceError::Failed { .. } => Ok(TransientCode::ServerFailed),
        SourceError::Denied { status: 403 } => Ok(TransientCode::PermissionDenied),
        SourceError::Denied { .. } => Ok(TransientCode::AuthenticationFailed),
        SourceError::NoSuchPlace { .. } => Ok(TransientCode::TargetMissing),
        // What was just written is of another length or gone: somebody else writes there, or the way is bad.
        SourceError::Changed | SourceError::Truncated | SourceError::Damaged => {
            Ok(TransientCode::ConnectionCut)
        }
        SourceError::NotUnderstood(_) => Ok(TransientCode::AnswerNotUnderstood),
        SourceError::Redirected { .. } => Err(TerminalCode::RedirectRefused),
        SourceError::Refused { .. } => Err(TerminalCode::Rejected),
        _ => Ok(TransientCode::Unreachable),
    }
}
