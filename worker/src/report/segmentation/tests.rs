use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::own::is_own;
use dicom_ingest::read::read_header;
use models::Mask;

use super::*;
use crate::report::sample::{failed, refused, sample, segmented};
use crate::report::{fhir, html, overlay};

fn header(report: &Report) -> Instance {
    read_header(&document(report).expect("a segmentation"), &Limits::default()).expect("a DICOM file")
}

fn holds(file: &[u8], wanted: &str) -> usize {
    file.windows(wanted.len()).filter(|window| *window == wanted.as_bytes()).count()
}

#[test]
fn our_reader_finds_it_in_the_study_of_the_image_and_knows_it_as_ours() {
    let report = segmented();
    let file = document(&report).expect("a segmentation");
    let read = header(&report);
    assert_eq!(read.study_uid.as_str(), report.study.study_instance_uid);
    assert_eq!(Some(read.sop_instance_uid.to_string()), instance_uid(&report));
    assert_eq!(read.modality.as_deref(), Some("SEG"));
    assert_eq!(read.patient_orientation, ["L", "F"]);
    assert!(is_own(&read), "or the next run would read it");
    let of_report = sr::document(&report).expect("a structured report");
    let sr = read_header(&of_report, &Limits::default()).expect("a DICOM file");
    assert_eq!(format!("{:?}", read.study_time), format!("{:?}", sr.study_time));
    assert_ne!(read.series_uid, sr.series_uid, "a series of its own");
    let pixels = read.pixels.expect("pixels");
    assert_eq!((pixels.columns, pixels.rows, pixels.frames, pixels.bits_allocated), (61, 45, 2, 1));
    let source = source(&report).expect("a source");
    for uid in [&source.sop_instance_uid, &source.series_instance_uid, &source.sop_class_uid] {
        assert!(holds(&file, uid) > 0, "derived from {uid}");
    }
    assert!(overlay::document(&report).is_none(), "an outline is no saliency map");
    // the report refers to it in each group, and once among its evidence
    assert_eq!(holds(&of_report, &read.sop_instance_uid.to_string()), 3);
}

#[test]
fn frames_lie_one_after_the_other_a_bit_a_pixel() {
    let report = segmented();
    let bits = packed(&report.segments);
    assert_eq!(bits.len(), (2 * 61 * 45_usize).div_ceil(8));
    let set = |index: usize| bits[index / 8] >> (index % 8) & 1 == 1;
    for pixel in 0..61 * 45 {
        let inside = (10..20).contains(&(pixel % 61)) && (5..40).contains(&(pixel / 61));
        assert_eq!((set(pixel), set(61 * 45 + pixel)), (inside, false), "{pixel}");
    }
    assert_eq!(overlap(&report.segments), "NO");
    let mut twice = report.segments.clone();
    twice[1].mask = twice[0].mask.clone();
    assert_eq!(overlap(&twice), "YES");
}

#[test]
fn bundle_and_page_say_the_size_or_that_it_is_not_known() {
    let mut report = segmented();
    let said = |report: &Report| {
        let page = html::page(report);
        let bundle = fhir::bundle(report, &page).expect("a bundle");
        let bundle: serde_json::Value = serde_json::from_slice(&bundle).expect("JSON");
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let of = |kind: &str| -> Vec<serde_json::Value> {
            let all = entries.iter().map(|entry| entry["resource"].clone());
            all.filter(|resource| resource["resourceType"] == kind).collect()
        };
        (page, of("Observation"), of("DocumentReference"))
    };
    let (page, observations, documents) = said(&report);
    assert_eq!(observations[0]["valueQuantity"]["value"], 50.05);
    assert_eq!(observations[0]["component"][2]["valueQuantity"]["value"], 93.0);
    assert_eq!(observations[1]["dataAbsentReason"]["coding"][0]["code"], "unknown");
    assert!(page.contains("50.1\u{a0}mm²") || page.contains("50.0\u{a0}mm²"), "{page}");
    assert!(page.contains("nothing outlined"));
    let uid = format!("urn:oid:{}", instance_uid(&report).expect("a segmentation"));
    let named = documents.iter().find(|one| one["identifier"][0]["value"] == uid.as_str());
    assert_eq!(named.expect("a DocumentReference")["meta"]["security"][0]["code"], "AIAST");
    report.segments[0].area_mm2 = None;
    assert!(said(&report).0.contains("size not known"));
}

#[test]
fn what_outlines_nothing_of_the_kind_or_has_no_patient_has_none() {
    let mut of_another = segmented();
    of_another.study.instances.clear();
    let mut unequal = segmented();
    unequal.segments[1].mask = Mask::new(1, 1, std::iter::once(true)).expect("a mask");
    let mut nobody = segmented();
    nobody.patient.identifier = None;
    for report in [sample(), of_another, unequal, nobody, refused(), failed()] {
        assert!(document(&report).is_none() && instance_uid(&report).is_none());
    }
}

#[test]
fn names_full_of_markup_and_controls_stay_values() {
    let mut report = segmented();
    report.segments[0].title = "<script>\u{202e}\\\0 left".repeat(9);
    report.segments[0].property.display = "é\\".repeat(70);
    let read = header(&report);
    assert_eq!(read.study_uid.as_str(), report.study.study_instance_uid);
    assert!(!html::page(&report).contains("<script"));
}
