//! What the program says in German beside the words of a site's own model.

use std::collections::BTreeSet;

use fusion::AssessInput;
use fusion::features::{FeatureValue, MissingReason};
use fusion::learned::tabular::{Table, TabularModel, train_table};

use super::{changed, choices, known, noted, nothing, of_risk, set, t0};
use crate::compose::risks;

/// What a site's own models say beside their own words, which here are words that are known.
#[test]
fn every_text_beside_the_words_of_a_sites_model_is_known() {
    let model = drawn();
    let mut base = nothing();
    for (id, values) in choices() {
        set(&mut base, id, values[0].clone());
    }
    base.features.iter_mut().for_each(|feature| feature.age_days = Some(1.0));
    let mut tables = vec![None, Some(base.clone()), Some(nothing())];
    let of_unit = FeatureValue::Missing { reason: MissingReason::Unit };
    for (id, value) in [
        ("crp", of_unit),
        ("crp", FeatureValue::Number(5000.0)),
        ("crp", FeatureValue::Number(499.0)),
        ("age", FeatureValue::Number(10.0)),
        ("covid-19", FeatureValue::Bool(false)),
        ("covid-19", FeatureValue::Missing { reason: MissingReason::NotRecorded }),
    ] {
        let mut table = base.clone();
        set(&mut table, id, value);
        tables.push(Some(table));
    }
    tables.extend([noted(&base, false), changed(&base)].map(Some));
    let mut old = base.clone();
    old.features.iter_mut().for_each(|feature| feature.age_days = Some(400.0));
    tables.push(Some(old));
    let (mut computed, mut reasons) = (0, BTreeSet::new());
    for table in &tables {
        let input = AssessInput {
            t0: t0(),
            features: table.as_ref(),
            nodules: &[],
            prostate: &[],
            lesions: &[],
            image: None,
            header: None,
            late_fusion: None,
        };
        let risk = fusion::assess_tabular(&model, &input);
        computed += usize::from(risk.probability.is_some());
        reasons.extend(risk.reason.clone());
        for feature in &base.features {
            known(&risks::missing(&risk, &feature.id), &feature.id);
        }
        risks::risks(&[risk]).iter().for_each(of_risk);
    }
    assert!(computed > 3 && reasons.len() > 3, "{computed} {reasons:?}");
    for text in [
        "Late fusion of findings of the image and values of the record",
        "formula only",
        "image and formula",
        "record and formula",
        "formula",
        "the image alone, calibrated",
        "the record alone, calibrated",
        "the formula alone, calibrated",
        "neither the image nor the record says anything that the model reads",
        "calibrated side by side, cross-fitted by patient, on 12 rows of 10 patients, 4 with the outcome",
        "fitted on 12 rows of 10 patients, 4 with the outcome; the words of a site",
        "contributions are those before calibration",
        "the model states its patients in words alone: whether this one is among them was not checked",
        "isotonic calibration on 12 rows of 10 patients that it was not fitted on, 4 with the outcome",
    ] {
        known(text, "a site's model");
    }
}

/// A model of C-reactive protein and age for adults with COVID-19, trained on 300 drawn patients.
fn drawn() -> TabularModel {
    let config = r#"
id = "drawn"
version = "1"
title = "Pneumonia"
outcome = "Pneumonia"
horizon = "6 years"
population = "Pneumonia"
data = "Pneumonia"
intended_use = "Pneumonia"
created = "2026-01-01"
patient = "who"
missing_flags = false
thresholds = [0.5]
seed = 1
label = { column = "y", positive = ["1"], negative = ["0"] }
numeric = [
    { column = "crp", label = "C-reactive protein", unit = "mg/L", range = [0.0, 500.0] },
    { column = "age", label = "Age", unit = "a", range = [0.0, 120.0] },
]
[record]
max_age_days = 90
requires = [
    { feature = "age", range = [18, 120] },
    { feature = "covid-19", values = ["true"], within_days = 90 },
]
"#;
    let names = ["who", "y", "crp", "age"].map(str::to_owned);
    let rows = (0..300_u32).map(|at| {
        let mixed = at.wrapping_mul(2_654_435_761) >> 8;
        let (crp, age) = (mixed % 100, 20 + mixed / 7 % 70);
        let sick = u8::from(crp + age > 50 + mixed / 11 % 110);
        vec![at.to_string(), sick.to_string(), crp.to_string(), age.to_string()]
    });
    let table = Table::new(&names, rows.collect()).unwrap();
    train_table(&toml::from_str(config).unwrap(), &table).unwrap().model
}
