//! A bundle survives its folder, and one that was tampered with is refused.

use std::path::Path;

use models::bundle::{CARD_FILE, MANIFEST_FILE, WEIGHTS_FILE};
use models::{Bundle, Device, DeviceChoice, Scorer};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

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
    assert_eq!(opened.contents(), bundle.contents());
    assert_eq!(opened.model_card(), bundle.model_card());
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
        (text.replace("\"format\": 2", "\"format\": 3"), "BundleInconsistent"),
        (text.replace("\"format\": 2", "\"format\": 1"), "BundleInconsistent"),
        (text.replace("\"format\": 2", "\"format\": 2, \"surprise\": 0"), "BundleManifest"),
        (text.replace("\"format\": 2", "\"format\": 2, \"kind\": \"classifier\""), "BundleManifest"),
        (text.replace("\"members\": 2", "\"members\": 0"), "BundleSeal"),
        (text.replace("weights.safetensors", "../weights"), "BundleSeal"),
    ];
    for (text, stated) in broken {
        std::fs::write(&manifest, text).unwrap();
        assert_eq!(code(folder.path()), Some(stated));
    }
}

/// Changes the manifest of the written bundle by `edit` and seals it again, as its maker could.
fn resealed(folder: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    change(&folder.join(MANIFEST_FILE), |bytes| {
        let mut manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        edit(&mut manifest);
        // the seal is over the fields in their order, which a `Value` does not keep
        let mut manifest: models::bundle::manifest::Manifest = serde_json::from_value(manifest).unwrap();
        let seal = manifest.seal.as_mut().unwrap();
        seal.manifest_sha256 = String::new();
        let digest = Sha256::digest(serde_json::to_vec(&manifest).unwrap());
        let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        manifest.seal.as_mut().unwrap().manifest_sha256 = hex.concat();
        *bytes = serde_json::to_vec(&manifest).unwrap();
    });
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
    resealed(folder.path(), |manifest| manifest["architecture"]["members"] = 3.into());
    let bundle = Bundle::open(folder.path()).unwrap();
    let error = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).err().unwrap();
    assert_eq!(error.code(), "ModelWeights");
}

/// The file with its kernels, and nothing else, in f64.
fn wide_kernels(bytes: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, tensor)| {
            let (numbers, _) = tensor.data().as_chunks::<4>();
            let wide = || numbers.iter().flat_map(|four| f64::from(f32::from_le_bytes(*four)).to_le_bytes());
            let (dtype, bytes) = match tensor.shape().len() {
                4 => (Dtype::F64, wide().collect()),
                _ => (tensor.dtype(), tensor.data().to_vec()),
            };
            (name.to_owned(), dtype, tensor.shape().to_vec(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn weights_of_another_width_do_not_load() {
    let folder = written();
    let mut wide = Vec::new();
    change(&folder.path().join(WEIGHTS_FILE), |bytes| {
        *bytes = wide_kernels(bytes);
        wide.clone_from(bytes);
    });
    resealed(folder.path(), |manifest| {
        let hex: Vec<String> = Sha256::digest(&wide).iter().map(|byte| format!("{byte:02x}")).collect();
        manifest["weights"]["bytes"] = wide.len().into();
        manifest["weights"]["sha256"] = hex.concat().into();
    });
    let bundle = Bundle::open(folder.path()).unwrap();
    let error = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).err().unwrap();
    assert_eq!(error.code(), "ModelWeights");
}

#[test]
fn a_short_file_of_weights_for_large_networks_is_refused_before_they_are_made() {
    let folder = written();
    resealed(folder.path(), |manifest| manifest["architecture"]["members"] = 64.into());
    assert_eq!(code(folder.path()), Some("BundleInconsistent"));
}

#[test]
fn a_self_test_that_differs_is_refused() {
    let folder = written();
    resealed(folder.path(), |manifest| {
        let logit = manifest["self_test"]["frontal_logit"].as_f64().unwrap();
        manifest["self_test"]["frontal_logit"] = (logit + 0.01).into();
    });
    let bundle = Bundle::open(folder.path()).unwrap();
    let error = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).err().unwrap();
    assert_eq!(error.code(), "ModelSelfTestDiffers");
}

#[test]
fn labels_in_another_order_are_refused_in_a_copy_of_the_built_in_bundle_too() {
    let swapped = |folder: &Path| {
        change(&folder.join(MANIFEST_FILE), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let text = text.replace("\"Atelectasis\"", "\"?\"").replace("\"Effusion\"", "\"Atelectasis\"");
            *bytes = text.replace("\"?\"", "\"Effusion\"").into_bytes();
        });
        code(folder)
    };
    assert_eq!(swapped(written().path()), Some("BundleSeal"));
    let published = tempfile::tempdir().unwrap();
    let embedded = Bundle::embedded().unwrap();
    embedded.write(published.path()).unwrap();
    assert_eq!(code(published.path()), None);
    assert_eq!(swapped(published.path()), Some("BundleSeal"));
    embedded.write(published.path()).unwrap();
    change(&published.path().join(CARD_FILE), |bytes| bytes.push(b'!'));
    assert_eq!(code(published.path()), Some("BundleSeal"));
}

#[test]
fn a_changed_card_is_refused() {
    let folder = written();
    change(&folder.path().join(CARD_FILE), |bytes| bytes.extend_from_slice(b"Safe for everybody."));
    assert_eq!(code(folder.path()), Some("BundleSeal"));
}
