//! Curves and measures of one label. Each agrees with scikit-learn on stored vectors (`tests/it/evaluation.rs`,
//! `tests/reference/make_evaluation.py`).

use serde::Serialize;

/// What a threshold calls present, against the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Cases called present.
    pub true_positives: usize,
    /// Controls called present.
    pub false_positives: usize,
    /// Controls called absent.
    pub true_negatives: usize,
    /// Cases called absent.
    pub false_negatives: usize,
}

impl Confusion {
    /// Counts the values at or above `threshold` as called present.
    pub fn new(scores: &[f64], positive: &[bool], threshold: f64) -> Self {
        let count = |case: bool, called: bool| {
            scores.iter().zip(positive).filter(|(s, p)| **p == case && (**s >= threshold) == called).count()
        };
        Self {
            true_positives: count(true, true),
            false_positives: count(false, true),
            true_negatives: count(false, false),
            false_negatives: count(true, false),
        }
    }

    /// Share of cases called present.
    pub fn sensitivity(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of controls called absent.
    pub fn specificity(&self) -> Option<f64> {
        share(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Share of cases among those called present.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of controls among those called absent.
    pub fn negative_value(&self) -> Option<f64> {
        share(self.true_negatives, self.true_negatives + self.false_negatives)
    }

    /// Share of pictures called rightly.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        share(right, right + self.false_positives + self.false_negatives)
    }

    /// Mean of sensitivity and specificity.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        Some(f64::midpoint(self.sensitivity()?, self.specificity()?))
    }

    /// F1: neither proper nor decision-analytic, so a secondary figure (Van Calster et al., arXiv 2412.10288).
    pub fn f1(&self) -> Option<f64> {
        let twice = 2 * self.true_positives;
        share(twice, twice + self.false_positives + self.false_negatives)
    }
}

fn share(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// Cases and controls at or above each distinct score, from the highest score down: `(score, cases, controls)`.
fn steps(scores: &[f64], positive: &[bool]) -> Vec<(f64, usize, usize)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut cases, mut controls) = (0, 0);
    let mut steps: Vec<(f64, usize, usize)> = Vec::new();
    for index in order {
        if positive[index] {
            cases += 1;
        } else {
            controls += 1;
        }
        match steps.last_mut() {
            Some(last) if last.0.total_cmp(&scores[index]).is_eq() => (last.1, last.2) = (cases, controls),
            _ => steps.push((scores[index], cases, controls)),
        }
    }
    steps
}

/// The ROC curve: false and true positive rate at each distinct score, from (0, 0) to (1, 1). Empty without a case
/// or without a control.
pub fn roc(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    let steps = steps(scores, positive);
    let Some(&(_, cases, controls)) = steps.last() else { return Vec::new() };
    if cases == 0 || controls == 0 {
        return Vec::new();
    }
    let point = |(_, c, n): &(f64, usize, usize)| (*n as f64 / controls as f64, *c as f64 / cases as f64);
    std::iter::once((0.0, 0.0)).chain(steps.iter().map(point)).collect()
}

/// The precision-recall curve: recall and precision at each distinct score from the highest down, after (0, 1).
/// Empty without a case.
pub fn precision_recall(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    let steps = steps(scores, positive);
    let Some(&(_, cases, _)) = steps.last() else { return Vec::new() };
    if cases == 0 {
        return Vec::new();
    }
    let point = |(_, c, n): &(f64, usize, usize)| (*c as f64 / cases as f64, *c as f64 / (c + n) as f64);
    std::iter::once((0.0, 1.0)).chain(steps.iter().map(point)).collect()
}

/// Average precision: precision weighted by the rise of recall, without interpolation.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let curve = precision_recall(scores, positive);
    (!curve.is_empty()).then(|| curve.windows(2).map(|pair| (pair[1].0 - pair[0].0) * pair[1].1).sum())
}

/// Mean negative log-likelihood; probabilities are kept 2.2e-16 away from 0 and 1.
pub fn log_loss(probabilities: &[f64], positive: &[bool]) -> f64 {
    let losses = probabilities.iter().zip(positive).map(|(p, case)| {
        let p = p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        if *case { -p.ln() } else { -(1.0 - p).ln() }
    });
    losses.sum::<f64>() / probabilities.len().max(1) as f64
}

/// Expected calibration error: the gap between probability and outcome, over `bins` bins of equal count.
pub fn expected_calibration_error(probabilities: &[f64], positive: &[bool], bins: usize) -> f64 {
    let gaps = super::reliability(probabilities, positive, bins)
        .into_iter()
        .map(|bin| bin.count as f64 * (bin.probability - bin.observed).abs());
    gaps.sum::<f64>() / probabilities.len().max(1) as f64
}
