//! `chiasm bench`: what was measured can be read by others, and compared.

use std::fs;
use std::path::Path;

use chiasm_tests::{run, workspace};
use serde_json::Value;

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments: Vec<&Path> =
        std::iter::once("bench").chain(arguments.iter().copied()).map(Path::new).collect();
    let output = run(&arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The shortest measurement of a small network.
fn model(json: &str, batches: &str) -> Value {
    let (code, out, error) = bench(&[
        "model",
        "--arch",
        "resnet18-28",
        "--side",
        "8",
        "--batch",
        batches,
        "--seconds",
        "0",
        "--rounds",
        "2",
        "--device",
        "cpu",
        "--json",
        json,
    ]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("latency, batch 1") && out.contains("layer1.0.conv1"), "{out}");
    serde_json::from_slice(&fs::read(json).unwrap()).unwrap()
}

#[test]
fn a_measured_model_is_a_file_with_its_plots_and_doubled_work_is_counted_double() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("model.json");
    let file = model(json.to_str().unwrap(), "1,2");
    assert_eq!(file["schema"], "chiasm-bench/1");
    assert_eq!(file["kind"], "model");
    assert!(file["machine"]["cores"].as_u64().unwrap() > 0);
    assert!(file["detail"]["shader"].is_null() && file["detail"].get("shader").is_some(), "the CPU has none");
    assert_eq!(file["command"][1], "bench");
    let flop = |index: usize| file["detail"]["batches"][index]["flop"].as_u64().unwrap();
    assert_eq!(2 * flop(0), flop(1));
    let samples = file["figures"][0]["rounds"].as_array().unwrap();
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|round| round.as_array().unwrap().len() == 3));
    let picture = fs::read(json.with_extension("png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    assert!(fs::read_to_string(json.with_extension("svg")).unwrap().contains("resnet18-28"));
}

#[test]
fn a_measurement_against_itself_is_noise_against_another_setting_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (own, other) = (path("own.json"), path("other.json"));
    let mut file = model(&own, "1");
    let (code, out, _) = bench(&["compare", &own, &own, "--json", "--fail-if-worse"]);
    assert_eq!(code, Some(0));
    let comparison: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(comparison["rows"][0]["verdict"], "noise");
    file["settings"]["precision"] = "f16".into();
    fs::write(&other, file.to_string()).unwrap();
    let (code, _, error) = bench(&["compare", &own, &other]);
    assert_eq!(code, Some(1));
    assert!(error.contains("CompareSettings") && error.contains("precision"), "{error}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let (code, _, error) = bench(&["model", "--arch", "vgg"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("resnet18"), "{error}");
    let (code, _, error) = bench(&["model", "no-such-bundle"]);
    assert_eq!(code, Some(2), "{error}");
    let (code, _, error) = bench(&["model", "--arch", "densenet121", "--side", "16", "--device", "cpu"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("too small"), "{error}");
}

/// The program of the tests is built as it is shipped: with WGSL alone.
#[test]
fn a_language_of_kernels_that_is_not_there_is_an_error_that_says_what_to_do() {
    let model = ["model", "--arch", "resnet18-28", "--side", "8", "--device", "cpu"];
    let (code, _, error) = bench(&[&model[..], &["--shader", "spirv"]].concat());
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("built without SPIR-V") && error.contains("--features spirv"), "{error}");
    let (code, _, error) = bench(&["device", "--device", "cpu", "--shader", "wgsl"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("takes no kernels") && error.contains("`gpu`"), "{error}");
    let (code, _, error) = bench(&[&model[..], &["--shader", "glsl"]].concat());
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("wgsl") && error.contains("spirv"), "{error}");
}

#[test]
fn the_whole_way_is_measured_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (json, ground) = (folder.path().join("way.json"), folder.path().join("ground"));
    fs::create_dir(&ground).unwrap();
    let (json, ground) = (json.to_str().unwrap(), ground.to_str().unwrap());
    let way = ["--studies", "2", "--device", "cpu", "--dir", ground, "--json", json];
    let read = || serde_json::from_slice::<Value>(&fs::read(json).unwrap()).unwrap();

    let pipeline = [&["pipeline", "--decoders", "1", "--rounds", "1"], &way[..]].concat();
    let (code, out, error) = bench(&pipeline);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("device idle") && out.contains("score"), "{out}");
    let plot = fs::read_to_string(Path::new(json).with_file_name("way-decoders.svg")).unwrap();
    assert!(plot.contains("processes that read files"), "{plot}");
    let run = read()["detail"]["runs"][0][0].clone();
    assert_eq!(run["ended"]["reported"], 2);
    assert_eq!(run["study_ms"].as_array().unwrap().len(), 2);
    let positive = |value: &Value| assert!(value.as_f64().unwrap() > 0.0, "{run}");
    for own in ["wall_s", "device_busy_s", "batch_fill"] {
        positive(&run[own]);
    }
    for stage in ["decode", "preprocess", "score", "compose", "store", "deliver"] {
        positive(&run["stage_s"][stage]);
    }
    run["resident_bytes"].as_array().unwrap().iter().for_each(positive);

    let (code, out, error) = bench(&[&["soak", "--minutes", "0", "--decoders", "1"], &way[..]].concat());
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("resident, worker") && out.contains("MiB an hour"), "{out}");
    assert!(out.contains("latency grew: ") && out.contains(" ms an hour"), "{out}");
    assert!(read()["detail"]["growth_ms_per_hour"].is_f64());
    let plot = fs::read_to_string(Path::new(json).with_file_name("way-latency.svg")).unwrap();
    assert!(plot.contains("99th percentile"), "{plot}");
    assert_eq!(read()["kind"], "soak");
    let series = read()["detail"]["series"].as_array().unwrap().len();
    assert_eq!(series, 3, "three runs at least, without the first that warms up");
    assert_eq!(fs::read_dir(ground).unwrap().count(), 0);
}

/// What is committed is read by the program that others compare with, and was measured on a release build.
#[test]
fn committed_results_are_files_of_this_program() {
    let results = workspace().join("benches/results");
    let folders: Vec<_> = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut read = 0;
    for folder in folders.iter().filter(|path| path.is_dir()) {
        assert!(folder.join("README.md").is_file(), "{} does not say what it is", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let own = path.to_str().unwrap();
            let (code, out, error) = bench(&["compare", own, own, "--json"]);
            assert_eq!(code, Some(0), "{own}: {error}");
            let comparison: Value = serde_json::from_str(&out).unwrap();
            let rows = comparison["rows"].as_array().unwrap();
            assert!(!rows.is_empty() && rows.iter().all(|row| row["verdict"] == "noise"), "{own}");
            let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(file["program"]["profile"], "release", "{own}");
            read += 1;
        }
    }
    assert!(read >= 5, "{read} files");
}
