//! Examples made ready for training: small pictures, targets, and folds by patient.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augment::SOURCE_SIDE;
use super::config::{Example, FINDINGS, Split, TrainConfig, TrainError};
use super::vocabulary::VOCABULARY;
use crate::evaluation::logit;
use crate::image::GreyImage;
use crate::preprocess::resize;

/// What the networks learn of one patient to train on.
pub(crate) struct Sample {
    /// The picture that augmentation starts from, of [`SOURCE_SIDE`].
    pub(crate) source: GreyImage,
    /// The picture as scoring will see it.
    pub(crate) plain: GreyImage,
    /// Standardised teacher logits.
    pub(crate) teacher: [f32; FINDINGS],
    /// 0 or 1 a finding.
    pub(crate) labels: [f32; FINDINGS],
    /// Standardised age, male, AP.
    pub(crate) auxiliary: [f32; 3],
    /// The fold that leaves the patient out.
    pub(crate) fold: usize,
}

/// All samples with what their targets were scaled by.
pub(crate) struct Data {
    pub(crate) samples: Vec<Sample>,
    /// Logit of each finding's share of cases.
    pub(crate) base: [f32; FINDINGS],
    pub(crate) age_mean: f32,
    pub(crate) age_deviation: f32,
}

impl Data {
    /// Prepares the examples of the training part.
    pub(crate) fn new(examples: &[Example], config: &TrainConfig) -> Result<Self, TrainError> {
        let train: Vec<&Example> = examples.iter().filter(|e| e.split == Split::Train).collect();
        let needed = config.folds * 4;
        if train.len() < needed {
            return Err(TrainError::TooFew { found: train.len(), folds: config.folds, needed });
        }
        let base = base_logits(&train)?;
        let teacher: [(f32, f32); FINDINGS] =
            std::array::from_fn(|k| moments(train.iter().map(|e| teacher_logit(e, k))));
        let (age_mean, age_deviation) = moments(train.iter().map(|e| e.age_years));
        let folds = folds(&train, config);
        let whole = config.picture_side();
        let samples = train
            .iter()
            .zip(folds)
            .map(|(example, fold)| Sample {
                source: resize(&example.image, SOURCE_SIDE, SOURCE_SIDE),
                plain: resize(&resize(&example.image, whole, whole), config.side, config.side),
                teacher: std::array::from_fn(|k| (teacher_logit(example, k) - teacher[k].0) / teacher[k].1),
                labels: example.labels,
                auxiliary: [
                    (example.age_years - age_mean) / age_deviation,
                    f32::from(u8::from(example.male)),
                    f32::from(u8::from(example.view_ap)),
                ],
                fold,
            })
            .collect();
        Ok(Self { samples, base, age_mean, age_deviation })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "targets are f32")]
fn teacher_logit(example: &Example, finding: usize) -> f32 {
    logit(f64::from(example.teacher[finding])) as f32
}

fn base_logits(train: &[&Example]) -> Result<[f32; FINDINGS], TrainError> {
    let mut base = [0.0; FINDINGS];
    for (finding, (value, entry)) in base.iter_mut().zip(&VOCABULARY).enumerate() {
        let cases = train.iter().map(|e| e.labels[finding]).sum::<f32>();
        let share = cases / train.len() as f32;
        if share <= 0.0 || share >= 1.0 {
            return Err(TrainError::OneClass { label: entry.name, part: "training" });
        }
        *value = (share / (1.0 - share)).ln();
    }
    Ok(base)
}

/// Mean and standard deviation (at least 1e-3).
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f32;
    let mean = values.clone().sum::<f32>() / count;
    let variance = values.map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    (mean, variance.sqrt().max(1e-3))
}

/// A fold for each patient: patients are shuffled, ordered by view and number of
/// findings, and dealt out, so that the folds are alike. Examples of one patient
/// share the fold of the patient's first.
fn folds(train: &[&Example], config: &TrainConfig) -> Vec<usize> {
    let mut order: Vec<usize> = (0..train.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed));
    order.sort_by_key(|index| {
        let example = train[*index];
        (example.view_ap, example.labels.iter().filter(|label| **label > 0.5).count())
    });
    let mut fold_of: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for index in order {
        let next = fold_of.len() % config.folds;
        fold_of.entry(train[index].patient.as_str()).or_insert(next);
    }
    train.iter().map(|example| fold_of.get(example.patient.as_str()).copied().unwrap_or(0)).collect()
}
