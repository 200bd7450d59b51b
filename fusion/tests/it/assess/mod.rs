//! The risks of the synthetic patient and what becomes of them when something is missing.

mod comparators;
mod course;
mod guideline;
mod outlined;
mod prostate;

use fusion::formulas::{brock, mayo};
use fusion::{
    AssessInput, FeatureValue, HeaderDemographics, IntervalKind, MissingReason, Nodule, NoduleKind, Risk,
    Sex, assess,
};
use jiff::SignedDuration;
use serde_json::Value;

use course::{doubling, with_before};

use crate::case::{Case, case, input};
use crate::support::{ICD10, condition, resources, t0};

fn risk(input: &AssessInput<'_>, id: &str) -> Risk {
    let all = assess(input);
    assert_eq!(
        all.iter().map(|risk| risk.id.as_str()).collect::<Vec<_>>(),
        ["brock", "mayo", "plcom2012", "icu-concurrent"]
    );
    all.into_iter().find(|risk| risk.id == id).unwrap()
}

fn without(id: &str) -> Vec<Value> {
    resources().into_iter().filter(|resource| resource["id"] != id).collect()
}

#[test]
fn a_full_record_gives_all_formulas() {
    let case = case(resources());
    let brock = risk(&input(&case), "brock");
    let expected = brock::calculate(&brock::Inputs {
        age_years: 65.0,
        female: true,
        family_history: Some(false),
        emphysema: Some(false),
        diameter_mm: 12.0,
        kind: Some(NoduleKind::Solid),
        upper_lobe: Some(true),
        count: Some(1),
        spiculated: Some(true),
    });
    let expected = expected.unwrap();
    assert!((brock.probability.unwrap() - expected.probability().unwrap()).abs() < 1e-12);
    assert!(brock.method.variant.starts_with("2b"));
    let sum: f64 = brock.contributions.iter().map(|part| part.logit).sum();
    assert!((sum + expected.intercept - expected.logit().unwrap()).abs() < 1e-9);
    let mayo = risk(&input(&case), "mayo");
    let expected = mayo::calculate(&mayo::Inputs {
        age_years: 65.0,
        ever_smoker: Some(true),
        extrathoracic_cancer: Some(false),
        diameter_mm: 12.0,
        spiculated: Some(true),
        upper_lobe: Some(true),
    });
    assert!((mayo.probability.unwrap() - expected.unwrap().probability().unwrap()).abs() < 1e-12);
    let plco = risk(&input(&case), "plcom2012");
    assert!((0.001..0.2).contains(&plco.probability.unwrap()), "{plco:?}");
    assert!(plco.contributions.iter().any(|part| part.label == "race or ethnicity"));
    assert!(plco.inputs.iter().any(|part| part.label == "Race or ethnicity" && part.value == "white"));
    for risk in assess(&input(&case)) {
        assert!(!risk.population.is_empty() && !risk.calibration.is_empty() && !risk.outcome.is_empty());
        assert_eq!(risk.probability.is_none(), risk.reason.is_some(), "{}", risk.id);
    }
}

#[test]
fn unknown_inputs_give_a_range_and_no_number() {
    for (left_out, id, word) in [
        ("emphysema", "brock", "emphysema"),
        ("father", "brock", "family-history"),
        ("cancer", "mayo", "cancer-history"),
        ("school", "plcom2012", "education"),
        ("copd", "plcom2012", "copd"),
    ] {
        let full = risk(&input(&case(resources())), id).probability.unwrap();
        let found = risk(&input(&case(without(left_out))), id);
        assert_eq!(found.probability, None, "{id} without {left_out}");
        assert_eq!(found.missing, [word], "{id} without {left_out}");
        assert_eq!(found.interval_kind, IntervalKind::MissingRange);
        assert!(found.low.unwrap() <= full && full <= found.high.unwrap());
        assert!(found.reason.unwrap().starts_with("not computable"));
    }
    let mut packs = without("packs");
    packs.retain(|resource| resource["id"] != "status");
    let found = risk(&input(&case(packs)), "plcom2012");
    assert!(found.missing.contains(&"smoking-status".to_owned()) && found.low.is_none());
}

