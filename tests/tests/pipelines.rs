//! Pipelines of the site beside the built-in one: several models on one device, and bundles that are not used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use chiasm_tests::{chiasm, lines, phantom_study, run, workspace};
use models::{Bundle, Footprint};
use worker::lane::Lane;

use crate::recipes::of_radiographs;

const PATIENCE: Duration = Duration::from_mins(2);
const MIB: u64 = 1024 * 1024;

const RECIPE: &str = r#"
id = "narrow"
version = "1.0.0"
title = "A narrow network"

RADIOGRAPHS

[architecture]
family = "resnet"
input_channels = 1
outputs = 3
stem = "large"
block = "basic"
blocks = [1, 1, 1, 1]
width = 4

[preprocessing]
height = 224
width = 224
steps = [{ step = "resize", height = 224, width = 224, rule = "torchvision-bilinear" }]
channels = [{ mean = 0.5, deviation = 0.5 }]

[[labels]]
name = "one"
[[labels]]
name = "two"
[[labels]]
name = "three"
"#;

fn models(arguments: &[&Path]) -> Output {
    run(&[&[Path::new("models")], arguments].concat())
}

/// Imports the narrow network into `folder`.
fn imported(folder: &Path) -> PathBuf {
    let (recipe, bundle) = (folder.join("narrow.toml"), folder.join("narrow"));
    fs::write(&recipe, of_radiographs(RECIPE)).unwrap();
    let weights = workspace().join("models/tests/reference/files/resnet-checkpoint.pt");
    let words = ["import", "--arch", "resnet18", "--config"].map(Path::new);
    let output = models(&[&words[..], &[&recipe, &weights, Path::new("--out"), &bundle]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    bundle
}

/// MiB that hold each of the two models alone and not both.
fn budget_for_one(other: &Path) -> u64 {
    let bytes = [Bundle::embedded().unwrap(), Bundle::open(other).unwrap()]
        .map(|bundle| Footprint::of(&bundle, 1).total());
    let budget = bytes[0].max(bytes[1]).div_ceil(MIB);
    assert!(bytes[0] + bytes[1] > budget * MIB, "{bytes:?}");
    budget
}

fn counted(text: &str, name: &str, model: &str) -> f64 {
    let series = format!("{name}{{model=\"{model}\"");
    text.lines()
        .find_map(|line| line.starts_with(&series).then(|| line.rsplit_once(' '))??.1.parse().ok())
        .unwrap_or(f64::NAN)
}

#[test]
fn two_pipelines_share_a_device_that_is_killed_under_load_and_has_room_for_one_model() {
    let mut site = Site::open(Mode::Embedded, Plan::new(31));
    let bundle = imported(site.folder());
    let budget = budget_for_one(&bundle);
    let start = Start::default()
        .with("CHIASM__PIPELINES__NARROW__PATH", bundle.display())
        .with("CHIASM__MODELS__MEMORY_MIB", budget);
    let number = site.start(&start);
    site.wait_until_ready(number);
    let studies = site.studies(24);
    let (built_in, narrow) = studies.split_at(12);
    for (own, other) in built_in.chunks(4).zip(narrow.chunks(4)) {
        site.submit(own, Lane::Routine);
        site.submit_to("narrow", other, Lane::Routine);
    }
    let mut killed = Vec::new();
    wait_until("two device processes were killed under load", PATIENCE, || {
        let due = site.ended() > 6 * killed.len() as u64;
        if let Some(pid) = site.workers[number].device_process().filter(|pid| due && !killed.contains(pid)) {
            drop(Command::new("kill").args(["-s", "KILL", &pid.to_string()]).output().unwrap());
            killed.push(pid);
        }
        killed.len() == 2
    });
    site.wait_until_done(PATIENCE);
    let verdict = site.check();
    verdict.assert();
    assert_eq!(verdict.states["reported"], studies.len());
    for (studies, title) in [(built_in, "Fourteen findings"), (narrow, "A narrow network")] {
        for study in studies {
            let page = fs::read_to_string(site.folder().join("reports").join(study).join("report.html"));
            assert!(page.unwrap().contains(title), "{study} was read by another model");
        }
    }
    let metrics = site.workers[number].get("/metrics").unwrap();
    for model in ["cxr-findings", "narrow"] {
        assert!(counted(&metrics, "chiasm_model_loads_total", model) >= 2.0, "{metrics}");
        assert!(counted(&metrics, "chiasm_model_load_time_seconds", model) > 0.0);
    }
    let resident = ["cxr-findings", "narrow"].map(|model| counted(&metrics, "chiasm_model_resident", model));
    assert!(resident.iter().sum::<f64>() <= 1.0, "room for one: {resident:?}");

    let listed = Command::new(chiasm())
        .args(["models", "list", "--url", &format!("http://{}", site.workers[number].listen)])
        .env("CHIASM__PIPELINES__NARROW__PATH", &bundle)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let of = |model: &str| listed.lines().find(|line| line.starts_with(model)).unwrap().to_owned();
    for line in [of("cxr-findings"), of("narrow")] {
        assert!(line.contains("resident, loaded ") && line.contains(" MiB"), "{listed}");
    }
}

/// `chiasm` with pipelines of the site in its environment.
fn with_site(arguments: &[&Path], variables: &[(&str, &Path)]) -> Output {
    Command::new(chiasm()).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn a_study_is_read_by_the_pipeline_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path());
    let study = folder.path().join("study");
    phantom_study(&study, 7);
    let variables = [("CHIASM__PIPELINES__NARROW__PATH", bundle.as_path())];
    let out = |name: &str| folder.path().join(name);
    let analyze = |out: &Path, more: &[&str]| {
        let words: Vec<&Path> = more.iter().map(Path::new).collect();
        let fixed = [Path::new("analyze"), &study, Path::new("--json"), Path::new("--out"), out];
        with_site(&[&fixed[..], &words].concat(), &variables)
    };
    let line = lines(&analyze(&out("one"), &["--pipeline", "narrow"])).remove(0);
    let labels: Vec<_> =
        line["findings"].as_array().unwrap().iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels, ["one", "two", "three"], "{line}");
    // the site's network is nobody's that its manifest does not name
    let report = Path::new(line["files"]["html"].as_str().unwrap()).parent().unwrap();
    let bundle: serde_json::Value =
        serde_json::from_slice(&fs::read(report.join("bundle.json")).unwrap()).unwrap();
    let narrow = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let narrow: Vec<_> = narrow.filter(|one| one["modelNumber"] == "narrow").collect();
    assert_eq!(narrow.len(), 1);
    assert!(narrow[0].get("manufacturer").is_none(), "{}", narrow[0]);
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(page.contains("maker not stated"));
    let line = lines(&analyze(&out("two"), &[])).remove(0);
    assert_eq!(line["findings"].as_array().unwrap().len(), 14);
    let unknown = analyze(&out("three"), &["--pipeline", "gone"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no pipeline `gone`"));
}

#[test]
fn a_bundle_that_does_not_verify_is_refused_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path());
    let worker = |variables: &[(&str, &Path)]| {
        let state = folder.path().join("state");
        let arguments = [Path::new("worker"), Path::new("--once"), Path::new("--state"), &state];
        let path = ("CHIASM__PIPELINES__NARROW__PATH", bundle.as_path());
        let output = with_site(&arguments, &[&[path], variables].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(worker(&[]).0, Some(0));

    // a pinned key is for every model, the built-in one too
    let (key, signature) = (folder.path().join("key"), folder.path().join("cxr.json"));
    let public = models(&[Path::new("key"), Path::new("--out"), &key]);
    let public = String::from_utf8(public.stdout).unwrap();
    let pinned = [("CHIASM__MODELS__PINNED_KEYS", Path::new(public.trim()))];
    let (code, error) = worker(&pinned);
    assert!(
        code == Some(1) && error.contains("BundleUnsigned") && error.contains("`chest-radiograph`"),
        "{error}"
    );
    let sign = |bundle: &Path, more: &[&Path]| {
        let signed = models(&[&[Path::new("sign"), bundle, Path::new("--key"), &key], more].concat());
        assert_eq!(signed.status.code(), Some(0), "{}", String::from_utf8_lossy(&signed.stderr));
    };
    sign(Path::new("cxr-findings"), &[Path::new("--out"), &signature]);
    let pinned = [pinned[0], ("CHIASM__MODELS__BUILT_IN_SIGNATURE_FILE", signature.as_path())];
    let (code, error) = worker(&pinned);
    assert!(code == Some(1) && error.contains("BundleUnsigned") && error.contains("`narrow`"), "{error}");
    sign(&bundle, &[]);
    assert_eq!(worker(&pinned).0, Some(0));
    let verify = |more: &[&Path]| {
        let words =
            [Path::new("verify"), Path::new("cxr-findings"), Path::new("--pin"), Path::new(public.trim())];
        models(&[&words[..], more].concat())
    };
    assert_eq!(verify(&[Path::new("--signature"), &signature]).status.code(), Some(0));
    assert!(String::from_utf8_lossy(&verify(&[]).stderr).contains("BundleUnsigned"));

    let weights = bundle.join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let (code, error) = worker(&[]);
    assert!(code == Some(1) && error.contains("BundleDigest") && error.contains("`narrow`"), "{error}");
    let listed = with_site(
        &[Path::new("models"), Path::new("list")],
        &[("CHIASM__PIPELINES__NARROW__PATH", bundle.as_path())],
    );
    assert_eq!(listed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("BundleDigest"));
}
