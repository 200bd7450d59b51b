//! Risks by models that a site trained: from `chiasm fusion train` to the report, the same number as `chiasm fusion score` gives.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chiasm_tests::{PATIENT_ID, chiasm, lines, phantom_study, record};
use models::Bundle;
use serde_json::{Value, json};

use crate::drawn_tables::drawn_table;

/// The start of the phantom's study.
const T0: &str = "2024-05-06T07:08:09Z";

const CONFIG: &str = r#"
id = "inflamed"
title = "Inflamed within a week"
MADE_UP
seed = 11
limits = ["nobody was ever measured for this"]
numeric = [
    { column = "crp", label = "C-reactive protein", unit = "mg/L", range = [0.0, 500.0], log1p = true },
    { column = "creatinine", label = "Creatinine", unit = "mg/dL", range = [0.1, 20.0] },
    { column = "age", label = "Age", unit = "a", range = [0.0, 120.0] },
]
category = [{ column = "sex", label = "Sex", values = ["female", "male"] }]

[record]
max_age_days = 30
requires = [{ feature = "age", range = [18, 120] }]
"#;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(chiasm()).args(arguments).current_dir(folder).output().unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A model of 400 drawn patients in `model`, and a configuration that names it.
fn site(folder: &Path, config: &str) {
    let mut table = "who,sick,crp,creatinine,age,sex\n".to_owned();
    for row in 0..400_u32 {
        let mixed = row.wrapping_mul(2_654_435_761) >> 8;
        let (crp, age) = (mixed % 200, 20 + mixed / 7 % 70);
        let creatinine = if row % 4 == 0 { String::new() } else { format!("0.{}", 5 + mixed / 11 % 5) };
        let sick = u8::from(crp + age > 90 + mixed / 13 % 90);
        let sex = if mixed / 17 % 2 == 0 { "female" } else { "male" };
        writeln!(table, "p{row},{sick},{crp}.5,{creatinine},{age},{sex}").unwrap();
    }
    fs::write(folder.join("table.csv"), table).unwrap();
    fs::write(folder.join("config.toml"), drawn_table(config)).unwrap();
    succeeded(&run(folder, &["fusion", "train", "config.toml", "--data", "table.csv", "--out", "model"]));
    fs::write(folder.join("chiasm.toml"), "[risks.own]\npath = \"model\"\n").unwrap();
}

/// The report of the phantom's study with this record, and its JSON line.
fn analyzed(folder: &Path, bundle: &Value, out: &str, language: &str) -> (Value, Value) {
    phantom_study(&folder.join("study"), 1);
    fs::write(folder.join("record.json"), bundle.to_string()).unwrap();
    let arguments =
        ["analyze", "study", "--record", "record.json", "--out", out, "--device", "cpu", "--json"];
    let site = ["--config", "chiasm.toml", "--language", language];
    let output = run(folder, &[&arguments[..], &site].concat());
    succeeded(&output);
    let line = lines(&output).remove(0);
    assert_eq!(line["state"], "reported", "{line}");
    let file = folder.join(line["files"]["bundle"].as_str().unwrap());
    (serde_json::from_slice(&fs::read(file).unwrap()).unwrap(), line)
}

fn page(folder: &Path, line: &Value) -> String {
    fs::read_to_string(folder.join(line["files"]["html"].as_str().unwrap())).unwrap()
}

/// What `chiasm fusion table` and `chiasm fusion score` say of the record at the study's start.
fn scored(folder: &Path, bundle: &Value) -> Value {
    fs::create_dir_all(folder.join("ehr")).unwrap();
    fs::write(folder.join("ehr/record.json"), bundle.to_string()).unwrap();
    fs::write(folder.join("rows.csv"), format!("who,when\n{PATIENT_ID},{T0}\n")).unwrap();
    let table =
        ["fusion", "table", "--data", "rows.csv", "--records", "ehr", "--patient", "who", "--at", "when"];
    let features = ["crp", "creatinine", "age", "sex"].map(|name| ["--feature", name]).concat();
    let rest = ["--max-age-days", "30", "--out", "row.csv"];
    succeeded(&run(folder, &[&table[..], &features, &rest].concat()));
    let line = succeeded(&run(folder, &["fusion", "score", "model/model.json", "--data", "row.csv"]));
    serde_json::from_str(line.lines().next().unwrap()).unwrap()
}

