//! A training run of seconds: it learns, it is reproducible, and it refuses what cannot be trained.

use models::train::{Material, Progress, Stage, TrainConfig, TrainError, train};

use crate::small;

/// The loss of each epoch of one fold.
fn losses(events: &[Progress], wanted: Stage) -> Vec<f64> {
    events
        .iter()
        .filter_map(|event| match event {
            Progress::Epoch { stage, fold: 0, loss, .. } if *stage == wanted => Some(*loss),
            _ => None,
        })
        .collect()
}

#[test]
fn a_run_lowers_its_loss_and_tells_its_progress() {
    let (_, events) = small::run(&small::config());
    let findings = losses(&events, Stage::Findings);
    assert_eq!(findings.len(), 6);
    assert!(findings[5] < findings[0], "{findings:?}");
    assert_eq!(losses(&events, Stage::Frontal).len(), 2);
    assert_eq!(events.iter().filter(|event| matches!(event, Progress::Fold { .. })).count(), 4);
}

#[test]
fn the_same_seed_gives_the_same_bundle_with_any_number_of_threads() {
    let one = small::run(&TrainConfig { threads: 1, ..small::config() }).0;
    let two = small::trained();
    assert_eq!(one.bundle().digest(), two.bundle().digest());
    assert_eq!(one.bundle().contents(), two.bundle().contents());
    assert_eq!(one.bundle().card(), two.bundle().card());
}

#[test]
fn another_seed_gives_another_bundle() {
    let other = small::run(&TrainConfig { seed: 7, ..small::config() }).0;
    assert_ne!(other.bundle().digest(), small::trained().bundle().digest());
}

#[test]
fn the_card_says_what_has_to_be_said() {
    let card = small::trained().bundle().card();
    for text in [
        "not a medical device",
        "## Intended use",
        "## Data",
        "CheXNet",
        "## Calibration",
        "Brier",
        "## Thresholds",
        "## Limits",
        "under 18",
        "CVPR 2017",
        "Pleural_Thickening",
        "Seed",
    ] {
        assert!(card.contains(text), "{text}");
    }
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let fails = |examples: &[models::train::Example], config: &TrainConfig| {
        train(Material { examples, negatives: &[], backbone: None }, config, None, &mut |_| {}).err()
    };
    let all = small::examples();
    let config = small::config();
    assert!(matches!(fails(&all[..6], &config), Some(TrainError::TooFew { needed: 8, .. })));
    let mut healthy = all.clone();
    for example in &mut healthy {
        example.labels[3] = 0.0;
    }
    assert!(matches!(fails(&healthy, &config), Some(TrainError::OneClass { label: "Infiltration", .. })));
    let mut shared = all.clone();
    shared[3].patient.clone_from(&all[0].patient);
    assert!(matches!(fails(&shared, &config), Some(TrainError::Config { field: "split", .. })));
    for (field, wrong) in [
        ("folds", TrainConfig { folds: 1, ..config.clone() }),
        ("epochs", TrainConfig { epochs: 0, ..config.clone() }),
        ("batch", TrainConfig { batch: 1, ..config.clone() }),
        ("threads", TrainConfig { threads: 0, ..config.clone() }),
        ("channels", TrainConfig { channels: vec![], ..config.clone() }),
        ("frontal_channels", TrainConfig { frontal_channels: vec![], ..config.clone() }),
        ("strides", TrainConfig { strides: vec![2], ..config.clone() }),
        ("side", TrainConfig { side: 8, ..config.clone() }),
        // what cannot be counted, or held
        ("folds", TrainConfig { folds: usize::MAX, ..config.clone() }),
        ("epochs", TrainConfig { epochs: usize::MAX, ..config.clone() }),
        ("frontal_epochs", TrainConfig { frontal_epochs: usize::MAX, ..config.clone() }),
        ("frontal_side", TrainConfig { frontal_side: 1 << 40, ..config.clone() }),
        ("thumbnail_side", TrainConfig { thumbnail_side: 1 << 40, ..config.clone() }),
        ("channels", TrainConfig { channels: vec![0, 8], ..config.clone() }),
        ("channels", TrainConfig { channels: vec![1 << 40, 8], ..config.clone() }),
        ("frontal_channels", TrainConfig { frontal_channels: vec![0], ..config.clone() }),
        ("frontal_channels", TrainConfig { frontal_channels: vec![8; 64], ..config.clone() }),
        ("strides", TrainConfig { strides: vec![2, usize::MAX], ..config.clone() }),
    ] {
        match fails(&all, &wrong) {
            Some(TrainError::Config { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
}

#[test]
fn a_run_that_goes_on_from_checkpoints_gives_the_same_bundle() {
    let (folder, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = TrainConfig { threads: 1, ..small::config() };
    let negatives = [small::picture(3), small::picture(4)];
    let mut passes = 0;
    // what a killed program leaves behind: the folder as it is in the middle of the second fold
    let examples = small::examples();
    let material = Material { examples: &examples, negatives: &negatives, backbone: None };
    train(material, &config, Some(folder.path()), &mut |event| {
        passes += usize::from(matches!(event, Progress::Epoch { stage: Stage::Findings, fold: 1, .. }));
        if passes == 3 && std::fs::read_dir(stopped.path()).unwrap().next().is_none() {
            for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
                if file.file_name().to_string_lossy().ends_with(".checkpoint") {
                    std::fs::copy(file.path(), stopped.path().join(file.file_name())).unwrap();
                }
            }
        }
    })
    .unwrap();
    let mut resumed = Vec::new();
    let again = train(material, &config, Some(stopped.path()), &mut |event| {
        if let Progress::Resumed { stage, fold, done, .. } = event {
            resumed.push((stage, fold, done));
        }
    })
    .unwrap();
    assert!(resumed.contains(&(Stage::Findings, 0, true)), "{resumed:?}");
    assert_eq!(again.bundle().digest(), small::trained().bundle().digest());
    let other = TrainConfig { seed: 8, ..config };
    let error = train(material, &other, Some(stopped.path()), &mut |_| {}).err();
    assert!(matches!(error, Some(TrainError::Checkpoint(_))), "{error:?}");
}
