//! Whose record is it: matches, conflicts, and what the report says where there is none.

use std::fs;
use std::path::{Path, PathBuf};

use chiasm_tests::{PATIENT_ID, lines, phantom_study, record, run, study_uid};
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

/// A file that holds this patient's record and another's is no file of nobody: it is refused under its own name, in both
/// languages, and another patient's mixed file concerns nobody else.
#[test]
fn a_record_of_this_patient_mixed_with_anothers_is_refused_as_mixed() {
    let other = json!({"fullUrl": "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000009", "resource":
        {"resourceType": "Patient", "id": "other", "identifier": [{"system": "urn:oid:1.2.3", "value": "OTHER"}]}});
    let two_patients = record(|bundle| bundle["entry"].as_array_mut().unwrap().push(other.clone()));
    let foreign =
        record(|bundle| bundle["entry"][1]["resource"]["subject"]["reference"] = "Patient/other".into());
    for bundle in [two_patients, foreign] {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("records");
        write(&records, "mixed.json", &bundle);
        let (code, line) = analyze(folder.path(), &records);
        assert_eq!((code, line["code"].as_str()), (Some(3), Some("RecordMixedPatients")), "{line}");
        let page = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
        assert!(page.contains("RecordMixedPatients") && !page.contains("carries this patient"), "{page}");
        assert!(page.contains("resources of another patient"), "{page}");
    }

    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    let nobodys = record(|bundle| {
        bundle["entry"][0]["resource"]["identifier"][0]["value"] = "THIRD".into();
        bundle["entry"].as_array_mut().unwrap().push(other);
    });
    write(&records, "mixed.json", &nobodys);
    write(&records, "own.json", &record(|_| {}));
    let (code, line) = analyze(folder.path(), &records);
    assert_eq!((code, line["state"].as_str()), (Some(0), Some("reported")), "{line}");
    assert_eq!(subject(&line)["reference"], "Patient/carla");
}

/// The files of a bulk export: the phantom's patient and another one, one resource a line.
fn export(folder: &Path) -> Vec<PathBuf> {
    fs::create_dir_all(folder).unwrap();
    let own = record(|_| {});
    let resource = |at: usize| own["entry"][at]["resource"].clone();
    let observation = |id: &str, day: &str, value: f64, patient: &str| {
        let mut made = resource(1);
        made["id"] = id.into();
        made["effectiveDateTime"] = format!("{day}T06:00:00Z").into();
        made["issued"] = format!("{day}T07:00:00Z").into();
        made["valueQuantity"]["value"] = value.into();
        made["subject"]["reference"] = format!("Patient/{patient}").into();
        made
    };
    let mut other = resource(0);
    other["id"] = "other".into();
    other["identifier"][0]["value"] = "OTHER".into();
    let files = [
        ("Patient.ndjson", vec![other, resource(0)]),
        (
            "Observation.ndjson",
            vec![
                observation("others", "2024-05-05", 99.0, "other"),
                observation("crp-1", "2024-04-20", 4.5, "carla"),
                observation("crp-2", "2024-05-05", 12.5, "carla"),
                observation("later", "2024-06-05", 77.0, "carla"),
            ],
        ),
    ];
    let write = |(name, resources): (&str, Vec<Value>)| {
        let path = folder.join(name);
        let text: Vec<String> = resources.iter().map(Value::to_string).collect();
        fs::write(&path, text.join("\n") + "\n").unwrap();
        path
    };
    files.map(write).to_vec()
}

#[test]
fn a_bulk_export_is_a_place_of_records() {
    let folder = tempfile::tempdir().unwrap();
    export(&folder.path().join("export"));
    let site = folder.path().join("chiasm.toml");
    let text = "state = 'state'\ndefault_source = 'archive'\ndefault_record = 'ehr'\ndefault_targets = ['reports']\n\
        [sources.archive]\nkind = 'folder'\npath = 'archive'\n[records.ehr]\nkind = 'ndjson'\npath = 'export'\n\
        [targets.reports]\nkind = 'folder'\npath = 'reports'\n[queue]\nkind = 'embedded'\n[worker]\nmin_free_disk_mib = 1\n";
    fs::write(&site, text).unwrap();
    let file = phantom_study(&folder.path().join("made"), 1);
    let uid = study_uid(&fs::read(&file).unwrap());
    let study = folder.path().join("archive").join(&uid);
    fs::create_dir_all(&study).unwrap();
    fs::create_dir(folder.path().join("reports")).unwrap();
    fs::copy(&file, study.join("image")).unwrap();

    let config = site.to_str().unwrap();
    let submitted = run(&["submit", "--json", "--config", config, "--study", &uid]);
    assert_eq!(lines(&submitted)[0]["state"], "accepted", "{}", String::from_utf8_lossy(&submitted.stderr));
    let worked = run(&["worker", "--once", "--device", "cpu", "--json", "--config", config]);
    let outcomes = lines(&worked);
    assert_eq!(outcomes[0]["state"], "reported", "{}", String::from_utf8_lossy(&worked.stderr));
    let reports = folder.path().join("reports").join(&uid);
    let bundle = fs::read_to_string(reports.join("bundle.json")).unwrap();
    assert!(bundle.contains("Patient/carla") && bundle.contains("Observation/crp-2"), "{bundle}");
    assert!(!bundle.contains("Observation/others") && !bundle.contains("Observation/later"), "{bundle}");
    let page = fs::read_to_string(reports.join("report.html")).unwrap();
    assert!(page.contains("12.5") && !page.contains(">99<") && !page.contains(">77<"));
}

