//! `chiasm analyze` on phantom studies: the JSON line, the files, the exit codes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chiasm_tests::{PATIENT_ID, lines, phantom, phantom_study, record, run};
use serde_json::Value;

fn analyze(paths: &[&Path], more: &[&Path]) -> std::process::Output {
    let fixed = ["analyze", "--device", "cpu", "--json"].map(Path::new);
    run(&fixed.iter().chain(paths).chain(more).copied().collect::<Vec<_>>())
}

#[test]
fn one_line_a_study_with_exactly_the_promised_names() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 1);
    phantom_study(&study.join("nested/deeper"), 2);
    fs::write(study.join("notes.txt"), "no DICOM").unwrap();
    let bundle = folder.path().join("record.json");
    fs::write(&bundle, record(|_| {}).to_string()).unwrap();
    let out = folder.path().join("out");
    let output = analyze(&[&study], &[Path::new("--record"), &bundle, Path::new("--out"), &out]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(keys(line), ["files", "findings", "risks", "state", "study_uid", "timings_ms"]);
        assert_eq!(line["state"], "reported");
        let findings = line["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 14);
        for finding in findings {
            assert_eq!(keys(finding), ["label", "present", "probability"]);
            assert!((0.0..=1.0).contains(&finding["probability"].as_f64().unwrap()));
            assert!(["present", "indeterminate", "absent"].contains(&finding["present"].as_str().unwrap()));
        }
        let risks = line["risks"].as_array().unwrap();
        assert_eq!(risks.len(), 4);
        for risk in risks {
            assert_eq!(keys(risk), ["high", "id", "low", "missing", "probability"]);
            assert!(
                risk["probability"].is_null() && !risk["missing"].as_array().unwrap().is_empty(),
                "{risk}"
            );
        }
        for kind in ["bundle", "html", "pdf", "sr", "overlay"] {
            let path = Path::new(line["files"][kind].as_str().unwrap());
            assert!(path.is_absolute() && path.exists());
        }
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("no DICOM"), "the skipped file is counted");
}

#[test]
fn the_same_inputs_give_the_same_bytes_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = BTreeSet::new();
    for place in ["one", "two"] {
        let study = folder.path().join(place);
        phantom_study(&study, 3);
        let bundle = folder.path().join(format!("{place}.json"));
        fs::write(&bundle, record(|_| {}).to_string()).unwrap();
        let out = folder.path().join(format!("out-{place}"));
        for _again in 0..2 {
            let output = analyze(&[&study], &[Path::new("--record"), &bundle, Path::new("--out"), &out]);
            let line = &lines(&output)[0];
            let read = |kind: &str| fs::read(line["files"][kind].as_str().unwrap()).unwrap();
            bytes.insert(["bundle", "html", "pdf", "sr", "overlay"].map(read));
            // what is our own and came to lie beside the images is no input
            fs::write(study.join("overlay-of-ours"), read("overlay")).unwrap();
            fs::write(study.join("report-of-ours"), read("sr")).unwrap();
        }
    }
    assert_eq!(bytes.len(), 1);
}

#[test]
fn a_bad_file_gets_its_own_line_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 4);
    let good = phantom(5);
    fs::write(study.join("cut"), &good[..400]).unwrap();
    let out = folder.path().join("out");
    let output = analyze(&[&study], &[Path::new("--out"), &out]);
    assert_eq!(output.status.code(), Some(3));
    let lines = lines(&output);
    assert_eq!(lines.len(), 2);
    let by_file: Vec<_> = lines.iter().filter(|line| line.get("file").is_some()).collect();
    assert_eq!(by_file.len(), 1);
    assert!(by_file[0].get("study_uid").is_none());
    assert_eq!(
        (by_file[0]["state"].as_str(), by_file[0]["code"].as_str()),
        (Some("refused"), Some("Truncated"))
    );
    assert!(lines.iter().any(|line| line["state"] == "reported"));
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let out = folder.path().join("out");
    let cases: [&[&Path]; 4] = [
        &[Path::new("analyze")],
        &[Path::new("analyze"), &gone, Path::new("--out"), &out],
        &[Path::new("analyze"), folder.path(), Path::new("--record"), &gone, Path::new("--out"), &out],
        &[
            Path::new("analyze"),
            folder.path(),
            Path::new("--site-zone"),
            Path::new("Mars"),
            Path::new("--out"),
            &out,
        ],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn nothing_of_the_patient_reaches_the_log_the_line_or_a_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 6);
    let bundle = folder.path().join("record.json");
    fs::write(&bundle, record(|record| record["entry"][0]["resource"]["gender"] = "male".into()).to_string())
        .unwrap();
    let out = folder.path().join("out");
    for more in [vec![], vec![Path::new("--record"), bundle.as_path()]] {
        let output = analyze(&[&study], &[&more[..], &[Path::new("--out"), &out]].concat());
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for canary in ["Canary", "CANARY", "Carla", "CARLA", PATIENT_ID, "1950-02-03", "19500203"] {
            assert!(!said.contains(canary), "`{canary}` in {said}");
        }
    }
}

#[test]
fn the_table_for_people_says_the_same_as_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 7);
    let out = folder.path().join("out");
    let arguments = ["analyze", "--device", "cpu", "--out"].map(Path::new);
    let output = run(&[&arguments[..], &[&out, &study]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("reported:") && text.contains("not computable, missing:"), "{text}");
    assert!(text.contains("1 reported, 0 refused, 0 failed"), "{text}");
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
