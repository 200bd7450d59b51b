//! From a logit to a probability: Platt's logistic calibration (Platt 1999), with
//! slopes that labels with few cases borrow from the others.

use serde::{Deserialize, Serialize};

/// Standard deviation of the normal prior that pulls a label's slope to the common one.
const SLOPE_PRIOR_DEVIATION: f64 = 0.3;
/// The least slope: a higher logit never means a lower probability.
const LEAST_SLOPE: f64 = 0.02;
/// Newton steps at most.
const MAX_STEPS: usize = 100;

/// A logistic calibration: probability = 1 / (1 + exp(-(a x logit + b))).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// The slope.
    pub a: f64,
    /// The intercept.
    pub b: f64,
}

impl Platt {
    /// The probability that belongs to `logit`.
    pub fn probability(&self, logit: f64) -> f64 {
        sigmoid(self.a * logit + self.b)
    }
}

/// 1 / (1 + exp(-x)), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// A pull of the slope to `slope`, as a normal prior of that standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlopePrior {
    /// The slope that is pulled to.
    pub slope: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// Fits slope and intercept by maximum (posterior) likelihood with Newton's
/// method and step halving. `targets` are 0 to 1, one a logit.
pub fn fit(logits: &[f64], targets: &[f64], prior: Option<SlopePrior>) -> Platt {
    debug_assert_eq!(logits.len(), targets.len());
    let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
    let mean = mean.clamp(1e-4, 1.0 - 1e-4);
    let mut platt = Platt { a: prior.map_or(1.0, |p| p.slope), b: (mean / (1.0 - mean)).ln() };
    let mut loss = penalised_loss(platt, logits, targets, prior);
    for _ in 0..MAX_STEPS {
        let (step_a, step_b) = newton_step(platt, logits, targets, prior);
        let mut share = 1.0;
        let mut next = platt;
        let mut next_loss = f64::INFINITY;
        while share > 1e-6 {
            next = Platt { a: platt.a - share * step_a, b: platt.b - share * step_b };
            next_loss = penalised_loss(next, logits, targets, prior);
            if next_loss <= loss {
                break;
            }
            share /= 2.0;
        }
        if next_loss > loss {
            break;
        }
        let settled = (loss - next_loss).abs() < 1e-12;
        (platt, loss) = (next, next_loss);
        if settled {
            break;
        }
    }
    platt
}

/// Fits every label: first one slope for all with an intercept each, then each
/// label's own slope, pulled to the common one. `logits[label]` and
/// `targets[label]` hold one value a patient.
pub fn fit_labels(logits: &[Vec<f64>], targets: &[Vec<f64>]) -> Vec<Platt> {
    let common = common_slope(logits, targets);
    let prior = SlopePrior { slope: common, deviation: SLOPE_PRIOR_DEVIATION };
    logits
        .iter()
        .zip(targets)
        .map(|(logits, targets)| {
            let platt = fit(logits, targets, Some(prior));
            if platt.a >= LEAST_SLOPE {
                return platt;
            }
            // the slope is held at its least value and the intercept fitted again
            fit(logits, targets, Some(SlopePrior { slope: LEAST_SLOPE, deviation: 1e-6 }))
        })
        .collect()
}

/// One slope for all labels, by alternating between it and the intercepts.
fn common_slope(logits: &[Vec<f64>], targets: &[Vec<f64>]) -> f64 {
    let mut slope = 1.0;
    for _ in 0..20 {
        let hold = SlopePrior { slope, deviation: 1e-6 };
        let (mut gradient, mut curvature) = (0.0, 1e-9);
        for (logits, targets) in logits.iter().zip(targets) {
            let platt = fit(logits, targets, Some(hold));
            for (x, y) in logits.iter().zip(targets) {
                let p = platt.probability(*x);
                gradient += (p - y) * x;
                curvature += p * (1.0 - p) * x * x;
            }
        }
        let step = (gradient / curvature).clamp(-0.5, 0.5);
        slope = (slope - step).max(LEAST_SLOPE);
        if step.abs() < 1e-7 {
            break;
        }
    }
    slope
}

fn penalised_loss(platt: Platt, logits: &[f64], targets: &[f64], prior: Option<SlopePrior>) -> f64 {
    let penalty = prior.map_or(0.0, |p| ((platt.a - p.slope) / p.deviation).powi(2) / 2.0);
    let losses = logits.iter().zip(targets).map(|(x, y)| {
        let z = platt.a * x + platt.b;
        z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
    });
    losses.sum::<f64>() + penalty
}

fn newton_step(platt: Platt, logits: &[f64], targets: &[f64], prior: Option<SlopePrior>) -> (f64, f64) {
    let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
    for (x, y) in logits.iter().zip(targets) {
        let p = platt.probability(*x);
        let weight = p * (1.0 - p);
        ga += (p - y) * x;
        gb += p - y;
        haa += weight * x * x;
        hab += weight * x;
        hbb += weight;
    }
    if let Some(prior) = prior {
        ga += (platt.a - prior.slope) / prior.deviation.powi(2);
        haa += 1.0 / prior.deviation.powi(2);
    }
    let determinant = haa * hbb - hab * hab;
    if determinant.abs() < 1e-18 {
        return (ga / haa, gb / hbb);
    }
    ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: scikit-learn 1.x `LogisticRegression(penalty=None)` on the same eight points.
    #[test]
    fn an_unpenalised_fit_solves_the_likelihood_equations() {
        let logits = [-2.0, -1.0, -0.5, 0.0, 0.3, 0.8, 1.5, 2.5];
        let targets = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        let platt = fit(&logits, &targets, None);
        let residuals: Vec<f64> =
            logits.iter().zip(targets).map(|(x, y)| platt.probability(*x) - y).collect();
        let first: f64 = residuals.iter().sum();
        let second: f64 = residuals.iter().zip(logits).map(|(r, x)| r * x).sum();
        assert!(first.abs() < 1e-5 && second.abs() < 1e-5, "{first} {second}");
    }

    #[test]
    fn calibrated_logits_keep_slope_one() {
        // targets are the probabilities themselves
        let logits: Vec<f64> = (-30..=30).map(|i| f64::from(i) / 10.0).collect();
        let targets: Vec<f64> = logits.iter().map(|x| sigmoid(1.7 * x - 0.6)).collect();
        let platt = fit(&logits, &targets, None);
        assert!((platt.a - 1.7).abs() < 1e-4 && (platt.b + 0.6).abs() < 1e-4, "{platt:?}");
    }

    #[test]
    fn a_label_that_ranks_the_wrong_way_never_gets_a_negative_slope() {
        let logits = vec![vec![-1.0, -0.5, 0.5, 1.0, 0.0, 0.2]; 2];
        let targets = vec![vec![1.0, 1.0, 0.0, 0.0, 1.0, 0.0]; 2];
        for platt in fit_labels(&logits, &targets) {
            assert!(platt.a > 0.0, "{platt:?}");
            let mean: f64 = logits[0].iter().map(|x| platt.probability(*x)).sum::<f64>() / 6.0;
            assert!((mean - 0.5).abs() < 1e-3, "{mean}");
        }
    }

    #[test]
    fn sigmoid_does_not_overflow() {
        assert!(sigmoid(-1e6) >= 0.0 && sigmoid(1e6) <= 1.0 && (sigmoid(0.0) - 0.5).abs() < 1e-15);
    }
}
