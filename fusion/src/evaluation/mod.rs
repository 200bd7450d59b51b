//! Measures of a probability against what was seen: discrimination, calibration, decisions, intervals.
//!
//! All are plain functions of slices; what is resampled is resampled with a seed. They agree with scikit-learn's to 1e-9 on
//! the vectors of `fusion/tests/reference`.

mod measures;
pub mod plot;
mod report;
mod resample;
mod sample_size;

pub use measures::{
    AtThreshold, Bin, NetBenefit, PairedDelong, at_threshold, average_precision, calibration_curve,
    decision_curve, delong_paired, expected_calibration_error, normal_tail,
};
pub use report::{
    ArmReport, Comparison, Estimate, Report, ReportInput, Stress, Subgroup, SubgroupColumn, evaluate,
};
pub(crate) use report::{LEAST_CASES, LEAST_EVENTS, stressed};
pub use resample::Resampler;
pub use sample_size::{Expected, Needed, SampleSize};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Area under the receiver operating characteristic curve, ties counting half. `None` where one class is
/// empty.
pub fn auroc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let ranks = midranks(scores);
    let positives = labels.iter().filter(|label| **label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 || scores.len() != labels.len() {
        return None;
    }
    let sum: f64 = ranks.iter().zip(labels).filter(|(_, label)| **label).map(|(rank, _)| rank).sum();
    Some((sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// AUROC and its standard error after DeLong, for independent cases. `None` where a class has fewer than
/// two.
pub fn delong(scores: &[f64], labels: &[bool]) -> Option<(f64, f64)> {
    let parts = delong_parts(scores, labels)?;
    let variance = |values: &[f64]| {
        values.iter().map(|value| (value - parts.area).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
    };
    let (m, n) = (parts.positives.len() as f64, parts.negatives.len() as f64);
    Some((parts.area, (variance(&parts.positives) / m + variance(&parts.negatives) / n).sqrt()))
}

/// The structural components of an AUROC, for the positives and for the negatives.
struct DelongParts {
    area: f64,
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

fn delong_parts(scores: &[f64], labels: &[bool]) -> Option<DelongParts> {
    let pick = |wanted: bool| -> Vec<f64> {
        scores.iter().zip(labels).filter(|(_, label)| **label == wanted).map(|(score, _)| *score).collect()
    };
    let (positives, negatives) = (pick(true), pick(false));
    let (m, n) = (positives.len() as f64, negatives.len() as f64);
    if positives.len() < 2 || negatives.len() < 2 {
        return None;
    }
    let area = auroc(scores, labels)?;
    let all = midranks(scores);
    let ranks = |wanted: bool| {
        all.iter().zip(labels).filter(move |(_, label)| **label == wanted).map(|(rank, _)| *rank)
    };
    let own_positive = midranks(&positives);
    let own_negative = midranks(&negatives);
    Some(DelongParts {
        area,
        positives: ranks(true).zip(&own_positive).map(|(all, own)| (all - own) / n).collect(),
        negatives: ranks(false).zip(&own_negative).map(|(all, own)| 1.0 - (all - own) / m).collect(),
    })
}

/// Indices of the values, ascending.
fn order(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(values.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by(|one, other| values[*one as usize].total_cmp(&values[*other as usize]));
    order
}

/// Ranks from 1, equal values sharing the middle of theirs.
fn midranks(values: &[f64]) -> Vec<f64> {
    let order = order(values);
    let value = |at: usize| values[order[at] as usize];
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        while end + 1 < order.len() && value(end + 1).total_cmp(&value(start)).is_eq() {
            end += 1;
        }
        let rank = (start + end) as f64 / 2.0 + 1.0;
        for index in &order[start..=end] {
            ranks[*index as usize] = rank;
        }
        start = end + 1;
    }
    ranks
}

/// Mean squared difference between probability and outcome. `None` for no cases.
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    if probabilities.is_empty() {
        return None;
    }
    let squared = probabilities
        .iter()
        .zip(labels)
        .map(|(probability, label)| (probability - f64::from(u8::from(*label))).powi(2));
    Some(squared.sum::<f64>() / probabilities.len() as f64)
}

/// Mean negative log-likelihood, probabilities kept away from 0 and 1 by 1e-15. `None` for no cases.
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    if probabilities.is_empty() {
        return None;
    }
    let losses = probabilities.iter().zip(labels).map(|(probability, label)| {
        let probability = probability.clamp(1e-15, 1.0 - 1e-15);
        if *label { -probability.ln() } else { -(1.0 - probability).ln() }
    });
    Some(losses.sum::<f64>() / probabilities.len() as f64)
}

/// Calibration: the slope of the outcome on the logit of the probability (1 is ideal), and the intercept
/// at slope 1, calibration in the large (0 is ideal).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Slope; below 1 the probabilities are too extreme.
    pub slope: f64,
    /// Intercept with the logit as offset; above 0 the probabilities are too low.
    pub intercept: f64,
}

/// Calibration slope and intercept; `None` where one class is empty, or the classes are told apart
/// perfectly, or the probabilities do not vary, so that no finite slope exists.
pub fn calibration(probabilities: &[f64], labels: &[bool]) -> Option<Calibration> {
    let logits: Vec<f64> = probabilities
        .iter()
        .map(|probability| crate::formulas::logit(probability.clamp(1e-9, 1.0 - 1e-9)))
        .collect();
    let area = auroc(&logits, labels)?;
    let first = logits.first()?;
    if area == 0.0
        || (area - 1.0).abs() < f64::EPSILON
        || logits.iter().all(|logit| (logit - first).abs() < 1e-12)
    {
        return None;
    }
    let design: Vec<[f64; 1]> = logits.iter().map(|logit| [*logit]).collect();
    let outcomes: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
    let solved = crate::learned::unpenalised(&design, &outcomes)?;
    let intercept = offset_intercept(&logits, &outcomes)?;
    Some(Calibration { slope: *solved.get(1)?, intercept })
}

/// The intercept `a` with `sum(p(a + logit)) = sum(outcome)`, by Newton's method.
fn offset_intercept(logits: &[f64], outcomes: &[f64]) -> Option<f64> {
    let mut intercept = 0.0_f64;
    for _ in 0..200 {
        let (mut gradient, mut curvature) = (0.0, 0.0);
        for (logit, outcome) in logits.iter().zip(outcomes) {
            let probability = crate::formulas::logistic(logit + intercept);
            gradient += outcome - probability;
            curvature += probability * (1.0 - probability);
        }
        let step = (gradient / curvature.max(1e-12)).clamp(-2.0, 2.0);
        intercept += step;
        if step.abs() < 1e-12 {
            break;
        }
    }
    intercept.is_finite().then_some(intercept)
}

/// The `share` quantile of sorted values, linear between neighbours. Not a number for no values.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = sorted.iter().enumerate().take_while(|(index, _)| *index as f64 <= at).last();
    let Some((index, value)) = below else { return f64::NAN };
    let above = sorted[(index + 1).min(last)];
    value + (above - value) * (at - index as f64)
}

/// 95 % interval of a measure over resampled patients: whole patients are drawn with replacement, so that
/// examinations of one patient stay together. `measure` is given the indices of the drawn cases and may
/// say `None`; `None` comes back where fewer than half of the draws have a value.
pub fn patient_bootstrap(
    patients: &[usize],
    draws: usize,
    seed: u64,
    measure: impl Fn(&[usize]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let groups = group(patients);
    if groups.is_empty() || draws == 0 {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<f64> = Vec::with_capacity(draws);
    let mut cases = Vec::with_capacity(patients.len());
    for _ in 0..draws {
        cases.clear();
        for _ in 0..groups.len() {
            cases.extend_from_slice(&groups[random.random_range(0..groups.len())]);
        }
        found.extend(measure(&cases).filter(|value| value.is_finite()));
    }
    if found.len() * 2 < draws {
        return None;
    }
    found.sort_by(f64::total_cmp);
    Some((quantile(&found, 0.025), quantile(&found, 0.975)))
}

/// Indices of the cases of each patient, patients in the order of their number.
pub(crate) fn group(patients: &[usize]) -> Vec<Vec<usize>> {
    let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (case, patient) in patients.iter().enumerate() {
        groups.entry(*patient).or_default().push(case);
    }
    groups.into_values().collect()
}
