//! A bundle survives its folder, and one that was tampered with is refused.

use std::path::Path;

use models::bundle::{CARD_FILE, MANIFEST_FILE, WEIGHTS_FILE};
use models::{Bundle, Device, DeviceChoice, Scorer};

use crate::small;

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    small::trained().write(folder.path()).unwrap();
    folder
}

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn code(folder: &Path) -> Option<&'static str> {
    Bundle::open(folder).err().map(|error| error.code())
}

#[test]
fn a_bundle_is_the_same_after_its_folder() {
    let folder = written();
    let opened = Bundle::open(folder.path()).unwrap();
    let bundle = small::trained().bundle();
    assert_eq!(opened.manifest(), bundle.manifest());
    assert_eq!(opened.card(), bundle.card());
    assert_eq!(opened.digest(), bundle.digest());
    assert_eq!((opened.id(), opened.version()), ("cxr-findings", "0.0.1"));
}

#[test]
fn a_flipped_bit_in_the_weights_is_refused() {
    let folder = written();
    change(&folder.path().join(WEIGHTS_FILE), |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    assert_eq!(code(folder.path()), Some("BundleDigest"));
}

#[test]
fn cut_weights_are_refused() {
    let folder = written();
    change(&folder.path().join(WEIGHTS_FILE), |bytes| bytes.truncate(100));
    assert_eq!(code(folder.path()), Some("BundleDigest"));
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    let folder = written();
    let manifest = folder.path().join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&manifest).unwrap();
    let broken = [
        ("{}".to_owned(), "BundleManifest"),
        (text.replace("\"format\": 1", "\"format\": 2"), "BundleInconsistent"),
        (text.replace("\"format\": 1", "\"format\": 1, \"surprise\": 0"), "BundleManifest"),
        (text.replace("\"members\": 2", "\"members\": 0"), "BundleInconsistent"),
        (text.replace("weights.safetensors", "../weights"), "BundleInconsistent"),
    ];
    for (text, stated) in broken {
        std::fs::write(&manifest, text).unwrap();
        assert_eq!(code(folder.path()), Some(stated));
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in [CARD_FILE, MANIFEST_FILE, WEIGHTS_FILE] {
        let folder = written();
        std::fs::remove_file(folder.path().join(file)).unwrap();
        let error = Bundle::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn weights_of_another_architecture_do_not_load() {
    let folder = written();
    change(&folder.path().join(MANIFEST_FILE), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap().replace("\"members\": 2", "\"members\": 3");
        *bytes = text.into_bytes();
    });
    let bundle = Bundle::open(folder.path()).unwrap();
    let error = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).err().unwrap();
    assert_eq!(error.code(), "ModelWeights");
}

#[test]
fn a_self_test_that_differs_is_refused() {
    let folder = written();
    let bundle = Bundle::open(folder.path()).unwrap();
    let logit = bundle.manifest().self_test.frontal_logit;
    change(&folder.path().join(MANIFEST_FILE), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace(&format!("{logit}"), &format!("{}", logit + 0.01)).into_bytes();
    });
    let bundle = Bundle::open(folder.path()).unwrap();
    let error = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).err().unwrap();
    assert_eq!(error.code(), "ModelSelfTestDiffers");
}
