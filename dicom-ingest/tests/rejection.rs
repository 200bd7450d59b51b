//! Rejection notes of an archive (IHE Imaging Object Change Management): what they name is no input any more.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop where it fails")]

use std::path::PathBuf;

use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::rejection::{Reason, SOP_CLASS};
use dicom_ingest::study::{DropReason, Study, StudyFile, StudyOutcome, group};
use dicom_ingest::write::{Elements, VR, tags};

const STUDY: &str = "1.2.3";

fn base(class: &str, uid: &str, patient: &str) -> Elements {
    let mut elements = Elements::default();
    elements
        .text(tags::SOP_CLASS_UID, VR::UI, class)
        .text(tags::SOP_INSTANCE_UID, VR::UI, uid)
        .text(tags::STUDY_INSTANCE_UID, VR::UI, STUDY)
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .text(tags::STUDY_DATE, VR::DA, "20260317")
        .text(tags::PATIENT_ID, VR::LO, patient);
    elements
}

fn image(uid: &str, patient: &str) -> StudyFile {
    let class = "1.2.840.10008.5.1.4.1.1.1.1";
    let mut elements = base(class, uid, patient);
    elements
        .text(tags::MODALITY, VR::CS, "DX")
        .number(tags::SAMPLES_PER_PIXEL, 1)
        .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .number(tags::ROWS, 2)
        .number(tags::COLUMNS, 2)
        .number(tags::BITS_ALLOCATED, 8)
        .number(tags::BITS_STORED, 8)
        .number(tags::HIGH_BIT, 7)
        .number(tags::PIXEL_REPRESENTATION, 0)
        .bytes(tags::PIXEL_DATA, VR::OB, &[1, 2, 3, 4]);
    file(uid, &elements.file(class, uid))
}

/// A note with this title about instances of this study.
fn note(uid: &str, (scheme, title): (&str, &str), study: &str, instances: &[&str]) -> StudyFile {
    let items = instances.iter().map(|instance| {
        let mut item = Elements::default();
        item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1").text(
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            instance,
        );
        item
    });
    let (mut series, mut evidence) = (Elements::default(), Elements::default());
    series
        .text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1")
        .sequence(tags::REFERENCED_SOP_SEQUENCE, items.collect());
    evidence
        .text(tags::STUDY_INSTANCE_UID, VR::UI, study)
        .sequence(tags::REFERENCED_SERIES_SEQUENCE, vec![series]);
    let mut elements = base(SOP_CLASS, uid, "P1");
    elements
        .text(tags::MODALITY, VR::CS, "KO")
        .text(tags::VALUE_TYPE, VR::CS, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, scheme, title, "a title")
        .sequence(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence]);
    file(uid, &elements.file(SOP_CLASS, uid))
}

fn file(uid: &str, bytes: &[u8]) -> StudyFile {
    let instance = read_header(bytes, &Limits::default()).expect("a DICOM file");
    StudyFile { path: PathBuf::from(uid), instance }
}

fn study(files: Vec<StudyFile>) -> Study {
    let (mut studies, homeless) = group(files, Vec::new());
    assert!(homeless.is_empty());
    match studies.pop() {
        Some(StudyOutcome::Ready(study)) => *study,
        other => panic!("{other:?}"),
    }
}

fn left(study: &Study) -> Vec<&str> {
    study.instances.iter().map(|file| file.instance.sop_instance_uid.as_str()).collect()
}

#[test]
fn each_title_rejects_what_it_names_in_its_own_study() {
    for (title, reason) in [
        ("113001", Reason::Quality),
        ("113037", Reason::PatientSafety),
        ("113038", Reason::WorklistEntry),
        ("113039", Reason::RetentionExpired),
    ] {
        let files = || vec![image("1.1", "P1"), image("1.2", "P1")];
        let with = |note: StudyFile| study(files().into_iter().chain([note]).collect());
        let rejected = with(note("1.9", ("DCM", title), STUDY, &["1.1", "1.7"]));
        assert_eq!(left(&rejected), ["1.2", "1.9"]);
        assert!(!rejected.is_rejected());
        assert_eq!(rejected.rejected.len(), 2, "what is gone from the archive too");
        assert!(rejected.rejected.values().all(|one| *one == reason));
        assert!(reason.words().starts_with(title));
        let [dropped] = &rejected.dropped[..] else { panic!("{:?}", rejected.dropped) };
        let DropReason::Refused(refusal) = &dropped.reason else { panic!("{:?}", dropped.reason) };
        assert_eq!(refusal.code, RefusalCode::RejectedByArchive);
        assert!(refusal.message.contains(title));

        let elsewhere = with(note("1.9", ("DCM", title), "9.9", &["1.1"]));
        assert_eq!(left(&elsewhere), ["1.1", "1.2", "1.9"], "of another study");
        let other_scheme = with(note("1.9", ("99ACME", title), STUDY, &["1.1"]));
        assert_eq!(left(&other_scheme).len(), 3);
    }
    let interesting = study(vec![image("1.1", "P1"), note("1.9", ("DCM", "113000"), STUDY, &["1.1"])]);
    assert!(interesting.rejected.is_empty(), "Of Interest is no rejection");
}

#[test]
fn nothing_is_left_of_a_study_whose_images_are_all_rejected_or_gone() {
    let quality = || note("1.9", ("DCM", "113001"), STUDY, &["1.1"]);
    assert!(study(vec![image("1.1", "P1"), quality()]).is_rejected());
    assert!(study(vec![quality()]).is_rejected());
    assert!(!study(vec![image("1.1", "P1")]).is_rejected());
}

#[test]
fn an_image_of_another_patient_that_was_rejected_does_not_cost_the_study() {
    let mixed = || vec![image("1.1", "P1"), image("1.2", "P2")];
    assert!(matches!(group(mixed(), Vec::new()).0[..], [StudyOutcome::Refused(_)]));
    let corrected = mixed().into_iter().chain([note("1.9", ("DCM", "113038"), STUDY, &["1.2"])]);
    assert_eq!(left(&study(corrected.collect())), ["1.1", "1.9"]);
}

#[test]
fn of_two_reasons_the_graver_counts_and_a_rejected_note_says_nothing() {
    let notes = |more: &[StudyFile]| {
        let files = [image("1.1", "P1"), note("1.8", ("DCM", "113039"), STUDY, &["1.1"])];
        study(files.into_iter().chain(more.iter().cloned()).collect())
    };
    assert!(!notes(&[]).rejected.values().any(|reason| reason.is_against_reports()));
    let graver = notes(&[note("1.9", ("DCM", "113001"), STUDY, &["1.1"])]);
    assert!(graver.rejected.values().all(|reason| *reason == Reason::Quality));
    let taken_back = notes(&[note("1.9", ("DCM", "113001"), STUDY, &["1.8"])]);
    assert_eq!(left(&taken_back), ["1.1", "1.9"]);
}
