//! A readout beside the networks of an ensemble: trained, kept, opened, scored, and where it looked.

use models::cpu::Computed;
use models::train::{Material, ReadoutRecipe, TrainConfig, TrainError, train};
use models::{Bundle, Device, DeviceChoice, Scorer};

use crate::small;

fn cpu() -> Device {
    Device::open(DeviceChoice::Cpu).unwrap()
}

#[test]
fn a_bundle_with_a_readout_is_written_opened_and_scores_the_same() {
    let trained = small::with_readout();
    let folder = tempfile::tempdir().unwrap();
    trained.write(folder.path()).unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    assert_eq!(bundle.digest(), trained.bundle().digest());
    let planned = Scorer::load(&bundle, &cpu()).unwrap();
    assert_eq!(planned.computed(), Computed::Plan);
    let burn = Scorer::load_burn(&bundle, &cpu()).unwrap();
    let pictures: Vec<_> = (0..5).map(small::picture).collect();
    for (own, stated) in planned.score(&pictures).unwrap().iter().zip(burn.score(&pictures).unwrap()) {
        for (own, stated) in own.findings.iter().zip(&stated.findings) {
            assert!((own.logit - stated.logit).abs() < 1e-4, "{own:?} {stated:?}");
        }
    }
    // a picture that was made small on the way says what the whole one says
    let prepared: Vec<_> = pictures.iter().map(|picture| bundle.prepare(picture.clone())).collect();
    assert_eq!((prepared[0].width(), prepared[0].height()), (40, 40));
    assert_eq!(planned.score(&prepared).unwrap(), planned.score(&pictures).unwrap());
}

#[test]
fn it_has_its_share_and_the_rest_is_the_networks() {
    let (with, without) = (small::with_readout(), small::trained());
    let manifest = with.bundle().ensemble().unwrap();
    let readout = manifest.architecture.readout.as_ref().unwrap();
    assert_eq!((readout.share, readout.config.outputs), (0.6, 14));
    assert_eq!(manifest.training.backbone.as_ref().unwrap().sha256, "5".repeat(64));
    let (networks, alone) = with.results().alone.unwrap();
    assert!((0.0..=1.0).contains(&networks) && (0.0..=1.0).contains(&alone));
    assert!(
        without.results().alone.is_none()
            && without.bundle().ensemble().unwrap().architecture.readout.is_none()
    );
    for word in [
        "Beside them a readout, which has 60 %",
        "a drawn network",
        &"5".repeat(64),
        "Out of fold the networks",
    ] {
        assert!(with.bundle().card().contains(word), "{word}");
        assert!(!without.bundle().card().contains(word), "{word}");
    }
    let score = |bundle: &Bundle| Scorer::load(bundle, &cpu()).unwrap().score(&[small::picture(7)]).unwrap();
    let (with, without) = (score(with.bundle()), score(without.bundle()));
    assert!(with[0].findings.iter().zip(&without[0].findings).any(|(a, b)| (a.logit - b.logit).abs() > 1e-3));
}

#[test]
fn its_map_is_finer_than_the_networks_and_lies_on_the_picture() {
    let scorer = Scorer::load(small::with_readout().bundle(), &cpu()).unwrap();
    let picture = small::picture(9);
    let scores = scorer.score(std::slice::from_ref(&picture)).unwrap();
    let label = scores[0].findings[0].label.clone();
    let own = scores[0].maps.as_ref().unwrap().of(0, 48, 48).unwrap();
    assert_eq!(scorer.saliency(&picture, &label).unwrap(), own);
    // eight places and one that is cut off on each side
    let sent = serde_json::to_value(scores[0].maps.as_ref().unwrap()).unwrap();
    assert_eq!((&sent["height"], &sent["width"]), (&10.into(), &10.into()));
}

#[test]
fn a_readout_without_weights_or_with_others_is_refused() {
    let examples = small::examples();
    let backbone = small::backbone();
    let fails = |readout: Option<ReadoutRecipe>, backbone| {
        let config = TrainConfig { readout, ..small::config() };
        train(Material { examples: &examples, negatives: &[], backbone }, &config, None, &mut |_| {}).err()
    };
    let field = |error| match error {
        Some(TrainError::Config { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(fails(Some(small::readout()), None)), "readout");
    assert_eq!(field(fails(None, Some(&backbone))), "readout");
    let recipe = small::readout;
    for (wrong, named) in [
        (ReadoutRecipe { cells: 0, ..recipe() }, "readout"),
        (ReadoutRecipe { blocks: vec![3, 1], ..recipe() }, "readout"),
        (ReadoutRecipe { blocks: vec![1 << 40], ..recipe() }, "readout"),
        (ReadoutRecipe { side: 1 << 40, ..recipe() }, "readout.side"),
        (ReadoutRecipe { margin: 40, ..recipe() }, "readout.side"),
        (ReadoutRecipe { margin: 5, ..recipe() }, "readout.margin"),
        (ReadoutRecipe { copies: 1 << 40, ..recipe() }, "readout.copies"),
        (ReadoutRecipe { ridge: 0.0, ..recipe() }, "readout.ridge"),
        (ReadoutRecipe { label_share: f64::NAN, ..recipe() }, "readout.label_share"),
        (ReadoutRecipe { share: 1.5, ..recipe() }, "readout.share"),
    ] {
        assert_eq!(field(fails(Some(wrong), Some(&backbone))), named);
    }
    let mut state = backbone.state().clone();
    state.remove("_blocks.1._project_conv.weight");
    let lacking = models::import::Backbone::of(state, String::new());
    let quick = TrainConfig { epochs: 1, frontal_epochs: 1, readout: Some(recipe()), ..small::config() };
    let material = Material { examples: &examples, negatives: &[], backbone: Some(&lacking) };
    let error = train(material, &quick, None, &mut |_| {}).err().unwrap();
    assert!(error.to_string().contains("missing: _blocks.1._project_conv.weight"), "{error}");
}
