//! The raw form of `chiasm.toml`: key by key as it is written, with the defaults. Nothing in here is checked beyond its
//! type; [`super::valid`] makes the real values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::site::Begin;
use crate::report::Language;

mod models;
mod receive;

pub(super) use models::{RawModels, RawPipeline};
pub(super) use receive::RawReceive;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) tenant: String,
    pub(super) site_zone: String,
    pub(super) patient_id_system: Option<String>,
    pub(super) state: PathBuf,
    pub(super) default_source: Option<String>,
    pub(super) default_record: Option<String>,
    pub(super) default_targets: Vec<String>,
    pub(super) default_pipeline: Option<String>,
    pub(super) queue: RawQueue,
    pub(super) ledger: RawLedger,
    pub(super) sources: BTreeMap<String, RawSource>,
    pub(super) records: BTreeMap<String, RawRecord>,
    pub(super) targets: BTreeMap<String, RawTarget>,
    pub(super) models: RawModels,
    pub(super) pipelines: BTreeMap<String, RawPipeline>,
    pub(super) worker: RawWorker,
    pub(super) http: RawHttp,
    pub(super) orthanc: RawOrthanc,
    pub(super) monai: RawMonai,
    pub(super) receive: RawReceive,
    pub(super) report: RawReport,
    pub(super) log: RawLog,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            tenant: "default".into(),
            site_zone: "UTC".into(),
            patient_id_system: None,
            state: "chiasm-state".into(),
            default_source: None,
            default_record: None,
            default_targets: Vec::new(),
            default_pipeline: None,
            queue: RawQueue::default(),
            ledger: RawLedger::default(),
            sources: BTreeMap::new(),
            records: BTreeMap::new(),
            targets: BTreeMap::new(),
            models: RawModels::default(),
            pipelines: BTreeMap::new(),
            worker: RawWorker::default(),
            http: RawHttp::default(),
            orthanc: RawOrthanc::default(),
            monai: RawMonai::default(),
            receive: RawReceive::default(),
            report: RawReport::default(),
            log: RawLog::default(),
        }
    }
}

/// Where a secret is to be read from: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecret {
    pub(super) env: Option<String>,
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum QueueKind {
    #[default]
    Embedded,
    RabbitMq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawQueue {
    pub(super) kind: QueueKind,
    pub(super) url: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_certificate_file: Option<PathBuf>,
    pub(super) client_key_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) prefix: String,
    pub(super) retries: u64,
    pub(super) retry_after_s: u64,
}

