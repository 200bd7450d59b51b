//! `[receive]` as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawReceive {
    pub(in crate::config) listen: Option<String>,
    pub(in crate::config) source: Option<String>,
    pub(in crate::config) called_aes: Vec<String>,
    pub(in crate::config) calling_aes: Vec<String>,
    pub(in crate::config) certificate_file: Option<PathBuf>,
    pub(in crate::config) key_file: Option<PathBuf>,
    pub(in crate::config) client_ca_file: Option<PathBuf>,
    pub(in crate::config) allow_plaintext: bool,
    pub(in crate::config) quiet_s: u64,
    pub(in crate::config) longest_s: u64,
    pub(in crate::config) count_from: Option<String>,
    pub(in crate::config) count_patience_s: u64,
    pub(in crate::config) idle_s: u64,
    pub(in crate::config) max_associations: u64,
    pub(in crate::config) max_pdu_kib: u64,
    pub(in crate::config) max_instance_mib: u64,
    pub(in crate::config) min_free_disk_mib: u64,
    pub(in crate::config) keep_days: u64,
    pub(in crate::config) http_listen: Option<String>,
}

impl Default for RawReceive {
    fn default() -> Self {
        Self {
            listen: None,
            source: None,
            called_aes: vec!["CHIASM".into()],
            calling_aes: Vec::new(),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            allow_plaintext: false,
            quiet_s: 60,
            longest_s: 3600,
            count_from: None,
            count_patience_s: 300,
            idle_s: 60,
            max_associations: 16,
            max_pdu_kib: 128,
            max_instance_mib: 1024,
            min_free_disk_mib: 1024,
            keep_days: 0,
            http_listen: None,
        }
    }
}
