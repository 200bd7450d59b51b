//! `chiasm models`: a network from outside is imported, verified, signed and explained; what does not fit is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use chiasm_tests::{run, workspace};

const RECIPE: &str = r#"
id = "narrow"
version = "1.0.0"
title = "A narrow network"

[architecture]
family = "resnet"
input_channels = 1
outputs = 3
stem = "large"
block = "basic"
blocks = [1, 1, 1, 1]
width = 4

[preprocessing]
height = 64
width = 64
steps = [{ step = "resize", height = 64, width = 64, rule = "torchvision-bilinear" }]
channels = [{ mean = 0.5, deviation = 0.5 }]

[[labels]]
name = "one"
[[labels]]
name = "two"
[[labels]]
name = "three"
threshold_low = 0.2
threshold_high = 0.7
"#;

fn chiasm(arguments: &[&str]) -> Output {
    let arguments: Vec<&Path> =
        std::iter::once("models").chain(arguments.iter().copied()).map(Path::new).collect();
    run(&arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn weights() -> PathBuf {
    workspace().join("models/tests/reference/files/resnet-checkpoint.pt")
}

/// Standard output of a command that has to succeed.
fn said(arguments: &[&str]) -> String {
    let output = chiasm(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that has to fail.
fn refused(arguments: &[&str]) -> String {
    let output = chiasm(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_imported_network_verifies_until_it_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (recipe, bundle, weights) = (place("recipe.toml"), place("bundles/narrow"), weights());
    fs::write(&recipe, RECIPE).unwrap();
    let import =
        ["import", "--arch", "resnet18", "--config", text(&recipe), text(&weights), "--out", text(&bundle)];
    let imported = said(&import);
    assert!(
        imported.contains("`state_dict.module.`") && imported.contains("optimizer.state.0.exp_avg"),
        "{imported}"
    );
    assert!(imported.contains("applies to no study yet"), "{imported}");
    // a folder that holds something is not written into
    assert_eq!(chiasm(&import).status.code(), Some(2));
    assert!(said(&["verify", text(&bundle)]).contains("self-test passed on CPU"));
    assert!(said(&["show", text(&bundle)]).contains("present from 0.7"));
    assert!(said(&["card", text(&bundle)]).contains("# A narrow network"));
    assert!(said(&["list", text(&place("bundles"))]).contains("A narrow network"));

    let key = place("key");
    let public = said(&["key", "--out", text(&key)]);
    let public = public.trim();
    assert!(refused(&["verify", text(&bundle), "--pin", public]).contains("BundleUnsigned"));
    assert!(said(&["sign", text(&bundle), "--key", text(&key)]).contains(public));
    assert!(said(&["verify", text(&bundle), "--pin", public]).contains(&format!("signed by {public}")));
    assert!(refused(&["verify", text(&bundle), "--pin", &"0".repeat(64)]).contains("BundleUntrustedKey"));

    let mut bytes = fs::read(bundle.join("weights.safetensors")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(bundle.join("weights.safetensors"), bytes).unwrap();
    assert!(refused(&["verify", text(&bundle)]).contains("BundleDigest"));
    let listed = chiasm(&["list", text(&place("bundles"))]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("BundleDigest"));
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("bundle");
    let weights = weights();
    let error = refused(&["import", "--arch", "resnet18", text(&weights), "--out", text(&out)]);
    assert!(error.contains("ImportMisfits") && error.contains("missing: layer1.1.conv1.weight"), "{error}");
    assert!(error.contains("conv1.weight is [4, 1, 7, 7] and has to be [64, 1, 7, 7]"), "{error}");
    assert!(!out.exists());
    let error = refused(&["import", "--arch", "vgg16", text(&weights), "--out", text(&out)]);
    assert!(error.contains("there is no architecture `vgg16`"), "{error}");
}

#[test]
fn a_score_is_explained_as_picture_and_array() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (recipe, bundle, weights, out) = (place("recipe.toml"), place("bundle"), weights(), place("map"));
    fs::write(&recipe, RECIPE).unwrap();
    said(&[
        "import",
        "--arch",
        "resnet18",
        "--config",
        text(&recipe),
        text(&weights),
        "--out",
        text(&bundle),
    ]);
    let picture = workspace().join("docs/report.png");
    for more in [&[][..], &["--occlusion", "24"]] {
        let arguments =
            ["explain", text(&bundle), "--picture", text(&picture), "--label", "two", "--out", text(&out)];
        said(&[&arguments[..], more].concat());
        assert!(fs::read(out.join("overlay.png")).unwrap().starts_with(b"\x89PNG"));
        assert!(fs::read(out.join("map.npy")).unwrap().starts_with(b"\x93NUMPY"));
        fs::remove_dir_all(&out).unwrap();
    }
}
