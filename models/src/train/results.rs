//! What a training run measured: out of fold on the training patients, and once
//! on the validation patients.

use super::Fold;
use super::baseline;
use super::config::{Example, FINDINGS, Split, TrainConfig, TrainError};
use super::data::Data;
use super::readout::TrainedReadout;
use super::vocabulary::VOCABULARY;
use crate::calibration::{Platt, sigmoid};
use crate::evaluation::{self, Interval, ReliabilityBin, auroc};
use crate::score::{ChestCheck, Scores};

/// What the folds say of the patients they left out, in the samples' order.
pub(crate) struct OutOfFold {
    /// `[finding][patient]`.
    pub(crate) logits: Vec<Vec<f64>>,
    /// `[finding][patient]`, 0 or 1.
    pub(crate) targets: Vec<Vec<f64>>,
    pub(crate) features: Vec<f64>,
    pub(crate) thumbnails: Vec<f64>,
    pub(crate) frontal: Vec<f64>,
    /// Frontal logits of drawn negatives.
    pub(crate) negatives: Vec<f64>,
    /// Frontal logits of photographs.
    pub(crate) photographs: Vec<f64>,
    /// Mean AUROC of the networks and of the readout alone, where there is a readout.
    pub(crate) alone: Option<(f64, f64)>,
}

impl OutOfFold {
    pub(crate) fn new(data: &Data, folds: &[Fold]) -> Self {
        let count = data.samples.len();
        let targets = (0..FINDINGS)
            .map(|k| data.samples.iter().map(|sample| f64::from(sample.labels[k])).collect())
            .collect();
        let mut all = Self {
            logits: vec![vec![0.0; count]; FINDINGS],
            targets,
            features: vec![0.0; count],
            thumbnails: vec![0.0; count],
            frontal: vec![0.0; count],
            negatives: Vec::new(),
            photographs: Vec::new(),
            alone: None,
        };
        for fold in folds {
            for (index, outputs, distance) in &fold.findings.left_out {
                for (row, output) in all.logits.iter_mut().zip(outputs) {
                    row[*index] = f64::from(*output);
                }
                all.features[*index] = *distance;
            }
            for (index, logit) in &fold.frontal.left_out {
                all.frontal[*index] = *logit;
            }
            all.negatives.extend(&fold.frontal.negatives);
            all.photographs.extend(&fold.frontal.photographs);
        }
        all
    }

    /// Gives a readout its share of the logits.
    pub(crate) fn read(&mut self, readout: &TrainedReadout, share: f64) {
        self.alone = Some((self.mean_auroc(&self.logits), self.mean_auroc(&readout.left_out)));
        for (row, read) in self.logits.iter_mut().zip(&readout.left_out) {
            row.iter_mut().zip(read).for_each(|(logit, read)| *logit = (1.0 - share) * *logit + share * read);
        }
    }

    fn mean_auroc(&self, logits: &[Vec<f64>]) -> f64 {
        let values: Vec<f64> = logits
            .iter()
            .zip(&self.targets)
            .filter_map(|(logits, targets)| {
                auroc(logits, &targets.iter().map(|target| *target > 0.5).collect::<Vec<bool>>())
            })
            .collect();
        mean(&values)
    }
}

/// What was measured of one finding on the validation patients.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelResult {
    /// The finding.
    pub name: &'static str,
    /// Validation patients with the finding.
    pub cases: usize,
    /// AUROC of the bundle.
    pub auroc: Interval,
    /// AUROC of the teacher on the same pictures.
    pub teacher: Interval,
    /// AUROC of age, sex and view alone.
    pub demographics: f64,
    /// AUROC of the members on the training patients they left out.
    pub out_of_fold: f64,
    /// Brier score of the calibrated probability.
    pub brier: f64,
    /// Brier score of the finding's share of cases, as a constant.
    pub brier_constant: f64,
    /// Share of cases called present.
    pub sensitivity: f64,
    /// Share of controls not called present.
    pub specificity: f64,
    /// Share of cases among those called present; `None` where none is.
    pub precision: Option<f64>,
    /// Share of patients called indeterminate.
    pub indeterminate: f64,
}

