use dicom_ingest::instance::Instance;
use dicom_ingest::limits::Limits;
use dicom_ingest::own::is_own;
use dicom_ingest::phi::Phi;
use dicom_ingest::read::read_header;

use super::*;
use crate::report::language::{Language, translated};
use crate::report::sample::{failed, hostile, refused, sample};

fn header(report: &Report) -> Instance {
    read_header(&document(report).expect("an overlay"), &Limits::default()).expect("a DICOM file")
}

fn holds(file: &[u8], wanted: &[u8]) -> bool {
    file.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn our_reader_finds_it_in_the_study_of_the_image_and_knows_it_as_ours() {
    let report = sample();
    let file = document(&report).expect("an overlay");
    assert_eq!(Some(&file), document(&report).as_ref(), "the same bytes");
    let read = header(&report);
    assert_eq!(read.study_uid.as_str(), report.study.study_instance_uid);
    assert_eq!(Some(read.sop_instance_uid.to_string()), instance_uid(&report));
    assert_eq!(read.modality.as_deref(), Some("OT"));
    assert_eq!(read.burned_in_annotation, Some(true));
    assert_eq!(read.image_type, ["DERIVED", "SECONDARY"]);
    assert_eq!(read.patient_orientation, ["L", "F"]);
    assert!(is_own(&read), "or the next run would read it");
    let of_report = sr::document(&report).expect("a structured report");
    let of_report = read_header(&of_report, &Limits::default()).expect("a DICOM file");
    assert_eq!(format!("{:?}", read.study_time), format!("{:?}", of_report.study_time));
    for (one, other) in
        [(&read.patient.id, &of_report.patient.id), (&read.accession_number, &of_report.accession_number)]
    {
        assert_eq!(one.as_ref().map(Phi::expose), other.as_ref().map(Phi::expose));
    }
    assert_ne!(read.series_uid, of_report.series_uid, "a series of its own");
    let pixels = read.pixels.expect("pixels");
    assert_eq!((pixels.columns, pixels.samples_per_pixel), (384, 3));
    assert!(pixels.rows > 384 + 30, "text stands above and below the picture");
    let (_, _, source) = source(&report).expect("a source");
    for uid in [&source.sop_instance_uid, &source.series_instance_uid, &source.sop_class_uid] {
        assert!(holds(&file, uid.as_bytes()), "derived from {uid}");
    }
    assert!(holds(&file, b"121322"));
}

#[test]
fn report_and_bundle_name_it_at_the_finding_that_it_explains() {
    for report in [sample(), translated(Report { language: Language::German, ..sample() })] {
        let uid = instance_uid(&report).expect("an overlay");
        let of_report = sr::document(&report).expect("a structured report");
        let count = |wanted: &str| {
            of_report.windows(wanted.len()).filter(|window| *window == wanted.as_bytes()).count()
        };
        assert_eq!((count("130401"), count(&uid)), (1, 2), "at its finding, and among the evidence");
        let page = crate::report::html::page(&report);
        let bundle = crate::report::fhir::bundle(&report, &page).expect("a bundle");
        let bundle: serde_json::Value = serde_json::from_slice(&bundle).expect("JSON");
        let entries = bundle["entry"].as_array().expect("entries");
        let named = entries
            .iter()
            .find(|entry| entry["resource"]["identifier"][0]["value"] == format!("urn:oid:{uid}"))
            .expect("a DocumentReference");
        assert_eq!(named["resource"]["resourceType"], "DocumentReference");
        assert_eq!(named["resource"]["meta"]["security"][0]["code"], "AIAST");
        let derived: Vec<&str> = entries
            .iter()
            .filter(|entry| entry["resource"]["derivedFrom"][1]["reference"] == named["fullUrl"])
            .filter_map(|entry| entry["resource"]["code"]["text"].as_str())
            .collect();
        assert_eq!(derived, [explains(&report).expect("a finding")]);
    }
}

#[test]
fn what_is_stored_of_it_gives_the_same_file_with_the_page_of_the_same_report_alone() {
    for report in [sample(), translated(Report { language: Language::German, ..sample() })] {
        let stored = plan(&report).expect("a plan");
        assert!(is_plan(&stored) && stored.len() < 16 * 1024, "{} bytes, and no pixel", stored.len());
        let page = html::page(&report);
        let drawn = file(&stored, page.as_bytes()).expect("an overlay");
        assert_eq!(Some(&*drawn), document(&report).as_deref());
        assert!(!is_plan(&drawn));
        assert_eq!(file(&drawn, b"no page").as_deref(), Some(&*drawn), "as an earlier version stored it");
        let picture = report.picture.as_ref().expect("a picture");
        let [radiograph, heat] = html::pictures(&page).expect("pictures");
        assert_eq!(radiograph, picture.png);
        assert_eq!(Some(&heat), picture.saliency.as_ref().map(|saliency| &saliency.png));

        assert!(file(&stored, b"").is_none() && file(&stored, html::page(&refused()).as_bytes()).is_none());
        let mut smaller = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(9, 9).write_to(&mut smaller, image::ImageFormat::Png).expect("a PNG");
        let other = {
            let smaller = STANDARD.encode_to_string(smaller.into_inner());
            page.replacen(&STANDARD.encode_to_string(&radiograph), &smaller, 1)
        };
        assert!(other != page && file(&stored, other.as_bytes()).is_none(), "a picture of another size");
        let later = String::from_utf8(stored).expect("text").replacen("\"drawing\":1,", "\"drawing\":2,", 1);
        assert!(file(later.as_bytes(), page.as_bytes()).is_none(), "a later version's");
        assert!(file(b"{}", page.as_bytes()).is_none());
    }
}

#[test]
fn what_has_no_map_or_no_patient_has_no_overlay() {
    let mut plain = sample();
    if let Some(picture) = &mut plain.picture {
        picture.saliency = None;
    }
    let mut of_another = sample();
    of_another.study.instances.clear();
    let mut unwanted = sample();
    unwanted.makes_overlay = false;
    for report in [plain, of_another, unwanted, refused(), failed()] {
        assert!(document(&report).is_none() && plan(&report).is_none() && instance_uid(&report).is_none());
    }
}

#[test]
fn side_and_loss_are_the_source_s_and_words_that_are_none_are_left_out() {
    let mut report = sample();
    let picture = report.picture.as_mut().expect("a picture");
    (picture.laterality, picture.is_lossy) = (Some("R".into()), true);
    picture.orientation = vec!["L".into(), "down\\F".into()];
    let read = header(&report);
    assert_eq!(read.laterality.as_deref(), Some("R"));
    assert!(read.lossy);
    assert!(read.patient_orientation.is_empty());
    report.picture.as_mut().expect("a picture").laterality = Some("B".into());
    assert_eq!(header(&report).laterality, None);
}

#[test]
fn names_full_of_markup_and_controls_stay_values() {
    let report = hostile();
    if let Some(file) = document(&report) {
        let read = read_header(&file, &Limits::default()).expect("a DICOM file");
        assert_eq!(read.study_uid.as_str(), report.study.study_instance_uid);
    }
}
