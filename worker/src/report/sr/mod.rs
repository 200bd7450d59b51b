//! The report as a DICOM Comprehensive 3D SR by TID 1500 (PS3.3 A.35.13, PS3.16), for the study that it is about.
//!
//! UNVERIFIED, PARTIAL and PRELIMINARY: a human's signature is not the program's to write. Its UIDs follow from the
//! report's keys, so that the same job gives the same bytes, and an archive that has it already has nothing to change.
//! All versions of a report lie in one series.

mod codes;
mod content;
mod group;
mod header;
mod lesion;
mod tree;

use dicom_ingest::own::SOP_CLASS;

use super::document::{Report, Subject};
use super::ids;
use super::text::is_uid;

/// SOP Instance UID of the report's SR; `None` where none is written.
pub fn instance_uid(report: &Report) -> Option<String> {
    let is_known = report.patient.identifier.is_some() && report.patient.subject != Subject::Unidentified;
    (is_known && is_uid(&report.study.study_instance_uid)).then(|| ids::uid(ids::structured_report(report)))
}

/// Writes the SR as a DICOM file; `None` where the images do not say whose study it is or which: an object without them
/// belongs into no archive.
pub fn document(report: &Report) -> Option<Vec<u8>> {
    let instance = instance_uid(report)?;
    let mut elements = header::elements(report, &instance);
    tree::write(&mut elements, report);
    Some(elements.file(SOP_CLASS, &instance))
}
