//! `chiasm fusion` as a program: from pictures and records to a table, a fused model, and its answers.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chiasm_tests::chiasm as program;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::drawn_tables::drawn_table;

const CONFIG: &str = r#"
[image]
key = "file"
label = "Picture"
source = "drawn numbers"
components = 2
SMALL_NETWORK
[table]
id = "drawn"
title = "Drawn rows"
MADE_UP
seed = 3
numeric = [{ column = "x", label = "X", unit = "1", range = [-10.0, 10.0] }]
"#;

fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(program()).args(arguments).current_dir(folder).output().unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// 160 rows of 160 patients: the outcome follows the sum of the row's `x` and the first number of its vector.
fn drawn(folder: &Path) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut table, mut vectors) = ("who,sick,x,file\n".to_owned(), "file,e0,e1,e2\n".to_owned());
    for row in 0..160 {
        let mut draw = || random.random_range(-1.0..1.0_f64);
        let (x, a, b, c) = (draw(), draw(), draw(), draw());
        let sick = random.random_range(0.0..1.0) < 1.0 / (1.0 + (-3.0 * (x + a)).exp());
        table.extend([format!("p{row},{},{x:.4},f{row}\n", u8::from(sick))]);
        vectors.extend([format!("f{row},{:.4},{b:.4},{c:.4}\n", 2.0 * a)]);
    }
    fs::write(folder.join("table.csv"), table).unwrap();
    fs::write(folder.join("vectors.csv"), vectors).unwrap();
    fs::write(folder.join("config.toml"), drawn_table(CONFIG)).unwrap();
}

#[test]
fn a_fused_model_is_trained_evaluated_and_says_who_answered() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drawn(folder);
    let train = ["fusion", "train", "config.toml", "--data", "table.csv", "--out", "model"];
    let without = run(&train, folder);
    assert!(!without.status.success());
    assert!(String::from_utf8_lossy(&without.stderr).contains("--embeddings"));
    let card = succeeded(&run(&[&train[..], &["--embeddings", "vectors.csv"]].concat(), folder));
    assert!(card.contains("## Which level is kept") && card.contains("| L1 late |"), "{card}");
    let ladder: Value =
        serde_json::from_slice(&fs::read(folder.join("model/evaluation.json")).unwrap()).unwrap();
    assert!(["L1", "L2"].contains(&ladder["decision"]["keeps"].as_str().unwrap()));
    assert_eq!(ladder["subsets"][0]["arms"].as_array().unwrap().len(), 4);
    for file in ["model.json", "card.md", "roc.svg", "roc.png"] {
        assert!(fs::metadata(folder.join("model").join(file)).unwrap().len() > 500, "{file}");
    }

    fs::write(folder.join("asked.csv"), "x,file\n0.5,f1\n,f1\n0.5,nowhere\n,nowhere\n").unwrap();
    let score = ["fusion", "score", "model/model.json", "--data", "asked.csv", "--embeddings", "vectors.csv"];
    let lines = succeeded(&run(&score, folder));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = lines.iter().map(|line| &line["answered"]).collect();
    assert_eq!(
        answered,
        ["fused", "image-only", "record-only"]
            .map(Value::from)
            .iter()
            .chain([&Value::Null])
            .collect::<Vec<_>>()
    );
    assert_eq!(lines[3]["reason"], "neither picture nor record says anything");
    assert_eq!(lines[1]["probability"], lines[0]["image_only"]);
    let what_if = succeeded(&run(&[&score[..], &["--set", "x=-0.9"]].concat(), folder));
    let what_if: Value = serde_json::from_str(what_if.lines().next().unwrap()).unwrap();
    assert!(what_if["probability"].as_f64() < lines[0]["probability"].as_f64(), "{what_if}");
    assert_eq!(what_if["before"]["probability"], lines[0]["probability"]);
    assert_eq!(what_if["set"]["x"], "-0.9");
    assert!(what_if["change_logit"].as_f64().unwrap() < -0.5, "{what_if}");
    assert!(lines[0]["before"].is_null() && lines[0]["indeterminate"].is_boolean(), "{}", lines[0]);

    let evaluate = ["fusion", "evaluate", "config.toml", "--data", "table.csv", "--out", "again"];
    fs::copy(folder.join("model/model.json"), folder.join("model.json")).unwrap();
    let text = succeeded(&run(&[&evaluate[..], &["--embeddings", "vectors.csv"]].concat(), folder));
    assert!(text.contains("| record only |"), "{text}");
    let report: Value =
        serde_json::from_slice(&fs::read(folder.join("again/evaluation.json")).unwrap()).unwrap();
    let stress = report["stress"].as_array().unwrap();
    assert_eq!(stress.len(), 4);
    assert!(stress.iter().all(|one| one["auroc"].as_f64().is_some()), "{stress:?}");
    for part in ["record taken away", "## TRIPOD+AI", "| 27 usability |", "nothing was fitted"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn pictures_and_records_become_vectors_and_columns_and_nothing_later_than_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeeded(&run(&["demo", "--out", "demo", "--device", "cpu"], folder));
    fs::create_dir(folder.join("ehr")).unwrap();
    fs::copy(folder.join("demo/record.json"), folder.join("ehr/record.json")).unwrap();
    let rows = "who,when,file\nDEMO0007,2026-11-20T00:00:00Z,study/phantom.dcm\nDEMO0007,2020-01-01T00:00:00Z,absent.dcm\n";
    fs::write(folder.join("rows.csv"), rows).unwrap();

    let embed =
        ["fusion", "embed", "--data", "rows.csv", "--column", "file", "--folder", "demo", "--out", "v.csv"];
    let refused = run(&embed, folder);
    assert!(!refused.status.success(), "a picture is absent");
    succeeded(&run(&[&embed[..], &["--skip-absent"]].concat(), folder));
    let vectors = fs::read_to_string(folder.join("v.csv")).unwrap();
    let lines: Vec<&str> = vectors.lines().collect();
    assert_eq!(lines.len(), 2, "a header and the one that is there");
    assert!(lines[0].starts_with("file,e0,e1,") && lines[1].starts_with("study/phantom.dcm,"));
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    assert!(lines[1].split(',').skip(1).all(|cell| cell.parse::<f32>().unwrap().is_finite()));

    let table = [
        "fusion",
        "table",
        "--data",
        "rows.csv",
        "--records",
        "ehr",
        "--patient",
        "who",
        "--at",
        "when",
        "--out",
        "t.csv",
    ];
    let unknown = run(&[&table[..], &["--feature", "no-such-thing"]].concat(), folder);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("no-such-thing"));
    succeeded(&run(&[&table[..], &["--feature", "pack-years", "--feature", "sex"]].concat(), folder));
    let made = fs::read_to_string(folder.join("t.csv")).unwrap();
    let cells: Vec<Vec<&str>> = made.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cells[0][3..], ["pack-years", "pack-years_age_days", "sex", "sex_age_days"]);
    assert!(
        cells[1][3].parse::<f64>().unwrap() > 0.0 && cells[1][4].parse::<f64>().unwrap() > 200.0,
        "{made}"
    );
    assert_eq!(cells[2][3..5], ["", ""], "known only later: {made}");
    assert!(["male", "female"].contains(&cells[1][5]), "{made}");
}
