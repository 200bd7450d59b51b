//! What if one input were another: the formulas answer again, and nothing else moves.

use fusion::formulas::{brock, mayo};
use fusion::{AssessInput, NoduleKind, Risk, WhatIf, WhatIfError, assess, what_if};
use serde_json::Value;

use crate::case::{case, input};
use crate::support::{LOINC, SNOMED, coded, observation, patient, resources};

fn one(all: &[WhatIf], id: &str) -> (Risk, Risk, Option<f64>) {
    let found = all.iter().find(|one| one.id == id).unwrap();
    (found.before.clone().unwrap(), found.after.clone().unwrap(), found.change_logit)
}

fn probability(risk: &Risk) -> f64 {
    risk.probability.unwrap()
}

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

/// The synthetic patient's nodule, as Brock reads it.
const BROCK: brock::Inputs = brock::Inputs {
    age_years: 65.0,
    female: true,
    family_history: Some(false),
    emphysema: Some(false),
    diameter_mm: 12.0,
    kind: Some(NoduleKind::Solid),
    upper_lobe: Some(true),
    count: Some(1),
    spiculated: Some(true),
};

#[test]
fn a_changed_feature_moves_what_reads_it_and_nothing_else() {
    let case = case(resources());
    let input = input(&case);
    let all = what_if(&input, "emphysema", "yes").unwrap();
    assert_eq!(all.iter().filter_map(|one| one.before.clone()).collect::<Vec<_>>(), assess(&input));
    let expected = brock::calculate(&brock::Inputs { emphysema: Some(true), ..BROCK }).unwrap();
    let (before, after, change) = one(&all, "brock");
    assert!((probability(&after) - expected.probability().unwrap()).abs() < 1e-12);
    assert!((change.unwrap() - (logit(probability(&after)) - logit(probability(&before)))).abs() < 1e-9);
    assert!(change.unwrap() > 0.1);
    // nobody stated it, so that nothing is cited for it
    let stated = |risk: &Risk| risk.inputs.iter().find(|part| part.label == "Emphysema").cloned().unwrap();
    assert_eq!((stated(&before).value.as_str(), stated(&after).value.as_str()), ("no", "yes"));
    assert!(stated(&before).source.is_some() && stated(&after).source.is_none());
    for id in ["mayo", "plcom2012", "icu-concurrent"] {
        let (before, after, _) = one(&all, id);
        assert_eq!(before, after, "{id} does not read it");
    }
    assert_eq!(case.table.truth("emphysema"), Some(false), "the table is as it was");
    // to what it is already
    let (before, after, change) = one(&what_if(&input, "emphysema", "no").unwrap(), "brock");
    assert_eq!((probability(&before).to_bits(), change), (probability(&after).to_bits(), Some(0.0)));
}

#[test]
fn a_nodules_properties_can_be_others() {
    let case = case(resources());
    let input = input(&case);
    let changes: [(&str, &str, brock::Inputs); 4] = [
        ("nodule-diameter", "20", brock::Inputs { diameter_mm: 20.0, ..BROCK }),
        ("nodule-type", "part-solid", brock::Inputs { kind: Some(NoduleKind::PartSolid), ..BROCK }),
        ("nodule-spiculated", "no", brock::Inputs { spiculated: Some(false), ..BROCK }),
        ("nodule-upper-lobe", "no", brock::Inputs { upper_lobe: Some(false), ..BROCK }),
    ];
    for (name, value, expected) in changes {
        let (before, after, _) = one(&what_if(&input, name, value).unwrap(), "brock");
        let expected = brock::calculate(&expected).unwrap().probability().unwrap();
        assert!((probability(&after) - expected).abs() < 1e-12, "{name}={value}");
        assert!((probability(&after) - probability(&before)).abs() > 1e-4, "{name}={value}");
    }
    let mayo = mayo::calculate(&mayo::Inputs {
        age_years: 65.0,
        ever_smoker: Some(true),
        extrathoracic_cancer: Some(false),
        diameter_mm: 20.0,
        spiculated: Some(true),
        upper_lobe: Some(true),
    });
    let (_, after, _) = one(&what_if(&input, "nodule-diameter", "20").unwrap(), "mayo");
    assert!((probability(&after) - mayo.unwrap().probability().unwrap()).abs() < 1e-12);
    let (_, after, change) = one(&what_if(&input, "nodule-diameter", "31").unwrap(), "brock");
    assert_eq!((after.probability, after.in_population, change), (None, false, None));
}

