//! The modules around the content (PS3.3 A.35.13): patient, study, series, equipment, document.

use dicom_ingest::own::{MANUFACTURER, MODEL, OVERLAY_CLASS, SEGMENTATION_CLASS, SOP_CLASS};
use dicom_ingest::write::{Elements, VR, tags};

use super::codes::OWN;
use crate::report::dicom::{day, issued, long_string, patient, referenced, study, time_of_day, valid};
use crate::report::document::{Kind, Report};
use crate::report::ids;
use crate::report::language::Message;
use crate::report::{overlay, segmentation};

/// Everything but the content tree.
pub(super) fn elements(report: &Report, sop_instance: &str) -> Elements {
    let mut elements = Elements::default();
    elements
        .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
        .text(tags::SOP_CLASS_UID, VR::UI, SOP_CLASS)
        .text(tags::SOP_INSTANCE_UID, VR::UI, sop_instance);
    patient(&mut elements, &report.patient);
    study(&mut elements, report);
    series_and_equipment(&mut elements, report);
    document(&mut elements, report);
    elements
}

fn series_and_equipment(elements: &mut Elements, report: &Report) {
    let (pipeline, software) = (&report.pipeline, &report.software);
    elements
        .text(tags::MODALITY, VR::CS, "SR")
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &ids::uid(ids::series(report)))
        .text(tags::SERIES_NUMBER, VR::IS, "9901")
        .text(tags::SERIES_DESCRIPTION, VR::LO, report.language.text(Message::SeriesDescription))
        .sequence(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new())
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(
            tags::DEVICE_SERIAL_NUMBER,
            VR::LO,
            &long_string(&format!("{} {}", pipeline.id, pipeline.version)),
        )
        .text(tags::SOFTWARE_VERSIONS, VR::LO, &long_string(&software.version));
}

/// SR Document General (PS3.3 C.17.2), and whose our own codes are.
fn document(elements: &mut Elements, report: &Report) {
    let (issued, offset) = issued(report);
    elements
        .text(tags::INSTANCE_NUMBER, VR::IS, "1")
        .text(tags::CONTENT_DATE, VR::DA, &day(issued.date()))
        .text(tags::CONTENT_TIME, VR::TM, &time_of_day(issued.time()))
        .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &offset)
        .text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY")
        .text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL")
        .text(tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, report.language.text(Message::Status))
        .text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED")
        .sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new())
        .sequence(tags::AUTHOR_OBSERVER_SEQUENCE, vec![author(report)])
        .sequence(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, vec![own_scheme()]);
    let predecessors = predecessors(report);
    if !predecessors.is_empty() {
        elements.sequence(tags::PREDECESSOR_DOCUMENTS_SEQUENCE, predecessors);
    }
    let evidence = evidence(report);
    if !evidence.is_empty() {
        let mut study = Elements::default();
        study
            .text(tags::STUDY_INSTANCE_UID, VR::UI, &report.study.study_instance_uid)
            .sequence(tags::REFERENCED_SERIES_SEQUENCE, evidence);
        elements.sequence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![study]);
    }
}

/// The document that this one takes the place of (PS3.3 C.17.2.3); all versions lie in one series.
fn predecessors(report: &Report) -> Vec<Elements> {
    let Kind::Withdrawn(_, version) = &report.kind else { return Vec::new() };
    let instance = referenced(SOP_CLASS, &ids::uid(ids::structured_report_of(version)));
    let (mut series, mut study) = (Elements::default(), Elements::default());
    series
        .text(tags::SERIES_INSTANCE_UID, VR::UI, &ids::uid(ids::series(report)))
        .sequence(tags::REFERENCED_SOP_SEQUENCE, vec![instance]);
    study
        .text(tags::STUDY_INSTANCE_UID, VR::UI, &report.study.study_instance_uid)
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    vec![study]
}

/// The device as the author (PS3.3 Table 10-11).
fn author(report: &Report) -> Elements {
    let organization =
        report.site.organization.as_ref().map(|own| long_string(&own.name)).unwrap_or_default();
    let mut author = Elements::default();
    author
        .text(tags::OBSERVER_TYPE, VR::CS, "DEV")
        .text(tags::STATION_NAME, VR::SH, "")
        .text(tags::DEVICE_UID, VR::UI, &ids::uid(ids::software(report)))
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(tags::INSTITUTION_NAME, VR::LO, &organization)
        .sequence(tags::INSTITUTION_CODE_SEQUENCE, Vec::new());
    author
}

fn own_scheme() -> Elements {
    let mut scheme = Elements::default();
    scheme
        .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, OWN)
        .text(tags::CODING_SCHEME_NAME, VR::ST, "Labels and terms of the Chiasm project")
        .text(tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, VR::ST, MANUFACTURER);
    scheme
}

/// The instances that the content refers to, by series.
fn evidence(report: &Report) -> Vec<Elements> {
    let mut series: Vec<(String, Vec<Elements>)> = Vec::new();
    for instance in valid(&report.study.instances) {
        let one = referenced(&instance.sop_class_uid, &instance.sop_instance_uid);
        match series.iter_mut().find(|(uid, _)| *uid == instance.series_instance_uid) {
            Some((_, instances)) => instances.push(one),
            None => series.push((instance.series_instance_uid.clone(), vec![one])),
        }
    }
    let item = |(uid, instances): (String, Vec<Elements>)| {
        let mut item = Elements::default();
        item.text(tags::SERIES_INSTANCE_UID, VR::UI, &uid).sequence(tags::REFERENCED_SOP_SEQUENCE, instances);
        item
    };
    series.into_iter().chain(overlay(report)).chain(outlines(report)).map(item).collect()
}

/// The overlay, which one of the findings shows.
fn overlay(report: &Report) -> Option<(String, Vec<Elements>)> {
    let instance = overlay::instance_uid(report)?;
    Some((ids::uid(ids::overlay_series(report)), vec![referenced(OVERLAY_CLASS, &instance)]))
}

/// The segmentation, which measurement groups refer to.
fn outlines(report: &Report) -> Option<(String, Vec<Elements>)> {
    let instance = segmentation::instance_uid(report)?;
    Some((ids::uid(ids::segmentation_series(report)), vec![referenced(SEGMENTATION_CLASS, &instance)]))
}