/// What a training run measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// One result a finding.
    pub labels: Vec<LabelResult>,
    /// Validation patients.
    pub validation: usize,
    /// Mean AUROC over the findings, validation patients.
    pub mean: Interval,
    /// The teacher's mean AUROC on the same pictures.
    pub teacher_mean: Interval,
    /// Bundle minus teacher, paired over patients.
    pub difference: Interval,
    /// Mean AUROC of age, sex and view alone.
    pub demographics_mean: f64,
    /// Mean AUROC of the members on the training patients they left out.
    pub out_of_fold_mean: f64,
    /// The same of the networks and of the readout alone, where there is a readout.
    pub alone: Option<(f64, f64)>,
    /// Slope and intercept of the outcomes on the probabilities' logits, all findings together, validation.
    pub slope: Platt,
    /// Reliability on the validation patients, all findings together.
    pub reliability: Vec<ReliabilityBin>,
    /// AUROC of the sex output, validation.
    pub sex: f64,
    /// AUROC of the view output, validation.
    pub view: f64,
    /// Correlation of the age output with the age, validation.
    pub age_correlation: f64,
    /// Share of validation radiographs that pass as frontal.
    pub frontal_kept: f64,
    /// Share of validation radiographs called out of distribution.
    pub novel: f64,
    /// Share of drawn negatives, made of left-out patients, below the frontal threshold of one member.
    pub negatives_rejected: f64,
    /// The same of the photographs left out; `None` without photographs.
    pub photographs_rejected: Option<f64>,
}

