//! `chiasm deidentify`, and archives as input of the commands, as their users run them.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use chiasm_tests::{PATIENT_ID, lines, phantom, phantom_series, phantom_study, run};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn deidentify(input: &Path, out: &Path, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["deidentify", input.to_str().unwrap(), out.to_str().unwrap(), "--json"];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn a_study_is_written_without_its_patient_and_analysed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    phantom_study(&study, 3);
    phantom_study(&study.join("Canary^Carla"), 4);
    let key = folder.path().join("site.key");
    let more = ["--key", key.to_str().unwrap(), "--dates", "shift", "--retain-patient-characteristics"];
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let output = deidentify(&study, &one, &more);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines(&output).pop().unwrap()["written"], 2);
    let written = files(&one);
    assert_eq!(written.len(), 2);
    let mut patients = Vec::new();
    for path in &written {
        let bytes = fs::read(path).unwrap();
        for canary in ["Canary", "Carla", PATIENT_ID, "19500203", "20240506", "TESTS"] {
            let there = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!there, "{canary} in {}", path.display());
        }
        let header = read_header(&bytes, &Limits::default()).unwrap();
        patients.push(header.patient.id.unwrap());
        assert!(header.patient.sex.is_some() && header.patient.birth_date.is_none());
        assert!(path.ends_with(format!("{}.dcm", header.sop_instance_uid)), "{}", path.display());
    }
    assert_eq!(patients[0], patients[1]);
    // the same key, the same bytes; another key, other names
    assert_eq!(deidentify(&study, &other, &more).status.code(), Some(0));
    let bytes = |paths: &[PathBuf]| paths.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    assert_eq!(bytes(&files(&other)), bytes(&written));
    let without = folder.path().join("without");
    assert_eq!(deidentify(&study, &without, &[]).status.code(), Some(0));
    assert_ne!(files(&without)[0].file_name(), written[0].file_name());
    // what was written is a study still: its own commands read it
    let out = folder.path().join("reports");
    let output =
        run(&["analyze", "--device", "cpu", "--json", "--out", out.to_str().unwrap(), one.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines(&output).len(), 2);
}

#[test]
fn what_may_show_the_patient_is_refused_until_somebody_declares_it_clean() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    fs::create_dir(&study).unwrap();
    let mut object = dicom_object::from_reader(phantom(3).as_slice()).unwrap();
    object.put(DataElement::new(tags::BURNED_IN_ANNOTATION, VR::CS, "YES"));
    object.write_to_file(study.join("image")).unwrap();
    let out = folder.path().join("out");
    let output = deidentify(&study, &out, &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = lines(&output);
    assert_eq!((said[0]["code"].as_str(), said[1]["refused"].as_u64()), (Some("BurnedInText"), Some(1)));
    assert!(files(&out).is_empty());
    assert_eq!(deidentify(&study, &out, &["--pixels-are-clean"]).status.code(), Some(0));
    assert_eq!(files(&out).len(), 1);
    // wrong usage: copies among the originals, a key that is none
    assert_eq!(deidentify(&study, &study.join("inside"), &[]).status.code(), Some(2));
    let key = folder.path().join("key");
    fs::write(&key, "no key").unwrap();
    assert_eq!(deidentify(&study, &out, &["--key", key.to_str().unwrap()]).status.code(), Some(2));
}

#[test]
fn a_study_that_is_held_for_its_orders_is_written_and_one_of_two_patients_is_not() {
    for (tag, vr, value, written) in
        [(tags::ACCESSION_NUMBER, VR::SH, "ACC9", 2), (tags::PATIENT_ID, VR::LO, "ANOTHER", 0)]
    {
        let folder = tempfile::tempdir().unwrap();
        let study = folder.path().join("study");
        fs::create_dir(&study).unwrap();
        for (number, bytes) in phantom_series(3, 2).iter().enumerate() {
            let mut object = dicom_object::from_reader(&bytes[..]).unwrap();
            if number == 1 {
                object.put(DataElement::new(tag, vr, value));
            }
            object.write_to_file(study.join(number.to_string())).unwrap();
        }
        let (out, reports) = (folder.path().join("out"), folder.path().join("reports"));
        let output = deidentify(&study, &out, &[]);
        assert_eq!(output.status.code(), Some(if written > 0 { 0 } else { 3 }), "{value}");
        assert_eq!(files(&out).len(), written, "{value}");
        // to whoever analyses it, it is refused
        let arguments = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
        let analyzed = run(&[&arguments[..], &[reports.as_path(), study.as_path()]].concat());
        let code = if written > 0 { "OrderConflict" } else { "MixedPatient" };
        assert_eq!(lines(&analyzed)[0]["code"], code);
    }
}

/// A ZIP archive of a study is as good as its folder for every command, also for a worker that takes the job up later.
#[test]
fn an_archive_of_a_study_is_analysed_submitted_and_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("export-of-a-viewer");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("DICOM/Canary^Carla/IM1", phantom(3)), ("index.html", b"<html>".to_vec())] {
        writer.start_file(name, options).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    fs::write(&archive, writer.finish().unwrap().into_inner()).unwrap();
    let plain = folder.path().join("plain");
    phantom_study(&plain, 3);
    let bundle = |input: &Path, out: &str| {
        let out = folder.path().join(out);
        let arguments = ["analyze", "--device", "cpu", "--json", "--out"].map(Path::new);
        let output = run(&[&arguments[..], &[&out, input]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let line = lines(&output).remove(0);
        fs::read(line["files"]["bundle"].as_str().unwrap()).unwrap()
    };
    assert!(bundle(&archive, "one") == bundle(&plain, "two"), "the report is the same");
    let output = run(&[Path::new("inspect"), &archive]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let (state, out) = (folder.path().join("state"), folder.path().join("three"));
    let submitted = run(&[
        Path::new("submit"),
        &archive,
        Path::new("--out"),
        &out,
        Path::new("--state"),
        &state,
        Path::new("--json"),
    ]);
    assert_eq!(submitted.status.code(), Some(0), "{}", String::from_utf8_lossy(&submitted.stderr));
    let worked = ["worker", "--once", "--device", "cpu", "--json", "--state"].map(Path::new);
    let worked = run(&[&worked[..], &[&state]].concat());
    assert_eq!(worked.status.code(), Some(0), "{}", String::from_utf8_lossy(&worked.stderr));
    let line = lines(&worked).remove(0);
    assert_eq!(line["state"], "reported", "{line}");
    assert!(fs::read(line["files"]["bundle"].as_str().unwrap()).is_ok());
    let said = [&submitted, &worked, &output].map(|output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    assert!(said.iter().all(|said| !said.contains("Canary")), "{said:?}");
}
