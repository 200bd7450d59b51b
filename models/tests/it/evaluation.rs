//! Measures and curves against scikit-learn's on stored vectors (`tests/reference/make_evaluation.py`).

use models::evaluation::metrics::{self, Confusion};
use models::evaluation::{auroc, brier};
use serde_json::Value;

/// The largest difference.
const TOLERANCE: f64 = 1e-9;

fn close(found: f64, stated: &Value, what: &str) {
    let stated = stated.as_f64().unwrap();
    assert!((found - stated).abs() <= TOLERANCE, "{what}: {found} and not {stated}");
}

fn same_curve(found: &[(f64, f64)], stated: &Value, what: &str) {
    let stated = stated.as_array().unwrap();
    assert_eq!(found.len(), stated.len(), "{what}");
    for (index, (point, own)) in found.iter().zip(stated).enumerate() {
        close(point.0, &own[0], &format!("{what} {index} across"));
        close(point.1, &own[1], &format!("{what} {index} up"));
    }
}

#[test]
fn measures_and_curves_are_those_of_scikit_learn() {
    let file: Value = serde_json::from_str(include_str!("../reference/evaluation.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let scores: Vec<f64> = serde_json::from_value(case["scores"].clone()).unwrap();
        let positive: Vec<bool> = serde_json::from_value(case["positive"].clone()).unwrap();
        let confusion = Confusion::new(&scores, &positive, case["threshold"].as_f64().unwrap());
        let counts = [
            confusion.true_positives,
            confusion.false_positives,
            confusion.true_negatives,
            confusion.false_negatives,
        ];
        assert_eq!(serde_json::json!(counts), case["confusion"], "{name}");
        for (measure, found) in [
            ("auroc", auroc(&scores, &positive)),
            ("average_precision", metrics::average_precision(&scores, &positive)),
            ("brier", Some(brier(&scores, &positive))),
            ("log_loss", Some(metrics::log_loss(&scores, &positive))),
            ("accuracy", confusion.accuracy()),
            ("balanced_accuracy", confusion.balanced_accuracy()),
            ("precision", confusion.precision()),
            ("sensitivity", confusion.sensitivity()),
            ("specificity", confusion.specificity()),
            ("f1", confusion.f1()),
        ] {
            close(found.unwrap(), &case[measure], &format!("{name} {measure}"));
        }
        same_curve(&metrics::roc(&scores, &positive), &case["roc"], &format!("{name} ROC"));
        let curve = metrics::precision_recall(&scores, &positive);
        same_curve(&curve, &case["precision_recall"], &format!("{name} precision-recall"));
    }
}