/// Mean AUROC over the findings of left-out patients: index of the sample and outputs.
pub(crate) fn mean_auroc(data: &Data, left_out: &[(usize, Vec<f32>, f64)]) -> f64 {
    let values: Vec<f64> = (0..FINDINGS)
        .filter_map(|k| {
            let scores: Vec<f64> = left_out.iter().map(|(_, outputs, _)| f64::from(outputs[k])).collect();
            let cases: Vec<bool> = left_out.iter().map(|(i, ..)| data.samples[*i].labels[k] > 0.5).collect();
            auroc(&scores, &cases)
        })
        .collect();
    mean(&values)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Measures the finished bundle's `scores` of the validation examples.
pub(crate) fn measure(
    examples: &[Example],
    scores: &[Scores],
    left_out: &OutOfFold,
    data: &Data,
    config: &TrainConfig,
) -> Result<Results, TrainError> {
    let validation: Vec<&Example> = examples.iter().filter(|e| e.split == Split::Validation).collect();
    let labels = (0..FINDINGS)
        .map(|k| label_result(k, examples, &validation, scores, left_out, data, config))
        .collect::<Result<Vec<_>, _>>()?;
    let own = columns(&validation, |i, k| scores[i].findings[k].logit);
    let teacher = columns(&validation, |i, k| f64::from(validation[i].teacher[k]));
    let cases: Vec<Vec<bool>> = (0..FINDINGS).map(|k| cases(&validation, k)).collect();
    let patients: Vec<&str> = validation.iter().map(|example| example.patient.as_str()).collect();
    let interval = |statistic: &dyn Fn(&[usize]) -> Option<f64>| {
        evaluation::patient_interval(&patients, config.bootstrap_rounds, config.seed, statistic)
            .unwrap_or(Interval { value: 0.5, low: 0.0, high: 1.0 })
    };
    let (pooled, outcomes) = pooled(&validation, scores);
    let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    let rejected = |logits: &[f64]| share(logits.iter().filter(|x| **x < 0.0).count(), logits.len());
    let flag = |value: fn(&Example) -> bool| validation.iter().map(|e| value(e)).collect::<Vec<_>>();
    let checks: Vec<ChestCheck> = scores.iter().filter_map(|scores| scores.chest).collect();
    let score = |value: fn(&ChestCheck) -> f64| checks.iter().map(value).collect::<Vec<_>>();
    let novel = |s: &&Scores| s.out_of_distribution.is_some_and(|novelty| novelty.exceeded);
    Ok(Results {
        validation: validation.len(),
        mean: interval(&|sample| sample_mean(&own, &cases, sample)),
        teacher_mean: interval(&|sample| sample_mean(&teacher, &cases, sample)),
        difference: interval(&|sample| {
            Some(sample_mean(&own, &cases, sample)? - sample_mean(&teacher, &cases, sample)?)
        }),
        demographics_mean: mean(&labels.iter().map(|l| l.demographics).collect::<Vec<_>>()),
        out_of_fold_mean: mean(&labels.iter().map(|l| l.out_of_fold).collect::<Vec<_>>()),
        alone: left_out.alone,
        slope: evaluation::calibration_slope(&pooled, &outcomes),
        reliability: evaluation::reliability(&pooled, &outcomes, 10),
        sex: auroc(&score(|s| s.male), &flag(|e| e.male)).unwrap_or(0.5),
        view: auroc(&score(|s| s.view_ap), &flag(|e| e.view_ap)).unwrap_or(0.5),
        age_correlation: correlation(
            &score(|s| s.age_years),
            &validation.iter().map(|e| f64::from(e.age_years)).collect::<Vec<_>>(),
        ),
        frontal_kept: share(checks.iter().filter(|check| check.is_frontal).count(), scores.len()),
        novel: share(scores.iter().filter(novel).count(), scores.len()),
        negatives_rejected: rejected(&left_out.negatives),
        photographs_rejected: (!left_out.photographs.is_empty()).then(|| rejected(&left_out.photographs)),
        labels,
    })
}

fn columns(validation: &[&Example], value: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    (0..FINDINGS).map(|k| (0..validation.len()).map(|i| value(i, k)).collect()).collect()
}

fn cases(examples: &[&Example], finding: usize) -> Vec<bool> {
    examples.iter().map(|e| e.labels[finding] > 0.5).collect()
}

/// Mean AUROC over the findings that have a case and a control in the sample.
fn sample_mean(scores: &[Vec<f64>], cases: &[Vec<bool>], sample: &[usize]) -> Option<f64> {
    let values: Vec<f64> = scores
        .iter()
        .zip(cases)
        .filter_map(|(scores, cases)| {
            let scores: Vec<f64> = sample.iter().map(|i| scores[*i]).collect();
            let cases: Vec<bool> = sample.iter().map(|i| cases[*i]).collect();
            auroc(&scores, &cases)
        })
        .collect();
    (!values.is_empty()).then(|| mean(&values))
}

fn pooled(validation: &[&Example], scores: &[Scores]) -> (Vec<f64>, Vec<bool>) {
    let pairs = validation.iter().zip(scores).flat_map(|(example, scores)| {
        scores.findings.iter().zip(example.labels).map(|(score, label)| (score.probability, label > 0.5))
    });
    pairs.unzip()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

fn label_result(
    k: usize,
    examples: &[Example],
    validation: &[&Example],
    scores: &[Scores],
    left_out: &OutOfFold,
    data: &Data,
    config: &TrainConfig,
) -> Result<LabelResult, TrainError> {
    let name = VOCABULARY[k].name;
    let one_class = || TrainError::OneClass { label: name, part: "validation" };
    let cases = cases(validation, k);
    let column = |value: &dyn Fn(usize) -> f64| (0..validation.len()).map(value).collect::<Vec<_>>();
    let patients: Vec<&str> = validation.iter().map(|example| example.patient.as_str()).collect();
    let interval = |scores: &[f64]| {
        evaluation::auroc_interval(scores, &cases, &patients, config.bootstrap_rounds, config.seed)
            .ok_or_else(one_class)
    };
    let probabilities = column(&|i| scores[i].findings[k].probability);
    let constant = f64::from(sigmoid_f32(data.base[k]));
    let called = |state: crate::score::Present| -> Vec<bool> {
        scores.iter().map(|s| s.findings[k].present == state).collect()
    };
    let present = called(crate::score::Present::Present);
    let both = present.iter().zip(&cases).filter(|(p, c)| **p && **c).count() as f64;
    let (all_present, all_cases) =
        (present.iter().filter(|p| **p).count() as f64, cases.iter().filter(|c| **c).count());
    let controls = (cases.len() - all_cases) as f64;
    let indeterminate = called(crate::score::Present::Indeterminate).iter().filter(|p| **p).count();
    let left_cases: Vec<bool> = left_out.targets[k].iter().map(|t| *t > 0.5).collect();
    Ok(LabelResult {
        name,
        cases: all_cases,
        auroc: interval(&column(&|i| scores[i].findings[k].logit))?,
        teacher: interval(&column(&|i| f64::from(validation[i].teacher[k])))?,
        demographics: auroc(&baseline::demographics(examples, k), &cases).ok_or_else(one_class)?,
        out_of_fold: auroc(&left_out.logits[k], &left_cases).ok_or_else(one_class)?,
        brier: evaluation::brier(&probabilities, &cases),
        brier_constant: evaluation::brier(&vec![constant; cases.len()], &cases),
        sensitivity: both / all_cases as f64,
        specificity: 1.0 - (all_present - both) / controls,
        precision: (all_present > 0.0).then(|| both / all_present),
        indeterminate: indeterminate as f64 / cases.len() as f64,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a base rate of f32 logits")]
fn sigmoid_f32(logit: f32) -> f32 {
    sigmoid(f64::from(logit)) as f32
}