#[test]
fn spiculation_unknown_takes_variant_2a() {
    let mut case = case(without("note"));
    case.nodules[0].spiculated = None;
    let found = risk(&input(&case), "brock");
    assert!(found.probability.is_some() && found.method.variant.starts_with("2a"));
    assert_eq!(found.missing, ["spiculation"]);
    let with = |spiculated| {
        case.nodules[0].spiculated = Some(spiculated);
        let stated = risk(&input(&case), "brock");
        assert_eq!((stated.could_be, stated.missing.len()), (None, 0));
        stated.probability.unwrap()
    };
    assert_eq!(found.could_be, Some([false, true].map(with).into()), "what the margin would make of it");
    case.nodules[0].spiculated = None;
    assert_eq!(risk(&input(&case), "mayo").missing, ["spiculation"]);
}

#[test]
fn outside_the_domain_there_is_no_number() {
    let mut large = case(resources());
    large.nodules[0].diameter_mm = 31.0;
    for id in ["brock", "mayo"] {
        let found = risk(&input(&large), id);
        assert_eq!((found.probability, found.in_population), (None, false));
        assert_eq!(found.missing, ["population"]);
    }
    let mut recent = without("cancer");
    recent.push(condition("breast", ICD10, "C50.9", "confirmed", "2022-05-01T00:00:00Z"));
    let found = risk(&input(&case(recent)), "mayo");
    assert_eq!(found.missing, ["population"]);
    let mut old = without("cancer");
    old.push(condition("breast", ICD10, "C50.9", "confirmed", "2012-05-01T00:00:00Z"));
    let found = risk(&input(&case(old)), "mayo");
    assert!(found.probability.unwrap() > risk(&input(&case(resources())), "mayo").probability.unwrap());
    let mut never = case(without("packs"));
    let status = never.table.features.iter_mut().find(|feature| feature.id == "smoking-status").unwrap();
    status.value = fusion::FeatureValue::Code("never-smoker".to_owned());
    assert_eq!(risk(&input(&never), "plcom2012").missing, ["population"]);
}

#[test]
fn without_a_record_the_header_says_age_and_sex() {
    let case = case(resources());
    let header = HeaderDemographics { age_years: Some(66.0), sex: Some(Sex::Male) };
    let input = AssessInput { features: None, header: Some(header), ..input(&case) };
    let brock = risk(&input, "brock");
    assert_eq!(brock.missing, ["family-history", "emphysema"]);
    assert!(brock.limits.iter().any(|limit| limit.contains("image header")));
    assert_eq!(risk(&input, "plcom2012").missing, ["record"]);
    let none = AssessInput { nodules: &[], header: None, ..input };
    assert_eq!(risk(&none, "brock").missing, ["nodule"]);
    let nobody = AssessInput { header: None, ..input };
    assert_eq!(risk(&nobody, "brock").missing, ["age", "sex"]);
}

#[test]
fn an_old_nodule_is_not_the_one_of_this_exam() {
    let mut case = case(resources());
    case.nodules[0].dated = Some(crate::support::at("2022-01-01T00:00:00Z"));
    let found = risk(&input(&case), "brock");
    assert_eq!(found.missing, ["nodule"]);
}

#[test]
fn the_largest_nodule_of_the_latest_exam_is_taken_and_all_are_counted() {
    let mut case = case(resources());
    let nodule = Nodule { count: None, dated: Some(t0()), ..case.nodules[0].clone() };
    case.nodules.push(Nodule { diameter_mm: 6.0, ..nodule.clone() });
    case.nodules.push(Nodule { diameter_mm: 9.0, ..nodule });
    let found = risk(&input(&case), "brock");
    let of = |label: &str| found.inputs.iter().find(|part| part.label == label).unwrap().value.clone();
    assert_eq!((of("nodule diameter"), of("number of nodules")), ("9".to_owned(), "2".to_owned()));
    assert!(found.limits.iter().any(|limit| limit.contains("number of coded nodules")));
    not_solitary(&risk(&input(&case), "mayo"));
}

