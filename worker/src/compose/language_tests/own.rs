//! What the program says in German beside the words of a site's own model.

use std::collections::BTreeSet;

use fusion::AssessInput;
use fusion::features::{FeatureValue, MissingReason};

use super::{changed, choices, known, noted, nothing, of_risk, set, t0};
use crate::compose::risks;
use crate::risk_models::sample;

/// What a site's own models say beside their own words, which here are words that are known.
#[test]
fn every_text_beside_the_words_of_a_sites_model_is_known() {
    let model = sample::drawn(|config| config).model;
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
