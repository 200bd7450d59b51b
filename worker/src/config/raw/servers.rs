//! `[queue]` and `[ledger]`: what carries jobs and what knows where they stand.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RawSecret;

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum QueueKind {
    #[default]
    Embedded,
    RabbitMq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawQueue {
    pub(in crate::config) kind: QueueKind,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) password: Option<RawSecret>,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) client_certificate_file: Option<PathBuf>,
    pub(in crate::config) client_key_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) prefix: String,
    pub(in crate::config) retries: u64,
    pub(in crate::config) retry_after_s: u64,
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
pub(in crate::config) enum LedgerKind {
    #[default]
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawLedger {
    pub(in crate::config) kind: LedgerKind,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) password: Option<RawSecret>,
    pub(in crate::config) ca_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) connections: u64,
    pub(in crate::config) lease_s: u64,
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
