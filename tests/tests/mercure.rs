//! `chiasm mercure`: the contract of a mercure module.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chiasm_tests::{PATIENT_ID, chiasm, phantom};
use serde_json::{Value, json};

/// Runs the module as mercure does: two variables and no argument.
fn mercure(input: &Path, out: &Path) -> Output {
    Command::new(chiasm())
        .arg("mercure")
        .env("MERCURE_IN_DIR", input)
        .env("MERCURE_OUT_DIR", out)
        .output()
        .unwrap()
}

fn result(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap()
}

fn task(settings: &Value) -> String {
    let info = json!({"mrn": PATIENT_ID, "acc": "ACC1", "applied_rule": "chest"});
    json!({"id": "1", "info": info, "process": {"module_name": "chiasm", "settings": settings}}).to_string()
}

#[test]
fn a_study_leaves_its_report_and_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(&input).unwrap();
    fs::create_dir_all(&out).unwrap();
    fs::write(input.join("1.2.3#1.2.3.4.dcm"), phantom(30)).unwrap();
    fs::write(input.join("task.json"), task(&json!({"device": "cpu", "site_zone": "Europe/Berlin"})))
        .unwrap();
    let output = mercure(&input, &out);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let result = result(&out);
    assert_eq!(result["state"], "reported");
    assert_eq!(result["findings"].as_array().unwrap().len(), 14);
    assert_eq!(result["risks"].as_array().unwrap().len(), 4);
    let files = json!({
        "html": "report.html", "pdf": "report.pdf", "bundle": "bundle.json", "sr": "report.dcm", "overlay": "overlay.dcm"
    });
    assert_eq!(result["files"], files);
    assert!(result.get("__mercure_notification").is_none() && result.get("studies").is_none());
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        ["bundle.json", "overlay.dcm", "report.dcm", "report.html", "report.pdf", "result.json"],
        "nothing else is left"
    );
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Europe/Berlin"), "the setting of the module counts");
    for canary in ["Canary", "CANARY", PATIENT_ID, "19500203", "ACC1"] {
        assert!(!said.contains(canary) && !result.to_string().contains(canary), "{canary}");
    }
}

#[test]
fn a_refusal_is_a_result_that_notifies() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(&input).unwrap();
    fs::write(input.join("task.json"), task(&json!("Canary"))).unwrap();
    let output = mercure(&input, &out);
    assert_eq!(output.status.code(), Some(2), "settings that are none");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("Canary"));
    fs::write(input.join("task.json"), task(&json!({"device": "cpu"}))).unwrap();
    assert_eq!(mercure(&input, &out).status.code(), Some(0));
    assert_eq!((&result(&out)["state"], &result(&out)["code"]), (&json!("refused"), &json!("NoStudy")));

    fs::write(input.join("1.2.3#1.2.3.4.dcm"), &phantom(31)[..600]).unwrap();
    let output = mercure(&input, &out);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result = result(&out);
    assert_eq!((&result["state"], &result["code"]), (&json!("refused"), &json!("Truncated")));
    let notification = &result["__mercure_notification"];
    assert_eq!(notification["requested"], true);
    assert!(notification["text"].as_str().unwrap().starts_with("Chiasm refused the study (Truncated): "));
}

#[test]
fn several_studies_have_one_answer_each() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(&input).unwrap();
    fs::write(input.join("task.json"), task(&json!({"device": "cpu"}))).unwrap();
    fs::write(input.join("1.2.3#1.2.3.4.dcm"), phantom(32)).unwrap();
    fs::write(input.join("1.2.4#1.2.4.4.dcm"), phantom(33)).unwrap();
    fs::write(input.join("1.2.5#1.2.5.4.dcm"), &phantom(34)[..600]).unwrap();
    assert_eq!(mercure(&input, &out).status.code(), Some(0));
    let result = result(&out);
    assert_eq!(result["state"], "refused", "the worst of the three");
    let studies = result["studies"].as_array().unwrap();
    assert_eq!(studies.len(), 3);
    for study in studies.iter().filter(|study| study["state"] == "reported") {
        assert!(out.join(study["files"]["bundle"].as_str().unwrap()).exists());
    }
    assert_eq!(studies.iter().filter(|study| study["state"] == "reported").count(), 2);
}

#[test]
fn without_its_folders_nothing_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let output = mercure(&gone, &folder.path().join("out"));
    assert!(matches!(output.status.code(), Some(1 | 2)));
    assert!(!folder.path().join("out/result.json").exists());
}
