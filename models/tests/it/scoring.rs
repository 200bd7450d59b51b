//! Scoring: batches equal singles, display does not count, maps lie in the picture.

use models::{Device, DeviceChoice, GreyImage, Present, ScoreError, Scorer, Scores};

use crate::small;

fn scorer() -> Scorer {
    Scorer::load(small::trained().bundle(), &Device::open(DeviceChoice::Cpu).unwrap()).unwrap()
}

/// The largest difference of a probability between two results.
fn difference(a: &Scores, b: &Scores) -> f64 {
    let findings = a.findings.iter().zip(&b.findings).map(|(a, b)| (a.probability - b.probability).abs());
    let (one, other) = (a.chest.unwrap(), b.chest.unwrap());
    let checks = [(one.frontal - other.frontal).abs(), (one.view_ap - other.view_ap).abs()];
    findings.chain(checks).fold(0.0, f64::max)
}

#[test]
fn a_batch_of_three_equals_three_singles() {
    let scorer = scorer();
    let pictures: Vec<GreyImage> = (0..3).map(small::picture).collect();
    let together = scorer.score(&pictures).unwrap();
    for (picture, scores) in pictures.iter().zip(&together) {
        let alone = scorer.score(std::slice::from_ref(picture)).unwrap();
        assert!(difference(&alone[0], scores) < 1e-6);
        let novelty = |scores: &Scores| scores.out_of_distribution.unwrap().score;
        assert!((novelty(&alone[0]) - novelty(scores)).abs() < 1e-4);
    }
}

#[test]
fn more_than_a_batch_is_cut_and_none_is_none() {
    let scorer = scorer();
    let pictures: Vec<GreyImage> = (0..models::score::MAX_BATCH + 3).map(|n| small::picture(n % 4)).collect();
    let scores = scorer.score(&pictures).unwrap();
    assert_eq!(scores.len(), pictures.len());
    assert!(difference(&scores[0], &scores[models::score::MAX_BATCH]) < 1e-6);
    assert!(scorer.score::<GreyImage>(&[]).unwrap().is_empty());
}

#[test]
fn gain_and_offset_of_the_display_change_no_finding() {
    let scorer = scorer();
    let plain = small::picture(1);
    let dim = plain.pixels().iter().map(|value| 0.1 + 0.7 * value).collect();
    let dim = GreyImage::new(plain.width(), plain.height(), dim).unwrap();
    let scores = scorer.score(&[plain, dim]).unwrap();
    assert!(difference(&scores[0], &scores[1]) < 1e-3);
}

#[test]
fn findings_are_the_labels_in_order_and_match_their_thresholds() {
    let scorer = scorer();
    for scores in scorer.score(&(0..6).map(small::picture).collect::<Vec<_>>()).unwrap() {
        assert_eq!(scores.findings.len(), scorer.model_card().labels.len());
        for (score, label) in scores.findings.iter().zip(&scorer.model_card().labels) {
            assert_eq!(score.label, label.name);
            assert!((0.0..=1.0).contains(&score.probability));
            let stated = match score.probability {
                p if p >= label.threshold_high => Present::Present,
                p if p < label.threshold_low => Present::Absent,
                _ => Present::Indeterminate,
            };
            assert_eq!(score.present, stated);
            assert!(["present", "indeterminate", "absent"].contains(&score.present.as_str()));
        }
    }
}

#[test]
fn a_constant_picture_is_scored_and_is_no_chest() {
    let flat = GreyImage::new(300, 200, vec![0.5; 60_000]).unwrap();
    let scores = scorer().score(&[flat]).unwrap();
    assert!(scores[0].findings.iter().all(|score| score.probability.is_finite()));
}

#[test]
fn a_map_lies_in_the_picture_and_an_unknown_label_is_an_error() {
    let scorer = scorer();
    let picture = GreyImage::new(50, 30, vec![0.4; 1500]).unwrap();
    let map = scorer.saliency(&picture, "Effusion").unwrap();
    assert_eq!((map.width(), map.height()), (50, 30));
    assert!(map.pixels().iter().all(|value| (0.0..=1.0).contains(value)));
    let error = scorer.saliency(&picture, "Happiness").unwrap_err();
    assert_eq!(error, ScoreError::UnknownLabel { label: "Happiness".to_owned() });
}

#[test]
fn features_of_a_picture_do_not_depend_on_its_batch_and_tell_pictures_apart() {
    let scorer = scorer();
    let pictures: Vec<GreyImage> = (0..3).map(small::picture).collect();
    let together = scorer.embed(&pictures).unwrap();
    for (picture, features) in pictures.iter().zip(&together) {
        let alone = scorer.embed(std::slice::from_ref(picture)).unwrap();
        assert_eq!(alone[0].len(), features.len());
        assert!(alone[0].iter().zip(features).all(|(one, other)| (one - other).abs() < 1e-5));
    }
    assert!(!together[0].is_empty() && together[0] != together[1]);
    assert!(scorer.embed::<GreyImage>(&[]).unwrap().is_empty());
}
