//! The bundle of an imported classifier: it scores as the file's network does, and one that was tampered with is refused.

use std::path::Path;

use models::bundle::classifier::{Calibration, ClassifierManifest};
use models::bundle::gate::Gate;
use models::bundle::seal::{SigningKey, Trust};
use models::bundle::{CARD_FILE, Contents, MANIFEST_FILE, SIGNATURE_FILE, WEIGHTS_FILE};
use models::import::recipe::{Recipe, RecipeLabel, bundle as import_bundle};
use models::preprocess::pipeline::{Channel, Pipeline, Resampling, Step};
use models::{Applies, Bundle, Device, DeviceChoice, GreyImage, Scorer, StudyFacts};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{formula, import, small};

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";

pub(crate) fn cpu() -> Device {
    Device::open(DeviceChoice::Cpu).unwrap()
}

fn label(name: &str) -> RecipeLabel {
    serde_json::from_value(serde_json::json!({
        "name": name, "threshold_low": 0.4, "threshold_high": 0.6, "threshold_source": "a test",
        "codes": [{ "system": "http://snomed.info/sct", "code": "233604007", "display": "Pneumonia" }],
        "calibration": { "method": "temperature", "temperature": 2.0 },
    }))
    .unwrap()
}

pub(crate) fn recipe() -> Recipe {
    Recipe {
        id: Some("narrow".to_owned()),
        version: Some("1.2.3".to_owned()),
        architecture: Some(import::resnet()),
        preprocessing: Some(Pipeline {
            steps: vec![Step::Resize { height: 64, width: 64, rule: Resampling::TorchvisionBilinear }],
            height: 64,
            width: 64,
            channels: vec![Channel { mean: 0.0, deviation: 1.0 }],
        }),
        labels: ["first", "second", "third"].map(label).to_vec(),
        applies_to: Gate {
            modalities: vec!["DX".to_owned()],
            sop_classes: vec![DX.to_owned()],
            body_parts: vec!["CHEST".to_owned()],
            views: vec!["PA".to_owned()],
            age_min_years: Some(18.0),
            age_max_years: Some(90.0),
            pixel_spacing_min_mm: Some(0.1),
            pixel_spacing_max_mm: Some(0.3),
            ..Gate::default()
        },
        ..Recipe::default()
    }
}

pub(crate) fn made() -> Bundle {
    import_bundle(&import::file("resnet.pt"), "resnet18", &recipe(), None).unwrap().0
}

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    made().write(folder.path()).unwrap();
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

/// Changes the manifest and seals it again, as whoever can write the folder could.
/// Makes a folder one of format 1, which has no seal.
fn unsealed(folder: &Path) {
    change(&folder.join(MANIFEST_FILE), |bytes| {
        let mut manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        manifest["format"] = 1.into();
        manifest.as_object_mut().unwrap().remove("seal");
        *bytes = serde_json::to_vec(&manifest).unwrap();
    });
}

fn resealed(folder: &Path, edit: impl FnOnce(&mut ClassifierManifest)) {
    change(&folder.join(MANIFEST_FILE), |bytes| {
        let mut manifest: ClassifierManifest = serde_json::from_slice(bytes).unwrap();
        edit(&mut manifest);
        manifest.seal.manifest_sha256 = String::new();
        let digest = Sha256::digest(serde_json::to_vec(&manifest).unwrap());
        let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        manifest.seal.manifest_sha256 = hex.concat();
        *bytes = serde_json::to_vec(&manifest).unwrap();
    });
}

#[test]
fn a_bundle_is_the_same_after_its_folder_and_scores() {
    let folder = written();
    let opened = Bundle::open(folder.path()).unwrap();
    let bundle = made();
    assert_eq!(opened.contents(), bundle.contents());
    assert_eq!(opened.card(), bundle.card());
    assert_eq!((opened.id(), opened.version()), ("narrow", "1.2.3"));
    for heading in
        ["# narrow", "## Intended use", "## Applies to", "## Limits", "## Findings and performance"]
    {
        assert!(opened.card().contains(heading), "{heading}");
    }
    let scorer = Scorer::load(&opened, &cpu()).unwrap();
    let pictures: Vec<GreyImage> =
        [(64, 64), (90, 70), (30, 50)].map(|(height, width)| formula::smooth(height, width)).to_vec();
    let together = scorer.score(&pictures).unwrap();
    for (picture, scores) in pictures.iter().zip(&together) {
        assert_eq!(scores.findings.len(), 3);
        assert!(scores.chest.is_none() && scores.out_of_distribution.is_none());
        let alone = scorer.score(std::slice::from_ref(picture)).unwrap();
        for (one, other) in scores.findings.iter().zip(&alone[0].findings) {
            assert!((one.logit - other.logit).abs() < 1e-4 * one.logit.abs().max(1.0));
            let stated = 1.0 / (1.0 + (-one.logit / 2.0).exp());
            assert!((one.probability - stated).abs() < 1e-12);
        }
    }
}

