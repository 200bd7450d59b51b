//! A structured report of the prostate in the study, as highdicom wrote it: what of it reaches the report, and what does not.

use std::fs;
use std::path::Path;

use chiasm_tests::{lines, run, study_uid, workspace};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{PhantomSpec, phantom_chest};
use jiff::civil::date;
use serde_json::Value;

const SR: &str = "1.2.826.0.1.3680043.8.498.77.1.9.2";

/// A man's radiograph of 2024-05-02, and the report with these elements changed, analysed without a record: the JSON line,
/// and the texts of bundle and page.
fn analyze(folder: &Path, changed: &[(Tag, VR, &str)]) -> (Value, String) {
    let image = phantom_chest(&PhantomSpec {
        seed: 5,
        patient_id: "TEST0005".into(),
        patient_name: "Canary^Carlo".into(),
        birth_date: date(1959, 1, 1),
        sex: Sex::Male,
        issuer: "TESTS".into(),
        study_time: date(2024, 5, 2).at(10, 11, 12, 0),
        offset_minutes: None,
        accession_number: "ACC5".into(),
        opacity: None,
    })
    .unwrap();
    let written = workspace().join("dicom-ingest/tests/reference/prostate/template.dcm");
    let mut report = dicom_object::open_file(written).unwrap();
    let own = study_uid(&image);
    let fixed = [
        (tags::STUDY_INSTANCE_UID, VR::UI, own.as_str()),
        (tags::PATIENT_ID, VR::LO, "TEST0005"),
        (tags::PATIENT_NAME, VR::PN, "Canary^Carlo"),
    ];
    for (tag, vr, value) in fixed.iter().chain(changed) {
        report.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*value)));
    }
    let study = folder.join("study");
    fs::create_dir_all(&study).unwrap();
    fs::write(study.join("image"), image).unwrap();
    report.write_to_file(study.join("report")).unwrap();
    let out = folder.join("out");
    let arguments = ["analyze", "--device", "cpu", "--json"].map(Path::new);
    let line = lines(&run(&[&arguments[..], &[&study, Path::new("--out"), &out]].concat())).remove(0);
    let read = |name: &str| line["files"][name].as_str().map(|path| fs::read_to_string(path).unwrap());
    let texts = [read("bundle"), read("html")].map(Option::unwrap_or_default).concat();
    (line, texts)
}

fn risk<'a>(line: &'a Value, id: &str) -> Option<&'a Value> {
    line["risks"].as_array()?.iter().find(|risk| risk["id"] == id)
}

#[test]
fn a_report_of_the_study_is_read_and_cited() {
    let folder = tempfile::tempdir().unwrap();
    let (line, texts) = analyze(folder.path(), &[]);
    assert_eq!(line["state"], "reported", "{line}");
    let tum = risk(&line, "tum-rc").unwrap();
    // 65 years, 7.5 ng/mL, 40 mL, PI-RADS 3; whether there was a negative biopsy is unknown.
    let x = -6.1785 + 0.4933 * 6.5 + 0.4688 * (7.5_f64 / 40.0).log2() + 0.8548 * 3.0;
    let high = 1.0 / (1.0 + (-x).exp());
    assert!((tum["high"].as_f64().unwrap() - high).abs() < 1e-6, "{tum}");
    assert!(texts.contains(&format!("urn:oid:{SR}")));
    assert!(!texts.contains("nobody has verified") && !texts.contains("it is left out"));
}

#[test]
fn a_later_report_is_left_out_an_unverified_one_is_named_and_a_strangers_refuses_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let (line, texts) = analyze(folder.path(), &[(tags::CONTENT_DATE, VR::DA, "20240504")]);
    assert!(
        risk(&line, "tum-rc").is_none() && texts.contains("more than a day after the study began"),
        "{line}"
    );
    let folder = tempfile::tempdir().unwrap();
    let (line, texts) = analyze(folder.path(), &[(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED")]);
    assert!(risk(&line, "tum-rc").is_some() && texts.contains("nobody has verified"), "{line}");
    let folder = tempfile::tempdir().unwrap();
    let (line, _) = analyze(folder.path(), &[(tags::PATIENT_ID, VR::LO, "TEST0006")]);
    assert_eq!((line["state"].as_str(), line["code"].as_str()), (Some("refused"), Some("MixedPatient")));
}