/// `chiasm features` of an export: one patient of several, as CSV and as Parquet.
#[test]
fn features_of_a_bulk_export_are_printed_as_csv_and_as_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let files = export(folder.path());
    let features = |format: &str, more: &[&str]| {
        let files = files.iter().map(|path| path.to_str().unwrap());
        let fixed = ["features", "--at", "2024-05-06T07:08:09Z", "--format", format];
        run(&fixed.into_iter().chain(more.iter().copied()).chain(files).collect::<Vec<_>>())
    };
    let several = features("csv", &[]);
    assert_eq!(several.status.code(), Some(2), "whose it is has to be said");
    assert!(String::from_utf8_lossy(&several.stderr).contains("2 patients"));

    let csv = features("csv", &["--patient", "carla"]);
    assert_eq!(csv.status.code(), Some(0), "{}", String::from_utf8_lossy(&csv.stderr));
    let text = String::from_utf8(csv.stdout).unwrap();
    let mut rows = text.lines();
    let names: Vec<&str> = rows.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> =
        rows.filter(|row| row.starts_with("crp,")).map(|row| row.split(',').collect()).collect();
    let cell = |statistic: &str, days: &str, name: &str| {
        let at = names.iter().position(|one| *one == name).unwrap();
        rows.iter().find(|row| row[3] == statistic && row[4] == days).unwrap()[at]
    };
    assert_eq!((cell("last", "", "value"), cell("last", "", "source")), ("12.5", "Observation/crp-2"));
    assert_eq!((cell("min", "30", "value"), cell("min", "30", "source")), ("4.5", "Observation/crp-1"));
    assert_eq!(
        (cell("mean", "30", "value"), cell("mean", "30", "other_sources")),
        ("8.5", "Observation/crp-1")
    );
    assert_eq!(cell("delta", "30", "value"), "8");
    assert!(!text.contains("Observation/others") && !text.contains("Observation/later"));

    let parquet = features("parquet", &["--patient", "carla"]).stdout;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let holds = |text: &str| parquet.windows(text.len()).any(|part| part == text.as_bytes());
    for text in [
        "Observation/crp-1",
        "Observation/crp-2",
        "other_sources",
        "changed_after_t0",
        "chiasm-record-features",
    ] {
        assert!(holds(text), "{text}");
    }
    assert!(parquet.windows(8).any(|part| part == 12.5_f64.to_le_bytes()), "numbers are numbers");
    assert!(!holds("Observation/others") && !holds("Observation/later"));

    let other = features("csv", &["--patient", "other"]);
    assert!(String::from_utf8_lossy(&other.stdout).contains("Observation/others"));
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

/// A version that says that it was corrected after the study is not read, and one that was changed without a word is named.
#[test]
fn what_was_changed_after_the_study_is_left_out_or_named() {
    let analyzed = |meta: Value| {
        let folder = tempfile::tempdir().unwrap();
        let bundle = record(|bundle| {
            let mut ldh = bundle["entry"][1].clone();
            ldh["fullUrl"] = "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000003".into();
            ldh["resource"]["id"] = "ldh".into();
            ldh["resource"]["code"]["coding"][0]["code"] = "2532-0".into();
            ldh["resource"]["valueQuantity"] = json!({"value": 240, "unit": "U/L", "code": "U/L"});
            let covid = json!({"resourceType": "Condition", "id": "covid", "subject": {"reference": "Patient/carla"},
                "verificationStatus": {"coding": [{"code": "confirmed"}]}, "recordedDate": "2024-05-01T06:00:00Z",
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "840539006"}]}});
            let url = "urn:uuid:6a1f1d1e-1111-4c4c-8d8d-000000000004";
            let entries = bundle["entry"].as_array_mut().unwrap();
            entries.extend([ldh, json!({"fullUrl": url, "resource": covid})]);
            bundle["entry"][1]["resource"]["meta"] = meta;
        });
        let file = write(folder.path(), "record.json", &bundle);
        let (code, line) = analyze(folder.path(), &file);
        assert_eq!(code, Some(0), "{line}");
        let page = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
        (page, report(&line).to_string())
    };
    let late = "2024-05-20T07:00:00Z";
    let (page, bundle) = analyzed(json!({"lastUpdated": late, "versionId": "1"}));
    assert!(page.contains("12.5") && bundle.contains("Observation/crp"));
    for text in [&page, &bundle] {
        assert!(text.contains("hanged in the record after the study"), "a limit of the risk");
    }
    assert!(page.contains("were changed after the study"), "what the report says is missing");
    let (page, bundle) = analyzed(json!({"lastUpdated": late, "versionId": "2"}));
    assert!(!page.contains("Observation/crp") && !bundle.contains("Observation/crp"));
    assert!(page.contains("corrected after the study"));
    let (page, _) = analyzed(json!({"lastUpdated": "2024-05-05T07:00:00Z", "versionId": "2"}));
    assert!(
        page.contains("12.5")
            && !page.contains("after the study, of which")
            && !page.contains("were changed after")
    );
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
