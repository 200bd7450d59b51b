//! One fit of the whole fusion on given patients: both sides, their calibration and the fusion itself,
//! everything cross-fitted by patient so that no logit is judged by a model that saw its patient.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::encode::RecordRow;
use super::late::Late;
use super::linear::{self, Linear};
use super::model::Parameters;
use crate::assess::ChestView;

/// Folds and repeats of the inner cross-fitting.
pub(super) const FOLDS: usize = 5;
pub(super) const REPEATS: usize = 2;

/// Ridge penalties that are tried on the training side; the one with the least cross-fitted log-loss is
/// taken. Columns are standardised, so one penalty serves all.
const LAMBDAS: [f64; 6] = [3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// Ridge penalty of the fusion's weights and of the Platt slopes, which are few and well determined.
pub(super) const FUSION_LAMBDA: f64 = 1.0;
pub(super) const PLATT_LAMBDA: f64 = 0.01;

/// One examination as the fit sees it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) patient: usize,
    pub(super) image: Vec<Option<f64>>,
    pub(super) record: RecordRow,
    pub(super) label: f64,
    pub(super) view: ChestView,
    pub(super) age: Option<f64>,
    /// Resources of the record that became known only after the examination.
    pub(super) known_later: f64,
}

/// A side's cross-fitted logits: one for each repeat, `None` where no model could be fitted.
pub(super) struct Crossed {
    pub(super) logits: Vec<Vec<Option<f64>>>,
    pub(super) lambda: f64,
}

/// Fits everything. `weights` count how often each case's patient was drawn. `None` where a class is
/// empty on a side.
pub(super) fn fit(cases: &[Case], weights: &[f64], random: &mut ChaCha8Rng) -> Option<Parameters> {
    let folds: Vec<Vec<usize>> = (0..REPEATS).map(|_| folds(cases, FOLDS, random)).collect();
    let labels: Vec<f64> = cases.iter().map(|case| case.label).collect();
    let images: Vec<Vec<Option<f64>>> = cases.iter().map(|case| case.image.clone()).collect();
    let records: Vec<Vec<Option<f64>>> = cases.iter().map(|case| case.record.columns().to_vec()).collect();
    let stated: Vec<f64> = cases
        .iter()
        .zip(weights)
        .map(|(case, weight)| if case.record.has_labs() { *weight } else { 0.0 })
        .collect();
    let base_rate = rate(cases, weights, None);
    let (late, _) = two_sides([&images, &records], &labels, [weights, &stated, &stated], &folds, base_rate)?;
    Some(Parameters {
        late,
        ap_rate: rate(cases, weights, Some(ChestView::Ap)),
        pa_rate: rate(cases, weights, Some(ChestView::Pa)),
    })
}

/// Fits image and record, their calibration and their fusion, with each side's cross-fitted logits beside. `weights` are those
/// of the image, of the record, and of both together, 0 where a row lacks it. `None` where a class is empty on a side.
pub(super) fn two_sides(
    [images, records]: [&[Vec<Option<f64>>]; 2],
    labels: &[f64],
    [pictured, recorded, both]: [&[f64]; 3],
    folds: &[Vec<usize>],
    base_rate: f64,
) -> Option<(Late, [Crossed; 2])> {
    let image = cross_fit(images, labels, pictured, folds)?;
    let record = cross_fit(records, labels, recorded, folds)?;
    let made = Late {
        fused: fuse(&image, &record, labels, both)?,
        image_only: platt(&image, labels, pictured)?,
        record_only: platt(&record, labels, recorded)?,
        image: fit_side(images, labels, pictured, image.lambda)?,
        record: fit_side(records, labels, recorded, record.lambda)?,
        formula: None,
        base_rate,
    };
    Some((made, [image, record]))
}

/// Numbers from 0 to `count - 1` for each case, the same for all cases of a patient; patients who were
/// ever positive are dealt out first, so that every fold has some.
pub(super) fn folds(cases: &[Case], count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let (ever, never) = patients_by_outcome(cases, random);
    let mut fold_of = std::collections::BTreeMap::new();
    for (index, patient) in ever.into_iter().chain(never).enumerate() {
        fold_of.insert(patient, index % count);
    }
    cases.iter().map(|case| fold_of.get(&case.patient).copied().unwrap_or_default()).collect()
}

/// Patients who were ever positive and those who never were, each in a random order.
pub(super) fn patients_by_outcome(cases: &[Case], random: &mut ChaCha8Rng) -> (Vec<usize>, Vec<usize>) {
    let mut ever_positive = std::collections::BTreeMap::new();
    for case in cases {
        *ever_positive.entry(case.patient).or_insert(false) |= case.label > 0.5;
    }
    let pick = |wanted: bool| -> Vec<usize> {
        ever_positive.iter().filter(|(_, ever)| **ever == wanted).map(|(patient, _)| *patient).collect()
    };
    let (mut ever, mut never) = (pick(true), pick(false));
    ever.shuffle(random);
    never.shuffle(random);
    (ever, never)
}