fn resources<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    all.filter(|resource| resource["resourceType"] == kind).collect()
}

fn of_model<'a>(bundle: &'a Value, id: &str) -> &'a Value {
    let all = resources(bundle, "RiskAssessment");
    all.into_iter().find(|risk| risk["method"]["coding"][0]["code"] == id).unwrap()
}

fn notes(risk: &Value) -> String {
    let notes = risk["note"].as_array().unwrap().iter();
    notes.map(|note| note["text"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_report_carries_the_number_that_the_model_gives_with_everything_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    site(folder, CONFIG);
    succeeded(&run(folder, &["config", "check", "--config", "chiasm.toml"]));
    let (bundle, line) = analyzed(folder, &record(|_| {}), "out", "en");
    let expected = scored(folder, &record(|_| {}));

    let own = line["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == "inflamed").unwrap();
    for key in ["probability", "low", "high"] {
        let (found, expected) = (own[key].as_f64().unwrap(), expected[key].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{key}: {found} and {expected}");
    }
    assert_eq!(own["missing"], json!(["creatinine"]));

    let risk = of_model(&bundle, "inflamed");
    let percent = risk["prediction"][0]["probabilityDecimal"].as_f64().unwrap();
    assert!((percent - expected["probability"].as_f64().unwrap() * 100.0).abs() < 0.001, "{percent}");
    assert!(risk["prediction"][1]["probabilityRange"].is_object(), "the interval");
    let basis: Vec<&str> =
        risk["basis"].as_array().unwrap().iter().filter_map(|one| one["reference"].as_str()).collect();
    assert!(basis.contains(&"Observation/crp"), "{basis:?}");
    let own: Vec<&str> =
        resources(&bundle, "Observation").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(own.len() > 10 && !basis.iter().any(|one| own.iter().any(|id| one.contains(id))), "{basis:?}");
    let notes = notes(risk);
    for part in
        ["Adults of a drawn table", "Platt calibration on", "obody was ever measured for this", "Creatinine"]
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    assert_eq!(notes.contains("ndeterminate: "), expected["indeterminate"].as_bool().unwrap(), "{notes}");
    assert!(!notes.contains("was not checked"), "the model names its patients: {notes}");

    let model: Value = serde_json::from_slice(&fs::read(folder.join("model/model.json")).unwrap()).unwrap();
    assert_eq!(model["config"]["record"]["max_age_days"].as_f64(), Some(30.0));
    let devices = resources(&bundle, "Device");
    let device = devices.iter().find(|device| device["modelNumber"] == "inflamed").unwrap();
    let identity = device["identifier"][0]["value"].as_str().unwrap();
    let card = fs::read_to_string(folder.join("model/card.md")).unwrap();
    let (name, digest) = identity.split_once('#').unwrap();
    assert!(
        name == "inflamed@1.2" && card.contains(digest),
        "as `chiasm recall --model` finds it: {identity}"
    );
    let page = page(folder, &line);
    assert!(page.contains("Inflamed within a week") && page.contains("data-risk=\"inflamed\""));
}

#[test]
fn the_model_is_part_of_what_a_report_is_made_from() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    site(folder, CONFIG);
    let (first, _) = analyzed(folder, &record(|_| {}), "out", "en");
    let (again, _) = analyzed(folder, &record(|_| {}), "again", "en");
    let [one, same] = [&first, &again].map(|bundle| of_model(bundle, "inflamed"));
    assert_eq!((&one["id"], &one["prediction"]), (&same["id"], &same["prediction"]), "the same inputs");
    site(folder, &CONFIG.replace("seed = 11", "seed = 12"));
    let (other, _) = analyzed(folder, &record(|_| {}), "other", "en");
    assert_ne!(
        one["id"],
        of_model(&other, "inflamed")["id"],
        "the job's key holds the digest of the model file"
    );
    fs::write(folder.join("chiasm.toml"), "").unwrap();
    let (without, _) = analyzed(folder, &record(|_| {}), "without", "en");
    assert!(!without.to_string().contains("inflamed"));
}

#[test]
fn whom_the_model_is_not_for_and_what_does_not_fit_is_said_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    site(folder, &CONFIG.replace("range = [18, 120]", "range = [80, 120]"));
    let (bundle, line) = analyzed(folder, &record(|_| {}), "old", "de");
    let risk = of_model(&bundle, "inflamed");
    assert!(risk["prediction"][0].get("probabilityDecimal").is_none(), "{risk}");
    assert!(risk.to_string().contains("Modell gilt für 80 bis 120: Alter"), "{risk}");
    let own = line["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == "inflamed").unwrap();
    assert_eq!((&own["probability"], &own["missing"]), (&Value::Null, &json!(["population"])));

    site(folder, CONFIG);
    let foreign = record(|bundle| {
        let quantity = &mut bundle["entry"][1]["resource"]["valueQuantity"];
        (quantity["unit"], quantity["code"]) = ("mmol/L".into(), "mmol/L".into());
    });
    let (bundle, line) = analyzed(folder, &foreign, "unit", "de");
    let own = line["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == "inflamed").unwrap();
    assert_eq!(own["missing"], json!(["crp", "creatinine"]), "refused, not guessed");
    let notes = notes(of_model(&bundle, "inflamed"));
    assert!(notes.contains("die Einheit fehlt oder passt nicht"), "{notes}");
    assert!(page(folder, &line).contains("Platt kalibriert an"));
}

/// What `config check` says of the site's model, whose file is this.
fn problem_of(folder: &Path, file: &str) -> String {
    fs::write(folder.join("model/model.json"), file).unwrap();
    let output = run(folder, &["config", "check", "--config", "chiasm.toml", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let problems = lines(&output).remove(0)["problems"].clone();
    assert_eq!(problems[0]["key"], "risks.own.path");
    problems[0]["problem"].as_str().unwrap().to_owned()
}

#[test]
fn a_model_that_no_report_could_ask_is_refused_before_any_study() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    site(folder, CONFIG);
    let model = folder.join("model/model.json");
    let file = fs::read_to_string(&model).unwrap();
    let refused = |text: &str| problem_of(folder, text);
    let said = refused(&file.replace("creatinine", "frailty"));
    assert!(said.starts_with("RiskModelColumn") && said.contains("`frailty`"), "{said}");
    let said = refused(&file.replace("\"mg/dL\"", "\"umol/L\""));
    assert!(said.starts_with("RiskModelUnit") && said.contains("`creatinine`"), "{said}");
    let said = refused(&format!("{file}\n"));
    assert!(said.starts_with("RiskModelCard"), "{said}");

    phantom_study(&folder.join("study"), 1);
    let analyze = ["analyze", "study", "--device", "cpu", "--config", "chiasm.toml"];
    let output = run(folder, &analyze);
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("RiskModelCard"),
        "nothing is analysed without it"
    );
}

const PICTURED: &str = r#"
[image]
key = "file"
label = "Chest radiograph"
source = "drawn numbers in the place of the findings' logits"
bundle = "BUNDLE"
vectors = "logits"
components = 3
[formula]
column = "mayo"
label = "Mayo"
SMALL_NETWORK
[table]
id = "pictured"
title = "Inflamed as picture and record have it"
MADE_UP
seed = 3
numeric = [{ column = "crp", label = "C-reactive protein", unit = "mg/L", range = [0.0, 500.0] }]
"#;

/// 200 rows of 200 patients, whose outcome follows the sum of crp and the first of as many numbers as there are findings.
fn pictured_site(folder: &Path, config: &str) {
    let width = Bundle::embedded().unwrap().model_card().labels.len();
    let names: Vec<String> = (0..width).map(|at| format!("e{at}")).collect();
    let (mut table, mut vectors) =
        ("who,sick,crp,mayo,file\n".to_owned(), format!("file,{}\n", names.join(",")));
    for row in 0..200_u32 {
        let mixed = row.wrapping_mul(2_654_435_761) >> 8;
        let (crp, first) = (mixed % 100, mixed / 7 % 100);
        let sick = u8::from(crp + first > 60 + mixed / 11 % 80);
        let formula = if row % 3 == 0 { String::new() } else { format!("0.{}", 1 + mixed / 13 % 9) };
        writeln!(table, "p{row},{sick},{crp},{formula},f{row}").unwrap();
        let cell = |at: u32| f64::from(if at == 0 { first } else { mixed / (17 + at) % 50 }) / 25.0 - 2.0;
        let cells: Vec<String> = (0..u32::try_from(width).unwrap()).map(|at| cell(at).to_string()).collect();
        writeln!(vectors, "f{row},{}", cells.join(",")).unwrap();
    }
    fs::write(folder.join("table.csv"), table).unwrap();
    fs::write(folder.join("vectors.csv"), vectors).unwrap();
    fs::write(folder.join("config.toml"), drawn_table(config)).unwrap();
    let train = ["fusion", "train", "config.toml", "--data", "table.csv", "--embeddings", "vectors.csv"];
    succeeded(&run(folder, &[&train[..], &["--out", "model"]].concat()));
    fs::write(folder.join("chiasm.toml"), "[risks.own]\npath = \"model\"\n").unwrap();
}

#[test]
fn late_fusion_of_a_site_reads_the_findings_of_the_bundle_that_read_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let digest = Bundle::embedded().unwrap().identity().unwrap();
    pictured_site(folder, &PICTURED.replace("BUNDLE", &digest));
    succeeded(&run(folder, &["config", "check", "--config", "chiasm.toml"]));
    let (bundle, line) = analyzed(folder, &record(|_| {}), "out", "en");

    let file = fs::read_dir(folder.join("study")).unwrap().next().unwrap().unwrap().file_name();
    let row = format!("file,crp,mayo\n{},12.5,\n", file.to_str().unwrap());
    fs::write(folder.join("row.csv"), row).unwrap();
    let embed = ["fusion", "embed", "--data", "row.csv", "--column", "file", "--folder", "study", "--logits"];
    succeeded(&run(folder, &[&embed[..], &["--out", "seen.csv"]].concat()));
    let score = ["fusion", "score", "model/model.json", "--data", "row.csv", "--embeddings", "seen.csv"];
    let expected: Value =
        serde_json::from_str(succeeded(&run(folder, &score)).lines().next().unwrap()).unwrap();
    assert_eq!((&expected["answered"], &expected["level"]), (&json!("fused"), &json!("L1")), "{expected}");

    let own = line["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == "pictured").unwrap();
    let (found, wanted) = (own["probability"].as_f64().unwrap(), expected["probability"].as_f64().unwrap());
    assert!((found - wanted).abs() < 1e-4, "{found} and {wanted}");
    assert_eq!(own["missing"], json!(["formula"]));
    let risk = of_model(&bundle, "pictured");
    let notes = notes(risk);
    for part in ["image only", "record only", "Mayo", "cross-fitted by patient", "was not checked"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let basis = risk["basis"].as_array().unwrap();
    assert!(basis.len() > 10, "every finding of the image, and the laboratory value: {basis:?}");

    // without a record the calibrated picture answers
    fs::remove_file(folder.join("record.json")).unwrap();
    let alone =
        ["analyze", "study", "--out", "alone", "--device", "cpu", "--json", "--config", "chiasm.toml"];
    let output = run(folder, &alone);
    succeeded(&output);
    let line = lines(&output).remove(0);
    let own = line["risks"].as_array().unwrap().iter().find(|risk| risk["id"] == "pictured").unwrap();
    assert!((own["probability"].as_f64().unwrap() - expected["image_only"].as_f64().unwrap()).abs() < 1e-4);
    assert_eq!(own["missing"], json!(["record", "formula"]));
}

#[test]
fn late_fusion_of_another_bundle_or_of_what_no_report_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    pictured_site(folder, PICTURED);
    let model = folder.join("model/model.json");
    let file = fs::read_to_string(&model).unwrap();
    let refused = |text: &str| problem_of(folder, text);
    assert!(refused(&file).starts_with("RiskModelBundle"));
    assert!(refused(&file.replace("\"logits\"", "\"embedding\"")).starts_with("RiskModelPictures"));
    let said = refused(&file.replace("\"mayo\"", "\"our-own\""));
    assert!(said.starts_with("RiskModelColumn") && said.contains("`our-own`"), "{said}");
}