impl Default for RawQueue {
    fn default() -> Self {
        Self {
            kind: QueueKind::Embedded,
            url: None,
            password: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            allow_plaintext: false,
            prefix: "chiasm".into(),
            retries: 5,
            retry_after_s: 10,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LedgerKind {
    #[default]
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    pub(super) kind: LedgerKind,
    pub(super) url: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) connections: u64,
    pub(super) lease_s: u64,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self {
            kind: LedgerKind::Sqlite,
            url: None,
            password: None,
            ca_file: None,
            allow_plaintext: false,
            connections: 8,
            lease_s: 60,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceKind {
    Folder,
    S3,
    Dicomweb,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawChecksums {
    #[default]
    Supported,
    Required,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSource {
    pub(super) kind: Option<SourceKind>,
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) prefix: String,
    pub(super) region: String,
    pub(super) path_style: bool,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_access_key: Option<RawSecret>,
    pub(super) checksums: RawChecksums,
    pub(super) user: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) token: Option<RawSecret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_certificate_file: Option<PathBuf>,
    pub(super) client_key_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) timeout_s: u64,
    pub(super) max_instance_mib: u64,
}

impl Default for RawSource {
    fn default() -> Self {
        Self {
            kind: None,
            path: None,
            url: None,
            bucket: None,
            prefix: String::new(),
            region: "us-east-1".into(),
            path_style: false,
            access_key_id: None,
            secret_access_key: None,
            checksums: RawChecksums::Supported,
            user: None,
            password: None,
            token: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            allow_plaintext: false,
            timeout_s: 60,
            max_instance_mib: 64,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSmart {
    pub(super) client_id: Option<String>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_id: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) token_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RecordKind {
    Folder,
    Ndjson,
    Fhir,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecord {
    pub(super) kind: Option<RecordKind>,
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) token: Option<RawSecret>,
    pub(super) smart: Option<RawSmart>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) timeout_s: u64,
    pub(super) updated_since: Option<String>,
}

impl Default for RawRecord {
    fn default() -> Self {
        Self {
            kind: None,
            path: None,
            url: None,
            token: None,
            smart: None,
            ca_file: None,
            allow_plaintext: false,
            timeout_s: 30,
            updated_since: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetKind {
    Folder,
    Fhir,
    S3,
    DicomWeb,
    Dicom,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTarget {
    pub(super) kind: Option<TargetKind>,
    pub(super) path: Option<PathBuf>,
    pub(super) url: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) prefix: String,
    pub(super) region: String,
    pub(super) path_style: bool,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_access_key: Option<RawSecret>,
    pub(super) checksums: RawChecksums,
    pub(super) token: Option<RawSecret>,
    pub(super) smart: Option<RawSmart>,
    pub(super) fhir_version: RawFhirVersion,
    pub(super) user: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) address: Option<String>,
    pub(super) called_ae: Option<String>,
    pub(super) calling_ae: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) timeout_s: u64,
}

/// The release of FHIR that a target's server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) enum RawFhirVersion {
    #[default]
    R4,
    R5,
}

impl Default for RawTarget {
    fn default() -> Self {
        Self {
            kind: None,
            path: None,
            url: None,
            bucket: None,
            prefix: String::new(),
            region: "us-east-1".into(),
            path_style: false,
            access_key_id: None,
            secret_access_key: None,
            checksums: RawChecksums::Supported,
            token: None,
            smart: None,
            fhir_version: RawFhirVersion::R4,
            user: None,
            password: None,
            address: None,
            called_ae: None,
            calling_ae: "CHIASM".into(),
            ca_file: None,
            allow_plaintext: false,
            timeout_s: 30,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWorker {
    pub(super) jobs_at_once: u64,
    pub(super) stat_jobs_at_once: u64,
    pub(super) decoders: u64,
    pub(super) decoder_memory_mib: u64,
    pub(super) decoder_timeout_s: u64,
    pub(super) max_batch: u64,
    pub(super) max_wait_ms: u64,
    pub(super) device_timeout_s: u64,
    pub(super) memory_mib: u64,
    pub(super) max_study_mib: u64,
    pub(super) min_free_disk_mib: u64,
    pub(super) max_undelivered: u64,
    pub(super) grace_s: u64,
    pub(super) poison_after: u64,
    pub(super) deliver_for_h: u64,
}

impl Default for RawWorker {
    fn default() -> Self {
        Self {
            jobs_at_once: 4,
            stat_jobs_at_once: 2,
            decoders: 2,
            decoder_memory_mib: 4096,
            decoder_timeout_s: 120,
            max_batch: 8,
            max_wait_ms: 5,
            device_timeout_s: 120,
            memory_mib: 2048,
            max_study_mib: 1024,
            min_free_disk_mib: 1024,
            max_undelivered: 1000,
            grace_s: 25,
            poison_after: 5,
            deliver_for_h: 24,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    pub(super) listen: Option<String>,
    pub(super) intake_token: Option<RawSecret>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOrthanc {
    pub(super) url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<RawSecret>,
    pub(super) source: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
    pub(super) poll_s: u64,
    pub(super) begin: Begin,
}

impl Default for RawOrthanc {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password: None,
            source: None,
            ca_file: None,
            allow_plaintext: false,
            poll_s: 10,
            begin: Begin::Now,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMonai {
    pub(super) buckets: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReport {
    pub(super) language: Language,
    pub(super) confidence: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) format: LogFormat,
    pub(super) otlp_url: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
}