/// Fits on the cases with a weight above 0.
fn fit_side(rows: &[Vec<Option<f64>>], labels: &[f64], weights: &[f64], lambda: f64) -> Option<Linear> {
    let used: Vec<usize> = (0..rows.len()).filter(|case| weights[*case] > 0.0).collect();
    let rows: Vec<Vec<Option<f64>>> = used.iter().map(|case| rows[*case].clone()).collect();
    let labels: Vec<f64> = used.iter().map(|case| labels[*case]).collect();
    let weights: Vec<f64> = used.iter().map(|case| weights[*case]).collect();
    linear::fit(&rows, &labels, &weights, lambda)
}

/// Cross-fitted logits of one side with the best of [`LAMBDAS`].
fn cross_fit(
    rows: &[Vec<Option<f64>>],
    labels: &[f64],
    weights: &[f64],
    folds: &[Vec<usize>],
) -> Option<Crossed> {
    let mut best: Option<(f64, Crossed)> = None;
    for lambda in LAMBDAS {
        let logits: Vec<Vec<Option<f64>>> =
            folds.iter().map(|folds| out_of_fold(rows, labels, weights, folds, lambda)).collect();
        let Some(loss) = log_loss(&logits, labels, weights) else { continue };
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, Crossed { logits, lambda }));
        }
    }
    best.map(|(_, crossed)| crossed)
}

fn out_of_fold(
    rows: &[Vec<Option<f64>>],
    labels: &[f64],
    weights: &[f64],
    folds: &[usize],
    lambda: f64,
) -> Vec<Option<f64>> {
    let mut logits = vec![None; rows.len()];
    for fold in 0..FOLDS {
        let held_in: Vec<f64> =
            weights.iter().zip(folds).map(|(weight, own)| if *own == fold { 0.0 } else { *weight }).collect();
        let Some(model) = fit_side(rows, labels, &held_in, lambda) else { continue };
        for (case, logit) in logits.iter_mut().enumerate() {
            if folds[case] == fold && weights[case] > 0.0 {
                *logit = Some(model.logit(&rows[case]));
            }
        }
    }
    logits
}

fn log_loss(logits: &[Vec<Option<f64>>], labels: &[f64], weights: &[f64]) -> Option<f64> {
    let (mut loss, mut total) = (0.0, 0.0);
    for repeat in logits {
        for ((logit, label), weight) in repeat.iter().zip(labels).zip(weights) {
            let Some(logit) = logit else { continue };
            let signed = if *label > 0.5 { -logit } else { *logit };
            loss += weight * (signed.max(0.0) + (-signed.abs()).exp().ln_1p());
            total += weight;
        }
    }
    (total > 0.0).then(|| loss / total)
}

/// Intercept and non-negative weights over the two cross-fitted logits, on the cases that have both.
fn fuse(image: &Crossed, record: &Crossed, labels: &[f64], weights: &[f64]) -> Option<[f64; 3]> {
    let columns =
        |repeat: usize, case: usize| Some(vec![image.logits[repeat][case]?, record.logits[repeat][case]?]);
    let solved = stacked(labels, weights, FUSION_LAMBDA, 0, columns)?;
    Some([solved[0], solved[1], solved[2]])
}

/// Platt: intercept and non-negative slope over a side's cross-fitted logits.
fn platt(side: &Crossed, labels: &[f64], weights: &[f64]) -> Option<[f64; 2]> {
    let solved = stacked(labels, weights, PLATT_LAMBDA, 0, |repeat, case| {
        side.logits[repeat][case].map(|logit| vec![logit])
    })?;
    Some([solved[0], solved[1]])
}

/// Intercept and weights over columns of cross-fitted logits, on the cases with a weight above 0 that have them all; the last
/// `free` weights may be negative, no other.
pub(super) fn stacked(
    labels: &[f64],
    weights: &[f64],
    lambda: f64,
    free: usize,
    columns: impl Fn(usize, usize) -> Option<Vec<f64>>,
) -> Option<Vec<f64>> {
    let (mut design, mut outcomes, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..REPEATS {
        for case in (0..labels.len()).filter(|case| weights[*case] > 0.0) {
            let Some(row) = columns(repeat, case) else { continue };
            design.push(row);
            outcomes.push(labels[case]);
            shares.push(weights[case] / REPEATS as f64);
        }
    }
    linear::fit_signed(&design, &outcomes, &shares, lambda, free)
}

/// Share of positives with one imagined case of each kind, so that it is never 0 or 1.
fn rate(cases: &[Case], weights: &[f64], view: Option<ChestView>) -> f64 {
    let (mut positives, mut total) = (1.0, 2.0);
    for (case, weight) in cases.iter().zip(weights) {
        if view.is_none_or(|view| case.view == view) {
            positives += weight * case.label;
            total += weight;
        }
    }
    positives / total
}