#[test]
fn what_was_tampered_with_is_refused_and_says_why() {
    let folder = written();
    change(&folder.path().join(WEIGHTS_FILE), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    assert_eq!(code(folder.path()), Some("BundleDigest"));
    let folder = written();
    change(&folder.path().join(MANIFEST_FILE), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let text = text.replace("\"first\"", "\"?\"").replace("\"second\"", "\"first\"");
        *bytes = text.replace("\"?\"", "\"second\"").into_bytes();
    });
    assert_eq!(code(folder.path()), Some("BundleSeal"));
    let folder = written();
    change(&folder.path().join(CARD_FILE), |bytes| bytes.push(b'x'));
    assert_eq!(code(folder.path()), Some("BundleSeal"));
    let folder = written();
    change(&folder.path().join(MANIFEST_FILE), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap().replace("\"format\": 2", "\"format\": 1");
        *bytes = text.into_bytes();
    });
    assert_eq!(code(folder.path()), Some("BundleInconsistent"));
}

#[test]
fn a_seal_of_ones_own_does_not_hide_what_the_self_test_sees() {
    let refused = |edit: fn(&mut ClassifierManifest)| {
        let folder = written();
        resealed(folder.path(), edit);
        match Bundle::open(folder.path()) {
            Err(error) => error.code(),
            Ok(bundle) => Scorer::load(&bundle, &cpu()).err().map_or("loaded", |error| error.code()),
        }
    };
    // labels exchanged: each name would read another output
    assert_eq!(
        refused(|manifest| {
            let name = manifest.labels[0].name.clone();
            manifest.labels[0].name = std::mem::replace(&mut manifest.labels[1].name, name);
        }),
        "ModelSelfTestDiffers"
    );
    assert_eq!(refused(|manifest| manifest.labels[0].output = 1), "ModelSelfTestDiffers");
    assert_eq!(refused(|manifest| manifest.self_test.vectors.clear()), "BundleInconsistent");
    assert_eq!(
        refused(|manifest| {
            let first = manifest.self_test.vectors[0].clone();
            manifest.self_test.vectors.resize(17, first);
        }),
        "BundleInconsistent"
    );
    assert_eq!(refused(|manifest| manifest.self_test.tolerance_cpu = 1e9), "BundleInconsistent");
    assert_eq!(refused(|manifest| manifest.preprocessing.channels[0].mean = 0.1), "ModelSelfTestDiffers");
    assert_eq!(refused(|manifest| manifest.labels[2].output = 3), "BundleInconsistent");
    // a finding that no probability would reach
    assert_eq!(refused(|manifest| manifest.labels[2].threshold_high = 1.5), "BundleInconsistent");
    assert_eq!(
        refused(|manifest| manifest.labels[2].calibration = Calibration::Temperature { temperature: 0.0 }),
        "BundleInconsistent"
    );
    // a file too short for what it would have made of it
    let wider = |manifest: &mut ClassifierManifest| {
        let models::network::Architecture::Resnet(config) = &mut manifest.architecture else { panic!("?") };
        config.width = 64;
    };
    assert_eq!(refused(wider), "BundleInconsistent");
    assert_eq!(refused(|_| {}), "loaded");
}

#[test]
fn a_missing_self_test_is_no_manifest() {
    let folder = written();
    change(&folder.path().join(MANIFEST_FILE), |bytes| {
        let mut manifest: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        manifest.as_object_mut().unwrap().remove("self_test");
        *bytes = serde_json::to_vec(&manifest).unwrap();
    });
    assert_eq!(code(folder.path()), Some("BundleManifest"));
}

