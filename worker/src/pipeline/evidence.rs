//! What has been learned about a study so far. A refusal composes its report from what is there.

use std::path::PathBuf;
use std::sync::Arc;

use dicom_ingest::study::Study;
use dicom_ingest::study_time::TimeRule;
use fusion::{FeatureTable, Lesion, Nodule, ProstateLesion, ProstateReport, Record, Risk};
use jiff::Timestamp;

use super::output::ModelOutput;

/// Everything a report is composed from beside job and configuration.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The study, once its headers are read.
    pub study: Option<Arc<Study>>,
    /// The folder that the study's files were fetched into, where they came from another machine.
    pub root: Option<PathBuf>,
    /// Index time t0 and the rule that made it an instant.
    pub started: Option<(Timestamp, TimeRule)>,
    /// The patient's record, once it is confirmed.
    pub record: Option<Record>,
    /// What the networks said.
    pub output: Option<ModelOutput>,
    /// Features of the record at t0.
    pub features: Option<FeatureTable>,
    /// Nodule facts of the record, of structured reports in the study, and of what the model outlines where that counts.
    pub nodules: Vec<Nodule>,
    /// What structured reports in the study state of the prostate.
    pub prostate: Vec<ProstateReport>,
    /// Lesions of the prostate with a place that the record states.
    pub lesions: Vec<ProstateLesion>,
    /// The risks, computable or not.
    pub risks: Vec<Risk>,
    /// The nodule that the formulas were computed for.
    pub lesion: Option<Lesion>,
    /// What was odd, as code and sentence, beside what the model output holds.
    pub warnings: Vec<(String, String)>,
}