fn not_solitary(risk: &Risk) {
    assert_eq!((risk.probability, risk.low, risk.in_population), (None, None, false));
    assert_eq!(risk.missing, ["population"]);
    assert!(risk.reason.as_ref().unwrap().contains("solitary"));
}

#[test]
fn mayo_is_for_a_solitary_nodule() {
    let mut case = case(resources());
    assert!(risk(&input(&case), "mayo").probability.is_some());
    case.nodules[0].count = Some(2);
    not_solitary(&risk(&input(&case), "mayo"));
    case.nodules[0].count = Some(1);
    case.nodules.push(Nodule { diameter_mm: 5.0, ..case.nodules[0].clone() });
    not_solitary(&risk(&input(&case), "mayo"));
}

#[test]
fn the_untrained_model_says_so() {
    let case = case(resources());
    let found = risk(&input(&case), "icu-concurrent");
    assert_eq!((found.probability, found.missing), (None, vec!["model".to_owned()]));
}

#[test]
fn the_lesion_is_the_nodule_that_was_computed_for() {
    let alone = fusion::lesion(&input(&case(resources()))).unwrap();
    assert!((alone.diameter_mm - 12.0).abs() < 1e-9);
    assert_eq!((alone.site.code.as_str(), alone.count, &alone.earlier), ("42400003", Some(1), &None));
    assert_eq!(alone.source.as_deref(), Some("Observation/nodule-1"));
    let followed = with_before(180, |before| before.diameter_mm = 10.0);
    let earlier = fusion::lesion(&input(&followed)).unwrap().earlier.unwrap();
    assert_eq!(earlier.source.as_deref(), Some("Observation/before"));
    assert!((earlier.difference_mm - 2.0).abs() < 1e-9);
    let Some(fusion::formulas::doubling::Growth::Growing { doubling_days, .. }) = earlier.growth else {
        panic!("{earlier:?}")
    };
    assert_eq!(doubling(&followed).unwrap(), format!("{doubling_days:.0}"));
    let mut unsited = case(resources());
    unsited.nodules[0].site = None;
    assert_eq!(fusion::lesion(&input(&unsited)).unwrap().site.code, "45653009", "an upper lobe is known");
    unsited.nodules.clear();
    assert_eq!(fusion::lesion(&input(&unsited)), None);
}

#[test]
fn methods_disagree_by_number_and_by_category_for_the_same_outcome_alone() {
    let case = case(resources());
    let brock = risk(&input(&case), "brock");
    let mayo = brock.comparators.iter().find(|other| other.name == "Mayo").unwrap();
    assert_eq!(mayo.probability, risk(&input(&case), "mayo").probability);
    assert!(mayo.category.is_some() && brock.category.is_some());
    let near = fusion::Comparison { probability: Some(0.09), category: None, ..mayo.clone() };
    let own = Risk { probability: Some(0.11), category: Some("10 % and more".to_owned()), ..brock };
    assert!(!near.disagrees(&own), "the log odds are near");
    let below = fusion::Comparison { category: Some("below 10 %".to_owned()), ..near.clone() };
    assert!(below.disagrees(&own), "another category");
    let other = fusion::Comparison { other_outcome: true, ..below };
    assert!(!other.disagrees(&own), "of another outcome");
    let far = fusion::Comparison { probability: Some(0.4), ..near.clone() };
    assert!(far.disagrees(&own), "log odds");
    assert!(!fusion::Comparison { probability: None, ..near }.disagrees(&own));
}

fn stated(case: &mut Case, id: &str, value: FeatureValue) {
    case.table.features.iter_mut().find(|feature| feature.id == id).unwrap().value = value;
}