#[test]
fn only_a_pinned_key_signs() {
    let key = |digit: char| SigningKey::from_seed(&digit.to_string().repeat(64)).unwrap();
    let (own, other) = (key('1'), key('2'));
    let pinned = Trust::pinned(vec![own.public_key()]);
    let opened = |folder: &Path, trust: &Trust| {
        Bundle::open_trusted(folder, trust).map(|bundle| bundle.signature().is_some()).map_err(|e| e.code())
    };
    let folder = written();
    assert_eq!(opened(folder.path(), &pinned), Err("BundleUnsigned"));
    assert_eq!(opened(folder.path(), &Trust::anyone()), Ok(false));
    let mut bundle = made();
    bundle.sign(&own).unwrap();
    bundle.write(folder.path()).unwrap();
    assert_eq!(opened(folder.path(), &pinned), Ok(true));
    assert_eq!(opened(folder.path(), &Trust::pinned(vec![other.public_key()])), Err("BundleUntrustedKey"));
    // a manifest that was changed and sealed again keeps no signature
    resealed(folder.path(), |manifest| manifest.labels[0].threshold_high = 0.9);
    assert_eq!(opened(folder.path(), &pinned), Err("BundleSignature"));
    assert_eq!(opened(folder.path(), &Trust::anyone()), Err("BundleSignature"));
    // a signature taken from another version
    let mut newer = recipe();
    newer.version = Some("1.2.4".to_owned());
    let newer = import_bundle(&import::file("resnet.pt"), "resnet18", &newer, None).unwrap().0;
    newer.write(folder.path()).unwrap();
    assert_eq!(opened(folder.path(), &pinned), Err("BundleSignature"));
    std::fs::write(folder.path().join(SIGNATURE_FILE), "{}").unwrap();
    assert_eq!(opened(folder.path(), &Trust::anyone()), Err("BundleSignature"));
    // format 1 has nothing to sign: where a key is pinned it is not accepted
    let old = tempfile::tempdir().unwrap();
    small::trained().write(old.path()).unwrap();
    unsealed(old.path());
    assert_eq!(opened(old.path(), &pinned), Err("BundleUnsigned"));
    let mut of_a_folder = Bundle::open(old.path()).unwrap();
    assert_eq!(of_a_folder.sign(&own).unwrap_err().code(), "BundleInconsistent");
    let mut embedded = Bundle::embedded().unwrap();
    embedded.sign(&own).unwrap();
    embedded.write(old.path()).unwrap();
    assert_eq!(opened(old.path(), &pinned), Ok(true));
    // the program carries no signature of its own: a site keeps it in a file of its own
    let signature = Bundle::read_signature(&old.path().join(SIGNATURE_FILE)).unwrap();
    assert!(Bundle::embedded_trusted(Some(&signature), &pinned).is_ok());
    assert!(Bundle::embedded_trusted(None, &pinned).is_err());
}

#[test]
fn the_gate_asks_for_what_it_states() {
    let bundle = made();
    let facts = StudyFacts {
        sop_class_uid: DX,
        modality: "DX",
        body_part: Some("CHEST"),
        view_position: Some("PA"),
        human: Ok(()),
        lateral_text: false,
        orientation: &[],
        age_years: Some(60.0),
        pixel_spacing_mm: Some(0.15),
    };
    let cases = [
        (facts, ""),
        (StudyFacts { pixel_spacing_mm: None, age_years: None, ..facts }, ""),
        (StudyFacts { pixel_spacing_mm: Some(0.5), ..facts }, "NotApplicableSpacing"),
        (StudyFacts { pixel_spacing_mm: Some(0.05), ..facts }, "NotApplicableSpacing"),
        (StudyFacts { age_years: Some(95.0), ..facts }, "NotApplicableAge"),
        (StudyFacts { age_years: Some(5.0), ..facts }, "NotApplicableAge"),
        (StudyFacts { view_position: Some("AP"), ..facts }, "NotApplicableView"),
        // it has no check of its own for a view that is not stated
        (StudyFacts { view_position: None, ..facts }, "NotApplicableView"),
        (StudyFacts { body_part: None, ..facts }, "NotApplicableView"),
    ];
    for (facts, stated) in cases {
        let found = match bundle.model_card().applies(&facts) {
            Applies::Yes => "",
            Applies::NeedsFrontalCheck => "check",
            Applies::No { code, .. } => code,
        };
        assert_eq!(found, stated, "{facts:?}");
    }
    // what nobody stated is not assumed
    let silent = Recipe { applies_to: Gate::default(), ..recipe() };
    let silent = import_bundle(&import::file("resnet.pt"), "resnet18", &silent, None).unwrap().0;
    assert!(matches!(silent.model_card().applies(&facts), Applies::No { .. }));
}

