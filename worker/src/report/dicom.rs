//! What all DICOM objects of a report share: strings with their limits, patient and study as the images state them, times in
//! the study's zone, references to instances. One place, so that they come to lie beside each other in an archive.

use dicom_ingest::write::{Elements, VR, tags};
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use super::document::{Instance, Patient, Picture, Report};
use super::text::{is_uid, visible};

/// Greatest length of LO and of one component group of PN, in characters (PS3.5 6.2).
const LONG_STRING: usize = 64;
/// Greatest length of SH, in characters (PS3.5 6.2).
const SHORT_STRING: usize = 16;

/// The patient exactly as the images state it, so that the object comes to lie beside them.
pub(super) fn patient(elements: &mut Elements, patient: &Patient) {
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

/// The study as the images state it.
pub(super) fn study(elements: &mut Elements, report: &Report) {
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

/// The instances that can be referred to.
pub(super) fn valid(instances: &[Instance]) -> impl Iterator<Item = &Instance> {
    instances.iter().filter(|instance| {
        is_uid(&instance.series_instance_uid)
            && is_uid(&instance.sop_instance_uid)
            && is_uid(&instance.sop_class_uid)
    })
}

/// How far the study's own times are ahead of UTC, as all times of an object are written.
pub(super) fn offset(report: &Report) -> Offset {
    let local = report.study.local_start.map(|(date, time)| date.to_datetime(time.unwrap_or_default()));
    let offset = local.zip(report.study.started).and_then(|(local, instant)| {
        let as_utc = TimeZone::UTC.to_timestamp(local).ok()?;
        let minutes = as_utc.duration_since(instant).as_mins();
        let offset = i32::try_from(minutes * 60).ok().and_then(|seconds| Offset::from_seconds(seconds).ok());
        offset.filter(|_| (-12 * 60..=14 * 60).contains(&minutes))
    });
    offset.unwrap_or(Offset::UTC)
}

/// When the report was issued, in the zone of the study's own times: one object has one offset for all of its times
/// (PS3.3 C.12.1.1.1). The offset is what parts the study's local start from its instant, else UTC.
pub(super) fn issued(report: &Report) -> (DateTime, String) {
    let offset = offset(report);
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let written = format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60);
    (offset.to_datetime(report.issued), written)
}

/// A DA value.
pub(super) fn day(date: jiff::civil::Date) -> String {
    date.strftime("%Y%m%d").to_string()
}

/// A TM value.
pub(super) fn time_of_day(time: Time) -> String {
    time.strftime("%H%M%S").to_string()
}

/// Patient Orientation of the source: rows and columns run as in it. Words that are none are left out, because what is
/// there must hold.
pub(super) fn orientation(picture: &Picture) -> String {
    let is_direction =
        |word: &String| (1..=3).contains(&word.len()) && word.chars().all(|letter| "APRLHF".contains(letter));
    match &picture.orientation[..] {
        [rows, columns] if is_direction(rows) && is_direction(columns) => format!("{rows}\\{columns}"),
        _ => String::new(),
    }
}

/// An LO value: what cannot be seen is shown, a backslash would begin a second value, and the length has a limit.
pub(super) fn long_string(text: &str) -> String {
    clipped(text, LONG_STRING)
}

/// A Code Meaning of our own: 64 bytes too, because readers that are in use count bytes where the standard counts
/// characters, and a word of another language has more of the former.
pub(super) fn meaning(text: &str) -> String {
    let mut meaning = long_string(text);
    while meaning.len() > LONG_STRING {
        meaning.pop();
    }
    meaning.trim_end().to_owned()
}

/// An SH value, likewise.
pub(super) fn short_string(text: &str) -> String {
    clipped(text, SHORT_STRING)
}

fn clipped(text: &str, length: usize) -> String {
    let text: String = visible(text).replace('\\', "/").chars().take(length).collect();
    text.trim_end().to_owned()
}

/// SOP Instance Reference Macro (PS3.3 10.8).
pub(super) fn referenced(sop_class: &str, sop_instance: &str) -> Elements {
    let mut item = Elements::default();
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, sop_class).text(
        tags::REFERENCED_SOP_INSTANCE_UID,
        VR::UI,
        sop_instance,
    );
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{failed, sample};

    #[test]
    fn strings_keep_their_limits() {
        assert_eq!(long_string("a\\b\u{202e}"), "a/b[U+202E]");
        assert_eq!(long_string(&"é".repeat(70)).chars().count(), 64);
        assert_eq!(short_string("  1234567890123456789"), "1234567890123456");
        assert_eq!(short_string("\0"), "\u{2400}");
        assert_eq!(meaning(&"é".repeat(70)), "é".repeat(32));
        assert_eq!(meaning(&"e".repeat(70)), "e".repeat(64));
    }

    #[test]
    fn all_times_of_an_object_are_in_the_zone_of_its_study() {
        let report = sample();
        let (issued, offset) = issued(&report);
        assert_eq!((issued.to_string().as_str(), offset.as_str()), ("2020-03-14T11:02:11", "+0100"));
        let (issued, offset) = super::issued(&failed());
        assert_eq!((issued.to_string().as_str(), offset.as_str()), ("2020-03-14T10:02:11", "+0000"));
    }
}
