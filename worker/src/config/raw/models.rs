//! `[models]`, `[pipelines.NAME]` and `[risks.NAME]` as they are written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::declaration::SeriesRule;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawModels {
    pub(in crate::config) memory_mib: u64,
    pub(in crate::config) pinned_keys: Vec<String>,
    pub(in crate::config) built_in_signature_file: Option<PathBuf>,
}

impl Default for RawModels {
    fn default() -> Self {
        Self { memory_mib: 4096, pinned_keys: Vec::new(), built_in_signature_file: None }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawPipeline {
    pub(in crate::config) path: Option<PathBuf>,
    pub(in crate::config) description: Option<String>,
    pub(in crate::config) prefer_views: Vec<String>,
    pub(in crate::config) outlines_are_facts: bool,
    pub(in crate::config) series: SeriesRule,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawRisk {
    pub(in crate::config) path: Option<PathBuf>,
    pub(in crate::config) pipelines: Vec<String>,
}
