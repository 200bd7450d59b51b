//! `chiasm features RECORD --what-if NAME=VALUE`: the risks of a record before and after one input is changed.

use std::path::Path;
use std::process::Output;

use chiasm_tests::run;
use serde_json::{Value, json};

/// A woman of 65 with a nodule of 12 mm, who stopped smoking.
fn write(folder: &Path) -> String {
    let subject = json!({ "reference": "Patient/p1" });
    let of = |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
    let (loinc, snomed) = ("http://loinc.org", "http://snomed.info/sct");
    let nodule = json!({
        "resourceType": "Observation", "id": "nodule", "status": "final", "subject": subject,
        "code": of(snomed, "427359005"), "bodySite": of(snomed, "42400003"),
        "effectiveDateTime": "2024-04-20T09:00:00Z", "issued": "2024-04-20T12:00:00Z",
        "component": [
            { "code": of(loinc, "33728-7"), "valueQuantity": { "value": 12, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm" } },
            { "code": of(snomed, "129737002"), "valueCodeableConcept": of(snomed, "129742005") },
        ],
    });
    let status = json!({
        "resourceType": "Observation", "id": "status", "status": "final", "subject": subject,
        "code": of(loinc, "72166-2"), "valueCodeableConcept": of(snomed, "8517006"),
        "effectiveDateTime": "2024-02-01T08:00:00Z",
    });
    let cancer = json!({
        "resourceType": "Condition", "id": "cancer", "subject": subject, "code": of(snomed, "363346000"),
        "verificationStatus": { "coding": [{ "code": "refuted" }] }, "recordedDate": "2022-02-01T08:00:00Z",
    });
    let patient = json!({
        "resourceType": "Patient", "id": "p1", "active": true, "gender": "female", "birthDate": "1958-11-20",
    });
    let entries: Vec<Value> =
        [patient, nodule, status, cancer].into_iter().map(|one| json!({ "resource": one })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries });
    let path = folder.join("record.json");
    std::fs::write(&path, bundle.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn ask(file: &str, more: &[&str]) -> Output {
    let fixed = ["features", file, "--at", "2024-05-02T10:00:00Z"];
    run(&fixed.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn risks_are_printed_before_and_after_as_text_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path());
    let json = ask(&file, &["--what-if", "nodule-diameter=20", "--format", "json"]);
    assert_eq!(json.status.code(), Some(0), "{}", String::from_utf8_lossy(&json.stderr));
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(found["set"], json!({ "nodule-diameter": "20" }));
    let risks = found["risks"].as_array().unwrap();
    let mayo = risks.iter().find(|one| one["id"] == "mayo").unwrap();
    let probability = |which: &str| mayo[which]["probability"].as_f64().unwrap();
    assert!(probability("after") > probability("before") + 0.05, "{mayo}");
    assert!(mayo["change_logit"].as_f64().unwrap() > 0.5);

    let text = ask(&file, &["--what-if", "nodule-diameter=20"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("what if nodule-diameter = 20, at 2024-05-02T10:00:00Z"), "{text}");
    let line = text.lines().find(|line| line.starts_with("mayo ")).unwrap();
    let before = format!("{:.2} %", probability("before") * 100.0);
    let after = format!("{:.2} %", probability("after") * 100.0);
    assert!(line.contains(&before) && line.contains(&after) && line.contains('+'), "{line}");

    let never = ask(&file, &["--what-if", "smoking-status=never-smoker"]);
    let never = String::from_utf8(never.stdout).unwrap();
    let line = never.lines().find(|line| line.starts_with("plcom2012 ")).unwrap();
    assert!(line.contains("none") && line.contains("not computable"), "{line}");
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path());
    for (more, expected) in [
        (vec!["--what-if", "shoe-size=44"], "no risk reads `shoe-size`"),
        (vec!["--what-if", "age=old"], "a number from 0 to 120"),
        (vec!["--what-if", "age"], "NAME=VALUE"),
        (vec!["--what-if", "age=70", "--format", "csv"], "text or JSON"),
        (vec!["--what-if", "age=70", "--schema", "own.toml"], "--schema"),
    ] {
        let output = ask(&file, &more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{more:?}: {said}");
        assert!(output.stdout.is_empty(), "{more:?}");
    }
}
