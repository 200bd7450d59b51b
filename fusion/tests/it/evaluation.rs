//! Measures against scikit-learn; the script that made the numbers lies beside them.

use fusion::evaluation::{
    ReportInput, Resampler, SubgroupColumn, at_threshold, auroc, average_precision, brier, calibration,
    decision_curve, delong, delong_paired, evaluate, expected_calibration_error, log_loss, normal_tail,
    patient_bootstrap, quantile,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
    tails: Vec<Tail>,
}

#[derive(Deserialize)]
struct Tail {
    z: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Paired {
    difference: f64,
    error: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Case {
    probabilities: Vec<f64>,
    labels: Vec<bool>,
    auroc: f64,
    delong_error: f64,
    brier: f64,
    log_loss: f64,
    average_precision: f64,
    calibration_error: f64,
    other: Vec<f64>,
    paired: Paired,
    sensitivity: f64,
    specificity: f64,
    ppv: f64,
    npv: f64,
    f1: f64,
    net_benefit: f64,
    slope: f64,
    intercept: f64,
}

#[test]
fn measures_agree_with_scikit_learn() {
    let reference: Reference = serde_json::from_str(include_str!("../reference/evaluation.json")).unwrap();
    for case in reference.cases {
        let (p, labels) = (&case.probabilities, &case.labels);
        let close = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-9, "{what}: {found} against {expected}");
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
        close(average_precision(p, labels).unwrap(), case.average_precision, "average precision");
        close(
            expected_calibration_error(p, labels, 15).unwrap(),
            case.calibration_error,
            "calibration error",
        );
        let paired = delong_paired(p, &case.other, labels).unwrap();
        close(paired.difference, case.paired.difference, "difference");
        close(paired.error, case.paired.error, "error of the difference");
        close(paired.p, case.paired.p, "p of the difference");
        let at = at_threshold(p, labels, 0.35);
        close(at.sensitivity.unwrap(), case.sensitivity, "sensitivity");
        close(at.specificity.unwrap(), case.specificity, "specificity");
        close(at.ppv.unwrap(), case.ppv, "PPV");
        close(at.npv.unwrap(), case.npv, "NPV");
        close(at.f1.unwrap(), case.f1, "F1");
        close(decision_curve(p, labels, &[0.35])[0].model, case.net_benefit, "net benefit");
        let patients: Vec<usize> = (0..p.len()).collect();
        let once = Resampler::new(p, labels, &patients).measure(&vec![1; p.len()]);
        close(once.auroc.unwrap(), case.auroc, "AUROC of the resampler");
        close(once.average_precision.unwrap(), case.average_precision, "average precision of the resampler");
        close(once.brier.unwrap(), case.brier, "Brier of the resampler");
        close(once.log_loss.unwrap(), case.log_loss, "log-loss of the resampler");
    }
    for Tail { z, p } in reference.tails {
        assert!((normal_tail(z) - p).abs() < 1e-13, "{z}: {}", normal_tail(z));
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

/// Patients counted twice are cases counted twice.
#[test]
fn a_draw_is_the_measure_of_the_repeated_cases() {
    let p = [0.1, 0.4, 0.4, 0.8, 0.7, 0.2];
    let labels = [false, true, false, true, false, true];
    let patients = [7, 7, 3, 3, 9, 9];
    let resampler = Resampler::new(&p, &labels, &patients);
    // patients in the order of their first case: 7, 3, 9
    let drawn = resampler.measure(&[2, 0, 1]);
    let repeated = [0, 1, 0, 1, 4, 5];
    let (scores, truths): (Vec<f64>, Vec<bool>) =
        repeated.iter().map(|case| (p[*case], labels[*case])).unzip();
    assert!((drawn.auroc.unwrap() - auroc(&scores, &truths).unwrap()).abs() < 1e-12);
    assert!((drawn.brier.unwrap() - brier(&scores, &truths).unwrap()).abs() < 1e-12);
    assert!((drawn.average_precision.unwrap() - average_precision(&scores, &truths).unwrap()).abs() < 1e-12);
    assert!(resampler.draws(50, 3).all(|times| times.iter().sum::<u32>() == 3));
}

#[test]
fn a_report_compares_on_common_cases_and_hides_small_groups() {
    let cases = 400;
    let labels: Vec<bool> = (0..cases).map(|case| case % 3 == 0).collect();
    let patients: Vec<usize> = (0..cases).map(|case| case / 2).collect();
    let good: Vec<Option<f64>> = (0..cases)
        .map(|case| Some(0.3 + if case % 3 == 0 { 0.25 } else { 0.0 } + (case * 37 % 100) as f64 / 300.0))
        .collect();
    let poor: Vec<Option<f64>> =
        (0..cases).map(|case| (case % 4 != 0).then(|| (case * 53 % 97) as f64 / 100.0)).collect();
    let values = (0..cases).map(|case| if case < 40 { "few" } else { "many" });
    let subgroups = [SubgroupColumn::new("site", values)];
    let arms = [("model".to_owned(), good), ("other".to_owned(), poor)];
    let make = |draws| {
        evaluate(&ReportInput {
            labels: &labels,
            patients: &patients,
            arms: &arms,
            thresholds: &[0.5],
            subgroups: &subgroups,
            stress: &[],
            draws,
            seed: 1,
        })
        .unwrap()
    };
    let report = make(200);
    assert_eq!((report.patients, report.arms[0].cases, report.arms[1].cases), (200, 400, 300));
    let auroc = report.arms[0].auroc.unwrap();
    assert!(auroc.low.unwrap() < auroc.value && auroc.value < auroc.high.unwrap(), "{auroc:?}");
    assert_eq!(report.comparisons[0].cases, 300);
    assert!(
        report.comparisons[0].auroc.unwrap().low.unwrap() > 0.0
            && report.comparisons[0].delong.unwrap().p < 0.001
    );
    assert_eq!(report.subgroups[0].cases, None, "40 cases are too few to be shown");
    assert_eq!(report.subgroups[1].cases, Some(360));
    assert_eq!(report, make(200), "the seed decides");
    let short = ReportInput {
        labels: &labels[1..],
        patients: &patients,
        arms: &arms,
        thresholds: &[],
        subgroups: &[],
        stress: &[],
        draws: 1,
        seed: 1,
    };
    assert!(evaluate(&short).is_none());
}