/// The answer is that of a record which states it.
#[test]
fn another_smoking_status_is_answered_as_if_it_were_stated() {
    let former = case(resources());
    let all = what_if(&input(&former), "smoking-status", "current-smoker").unwrap();
    let (before, after, _) = one(&all, "plcom2012");
    let status = observation("status", LOINC, "72166-2", "2024-02-01T08:00:00Z", &coded(SNOMED, "449868002"));
    let mut stated: Vec<Value> =
        resources().into_iter().filter(|one| one["id"] != "status" && one["id"] != "quit").collect();
    stated.push(status);
    let stated = case(stated);
    // how long somebody smoked is made from the day of quitting, where nothing else states it
    let years = former.table.number("years-smoked").map(|years| years.to_string());
    let years = years.as_deref().unwrap_or("unknown");
    let (_, expected, _) = one(&what_if(&input(&stated), "years-smoked", years).unwrap(), "plcom2012");
    assert_eq!(
        (after.probability, after.low, after.high),
        (expected.probability, expected.low, expected.high)
    );
    assert_ne!((before.probability, before.low), (after.probability, after.low));
    let (_, never, change) =
        one(&what_if(&input(&former), "smoking-status", "never-smoker").unwrap(), "plcom2012");
    assert_eq!((never.probability, never.in_population, change), (None, false, None));
    assert!(never.reason.unwrap().contains("ever smoked"));
}

#[test]
fn what_is_unknown_leaves_a_range_and_what_is_known_lists_a_risk() {
    let known = case(resources());
    let all = what_if(&input(&known), "emphysema", "unknown").unwrap();
    let (before, after, change) = one(&all, "brock");
    assert_eq!(
        (after.probability, change, after.missing.as_slice()),
        (None, None, &["emphysema".to_owned()][..])
    );
    let inside = after.low.unwrap()..=after.high.unwrap();
    assert!(inside.contains(&probability(&before)));
    let mut man = resources();
    man[0] = patient();
    man[0]["gender"] = "male".into();
    let man = case(man);
    let all = what_if(&input(&man), "psa", "6.5").unwrap();
    let pbcg = all.iter().find(|one| one.id == "pbcg").unwrap();
    assert!(pbcg.before.is_none() && pbcg.after.is_some() && pbcg.change_logit.is_none());
    let woman = what_if(&input(&known), "psa", "6.5").unwrap();
    assert!(woman.iter().all(|one| one.id != "pbcg"));
}

/// Every input, each with a value.
const EVERY: [(&str, &str); 39] = [
    ("age", "70"),
    ("sex", "male"),
    ("race", "black"),
    ("education", "3"),
    ("bmi", "31.5"),
    ("smoking-status", "former-smoker"),
    ("pack-years", "40"),
    ("cigarettes-per-day", "10"),
    ("years-smoked", "30"),
    ("years-quit", "5"),
    ("cancer", "yes"),
    ("years-since-cancer", "6"),
    ("copd", "no"),
    ("covid-19", "no"),
    ("emphysema", "yes"),
    ("extrathoracic-cancer", "yes"),
    ("immunosuppression", "yes"),
    ("lung-cancer", "yes"),
    ("prostate-cancer", "no"),
    ("family-lung-cancer", "yes"),
    ("family-prostate-cancer", "yes"),
    ("five-alpha-reductase-inhibitor", "yes"),
    ("prior-prostate-biopsy", "yes"),
    ("dre-abnormal", "no"),
    ("fdg-uptake", "2"),
    ("pi-rads", "4"),
    ("psa", "5"),
    ("prostate-volume", "50"),
    ("crp", "5"),
    ("ldh", "200"),
    ("d-dimer", "0.4"),
    ("lymphocytes", "1.2"),
    ("neutrophils", "4"),
    ("pao2", "80"),
    ("paco2", "40"),
    ("nodule-diameter", "9"),
    ("nodule-type", "nonsolid"),
    ("nodule-spiculated", "unknown"),
    ("nodule-upper-lobe", "yes"),
];

#[test]
fn every_input_can_be_changed() {
    let case = case(resources());
    for (name, value) in EVERY {
        let found = what_if(&input(&case), name, value);
        assert!(found.is_ok(), "{name}={value}: {found:?}");
    }
}

#[test]
fn what_cannot_be_changed_says_why() {
    let case = case(resources());
    let refused = |name: &str, value: &str| what_if(&input(&case), name, value).unwrap_err();
    let unread = refused("shoe-size", "44").to_string();
    assert!(unread.contains("`shoe-size`") && unread.contains("smoking-status, pack-years"), "{unread}");
    for (name, value) in [
        ("age", "old"),
        ("age", "130"),
        ("age", "NaN"),
        ("education", "2.5"),
        ("bmi", "700"),
        ("sex", "other"),
        ("smoking-status", "smokes"),
        ("copd", "maybe"),
        ("nodule-diameter", "unknown"),
        ("nodule-type", "cavitary"),
        ("pi-rads", "6"),
    ] {
        let error = refused(name, value);
        assert!(matches!(error, WhatIfError::Value { .. }), "{name}={value}: {error}");
    }
    assert!(refused("bmi", "700").to_string().contains("a number from 8 to 120"));
    let alone = AssessInput { features: None, ..input(&case) };
    assert!(matches!(what_if(&alone, "age", "60"), Err(WhatIfError::NoRecord { .. })));
    assert!(what_if(&alone, "nodule-diameter", "9").is_ok());
    let bare = AssessInput { nodules: &[], ..input(&case) };
    assert!(matches!(what_if(&bare, "nodule-diameter", "9"), Err(WhatIfError::NoNodule { .. })));
}
