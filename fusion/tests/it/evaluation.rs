//! Measures against scikit-learn; the script that made the numbers lies beside them.

use fusion::evaluation::{auroc, brier, calibration, delong, log_loss, patient_bootstrap, quantile};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    probabilities: Vec<f64>,
    labels: Vec<bool>,
    auroc: f64,
    delong_error: f64,
    brier: f64,
    log_loss: f64,
    slope: f64,
    intercept: f64,
}

#[test]
fn measures_agree_with_scikit_learn() {
    let reference: Reference = serde_json::from_str(include_str!("../reference/evaluation.json")).unwrap();
    for case in reference.cases {
        let (p, labels) = (&case.probabilities, &case.labels);
        let close = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-6, "{what}: {found} against {expected}");
        };
        close(auroc(p, labels).unwrap(), case.auroc, "AUROC");
        let (area, error) = delong(p, labels).unwrap();
        close(area, case.auroc, "AUROC of DeLong");
        close(error, case.delong_error, "standard error of DeLong");
        close(brier(p, labels).unwrap(), case.brier, "Brier");
        close(log_loss(p, labels).unwrap(), case.log_loss, "log-loss");
        let found = calibration(p, labels).unwrap();
        close(found.slope, case.slope, "slope");
        close(found.intercept, case.intercept, "intercept");
    }
}

#[test]
fn what_is_not_defined_is_none() {
    assert_eq!(auroc(&[0.1, 0.2], &[true, true]), None);
    assert_eq!(auroc(&[], &[]), None);
    assert_eq!(brier(&[], &[]), None);
    assert_eq!(calibration(&[0.1, 0.9], &[false, true]), None);
    assert_eq!(calibration(&[0.4, 0.4, 0.4], &[false, true, true]), None);
    assert!(quantile(&[], 0.5).is_nan());
    assert!((quantile(&[1.0, 2.0, 4.0], 0.75) - 3.0).abs() < 1e-12);
}

#[test]
fn the_bootstrap_keeps_patients_together_and_repeats_with_its_seed() {
    // Ten patients of ten equal cases each: drawing cases apart would give a far narrower interval.
    let patients: Vec<usize> = (0..100).map(|case| case / 10).collect();
    let mean =
        |cases: &[usize]| Some(cases.iter().map(|case| (case / 10) as f64).sum::<f64>() / cases.len() as f64);
    let (low, high) = patient_bootstrap(&patients, 2000, 1, mean).unwrap();
    assert!(low < 3.0 && high > 6.0, "{low} {high}");
    assert_eq!(patient_bootstrap(&patients, 2000, 1, mean), Some((low, high)));
    assert_eq!(patient_bootstrap(&patients, 100, 1, |_| None), None);
}
