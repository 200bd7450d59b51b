//! Measures that need more than a rank: average precision, calibration by bins, measures at a threshold, net benefit, and
//! the paired comparison of two scores.

use serde::{Deserialize, Serialize};

use super::{delong_parts, order};

/// Average precision: the area under the precision-recall curve as a step function, ties taken together, as scikit-learn
/// has it. `None` where no case is positive.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 || scores.len() != labels.len() {
        return None;
    }
    let mut descending = order(scores);
    descending.reverse();
    let (mut found, mut seen, mut sum) = (0_usize, 0_usize, 0.0);
    let mut at = 0;
    while at < descending.len() {
        let case = |at: usize| descending[at] as usize;
        let score = scores[case(at)];
        let before = found;
        while at < descending.len() && scores[case(at)].total_cmp(&score).is_eq() {
            found += usize::from(labels[case(at)]);
            seen += 1;
            at += 1;
        }
        sum += (found - before) as f64 / positives as f64 * (found as f64 / seen as f64);
    }
    Some(sum)
}

/// One bin of a calibration curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Mean probability.
    pub predicted: f64,
    /// Share of positives.
    pub observed: f64,
    /// Cases.
    pub cases: usize,
}

/// Bins of equal mass, ordered by probability; fewer than asked for where there are fewer cases.
pub fn calibration_curve(probabilities: &[f64], labels: &[bool], bins: usize) -> Vec<Bin> {
    let ascending = order(probabilities);
    let cases = ascending.len();
    let bins = bins.min(cases);
    (0..bins)
        .map(|bin| {
            let part = &ascending[bin * cases / bins..(bin + 1) * cases / bins];
            let mean = |value: &dyn Fn(usize) -> f64| {
                part.iter().map(|case| value(*case as usize)).sum::<f64>() / part.len() as f64
            };
            Bin {
                predicted: mean(&|case| probabilities[case]),
                observed: mean(&|case| f64::from(u8::from(labels[case]))),
                cases: part.len(),
            }
        })
        .collect()
}

/// Expected calibration error over bins of equal mass: the mean distance of predicted and observed, weighted by cases.
/// `None` for no cases.
pub fn expected_calibration_error(probabilities: &[f64], labels: &[bool], bins: usize) -> Option<f64> {
    let curve = calibration_curve(probabilities, labels, bins);
    let cases: usize = curve.iter().map(|bin| bin.cases).sum();
    (cases > 0).then(|| {
        curve.iter().map(|bin| (bin.predicted - bin.observed).abs() * bin.cases as f64).sum::<f64>()
            / cases as f64
    })
}

/// Measures at a threshold; a case at the threshold counts as positive. `None` where a measure divides by nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// The threshold.
    pub threshold: f64,
    /// Cases called positive that are.
    pub true_positives: usize,
    /// Cases called positive that are not.
    pub false_positives: usize,
    /// Cases called negative that are.
    pub true_negatives: usize,
    /// Cases called negative that are not.
    pub false_negatives: usize,
    /// Share of the positives that is found.
    pub sensitivity: Option<f64>,
    /// Share of the negatives that is left alone.
    pub specificity: Option<f64>,
    /// Share of what is called positive that is.
    pub ppv: Option<f64>,
    /// Share of what is called negative that is.
    pub npv: Option<f64>,
    /// Harmonic mean of sensitivity and PPV. Neither proper nor decision-analytic: secondary.
    pub f1: Option<f64>,
}

/// Counts and shares at a threshold.
pub fn at_threshold(probabilities: &[f64], labels: &[bool], threshold: f64) -> AtThreshold {
    let count = |called: bool, is: bool| {
        let cases = probabilities.iter().zip(labels);
        cases.filter(|(probability, label)| (**probability >= threshold) == called && **label == is).count()
    };
    let (tp, fp, tn, fneg) = (count(true, true), count(true, false), count(false, false), count(false, true));
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    AtThreshold {
        threshold,
        true_positives: tp,
        false_positives: fp,
        true_negatives: tn,
        false_negatives: fneg,
        sensitivity: share(tp, tp + fneg),
        specificity: share(tn, tn + fp),
        ppv: share(tp, tp + fp),
        npv: share(tn, tn + fneg),
        f1: share(2 * tp, 2 * tp + fp + fneg),
    }
}

/// One point of a decision curve: net benefit in true positives a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NetBenefit {
    /// Threshold of the probability.
    pub threshold: f64,
    /// Of acting by the model.
    pub model: f64,
    /// Of acting on everyone; acting on no one is 0.
    pub everyone: f64,
}

/// Decision curve after Vickers and Elkin (Med Decis Making 2006;26:565): TP/n - FP/n x t/(1 - t).
pub fn decision_curve(probabilities: &[f64], labels: &[bool], thresholds: &[f64]) -> Vec<NetBenefit> {
    let cases = labels.len() as f64;
    let prevalence = labels.iter().filter(|label| **label).count() as f64 / cases;
    let inside = thresholds.iter().copied().filter(|threshold| (0.0..1.0).contains(threshold) && cases > 0.0);
    inside
        .map(|threshold| {
            let odds = threshold / (1.0 - threshold);
            let found = at_threshold(probabilities, labels, threshold);
            NetBenefit {
                threshold,
                model: found.true_positives as f64 / cases - found.false_positives as f64 / cases * odds,
                everyone: prevalence - (1.0 - prevalence) * odds,
            }
        })
        .collect()
}

/// Two scores of the same cases, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDelong {
    /// AUROC of the first less that of the second.
    pub difference: f64,
    /// Standard error of the difference.
    pub error: f64,
    /// Two-sided p of no difference; 1 where the error is 0 and the difference too.
    pub p: f64,
}

/// Paired comparison of two AUROCs after DeLong 1988, for independent cases. `None` where a class has fewer than two.
pub fn delong_paired(first: &[f64], second: &[f64], labels: &[bool]) -> Option<PairedDelong> {
    let (one, other) = (delong_parts(first, labels)?, delong_parts(second, labels)?);
    let variance = |one: &[f64], other: &[f64]| {
        let count = one.len() as f64;
        let gaps: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
        let mean = gaps.iter().sum::<f64>() / count;
        gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
    };
    let difference = one.area - other.area;
    let error =
        (variance(&one.positives, &other.positives) + variance(&one.negatives, &other.negatives)).sqrt();
    let p = if error > 0.0 {
        2.0 * normal_tail((difference / error).abs())
    } else {
        f64::from(u8::from(difference == 0.0))
    };
    Some(PairedDelong { difference, error, p })
}

/// Upper tail of the standard normal distribution: half of erfc(z / sqrt 2), by its continued fraction (Lentz) where z is
/// large and by the series of erf where it is small. Absolute error below 1e-13.
pub fn normal_tail(z: f64) -> f64 {
    if z.is_nan() {
        return f64::NAN;
    }
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        // P(0 < Z < z) = density * sum z^(2k+1) / (1 * 3 * ... * (2k+1))
        let (mut term, mut sum) = (z, z);
        for step in 1..200_u32 {
            term *= z * z / f64::from(2 * step + 1);
            sum += term;
            if term < 1e-17 * sum {
                break;
            }
        }
        return 0.5 - density * sum;
    }
    let fraction = (1..=80_u32).rev().fold(z, |below, step| z + f64::from(step) / below);
    density / fraction
}
