//! The prostate formulas from a record.

use super::*;

pub(super) fn ids(input: &AssessInput<'_>) -> Vec<String> {
    assess(input).into_iter().map(|risk| risk.id).collect()
}

pub(super) fn man(mut stated: Vec<Value>) -> Case {
    let mut patient = crate::support::patient();
    patient["gender"] = "male".into();
    stated.insert(0, patient);
    case(stated)
}

pub(super) fn psa(value: f64) -> Value {
    crate::support::lab("psa", "2857-1", "2024-04-01T08:00:00Z", value, "ng/mL")
}

pub(super) fn pi_rads(code: &str) -> Value {
    let value = crate::support::coded("http://radlex.org", code);
    crate::support::observation("mri", "http://snomed.info/sct", "118565006", "2024-04-20T08:00:00Z", &value)
}

#[test]
fn prostate_formulas_are_listed_for_men_with_an_antigen() {
    let woman = case(vec![crate::support::patient(), psa(7.5)]);
    assert!(!ids(&input(&woman)).contains(&"pbcg".to_owned()));
    let man = man(vec![psa(7.5), pi_rads("RID50299")]);
    let all = assess(&input(&man));
    let found = |id: &str| all.iter().find(|risk| risk.id == id).unwrap();
    let pbcg = found("pbcg");
    assert!(pbcg.method.variant.contains("without biopsy history, rectal"), "{}", pbcg.method.variant);
    let expected = fusion::formulas::pbcg::calculate(&fusion::formulas::pbcg::Inputs {
        psa_ng_ml: 7.5,
        age_years: 65.0,
        african_ancestry: false,
        prior_negative_biopsy: None,
        abnormal_examination: None,
        family_history: None,
    })
    .unwrap();
    assert!((pbcg.probability.unwrap() - expected.high).abs() < 1e-9);
    assert_eq!(pbcg.missing, ["prior-biopsy", "rectal-examination", "family-history"]);
    let (low, high) = pbcg.could_be.unwrap();
    assert!(low < expected.high && expected.high < high, "{low} to {high}");
    assert!(!pbcg.comparators.iter().any(|other| other.other_outcome && other.disagrees(pbcg)));
    let updated = fusion::formulas::pbcg::updated(expected.high, fusion::formulas::pbcg::PiRads::Above3);
    assert!((found("pbcg-mri").probability.unwrap() - updated).abs() < 1e-9);
    assert!((found("pbcg-mri").comparators[0].probability.unwrap() - expected.high).abs() < 1e-9);
    let tum = found("tum-rc");
    assert_eq!((tum.probability, tum.missing.clone()), (None, vec!["prostate-volume".to_owned()]));
}

#[test]
fn an_unknown_category_gives_the_range_and_a_high_antigen_no_update() {
    let without = man(vec![psa(7.5)]);
    let updated = risk_of(&input(&without), "pbcg-mri");
    assert_eq!((updated.probability, updated.interval_kind), (None, IntervalKind::MissingRange));
    assert_eq!(updated.missing, ["pi-rads"]);
    assert!(updated.low.unwrap() < 0.06 && updated.high.unwrap() > 0.55, "{updated:?}");
    let high = man(vec![psa(12.0), pi_rads("RID50299")]);
    assert!(risk_of(&input(&high), "pbcg").probability.is_some());
    let refused = risk_of(&input(&high), "pbcg-mri");
    assert!(!refused.in_population && refused.reason.unwrap().contains("2 to 10 ng/mL"));
    let cancer = condition("c", ICD10, "C61", "confirmed", "2023-01-01T08:00:00Z");
    let known = man(vec![psa(7.5), cancer]);
    assert!(!risk_of(&input(&known), "pbcg").in_population);
}

/// A biopsy without a result is not a negative one.
#[test]
fn a_biopsy_counts_as_negative_only_where_no_cancer_is_stated_to_be() {
    let biopsy = serde_json::json!({ "resourceType": "Procedure", "id": "b", "status": "completed",
        "subject": { "reference": "Patient/p1" }, "performedDateTime": "2022-03-01",
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "65575008" }] } });
    let open = man(vec![psa(7.5), biopsy.clone()]);
    let unknown = risk_of(&input(&open), "pbcg");
    assert!(unknown.method.variant.contains("without biopsy history"), "{}", unknown.method.variant);
    assert!(unknown.limits.iter().any(|limit| limit.contains("its result is not")));
    let refuted = condition("c", "http://snomed.info/sct", "399068003", "refuted", "2022-03-10T08:00:00Z");
    let negative = man(vec![psa(7.5), biopsy, refuted]);
    let known = risk_of(&input(&negative), "pbcg");
    assert!(!known.method.variant.contains("biopsy history"), "{}", known.method.variant);
    assert!(known.probability.unwrap() < unknown.probability.unwrap());
}

pub(super) fn risk_of(input: &AssessInput<'_>, id: &str) -> Risk {
    assess(input).into_iter().find(|risk| risk.id == id).unwrap()
}
