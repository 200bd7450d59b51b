//! From trained folds to a bundle: calibration, thresholds, self-test, and what is
//! measured on the validation patients.

use std::borrow::Cow;

use super::config::{Example, FINDINGS, Material, Split, TrainConfig, TrainError};
use super::data::Data;
use super::results::{LabelResult, OutOfFold, measure};
use super::vocabulary::VOCABULARY;
use super::{Fold, augment, card, describe, readout};
use crate::bundle::manifest::{FrontalRule, Label, Manifest, NoveltyRule};
use crate::bundle::selftest::{self, SelfTest};
use crate::bundle::weights::Weights;
use crate::bundle::{Bundle, BundleError, sha256};
use crate::calibration::{self, Platt, sigmoid};
use crate::device::Device;
use crate::evaluation::quantile;
use crate::novelty::Distance;
use crate::preprocess::{resize, standardise};
use crate::score::Scorer;
use crate::train::TrainedBundle;

/// Share of controls below the upper threshold, left-out training patients.
pub(crate) const SPECIFICITY: f64 = 0.9;
/// Share of cases at or above the lower threshold, left-out training patients.
pub(crate) const SENSITIVITY: f64 = 0.9;
/// Quantile of the left-out radiographs' distances at which a picture becomes novel.
const NOVELTY_QUANTILE: f64 = 0.995;
/// Quantile of the left-out radiographs' frontal probabilities that the threshold aims at.
const FRONTAL_QUANTILE: f64 = 0.01;
/// The threshold is kept between these.
const FRONTAL_BOUNDS: (f64, f64) = (0.5, 0.95);
/// Augmented copies of each picture that the thumbnail's distance is fitted on.
const THUMBNAIL_COPIES: usize = 4;
/// Side of the self-test's picture in pixels.
const SELF_TEST_SIDE: usize = 160;

