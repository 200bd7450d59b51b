//! Exams for `icu-concurrent` from a folder with `outcomes.csv` and one FHIR bundle a patient in `ehr/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fusion::learned::Exam;
use fusion::{ChestView, Record};
use jiff::Timestamp;

use super::table::{Row, Table, TableError, picture};
use crate::ending::Ending;
use crate::intake::record::files;
use crate::model::BUILT_IN;
use crate::pipeline::Stages;
use crate::pipeline::scoring::Scoring;

/// The exams could not be read or scored.
#[derive(Debug, thiserror::Error)]
pub enum ExamsError {
    /// The table or a picture.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The networks could not be loaded or failed.
    #[error(transparent)]
    Score(#[from] Ending),
    /// A record could not be read.
    #[error("`{path}` is no readable record")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        source: fusion::RecordError,
    },
    /// A patient has no record.
    #[error("no record in `ehr/` carries the identifier of row {row}")]
    NoRecord {
        /// The row, from 1.
        row: usize,
    },
}

/// Reads `outcomes.csv`, scores every picture with the built-in `cxr-findings`, and takes the features at the exam.
///
/// Columns: `file`, `patient_id`, `view` (`PA`, `AP`), `study_time` (RFC 3339), `in_icu_at_exam` (0, 1), `split`.
pub fn exams(
    folder: &Path,
    stages: &Stages,
    scoring: &dyn Scoring,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Exam>, ExamsError> {
    let records = records(&folder.join("ehr"))?;
    let table = Table::open(&folder.join("outcomes.csv"))?;
    let mut exams = Vec::with_capacity(table.len());
    for row in table.rows() {
        exams.push(exam(folder, row, exams.len() + 1, &records, (stages, scoring))?);
        progress(exams.len(), table.len());
    }
    Ok(exams)
}

fn exam(
    folder: &Path,
    row: Row<'_>,
    number: usize,
    records: &BTreeMap<String, Record>,
    (stages, scoring): (&Stages, &dyn Scoring),
) -> Result<Exam, ExamsError> {
    let patient = row.text("patient_id")?;
    let record = records.get(patient).ok_or(ExamsError::NoRecord { row: number })?;
    let t0: Timestamp = row.number("study_time")?;
    let image = Arc::new(picture(&folder.join(row.text("file")?), stages.reader.limits())?);
    let scores = scoring.score(BUILT_IN, &image)?;
    Ok(Exam {
        patient: patient.to_owned(),
        features: fusion::features(record, t0, &stages.config.site_zone),
        image_logits: scores.findings.iter().map(|score| score.logit).collect(),
        view: if row.either("view", "AP", "PA")? { ChestView::Ap } else { ChestView::Pa },
        t0,
        label: row.flag("in_icu_at_exam")?,
        split: row.text("split")?.to_owned(),
    })
}

/// The records of a folder, by every identifier they carry.
pub(crate) fn records(folder: &Path) -> Result<BTreeMap<String, Record>, ExamsError> {
    let fail = |path: &Path, source| TableError::Read { path: path.to_owned(), source };
    let mut records = BTreeMap::new();
    for path in files(folder).map_err(|source| fail(folder, source))? {
        let bytes = std::fs::read(&path).map_err(|source| fail(&path, source))?;
        let record = Record::from_json(&bytes).map_err(|source| ExamsError::Record { path, source })?;
        for identifier in &record.patient().identifiers {
            records.insert(identifier.value.expose().clone(), record.clone());
        }
    }
    Ok(records)
}
