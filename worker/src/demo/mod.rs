//! A study and a record that belong to nobody: a phantom chest radiograph and a synthetic FHIR bundle of one patient.

mod record;

use std::path::{Path, PathBuf};

use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{Opacity, PhantomError, PhantomSpec, phantom_chest};
use jiff::civil::{Date, DateTime, date, datetime};

use crate::deliver::{WriteError, deliver};

/// The invented patient.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Folder of the study.
    pub study: PathBuf,
    /// File of the record.
    pub record: PathBuf,
}

/// The demo could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The phantom could not be written as DICOM.
    #[error("the phantom could not be made")]
    Phantom(#[from] PhantomError),
    /// A file could not be written.
    #[error("{}: {}", .0, .0.source)]
    Write(#[from] WriteError),
}

/// When the demo's study took place, local time of the site.
const STUDY_TIME: DateTime = datetime(2026, 3, 17, 9, 30, 0, 0);

/// The patient's birth date.
const BIRTH_DATE: Date = date(1958, 5, 4);

/// Writes study and record below `out`.
pub fn write(out: &Path, seed: u64, opacity: Option<Opacity>) -> Result<Demo, DemoError> {
    let patient_id = format!("DEMO{seed:04}");
    let phantom = phantom_chest(&PhantomSpec {
        seed,
        patient_id: patient_id.clone(),
        issuer: record::ISSUER.into(),
        patient_name: "Phantom^Ada".into(),
        birth_date: BIRTH_DATE,
        sex: Sex::Female,
        study_time: STUDY_TIME,
        offset_minutes: None,
        accession_number: format!("ACC{:08}", seed % 100_000_000),
        opacity,
    })?;
    let bundle = record::bundle(&patient_id, BIRTH_DATE);
    let file = deliver(&out.join("study"), "phantom.dcm", &phantom)?;
    let record = deliver(out, "record.json", &bundle)?;
    Ok(Demo { study: file.parent().map_or_else(|| file.clone(), Path::to_owned), record })
}
