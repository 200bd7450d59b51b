//! The raw form of `chiasm.toml`: key by key as it is written, with the defaults. Nothing in here is checked beyond its
//! type; [`super::valid`] makes the real values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::site::Begin;
use crate::report::Language;

mod models;
mod places;
mod receive;
mod servers;

pub(super) use models::{RawModels, RawPipeline, RawRisk};
pub(super) use places::{
    RawChecksums, RawFhirVersion, RawRecord, RawSmart, RawSource, RawTarget, RecordKind, SourceKind,
    TargetKind,
};
pub(super) use receive::RawReceive;
pub(super) use servers::{LedgerKind, QueueKind, RawLedger, RawQueue};

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
    pub(super) risks: BTreeMap<String, RawRisk>,
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
            risks: BTreeMap::new(),
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
    pub(super) hold_h: u64,
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
            hold_h: 24,
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReport {
    pub(super) language: Language,
    pub(super) confidence: bool,
    pub(super) overlay: bool,
    pub(super) organization: Option<RawOrganization>,
    pub(super) endpoint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOrganization {
    pub(super) name: String,
    pub(super) reference: Option<String>,
    pub(super) contact: Option<String>,
}

impl Default for RawReport {
    fn default() -> Self {
        Self {
            language: Language::default(),
            confidence: false,
            overlay: true,
            organization: None,
            endpoint: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) format: LogFormat,
    pub(super) otlp_url: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) allow_plaintext: bool,
}
