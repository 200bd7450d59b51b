//! Risks of the samples.

use crate::report::document::*;

pub(super) fn brock() -> Risk {
    let input = |label: &str, value: &str, unit: Option<&str>, source: Option<&str>| RiskInput {
        label: label.into(),
        value: value.into(),
        unit: unit.map(Into::into),
        date: Some("2019-11-30".into()),
        source: source.map(Into::into),
    };
    let contribution = |label: &str, logit: f64| Contribution { label: label.into(), logit };
    Risk {
        id: "brock-2b".into(),
        title: "Brock (PanCan), full model with spiculation".into(),
        outcome: "Lung cancer in the nodule".into(),
        outcome_codings: vec![Coding {
            system: "http://snomed.info/sct".into(),
            code: "363358000".into(),
            display: "Malignant tumor of lung".into(),
        }],
        horizon: "Within 2 to 4 years of screening".into(),
        horizon_years: Some((2.0, 4.0)),
        value: RiskValue::Computed { probability: 0.123, interval: None },
        missing: Vec::new(),
        could_be: None,
        performer: Performer::Formula,
        method: Method {
            name: "Brock".into(),
            version: "2b".into(),
            citation: "McWilliams et al., N Engl J Med 2013;369:910-919".into(),
        },
        inputs: vec![
            input("Age", "62", Some("years"), Some("Patient/p-4711")),
            input("Longest diameter", "12", Some("mm"), Some("Observation/nod-1")),
            input("Nodule type", "solid", None, Some("Observation/nod-1")),
            input("Emphysema", "yes", None, Some("urn:uuid:0f2d7f4e-7cf3-4b5e-9d0c-0a1f5c1f2b3a")),
        ],
        contributions: vec![
            contribution("Size, 12 mm", 3.6),
            contribution("Upper lobe", 0.66),
            contribution("Female", 0.6),
            contribution("Emphysema", 0.3),
            contribution("One nodule", 0.25),
            contribution("Age 62", -0.0),
        ],
        comparators: beside_brock(),
        population: "Screened ever-smokers aged 50 to 75 with nodules up to 30 mm".into(),
        in_population: true,
        calibration: "As published; not recalibrated here".into(),
        average: Some(0.055),
        category: Some("moderate".into()),
        guidance: Some(Guidance {
            text: "PET-CT when the risk is 10 % or more".into(),
            citation: "British Thoracic Society 2015".into(),
        }),
        limits: vec!["Made for CT screening, not for incidental nodules".into()],
    }
}

fn beside_brock() -> Vec<Comparator> {
    vec![
        Comparator {
            name: "Brock 2a, without spiculation".into(),
            probability: Some(0.101),
            note: None,
            category: Some("moderate".into()),
            disagrees: false,
        },
        Comparator {
            name: "Mayo".into(),
            probability: None,
            note: Some("not computable: smoking missing".into()),
            category: None,
            disagrees: false,
        },
        Comparator {
            name: "VA".into(),
            probability: Some(0.39),
            note: Some("comparator only".into()),
            category: Some("high".into()),
            disagrees: true,
        },
    ]
}

pub(super) fn intensive_care() -> Risk {
    let other = |name: &str, probability: f64| Comparator {
        name: name.into(),
        probability: Some(probability),
        note: None,
        category: None,
        disagrees: false,
    };
    Risk {
        id: "icu-at-exam".into(),
        title: "Intensive care at the time of the exam (demonstration)".into(),
        outcome: "In intensive care".into(),
        outcome_codings: Vec::new(),
        horizon: "At the time of the exam; no forecast".into(),
        horizon_years: None,
        value: RiskValue::Computed {
            probability: 0.58,
            interval: Some(Interval {
                low: 0.33,
                high: 0.79,
                kind: "95 % interval over 200 patient bootstraps".into(),
            }),
        },
        missing: vec!["lactate dehydrogenase".into()],
        could_be: Some(Interval {
            low: 0.41,
            high: 0.72,
            kind: "range over values that are usual among its patients".into(),
        }),
        performer: Performer::Model("icu-at-exam".into()),
        method: Method {
            name: "Late logistic fusion".into(),
            version: "1.0.0".into(),
            citation: "this project's model card".into(),
        },
        inputs: vec![RiskInput {
            label: "C-reactive protein".into(),
            value: "184".into(),
            unit: Some("mg/L".into()),
            date: Some("2020-03-14".into()),
            source: Some("Observation/crp-9".into()),
        }],
        contributions: vec![
            Contribution { label: "Image score".into(), logit: 0.82 },
            Contribution { label: "C-reactive protein".into(), logit: 0.41 },
            Contribution { label: "Lactate dehydrogenase missing".into(), logit: -0.12 },
        ],
        comparators: vec![other("Image only", 0.61), other("Record only", 0.47), other("View only", 0.44)],
        population: "Adults in hospital with COVID-19".into(),
        in_population: true,
        calibration: "Slope 0.9 (0.6 to 1.3), cross-fitted".into(),
        average: Some(0.38),
        category: None,
        guidance: None,
        limits: vec!["56 patients; fusion is not shown to be better than the image alone".into()],
    }
}

pub(super) fn mayo() -> Risk {
    Risk {
        id: "mayo".into(),
        title: "Mayo".into(),
        outcome: "Malignancy of a solitary nodule".into(),
        outcome_codings: Vec::new(),
        horizon: "At presentation".into(),
        horizon_years: None,
        value: RiskValue::NotComputable {
            reason: "The record does not say whether the patient ever smoked".into(),
            range: Some(Interval { low: 0.0304, high: 0.0647, kind: "over smoking yes and no".into() }),
        },
        missing: vec!["smoking".into()],
        could_be: None,
        performer: Performer::Formula,
        method: Method {
            name: "Mayo".into(),
            version: "Swensen 1997".into(),
            citation: "Swensen et al., Arch Intern Med 1997;157:849-855".into(),
        },
        inputs: Vec::new(),
        contributions: Vec::new(),
        comparators: Vec::new(),
        population: "Solitary nodules of 4 to 30 mm, no cancer within 5 years".into(),
        in_population: true,
        calibration: "As published".into(),
        average: None,
        category: None,
        guidance: None,
        limits: Vec::new(),
    }
}
