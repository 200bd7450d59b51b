//! The invariants of `ARCHITECTURE.md` that a test can check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chiasm_tests::workspace;
use serde_json::Value;

const PILLARS: [&str; 3] = ["dicom-ingest", "models", "fusion"];

/// Names of the direct dependencies of each package of the workspace, normal and build ones.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let names =
                package["dependencies"].as_array().unwrap().iter().map(|one| text(&one["name"])).collect();
            (text(&package["name"]), names)
        })
        .collect()
}

#[test]
fn pillars_never_import_each_other_nor_the_worker() {
    let dependencies = dependencies();
    for pillar in PILLARS {
        let names = &dependencies[pillar];
        for other in PILLARS.iter().chain(&["worker"]) {
            assert!(!names.contains(*other), "{pillar} depends on {other}");
        }
    }
}

#[test]
fn only_the_worker_knows_the_queue_and_only_models_and_fusion_know_burn() {
    for (package, names) in dependencies() {
        for queue in ["lapin", "rusqlite", "sqlx"] {
            let allowed = ["worker", "chiasm-tests"].contains(&package.as_str());
            assert!(allowed || !names.contains(queue), "{package} depends on {queue}");
        }
        for burn in ["burn", "burn-wgpu", "wgpu"] {
            let allowed = ["models", "fusion"].contains(&package.as_str());
            assert!(allowed || !names.contains(burn), "{package} depends on {burn}");
        }
        for sdk in names.iter().filter(|name| name.starts_with("aws-")) {
            assert!(package == "dicom-ingest", "{package} depends on {sdk}");
        }
        for dicom in names.iter().filter(|name| name.starts_with("dicom-") && *name != "dicom-ingest") {
            // the worker speaks the protocol to its targets, as it speaks HTTP; it parses no DICOM (ADR 13)
            let protocol = ["dicom-ul", "dicom-transfer-syntax-registry"].contains(&dicom.as_str());
            let allowed = ["dicom-ingest", "chiasm-tests"].contains(&package.as_str());
            assert!(allowed || package == "worker" && protocol, "{package} depends on {dicom}");
        }
    }
}

#[test]
fn one_place_opens_the_device() {
    let opened: Vec<_> = sources("worker/src")
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("Device::open"))
        .collect();
    assert_eq!(opened, [workspace().join("worker/src/device.rs")]);
    for path in sources("models/src").iter().chain(&sources("fusion/src")) {
        let text = fs::read_to_string(path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        let makes =
            ["Device::flex(", "Device::wgpu(", "Device::vulkan("].iter().any(|call| program.contains(call));
        let place = path.starts_with(workspace().join("models/src/device"))
            || *path == workspace().join("models/src/device.rs");
        assert!(!makes || place, "{} makes a device", path.display());
    }
}

#[test]
fn pure_stages_read_no_file_and_no_clock() {
    let pure = [
        "worker/src/report",
        "worker/src/compose",
        "worker/src/message",
        "worker/src/identity.rs",
        "worker/src/select.rs",
        "worker/src/declaration",
        "worker/src/inspect",
        "worker/src/convert.rs",
        "fusion/src/formulas",
        "fusion/src/features",
        "models/src/preprocess.rs",
        "models/src/preprocess",
    ];
    let tests_only = |path: &Path| {
        ["tests.rs", "sample"].iter().any(|name| path.ends_with(name))
            || path.parent().is_some_and(|folder| folder.ends_with("tests"))
    };
    for path in pure.iter().flat_map(|place| sources(place)).filter(|path| !tests_only(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        for forbidden in ["std::fs", "std::net", "SystemTime", "Instant::now", "Timestamp::now", "Zoned::now"]
        {
            assert!(!program.contains(forbidden), "{} uses {forbidden}", path.display());
        }
    }
}

#[test]
fn no_report_is_written_final_and_serde_json_keeps_fractions() {
    for path in sources("worker/src/report/fhir") {
        let text = fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!program.contains("\"final\""), "{} can write `final`", path.display());
    }
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "features", "--invert", "serde_json", "--workspace"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("arbitrary_precision"));
}

/// The program alone and the program beside its tests ask for the same features of what they share: otherwise Burn is
/// compiled twice (ADR 1).
#[test]
fn the_program_and_its_tests_share_one_set_of_features() {
    let program = features(&["-p", "worker", "--edges", "normal,build"]);
    let with_tests = features(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(program.len() > 100);
    for line in &program {
        assert!(with_tests.contains(line), "with the tests this has other features: {line}");
    }
}

/// One line a package: name, version, features.
fn features(selection: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--format", "{p} [{f}]"])
        .args(selection)
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The Rust files at or below a place of the workspace; a place must exist, so that a rule cannot go stale.
fn sources(place: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            let mut entries: Vec<_> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            for entry in &entries {
                walk(entry, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_owned());
        }
    }
    let path = workspace().join(place);
    assert!(path.exists(), "`{place}` moved: adapt this test");
    let mut found = Vec::new();
    walk(&path, &mut found);
    found
}
