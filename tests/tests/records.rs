//! Whose record is it: matches, conflicts, and what the report says where there is none.

use std::fs;
use std::path::{Path, PathBuf};

use chiasm_tests::{PATIENT_ID, lines, phantom_study, record, run};
use serde_json::{Value, json};

/// Analyses a phantom study with a record file or folder.
fn analyze(folder: &Path, records: &Path) -> (Option<i32>, Value) {
    let study = folder.join("study");
    phantom_study(&study, 1);
    let out = folder.join("out");
    let fixed = ["analyze", "--device", "cpu", "--json"].map(Path::new);
    let output =
        run(&[&fixed[..], &[&study, Path::new("--record"), records, Path::new("--out"), &out]].concat());
    (output.status.code(), lines(&output).remove(0))
}

fn write(folder: &Path, name: &str, bundle: &Value) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, bundle.to_string()).unwrap();
    path
}

fn report(line: &Value) -> Value {
    serde_json::from_slice(&fs::read(line["files"]["bundle"].as_str().unwrap()).unwrap()).unwrap()
}

fn subject(line: &Value) -> Value {
    let bundle = report(line);
    let entries = bundle["entry"].as_array().unwrap();
    let found = entries.iter().find(|entry| entry["resource"]["resourceType"] == "DiagnosticReport").unwrap();
    found["resource"]["subject"].clone()
}

#[test]
fn a_matching_record_is_used_and_referred_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "anything.txt", &record(|_| {}));
    let (code, line) = analyze(folder.path(), &file);
    assert_eq!((code, line["state"].as_str()), (Some(0), Some("reported")));
    assert_eq!(subject(&line)["reference"], "Patient/carla");
}

#[test]
fn a_record_that_is_not_surely_this_patients_is_refused() {
    let patient = |change: fn(&mut Value)| record(|bundle| change(&mut bundle["entry"][0]["resource"]));
    let cases = [
        (patient(|one| one["identifier"][0]["value"] = "OTHER".into()), "RecordOfOtherPatient"),
        (patient(|one| one["gender"] = "male".into()), "SexConflict"),
        (patient(|one| one["birthDate"] = "1950-03-02".into()), "BirthDateConflict"),
        (patient(|one| one["active"] = false.into()), "RecordNotCurrent"),
        (json!({"resourceType": "Patient", "id": "carla"}), "RecordUnreadable"),
    ];
    for (bundle, code) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "record.json", &bundle);
        let (exit, line) = analyze(folder.path(), &file);
        assert_eq!(exit, Some(3));
        assert_eq!((line["state"].as_str(), line["code"].as_str()), (Some("refused"), Some(code)));
        assert!(line["findings"].as_array().unwrap().is_empty());
        let text = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
        assert!(text.contains(code), "the page of a refusal names the code");
    }
}

#[test]
fn a_folder_of_records_is_matched_by_identifier_never_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    let other = record(|bundle| bundle["entry"][0]["resource"]["identifier"][0]["value"] = "OTHER".into());
    write(&records, &format!("{PATIENT_ID}.json"), &other);
    fs::write(records.join("broken.json"), "{").unwrap();
    let (code, line) = analyze(folder.path(), &records);
    assert_eq!((code, line["state"].as_str()), (Some(0), Some("reported")), "image only");
    let subject_of_image = subject(&line);
    assert!(subject_of_image.get("reference").is_none());
    assert_eq!(subject_of_image["identifier"]["value"], PATIENT_ID);

    write(&records.join("nested"), "x", &record(|_| {}));
    let (_, line) = analyze(folder.path(), &records);
    assert_eq!(subject(&line)["reference"], "Patient/carla");

    write(&records, "again.json", &record(|bundle| bundle["entry"][0]["resource"]["id"] = "carla".into()));
    let (code, line) = analyze(folder.path(), &records);
    assert_eq!((code, line["code"].as_str()), (Some(3), Some("SeveralRecords")));
}

#[test]
fn what_became_known_later_changes_no_finding_and_no_risk() {
    let mut results = Vec::new();
    for later in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let file = write(
            folder.path(),
            "record.json",
            &record(|bundle| {
                if later {
                    let mut value = bundle["entry"][1].clone();
                    value["fullUrl"] = "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000003".into();
                    value["resource"]["id"] = "later".into();
                    value["resource"]["issued"] = "2024-05-06T07:08:10Z".into();
                    value["resource"]["valueQuantity"]["value"] = 400.into();
                    bundle["entry"].as_array_mut().unwrap().push(value);
                }
            }),
        );
        let (_, line) = analyze(folder.path(), &file);
        results.push((line["findings"].clone(), line["risks"].clone()));
        let page = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
        assert!(page.contains("12.5") && !page.contains(">400<"));
    }
    assert_eq!(results[0], results[1]);
}

/// Laboratory values as they are in no record that the late fusion was fitted on: the report warns, page and bundle.
#[test]
fn a_number_beyond_what_the_model_knows_is_called_an_extrapolation() {
    let laboratory = |crp: f64, ldh: f64, lymphocytes: f64| {
        record(|bundle| {
            let mut resources = vec![json!({"resourceType": "Condition", "id": "covid",
                "verificationStatus": {"coding": [{"code": "confirmed"}]},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "840539006"}]},
                "subject": {"reference": "Patient/carla"}, "recordedDate": "2024-05-01T06:00:00Z"})];
            for (id, code, value, unit) in [
                ("crp", "1988-5", crp, "mg/L"),
                ("ldh", "2532-0", ldh, "U/L"),
                ("lymphocytes", "731-0", lymphocytes, "10*9/L"),
            ] {
                let mut made = bundle["entry"][1]["resource"].clone();
                made["id"] = id.into();
                made["code"]["coding"][0]["code"] = code.into();
                made["valueQuantity"] = json!({"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit});
                resources.push(made);
            }
            let entries = bundle["entry"].as_array_mut().unwrap();
            entries.truncate(1);
            for (at, resource) in resources.into_iter().enumerate() {
                let url = format!("urn:uuid:6a1f1d1e-1111-4c4c-8d8d-00000000001{at}");
                entries.push(json!({"fullUrl": url, "resource": resource}));
            }
        })
    };
    for (bundle, warns) in [(laboratory(80.0, 320.0, 1.1), false), (laboratory(0.1, 9000.0, 300.0), true)] {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "record.json", &bundle);
        let (code, line) = analyze(folder.path(), &file);
        assert_eq!(code, Some(0));
        let risks = line["risks"].as_array().unwrap();
        let computed = risks.iter().find(|risk| risk["id"] == "icu-concurrent").unwrap();
        assert!(computed["probability"].is_number(), "{computed}");
        let page = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
        assert_eq!(page.contains("the number is an extrapolation"), warns, "the page");
        assert_eq!(report(&line).to_string().contains("the number is an extrapolation"), warns, "the bundle");
    }
}
