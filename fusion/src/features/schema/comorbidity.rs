//! How diagnoses are counted: the Charlson index, and chapters of ICD-10.

use serde::Deserialize;

use super::MissingPolicy;

/// The Charlson index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Charlson {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) missing: MissingPolicy,
    #[serde(rename = "category")]
    pub(crate) categories: Vec<Comorbidity>,
}

/// One category of the index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comorbidity {
    pub(crate) id: String,
    pub(crate) weight: u32,
    pub(crate) icd10: Vec<String>,
    #[serde(default)]
    pub(crate) snomed: Vec<String>,
    pub(crate) yields_to: Option<String>,
}

/// Counts of diagnoses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diagnoses {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) window_days: u32,
    pub(crate) missing: MissingPolicy,
    pub(crate) chapters: Vec<Chapter>,
}

/// A chapter of ICD-10.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chapter {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) icd10: Vec<String>,
}
