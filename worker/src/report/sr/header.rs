//! The modules around the content (PS3.3 A.35.13): patient, study, series, equipment, document.

use dicom_ingest::own::{MANUFACTURER, MODEL, OVERLAY_CLASS, SOP_CLASS};
use dicom_ingest::write::{Elements, VR, tags};
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::codes::OWN;
use super::content::{long_string, referenced, short_string};
use crate::report::document::{Instance, Kind, Patient, Report};
use crate::report::ids;
use crate::report::language::Message;
use crate::report::overlay;
use crate::report::text::is_uid;

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

/// The patient exactly as the images state it, so that the object comes to lie beside them.
pub(in crate::report) fn patient(elements: &mut Elements, patient: &Patient) {
    let stated = |text: &Option<String>| text.as_deref().map(long_string).unwrap_or_default();
    let sex = match patient.sex.as_deref() {
        Some("female") => "F",
        Some("male") => "M",
        Some("other") => "O",
        _ => "",
    };
    let birth_date = patient.birth_date.as_deref().and_then(|date| date.parse::<jiff::civil::Date>().ok());
    elements
        .text(tags::PATIENT_NAME, VR::PN, &stated(&patient.name_as_stated))
        .text(tags::PATIENT_ID, VR::LO, &stated(&patient.identifier))
        .text(tags::PATIENT_BIRTH_DATE, VR::DA, &birth_date.map(day).unwrap_or_default())
        .text(tags::PATIENT_SEX, VR::CS, sex);
    if patient.issuer.is_some() {
        elements.text(tags::ISSUER_OF_PATIENT_ID, VR::LO, &stated(&patient.issuer));
    }
}

pub(in crate::report) fn study(elements: &mut Elements, report: &Report) {
    let study = &report.study;
    let (date, time) = study.local_start.map_or((None, None), |(date, time)| (Some(date), time));
    elements
        .text(tags::STUDY_INSTANCE_UID, VR::UI, &study.study_instance_uid)
        .text(tags::STUDY_DATE, VR::DA, &date.map(day).unwrap_or_default())
        .text(tags::STUDY_TIME, VR::TM, &time.map(time_of_day).unwrap_or_default())
        .text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "")
        .text(tags::STUDY_ID, VR::SH, "")
        .text(
            tags::ACCESSION_NUMBER,
            VR::SH,
            &study.accession_number.as_deref().map(short_string).unwrap_or_default(),
        );
    if let Some(description) = &study.description {
        elements.text(tags::STUDY_DESCRIPTION, VR::LO, &long_string(description));
    }
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
    let mut author = Elements::default();
    author
        .text(tags::OBSERVER_TYPE, VR::CS, "DEV")
        .text(tags::STATION_NAME, VR::SH, "")
        .text(tags::DEVICE_UID, VR::UI, &ids::uid(ids::software(report)))
        .text(tags::MANUFACTURER, VR::LO, MANUFACTURER)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, MODEL)
        .text(tags::INSTITUTION_NAME, VR::LO, "")
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
    series.into_iter().chain(overlay(report)).map(item).collect()
}

/// The overlay, which one of the findings shows.
fn overlay(report: &Report) -> Option<(String, Vec<Elements>)> {
    let instance = overlay::instance_uid(report)?;
    Some((ids::uid(ids::overlay_series(report)), vec![referenced(OVERLAY_CLASS, &instance)]))
}

/// The instances that can be referred to.
pub(in crate::report) fn valid(instances: &[Instance]) -> impl Iterator<Item = &Instance> {
    instances.iter().filter(|instance| {
        is_uid(&instance.series_instance_uid)
            && is_uid(&instance.sop_instance_uid)
            && is_uid(&instance.sop_class_uid)
    })
}

/// When the report was issued, in the zone of the study's own times: one object has one offset for all of its times
/// (PS3.3 C.12.1.1.1). The offset is what parts the study's local start from its instant, else UTC.
pub(in crate::report) fn issued(report: &Report) -> (DateTime, String) {
    let local = report.study.local_start.map(|(date, time)| date.to_datetime(time.unwrap_or_default()));
    let offset = local.zip(report.study.started).and_then(|(local, instant)| {
        let as_utc = TimeZone::UTC.to_timestamp(local).ok()?;
        let minutes = as_utc.duration_since(instant).as_mins();
        let offset = i32::try_from(minutes * 60).ok().and_then(|seconds| Offset::from_seconds(seconds).ok());
        offset.filter(|_| (-12 * 60..=14 * 60).contains(&minutes))
    });
    let offset = offset.unwrap_or(Offset::UTC);
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let written = format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60);
    (offset.to_datetime(report.issued), written)
}

pub(in crate::report) fn day(date: jiff::civil::Date) -> String {
    date.strftime("%Y%m%d").to_string()
}

pub(in crate::report) fn time_of_day(time: Time) -> String {
    time.strftime("%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{failed, sample};

    #[test]
    fn all_times_of_an_object_are_in_the_zone_of_its_study() {
        let report = sample();
        let (issued, offset) = issued(&report);
        assert_eq!((issued.to_string().as_str(), offset.as_str()), ("2020-03-14T11:02:11", "+0100"));
        let (issued, offset) = super::issued(&failed());
        assert_eq!((issued.to_string().as_str(), offset.as_str()), ("2020-03-14T10:02:11", "+0000"));
    }
}
