//! The bundle that is part of the program.

use models::train::vocabulary::VOCABULARY;
use models::{Bundle, Device, DeviceChoice, GreyImage, Scorer};

#[test]
fn the_embedded_bundle_loads_and_passes_its_self_test() {
    let bundle = Bundle::embedded().unwrap();
    assert_eq!(bundle.id(), "cxr-findings");
    assert_eq!(bundle.digest().len(), 64);
    let scorer = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).unwrap();
    let names: Vec<&str> = scorer.model_card().labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, VOCABULARY.map(|entry| entry.name));
}

#[test]
fn its_weights_are_small_and_its_manifest_says_what_was_measured() {
    let manifest = Bundle::embedded().unwrap().ensemble().unwrap().clone();
    assert!(manifest.weights.bytes < 24_000_000);
    let mean = manifest.labels.iter().map(|label| label.auroc).sum::<f64>() / manifest.labels.len() as f64;
    assert!(mean >= 0.72, "{mean}");
    for label in &manifest.labels {
        assert!(label.auroc_low <= label.auroc && label.auroc <= label.auroc_high, "{}", label.name);
        assert!(label.threshold_low <= label.threshold_high, "{}", label.name);
        assert!(label.calibration.a > 0.0, "{}", label.name);
        assert!(!label.snomed.code.is_empty(), "{}", label.name);
    }
    for (label, entry) in manifest.labels.iter().zip(&VOCABULARY) {
        assert_eq!((&label.snomed, &label.radlex), (&entry.snomed_code(), &entry.radlex_code()));
    }
}

#[test]
fn what_is_no_chest_does_not_pass_as_frontal() {
    let bundle = Bundle::embedded().unwrap();
    let scorer = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).unwrap();
    let side = 200;
    let draw = |value: &dyn Fn(f32, f32) -> f32| {
        let pixels = (0..side * side)
            .map(|i| value((i % side) as f32 / side as f32, (i / side) as f32 / side as f32).clamp(0.0, 1.0))
            .collect();
        GreyImage::new(side, side, pixels).unwrap()
    };
    let pictures = [
        ("a ramp", draw(&|x, _| x)),
        ("grey", draw(&|_, _| 0.5)),
        ("a disc", draw(&|x, y| if (x - 0.5).hypot(y - 0.5) < 0.3 { 0.9 } else { 0.1 })),
        ("stripes", draw(&|x, y| 0.5 + 0.5 * (40.0 * (x + y)).sin())),
        ("a bar", draw(&|x, _| if (0.4..0.6).contains(&x) { 1.0 } else { 0.05 })),
    ];
    for (name, picture) in pictures {
        let scores = scorer.score(&[picture]).unwrap();
        let chest = scores[0].chest.unwrap();
        assert!(!chest.is_frontal, "{name}: {:?}", chest.frontal);
    }
}

#[test]
fn it_is_this_project_s_own_and_its_card_has_a_calibration_plot() {
    let bundle = Bundle::embedded().unwrap();
    let card = bundle.model_card();
    assert_eq!(
        card.maker.manufacturer.as_deref(),
        Some("The Chiasm project"),
        "{}",
        bundle.identity().unwrap()
    );
    assert_eq!((&card.maker.created, &card.maker.url), (&None, &None));
    let bins = &card.calibration_bins;
    assert_eq!((bins.len(), bins[0].predicted, bins[9].observed, bins[9].values), (10, 0.011, 0.346, 133));
    assert!(card.labels.iter().all(|label| label.codes[0].system == "http://snomed.info/sct"));
    assert_eq!(card.out_of_distribution, models::Outside::NotAssessed);
}
