//! The bundle `pneumonia-mnist` of the repository.

use std::path::Path;

use models::{Applies, Bundle, Device, DeviceChoice, GreyImage, Scorer, StudyFacts};

fn bundle() -> Bundle {
    Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/pneumonia-mnist")).unwrap()
}

#[test]
fn it_verifies_passes_its_self_test_and_states_what_was_measured() {
    let bundle = bundle();
    let card = bundle.model_card();
    assert_eq!((bundle.id(), card.labels.len()), ("pneumonia-mnist", 1));
    let label = &card.labels[0];
    let measured = label.performance.as_ref().unwrap();
    assert_eq!(measured.patients, 524);
    // MedMNIST's published ResNet-18 at 28 px: 0.944, on the test part, which is not this one
    assert!(measured.low > 0.944, "{measured:?}");
    assert!(label.threshold_low <= label.threshold_high);
    let scorer = Scorer::load(&bundle, &Device::open(DeviceChoice::Cpu).unwrap()).unwrap();
    let grey = GreyImage::new(28, 28, vec![0.5; 28 * 28]).unwrap();
    let probability = scorer.score(&[grey]).unwrap()[0].findings[0].probability;
    assert!((0.0..=1.0).contains(&probability));
}

#[test]
fn its_gate_lets_no_clinical_study_through() {
    for (modality, sop_class_uid) in
        [("DX", "1.2.840.10008.5.1.4.1.1.1.1"), ("CR", "1.2.840.10008.5.1.4.1.1.1")]
    {
        let facts = StudyFacts {
            sop_class_uid,
            modality,
            body_part: Some("CHEST"),
            view_position: Some("PA"),
            human: Ok(()),
            lateral_text: false,
            orientation: &[],
            age_years: Some(3.0),
            pixel_spacing_mm: None,
        };
        let answer = bundle().model_card().applies(&facts);
        assert!(matches!(answer, Applies::No { code: "NotApplicableModality", .. }), "{answer:?}");
    }
}

#[test]
fn it_is_this_project_s_own() {
    assert_eq!(bundle().model_card().maker.manufacturer.as_deref(), Some("The Chiasm project"));
}
