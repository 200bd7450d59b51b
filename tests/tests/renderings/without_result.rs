//! A study without a result, and a report that was taken back, say so in all renderings: FHIR R4 and R5, page, PDF, structured report.

use std::fs;
use std::path::Path;

use chiasm_tests::{lines, phantom_study, record, run, study_uid};
use dicom_dictionary_std::tags;
use serde_json::Value;
use worker::report::fhir::in_r5;

use super::document::{code, items, named, text};
use super::page::{unescaped, with_attribute};
use super::paper;

/// What is said in place of findings.
#[derive(Debug, PartialEq)]
struct Why {
    code: String,
    reason: String,
    conclusion: String,
}

/// The only resource of this type.
fn only<'a>(bundle: &'a Value, kind: &str) -> &'a Value {
    let entries = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let mut of_kind = entries.filter(|resource| resource["resourceType"] == kind);
    let one = of_kind.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(of_kind.next().is_none(), "one {kind}");
    one
}

fn of_fhir(bundle: &Value, reason: impl Fn(&Value) -> &Value) -> Why {
    let (task, report) = (only(bundle, "Task"), only(bundle, "DiagnosticReport"));
    let reason = reason(&task["statusReason"]);
    Why {
        code: reason["coding"][0]["code"].as_str().unwrap().to_owned(),
        reason: reason["text"].as_str().unwrap().to_owned(),
        conclusion: report["conclusion"].as_str().unwrap().to_owned(),
    }
}

fn of_sr(file: &Path) -> Why {
    let sr = dicom_object::open_file(file).unwrap().into_inner();
    let root = items(&sr, tags::CONTENT_SEQUENCE);
    assert!(named(&root, "126010").is_none(), "no measurements");
    let instead = items(named(&root, "C0034375").unwrap(), tags::CONTENT_SEQUENCE);
    let summary = named(&instead, "111017").unwrap();
    assert_eq!(code(summary, tags::CONCEPT_CODE_SEQUENCE), "111245");
    let words = |concept: &str| text(named(&instead, concept).unwrap(), tags::TEXT_VALUE);
    Why {
        code: words("no-result-code"),
        reason: words("121106").trim_end_matches('.').to_lowercase(),
        conclusion: text(named(&root, "121077").unwrap(), tags::TEXT_VALUE),
    }
}

/// All renderings that lie in `folder` say the same; gives what.
fn same_everywhere(folder: &Path, status: &str) -> Why {
    let bytes = fs::read(folder.join("bundle.json")).unwrap();
    let bundle: Value = serde_json::from_slice(&bytes).unwrap();
    let why = of_fhir(&bundle, |reason| reason);
    assert_eq!(only(&bundle, "DiagnosticReport")["status"], status);
    let r5: Value = serde_json::from_slice(&in_r5(&bytes).unwrap()).unwrap();
    assert_eq!(of_fhir(&r5, |reason| &reason["concept"]), why);
    let in_words = Why {
        code: why.code.clone(),
        reason: why.reason.trim_end_matches('.').to_lowercase(),
        conclusion: why.conclusion.clone(),
    };
    assert_eq!(of_sr(&folder.join("report.dcm")), in_words);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(
        with_attribute(&page, "data-finding").is_empty() && with_attribute(&page, "data-risk").is_empty()
    );
    let shown = unescaped(&page).to_lowercase();
    assert!(shown.contains(&in_words.reason) && page.contains(&why.code), "{why:?}");
    paper::says_the_same(&page, &folder.join("report.pdf"));
    why
}

#[test]
fn a_refusal_is_one_in_every_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let study = phantom_study(&folder.path().join("study"), 3);
    let file = folder.path().join("record.json");
    fs::write(&file, record(|bundle| bundle["entry"][0]["resource"]["gender"] = "male".into()).to_string())
        .unwrap();
    let out = folder.path().join("out");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = [
        "analyze",
        "--device",
        "cpu",
        "--json",
        &path(&study),
        "--record",
        &path(&file),
        "--out",
        &path(&out),
    ];
    let line = lines(&run(&arguments)).remove(0);
    let page = Path::new(line["files"]["html"].as_str().unwrap()).to_owned();
    let why = same_everywhere(page.parent().unwrap(), "cancelled");
    assert_eq!((why.code.as_str(), line["code"].as_str()), ("SexConflict", Some("SexConflict")));
    assert_eq!(line["reason"].as_str(), Some(why.reason.as_str()));
}

#[test]
fn a_withdrawal_is_one_in_every_rendering() {
    let folder = tempfile::tempdir().unwrap();
    let image = phantom_study(&folder.path().join("made"), 4);
    let study = study_uid(&fs::read(&image).unwrap());
    fs::create_dir_all(folder.path().join("archive").join(&study)).unwrap();
    fs::create_dir(folder.path().join("reports")).unwrap();
    fs::rename(&image, folder.path().join("archive").join(&study).join("image")).unwrap();
    let config = folder.path().join("chiasm.toml");
    fs::write(
        &config,
        "state = 'state'\ndefault_source = 'archive'\ndefault_targets = ['reports']\n\
         [sources.archive]\nkind = 'folder'\npath = 'archive'\n[targets.reports]\nkind = 'folder'\npath = 'reports'\n\
         [worker]\nmin_free_disk_mib = 1\n",
    )
    .unwrap();
    let chiasm = |arguments: &[&str]| {
        let output = run(&[arguments, &["--config", config.to_str().unwrap()]].concat());
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    };
    chiasm(&["submit", "--study", &study]);
    chiasm(&["worker", "--once", "--device", "cpu"]);
    chiasm(&["recall", "--study", &study, "--apply", "--reason", "the images are of another patient"]);
    chiasm(&["worker", "--once", "--device", "cpu"]);
    let why = same_everywhere(&folder.path().join("reports").join(&study), "entered-in-error");
    assert_eq!(why.code, "WithdrawnByPerson");
    assert_eq!(why.reason, "a person withdrew the report: the images are of another patient");
}