#[test]
fn pictures_unlike_the_given_ones_are_out_of_distribution() {
    let usual: Vec<GreyImage> = (0..40).map(|n| formula::smooth(60 + n, 62 + n % 7)).collect();
    let (bundle, _) = import_bundle(
        &import::file("resnet.pt"),
        "resnet18",
        &recipe(),
        Some((&usual, "forty drawn pictures")),
    )
    .unwrap();
    let Contents::Classifier(_) = bundle.contents() else { panic!("a classifier") };
    assert!(bundle.model_card().has_novelty && bundle.card().contains("forty drawn pictures"));
    let scorer = Scorer::load(&bundle, &cpu()).unwrap();
    let novelty = |picture: GreyImage| scorer.score(&[picture]).unwrap()[0].out_of_distribution.unwrap();
    assert!(!novelty(formula::smooth(75, 66)).exceeded);
    let stripes = (0..64 * 64).map(|i| if (i % 64) / 4 % 2 == 0 { 1.0 } else { 0.0 }).collect();
    assert!(novelty(GreyImage::new(64, 64, stripes).unwrap()).exceeded);
    let few = import_bundle(&import::file("resnet.pt"), "resnet18", &recipe(), Some((&usual[..5], "five")));
    assert_eq!(few.unwrap_err().code(), "MakeTooFewPictures");
}

#[test]
fn without_a_recipe_torchxrayvision_brings_labels_points_and_preprocessing() {
    // the narrow network of the file is no published one, so its architecture is stated
    let architecture = models::network::densenet::DensenetConfig {
        input_channels: 1,
        outputs: 18,
        blocks: [1, 2, 1, 1],
        growth: 4,
        stem_channels: 8,
        bottleneck: 2,
    };
    let own = Recipe {
        architecture: Some(models::network::Architecture::Densenet(architecture)),
        ..Recipe::default()
    };
    let (bundle, _) = import_bundle(&import::file("xrv-model.pt"), "xrv-densenet121", &own, None).unwrap();
    let Contents::Classifier(manifest) = bundle.contents() else { panic!("a classifier") };
    // output 13 (Hernia) has NaN for its operating point: it was not trained
    let names: Vec<&str> = manifest.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names.len(), 17);
    assert!(names.contains(&"Lung Opacity") && !names.contains(&"Hernia"));
    assert_eq!(manifest.labels[0].calibration, Calibration::OperatingPoint { threshold: 0.100_000_001 });
    assert_eq!(manifest.preprocessing, Pipeline::torchxrayvision());
    Scorer::load(&bundle, &cpu()).unwrap();
}

#[derive(Deserialize)]
struct OperatingPoints {
    thresholds: Vec<f64>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    probability: f64,
    normalised: Vec<f64>,
}

#[derive(Deserialize)]
struct Reference {
    operating_points: OperatingPoints,
}

/// Reference: `torchxrayvision.models.op_norm`.
#[test]
fn operating_points_scale_as_torchxrayvision_does() {
    let reference: Reference = serde_json::from_str(include_str!("../reference/parity.json")).unwrap();
    let OperatingPoints { thresholds, rows } = reference.operating_points;
    for Row { probability, normalised } in rows {
        let logit = (probability / (1.0 - probability)).ln();
        for (threshold, stated) in thresholds.iter().zip(normalised) {
            let found = Calibration::OperatingPoint { threshold: *threshold }.probability(logit);
            assert!((found - stated).abs() < 1e-6, "{probability} {threshold}: {found} {stated}");
        }
    }
}

#[test]
fn nobody_is_the_maker_of_a_bundle_that_names_none() {
    assert!(made().model_card().maker.is_empty());
    let maker = models::Maker {
        manufacturer: Some("Radiology of a hospital".to_owned()),
        created: Some("2025-11-03".to_owned()),
        url: Some("https://hospital.example.org/models/narrow".to_owned()),
    };
    let bins = vec![models::CalibrationBin { predicted: 0.2, observed: 0.25, values: 40 }];
    let stated = Recipe {
        maker: maker.clone(),
        out_of_distribution: models::Outside::Warned,
        calibration_bins: bins.clone(),
        ..recipe()
    };
    let bundle = import_bundle(&import::file("resnet.pt"), "resnet18", &stated, None).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    bundle.write(folder.path()).unwrap();
    let opened = Bundle::open(folder.path()).unwrap();
    let card = opened.model_card();
    assert_eq!((&card.maker, card.out_of_distribution), (&maker, models::Outside::Warned));
    assert_eq!(card.calibration_bins, bins);
    assert!(opened.card().contains("Manufacturer: Radiology of a hospital."));
    // what is not stated is not in the file, so that a bundle from before these keys keeps its seal
    let plain = tempfile::tempdir().unwrap();
    made().write(plain.path()).unwrap();
    let manifest = std::fs::read_to_string(plain.path().join("manifest.json")).unwrap();
    for key in ["maker", "out_of_distribution", "calibration_bins"] {
        assert!(!manifest.contains(key), "{key}");
    }
    let wrong = Recipe {
        calibration_bins: vec![models::CalibrationBin { predicted: 1.2, observed: 0.25, values: 40 }],
        ..recipe()
    };
    assert!(import_bundle(&import::file("resnet.pt"), "resnet18", &wrong, None).is_err());
}
