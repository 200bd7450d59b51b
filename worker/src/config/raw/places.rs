//! `[sources.NAME]`, `[records.NAME]` and `[targets.NAME]`: where studies and records come from and where reports go.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RawSecret;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SourceKind {
    Folder,
    S3,
    Dicomweb,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawChecksums {
    #[default]
    Supported,
    Required,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawSource {
    pub(in crate::config) kind: Option<SourceKind>,
    pub(in crate::config) path: Option<PathBuf>,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) bucket: Option<String>,
    pub(in crate::config) prefix: String,
    pub(in crate::config) region: String,
    pub(in crate::config) path_style: bool,
    pub(in crate::config) access_key_id: Option<String>,
    pub(in crate::config) secret_access_key: Option<RawSecret>,
    pub(in crate::config) checksums: RawChecksums,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password: Option<RawSecret>,
    pub(in crate::config) token: Option<RawSecret>,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) client_certificate_file: Option<PathBuf>,
    pub(in crate::config) client_key_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) timeout_s: u64,
    pub(in crate::config) max_instance_mib: u64,
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
pub(in crate::config) struct RawSmart {
    pub(in crate::config) client_id: Option<String>,
    pub(in crate::config) key_file: Option<PathBuf>,
    pub(in crate::config) key_id: Option<String>,
    pub(in crate::config) scopes: Option<Vec<String>>,
    pub(in crate::config) token_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RecordKind {
    Folder,
    Ndjson,
    Fhir,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRecord {
    pub(in crate::config) kind: Option<RecordKind>,
    pub(in crate::config) path: Option<PathBuf>,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) token: Option<RawSecret>,
    pub(in crate::config) smart: Option<RawSmart>,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) timeout_s: u64,
    pub(in crate::config) updated_since: Option<String>,
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
pub(in crate::config) enum TargetKind {
    Folder,
    Fhir,
    S3,
    DicomWeb,
    Dicom,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawTarget {
    pub(in crate::config) kind: Option<TargetKind>,
    pub(in crate::config) path: Option<PathBuf>,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) bucket: Option<String>,
    pub(in crate::config) prefix: String,
    pub(in crate::config) region: String,
    pub(in crate::config) path_style: bool,
    pub(in crate::config) access_key_id: Option<String>,
    pub(in crate::config) secret_access_key: Option<RawSecret>,
    pub(in crate::config) checksums: RawChecksums,
    pub(in crate::config) token: Option<RawSecret>,
    pub(in crate::config) smart: Option<RawSmart>,
    pub(in crate::config) fhir_version: RawFhirVersion,
    pub(in crate::config) user: Option<String>,
    pub(in crate::config) password: Option<RawSecret>,
    pub(in crate::config) address: Option<String>,
    pub(in crate::config) called_ae: Option<String>,
    pub(in crate::config) calling_ae: String,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) timeout_s: u64,
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

/// The release of FHIR that a target's server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::config) enum RawFhirVersion {
    #[default]
    R4,
    R5,
}