/// Puts the bundle together.
pub(crate) fn assemble(
    material: Material<'_>,
    data: &Data,
    folds: Vec<Fold>,
    config: &TrainConfig,
    device: &Device,
) -> Result<TrainedBundle, TrainError> {
    let examples = material.examples;
    let mut left_out = OutOfFold::new(data, &folds);
    let readout = match (&config.readout, material.backbone) {
        (Some(recipe), Some(backbone)) => {
            let read = (recipe, config);
            let trained = readout::train(examples, data, read, backbone, &left_out.logits, device.burn())?;
            left_out.read(&trained, recipe.share);
            Some(trained.network)
        }
        _ => None,
    };
    left_out.thumbnails = thumbnail_distances(data, config)?;
    let thumbnail = fit_thumbnail(data, config, usize::MAX)?;
    let platts = calibration::fit_labels(&left_out.logits, &left_out.targets);
    let (mut findings, mut frontal, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    for fold in folds {
        findings.push(fold.findings.network);
        distances.push(fold.findings.distance);
        frontal.push(fold.frontal.network);
    }
    let weights = Weights::new(findings, frontal, &distances, &thumbnail, device.burn())
        .with_readout(readout)
        .to_bytes()
        .map_err(|source| TrainError::Weights { source })?;
    let mut manifest = describe::manifest(material, data, config);
    manifest.weights.bytes = weights.len();
    manifest.weights.sha256 = sha256(&weights);
    manifest.frontal = frontal_rule(&left_out);
    manifest.novelty = novelty_rule(&left_out);
    manifest.labels = labels(&platts, &left_out);
    manifest.self_test = blank_self_test();
    manifest = rounded(&manifest)?;
    manifest.self_test = self_test(&bundle(&manifest, String::new(), &weights)?, device)?;
    let scorer = Scorer::load_burn(&bundle(&manifest, String::new(), &weights)?, device)
        .map_err(|source| TrainError::Load { source: Box::new(source) })?;
    let validation: Vec<&Example> = examples.iter().filter(|e| e.split == Split::Validation).collect();
    let images: Vec<_> = validation.iter().map(|e| e.image.clone()).collect();
    let scores = scorer.score(&images).map_err(|source| TrainError::Score { source })?;
    let results = measure(examples, &scores, &left_out, data, config)?;
    for (label, result) in manifest.labels.iter_mut().zip(&results.labels) {
        set_measured(label, result);
    }
    manifest = rounded(&manifest)?;
    let card = card::markdown(&manifest, &results, config);
    Ok(TrainedBundle { bundle: bundle(&manifest, card, &weights)?, results })
}

fn bundle(manifest: &Manifest, card: String, weights: &[u8]) -> Result<Bundle, TrainError> {
    Bundle::from_parts(manifest.clone(), Cow::Owned(card), Cow::Owned(weights.to_vec()))
        .map_err(|source| TrainError::Bundle { source })
}

fn rounded(manifest: &Manifest) -> Result<Manifest, TrainError> {
    manifest.rounded().map_err(|source| TrainError::Bundle { source: BundleError::Manifest { source } })
}

fn set_measured(label: &mut Label, result: &LabelResult) {
    (label.auroc, label.auroc_low, label.auroc_high) =
        (result.auroc.value, result.auroc.low, result.auroc.high);
    label.chexnet_auroc = result.teacher.value;
    label.validation_cases = result.cases;
}

fn labels(platts: &[Platt], left_out: &OutOfFold) -> Vec<Label> {
    VOCABULARY
        .iter()
        .zip(platts)
        .zip(left_out.logits.iter().zip(&left_out.targets))
        .map(|((entry, platt), (logits, targets))| {
            let sorted = |cases: bool| {
                let own = logits.iter().zip(targets).filter(|(_, target)| (**target > 0.5) == cases);
                let mut values: Vec<f64> = own.map(|(logit, _)| platt.probability(*logit)).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            let high = quantile(&sorted(false), SPECIFICITY).unwrap_or(1.0);
            let low = quantile(&sorted(true), 1.0 - SENSITIVITY).unwrap_or(0.0).min(high);
            Label {
                name: entry.name.to_owned(),
                title: entry.title.to_owned(),
                snomed: entry.snomed_code(),
                radlex: entry.radlex_code(),
                codes: Vec::new(),
                threshold_low: low,
                threshold_high: high,
                calibration: *platt,
                base_rate: targets.iter().filter(|target| **target > 0.5).count() as f64
                    / targets.len().max(1) as f64,
                validation_cases: 0,
                auroc: 0.0,
                auroc_low: 0.0,
                auroc_high: 0.0,
                chexnet_auroc: 0.0,
            }
        })
        .collect()
}

fn frontal_rule(left_out: &OutOfFold) -> FrontalRule {
    let mut probabilities: Vec<f64> = left_out.frontal.iter().map(|logit| sigmoid(*logit)).collect();
    probabilities.sort_by(f64::total_cmp);
    let (low, high) = FRONTAL_BOUNDS;
    let threshold = quantile(&probabilities, FRONTAL_QUANTILE).unwrap_or(low).clamp(low, high);
    let kept = probabilities.iter().filter(|p| **p >= threshold).count();
    FrontalRule { threshold, kept: kept as f64 / probabilities.len().max(1) as f64 }
}

fn novelty_rule(left_out: &OutOfFold) -> NoveltyRule {
    let threshold = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        quantile(&values, NOVELTY_QUANTILE).unwrap_or(1.0).max(1e-6)
    };
    NoveltyRule {
        features_threshold: threshold(&left_out.features),
        thumbnail_threshold: threshold(&left_out.thumbnails),
        quantile: NOVELTY_QUANTILE,
    }
}

/// Each patient's thumbnail against a distance fitted without its fold.
fn thumbnail_distances(data: &Data, config: &TrainConfig) -> Result<Vec<f64>, TrainError> {
    let mut distances = vec![0.0; data.samples.len()];
    for fold in 0..config.folds {
        let distance = fit_thumbnail(data, config, fold)?;
        for (value, sample) in distances.iter_mut().zip(&data.samples) {
            if sample.fold == fold {
                let side = config.thumbnail_side;
                *value = distance.of(&standardise(resize(&sample.plain, side, side).pixels()));
            }
        }
    }
    Ok(distances)
}

/// Fits the thumbnail's distance on all patients outside `fold`.
fn fit_thumbnail(data: &Data, config: &TrainConfig, fold: usize) -> Result<Distance, TrainError> {
    let side = config.thumbnail_side;
    let mut rng = super::generator(config.seed, 5, 0);
    let mut vectors = Vec::new();
    for sample in &data.samples {
        let copies: Vec<_> =
            (0..THUMBNAIL_COPIES).map(|_| augment::findings(&sample.source, config.side, &mut rng)).collect();
        if sample.fold != fold {
            let all = copies.iter().chain([&sample.plain]);
            vectors.extend(all.map(|picture| standardise(resize(picture, side, side).pixels())));
        }
    }
    Distance::fit(&vectors).ok_or(TrainError::Distance { fold: fold.min(config.folds) })
}

fn blank_self_test() -> SelfTest {
    SelfTest {
        formula: selftest::FORMULA.to_owned(),
        width: SELF_TEST_SIDE,
        height: SELF_TEST_SIDE,
        logits: vec![0.0; FINDINGS],
        frontal_logit: 0.0,
        tolerance_cpu: 1e-4,
        tolerance_gpu: 1e-3,
    }
}

fn self_test(bundle: &Bundle, device: &Device) -> Result<SelfTest, TrainError> {
    let scorer =
        Scorer::unchecked(bundle, device).map_err(|source| TrainError::Load { source: Box::new(source) })?;
    let mut test = blank_self_test();
    let raw = scorer
        .raw(&[selftest::picture(test.width, test.height)])
        .map_err(|source| TrainError::Score { source })?;
    for raw in raw {
        test.logits = raw.logits;
        test.frontal_logit = raw.frontal;
    }
    Ok(test)
}
