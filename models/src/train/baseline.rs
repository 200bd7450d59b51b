//! What age, sex and view alone say of each finding: the least a network has to beat.

use super::config::{Example, Split};
use crate::calibration::sigmoid;
use crate::linear;

/// Ridge penalty on the standardised coefficients.
const RIDGE: f64 = 1.0;
/// Newton steps.
const STEPS: usize = 25;

/// Scores of the validation examples from a logistic regression on age, its
/// square, sex and view, fitted on the training examples.
pub(crate) fn demographics(examples: &[Example], finding: usize) -> Vec<f64> {
    let train: Vec<&Example> = examples.iter().filter(|e| e.split == Split::Train).collect();
    let targets: Vec<f64> = train.iter().map(|e| f64::from(e.labels[finding])).collect();
    let rows: Vec<[f64; 5]> = train.iter().map(|e| row(e)).collect();
    let weights = logistic(&rows, &targets);
    let validation = examples.iter().filter(|e| e.split == Split::Validation);
    validation.map(|e| row(e).iter().zip(&weights).map(|(x, w)| x * w).sum()).collect()
}

fn row(example: &Example) -> [f64; 5] {
    let age = (f64::from(example.age_years) - 50.0) / 17.0;
    [1.0, age, age * age, f64::from(u8::from(example.male)), f64::from(u8::from(example.view_ap))]
}

fn logistic(rows: &[[f64; 5]], targets: &[f64]) -> [f64; 5] {
    let mut weights = [0.0; 5];
    for _ in 0..STEPS {
        let mut gradient = [0.0; 5];
        let mut curvature = [0.0; 25];
        for (row, target) in rows.iter().zip(targets) {
            let p = sigmoid(row.iter().zip(&weights).map(|(x, w)| x * w).sum());
            for i in 0..5 {
                gradient[i] += (p - target) * row[i];
                for j in 0..5 {
                    curvature[i * 5 + j] += p * (1.0 - p) * row[i] * row[j];
                }
            }
        }
        for i in 1..5 {
            gradient[i] += RIDGE * weights[i];
            curvature[i * 6] += RIDGE;
        }
        curvature[0] += 1e-6;
        let Some(step) = linear::solve(&curvature, &gradient) else { break };
        weights.iter_mut().zip(step).for_each(|(w, s)| *w -= s);
    }
    weights
}
