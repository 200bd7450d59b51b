//! Two real models on one device: the built-in one and `pneumonia-mnist` from its folder.

use std::fs;
use std::path::{Path, PathBuf};

use models::bundle::Contents;

use super::*;
use crate::config::Config;
use crate::model::{BUILT_IN, BundlePlace, SiteModel};

const OTHER: ModelNumber = ModelNumber(1);

fn pneumonia() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundles/pneumonia-mnist")
}

/// Both models with so much memory; `None` is enough for both.
fn both(folder: &Path, memory_bytes: Option<u64>) -> Opening {
    let mut opening = Opening::built_in(&Config::load(None, None).unwrap()).unwrap();
    let place = BundlePlace::Folder(folder.to_owned());
    let bundle = place.open(&[]).unwrap();
    opening.models.push(SiteModel::of(&bundle, place).unwrap());
    opening.memory_bytes = memory_bytes.unwrap_or(1 << 30);
    opening
}

fn local(opening: &Opening) -> Local {
    OpenLocal { opening: opening.clone(), device: DeviceArg::Cpu }.local().unwrap()
}

fn built_in_bytes() -> u64 {
    Footprint::of(&Bundle::embedded().unwrap(), 1).total()
}

fn pictures() -> [Arc<GreyImage>; 1] {
    let values = (0..64 * 64).map(|index| f32::from(u8::try_from(index % 61).unwrap()) / 61.0).collect();
    [Arc::new(GreyImage::new(64, 64, values).unwrap())]
}

fn copied(to: &Path) {
    for file in ["manifest.json", "card.md", "weights.safetensors"] {
        fs::copy(pneumonia().join(file), to.join(file)).unwrap();
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> String {
    let error = answer.unwrap_err();
    assert!(!error.is_end_of_engine(), "the engine is well");
    error.ending().why().code.clone()
}

#[test]
fn two_models_take_turns_under_a_budget_for_one_and_say_the_same() {
    let pictures = pictures();
    let mut roomy = local(&both(&pneumonia(), None));
    let mut narrow = local(&both(&pneumonia(), Some(built_in_bytes())));
    for _ in 0..3 {
        for model in [BUILT_IN, OTHER] {
            let expected = roomy.score(model, &pictures).unwrap();
            assert_eq!(narrow.score(model, &pictures).unwrap(), expected, "bit by bit");
            assert!(narrow.facts().holds(model));
            assert_eq!(narrow.facts().models.iter().filter(|model| model.is_resident).count(), 1);
        }
    }
    let counts = |local: &Local| {
        local.facts().models.iter().map(|model| (model.loads, model.evictions)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&roomy), [(1, 0), (1, 0)]);
    assert_eq!(counts(&narrow), [(3, 3), (3, 2)], "each was self-tested at each load");
    assert!(narrow.facts().models.iter().all(|model| model.load_ms > 0.0 && model.device.starts_with("CPU")));
}

#[test]
fn a_warm_up_evicts_nothing() {
    let mut local = local(&both(&pneumonia(), Some(built_in_bytes())));
    local.load(BUILT_IN, false).unwrap();
    local.load(OTHER, true).unwrap();
    assert!(local.facts().holds(BUILT_IN) && !local.facts().holds(OTHER));
    local.load(OTHER, false).unwrap();
    assert!(!local.facts().holds(BUILT_IN) && local.facts().holds(OTHER));
}

#[test]
fn a_model_that_never_fits_says_what_it_needs_and_evicts_nothing() {
    let mut local = local(&both(&pneumonia(), Some(built_in_bytes() - 1)));
    local.load(OTHER, false).unwrap();
    assert_eq!(code(local.load(BUILT_IN, false)), "ModelTooLarge");
    assert!(local.facts().holds(OTHER));
}

#[test]
fn a_bundle_that_changes_under_the_worker_is_not_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let mut local = local(&both(folder.path(), Some(built_in_bytes())));
    local.score(OTHER, &pictures()).unwrap();
    local.load(BUILT_IN, false).unwrap();
    let weights = folder.path().join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_eq!(code(local.score(OTHER, &pictures())), "BundleDigest");
    // a good bundle, but another one
    let bundle = Bundle::open(&pneumonia()).unwrap();
    let Contents::Classifier(manifest) = bundle.contents().clone() else { panic!("a classifier") };
    let mut manifest = *manifest;
    manifest.labels[0].threshold_low -= 0.01;
    let weights = fs::read(pneumonia().join("weights.safetensors")).unwrap();
    let another = Bundle::classifier(manifest, bundle.card().to_owned(), weights).unwrap();
    another.write(folder.path()).unwrap();
    assert_eq!(code(local.score(OTHER, &pictures())), "ModelChanged");
    assert!(local.score(BUILT_IN, &pictures()).is_ok(), "the other model goes on");
}

#[test]
fn with_pinned_keys_an_unsigned_bundle_is_not_loaded() {
    use models::bundle::seal::SigningKey;
    let mut opening = both(&pneumonia(), None);
    opening.pinned = vec![SigningKey::from_seed(&"1".repeat(64)).unwrap().public_key()];
    let mut local = local(&opening);
    assert_eq!(code(local.load(OTHER, false)), "BundleUnsigned");
    assert_eq!(code(local.load(BUILT_IN, false)), "BundleUnsigned");
}
