//! Real files: every one ends in a report or a typed refusal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chiasm_tests::{data, lines, run};
use serde_json::Value;

fn analyze(paths: &[&Path], more: &[&Path]) -> (std::process::Output, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let fixed = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
    let output = run(&[&fixed[..], &[out.as_path()], paths, more].concat());
    (output, folder)
}

#[test]
fn every_file_of_the_corpus_ends_in_a_report_or_a_typed_refusal() {
    let Some(corpus) = data("dicom-corpus") else { return };
    let (output, _folder) = analyze(&[&corpus], &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    assert_eq!(output.status.code(), Some(3), "{errors}");
    let lines = lines(&output);
    assert!(lines.len() > 50, "{} studies and files", lines.len());
    for line in &lines {
        match line["state"].as_str() {
            Some("reported") => {}
            Some("refused") => assert!(!line["code"].as_str().unwrap().is_empty(), "{line}"),
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn a_ct_and_an_animal_are_not_applicable() {
    let (Some(ct), Some(corpus)) = (data("ct-chest"), data("dicom-corpus")) else { return };
    let dog = corpus.join("highdicom/data/test_files/dx_image.dcm");
    for (path, code) in [(ct, "NotApplicableModality"), (dog, "NotApplicableSpecies")] {
        let (output, _folder) = analyze(&[&path], &[]);
        assert_eq!(output.status.code(), Some(3));
        for line in lines(&output) {
            assert_eq!(line["code"], code, "{line}");
        }
    }
}

#[test]
fn real_radiographs_are_reported_with_their_records_and_as_well_as_the_card_says() {
    let Some(cxr) = data("cxr-nih") else { return };
    let labels = validation_labels(&cxr);
    let files: Vec<PathBuf> = labels.iter().map(|row| cxr.join(&row["file"])).collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let records = cxr.join("ehr");
    let (output, _folder) = analyze(&paths, &[Path::new("--record"), &records]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: BTreeMap<String, Value> = lines(&output)
        .into_iter()
        .map(|line| (line["study_uid"].as_str().unwrap().to_owned(), line))
        .collect();
    assert_eq!(found.len(), labels.len());
    let bundle = models::Bundle::embedded().unwrap();
    // of pictures that are out of distribution nothing is said; the card has 2.1 % of these
    let is_said = |row: &&BTreeMap<String, String>| {
        found[&row["study_uid"]]["findings"].as_array().is_some_and(|findings| !findings.is_empty())
    };
    let said: Vec<&BTreeMap<String, String>> = labels.iter().filter(is_said).collect();
    assert_eq!(labels.len() - said.len(), 2);
    let mut sum = 0.0;
    for (index, label) in bundle.model_card().labels.iter().enumerate() {
        let positives =
            |rows: &[&BTreeMap<String, String>]| rows.iter().filter(|row| row[&label.name] == "1").count();
        let all_cases = positives(&labels.iter().collect::<Vec<_>>());
        let cases: Vec<(f64, bool)> = said
            .iter()
            .map(|row| {
                let finding = &found[&row["study_uid"]]["findings"][index];
                assert_eq!(finding["label"], label.name);
                (finding["probability"].as_f64().unwrap(), row[&label.name] == "1")
            })
            .collect();
        let measured = auroc(&cases);
        let stated = label.performance.as_ref().unwrap().auroc;
        // a pair more or less counts where there are few cases
        let tolerance = if positives(&said) == all_cases { 0.03 } else { 1.0 / all_cases as f64 };
        assert!((measured - stated).abs() < tolerance, "{}: {measured}, card {stated}", label.name);
        sum += measured;
    }
    let mean = sum / bundle.model_card().labels.len() as f64;
    assert!(mean >= 0.68, "mean AUROC on the validation patients: {mean:.3}");
}

/// The validation rows of `labels.csv`, as column to value. The table quotes nothing.
fn validation_labels(folder: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(folder.join("labels.csv")).unwrap();
    let mut rows = text.lines();
    let columns: Vec<&str> = rows.next().unwrap().split(',').collect();
    rows.map(|row| {
        columns.iter().map(|one| (*one).to_owned()).zip(row.split(',').map(str::to_owned)).collect()
    })
    .filter(|row: &BTreeMap<String, String>| row["split"] == "val")
    .collect()
}

/// Share of pairs of a case and a control in which the case has the higher score; ties count half.
fn auroc(cases: &[(f64, bool)]) -> f64 {
    let of = |wanted: bool| cases.iter().filter(move |(_, is)| *is == wanted).map(|(score, _)| *score);
    let pairs = of(true).flat_map(|case| of(false).map(move |control| (case, control)));
    let (mut won, mut all) = (0.0, 0.0);
    for (case, control) in pairs {
        all += 1.0;
        won += if case > control {
            1.0
        } else if case < control {
            0.0
        } else {
            0.5
        };
    }
    won / all
}
