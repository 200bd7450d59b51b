//! The risks of the synthetic patient and what becomes of them when something is missing.

use fusion::formulas::{brock, mayo};
use fusion::{
    AssessInput, FeatureTable, FeatureValue, HeaderDemographics, IntervalKind, MissingReason, Nodule,
    NoduleKind, Record, Risk, Sex, assess, features, nodules,
};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::support::{ICD10, bundle, bytes, condition, resources, t0};

struct Case {
    table: FeatureTable,
    nodules: Vec<Nodule>,
}

fn case(resources: Vec<Value>) -> Case {
    let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
    Case { table: features(&record, t0(), &TimeZone::UTC), nodules: nodules(&record, t0(), &TimeZone::UTC) }
}

fn input(case: &Case) -> AssessInput<'_> {
    AssessInput {
        t0: t0(),
        features: Some(&case.table),
        nodules: &case.nodules,
        prostate: &[],
        lesions: &[],
        image: None,
        header: None,
        late_fusion: None,
    }
}

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
        count: 1,
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
    assert_eq!((alone.site.code.as_str(), alone.count, &alone.earlier), ("42400003", 1, &None));
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

fn ids(input: &AssessInput<'_>) -> Vec<String> {
    assess(input).into_iter().map(|risk| risk.id).collect()
}

fn man(mut stated: Vec<Value>) -> Case {
    let mut patient = crate::support::patient();
    patient["gender"] = "male".into();
    stated.insert(0, patient);
    case(stated)
}

fn psa(value: f64) -> Value {
    crate::support::lab("psa", "2857-1", "2024-04-01T08:00:00Z", value, "ng/mL")
}

fn pi_rads(code: &str) -> Value {
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

fn risk_of(input: &AssessInput<'_>, id: &str) -> Risk {
    assess(input).into_iter().find(|risk| risk.id == id).unwrap()
}

#[test]
fn herder_is_listed_where_an_uptake_is_stated_and_starts_from_mayo() {
    assert!(!ids(&input(&case(resources()))).contains(&"herder".to_owned()));
    let mut stated = resources();
    let mut pet = crate::support::observation(
        "pet",
        "",
        "",
        "2024-04-25T08:00:00Z",
        &serde_json::json!({ "valueString": "Moderate" }),
    );
    pet["code"] = serde_json::json!({ "text": "FDG uptake" });
    stated.push(pet);
    let case = case(stated);
    let input = input(&case);
    let mayo = risk_of(&input, "mayo").probability.unwrap();
    let herder = risk_of(&input, "herder");
    let expected = 1.0 / (1.0 + (4.739 - 3.691 * mayo - 4.617).exp());
    assert!((herder.probability.unwrap() - expected).abs() < 1e-9);
    assert_eq!(herder.category.as_deref(), Some("above 70 %"));
    assert!(herder.guidance.unwrap().citation.contains("British Thoracic"));
    assert!(risk_of(&input, "mayo").guidance.unwrap().text.contains("PET-CT or tissue"));
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

/// The case with its nodule as another examination saw it, so many days before.
fn with_before(days: i64, alter: impl Fn(&mut Nodule)) -> Case {
    let mut case = case(resources());
    let mut before = case.nodules[0].clone();
    before.source = vec!["Observation/before".to_owned()];
    before.dated = before.dated.map(|dated| dated - SignedDuration::from_hours(24 * days));
    alter(&mut before);
    case.nodules.push(before);
    case
}

fn doubling(case: &Case) -> Option<String> {
    let brock = risk(&input(case), "brock");
    let found = brock.inputs.iter().find(|one| one.label == "volume doubling time");
    assert!(found.is_none_or(|one| one.source.as_deref() == Some("Observation/before")));
    found.map(|one| one.value.clone())
}

#[test]
fn the_only_nodule_of_two_examinations_has_a_volume_doubling_time() {
    let smaller = |by: f64| move |before: &mut Nodule| before.diameter_mm -= by;
    // 180 days x ln 2 / ln(1.2^3)
    assert_eq!(doubling(&with_before(180, smaller(2.0))).as_deref(), Some("228"));
    assert_eq!(doubling(&with_before(180, smaller(-1.0))).as_deref(), Some("no growth"));
    let brock = |case: &Case| risk(&input(case), "brock");
    let grown = brock(&with_before(180, smaller(2.0)));
    assert_eq!(grown.probability, brock(&case(resources())).probability, "the formula does not use it");
    assert!(grown.limits.iter().any(|limit| limit.contains("400 days") && limit.contains("work-up")));
    assert!(!brock(&with_before(180, smaller(0.2))).limits.iter().any(|limit| limit.contains("work-up")));
}

#[test]
fn what_may_be_another_nodule_says_nothing_of_growth() {
    type Alters = fn(&mut Nodule);
    let unlike: [(i64, Alters); 5] = [
        (20, |_| {}),
        (180, |before| before.count = Some(2)),
        (180, |before| before.upper_lobe = before.upper_lobe.map(|upper| !upper)),
        (180, |before| before.kind = Some(NoduleKind::NonSolid)),
        (180, |before| before.dated = None),
    ];
    for (number, (days, alter)) in unlike.into_iter().enumerate() {
        assert_eq!(doubling(&with_before(days, alter)), None, "{number}");
    }
    let mut two = with_before(180, |_| {});
    two.nodules.push(two.nodules[1].clone());
    assert_eq!(doubling(&two), None, "two before");
}

#[test]
fn lung_rads_is_said_for_a_screening_ct() {
    let said = |alter: &dyn Fn(&mut Case)| {
        let mut case = with_before(180, |before| before.diameter_mm = 10.0);
        alter(&mut case);
        let guidance = risk(&input(&case), "brock").guidance?;
        assert_eq!(guidance.text.contains("Lung-RADS"), guidance.citation.contains("Lung-RADS v2022"));
        let said = guidance.text.split("Lung-RADS ").nth(1)?;
        assert!(said.ends_with(", by the longest diameter in place of the mean"), "{said}");
        said.split(',').next().map(str::to_owned)
    };
    let smooth = |case: &mut Case| case.nodules.iter_mut().for_each(|nodule| nodule.spiculated = Some(false));
    assert_eq!(said(&|_| {}).as_deref(), Some("4X"), "grown and spiculated");
    assert_eq!(said(&smooth).as_deref(), Some("4B"), "grown from 10 to 12 mm");
    let first = |case: &mut Case| {
        smooth(case);
        case.nodules.truncate(1);
    };
    assert_eq!(said(&first).as_deref(), Some("4A"), "12 mm at baseline");
    let part = |case: &mut Case| {
        case.nodules.iter_mut().for_each(|nodule| nodule.kind = Some(NoduleKind::PartSolid));
    };
    assert_eq!(said(&part), None, "its solid part is not known");
}

/// A nodule of 7 mm is 3 at baseline, 4A where it is new: what cannot be told apart has no category.
#[test]
fn a_nodule_that_may_be_new_has_no_category_of_lung_rads() {
    let category = |case: &Case| {
        let brock = risk(&input(case), "brock");
        let why =
            brock.limits.iter().find_map(|limit| limit.strip_prefix("no category of Lung-RADS v2022: "));
        let said = brock.guidance.filter(|one| one.text.contains("Lung-RADS"));
        assert_eq!(said.is_none(), why.is_some());
        (said.map(|one| one.text), why.map(str::to_owned))
    };
    let seven = |days, alter: &dyn Fn(&mut Nodule)| {
        let mut case = with_before(days, alter);
        case.nodules[0] = Nodule { diameter_mm: 7.0, spiculated: Some(false), ..case.nodules[0].clone() };
        case
    };
    let mut alone = seven(180, &|_| {});
    alone.nodules.truncate(1);
    assert!(category(&alone).0.unwrap().contains("on a first screening CT Lung-RADS 3,"));
    let same = category(&seven(180, &|before| before.diameter_mm = 7.0)).0.unwrap();
    assert!(same.contains("on screening Lung-RADS 3,"), "{same}");
    for (number, case) in [
        seven(20, &|_| {}),
        seven(180, &|before| before.count = Some(2)),
        seven(180, &|before| before.kind = Some(NoduleKind::NonSolid)),
        seven(3000, &|before| before.upper_lobe = before.upper_lobe.map(|upper| !upper)),
    ]
    .iter()
    .enumerate()
    {
        assert!(category(case).1.unwrap().contains("whether it is this one"), "{number}");
    }
    let mut several = seven(180, &|_| {});
    several.nodules[0].count = Some(2);
    assert!(category(&several).1.unwrap().contains("whether it is this one"));
    let slow = category(&seven(500, &|before| before.diameter_mm = 5.0));
    assert!(slow.1.unwrap().contains("within 12 months"));
    let glass = |before: f64| {
        let mut case = with_before(180, |_| {});
        for (nodule, diameter_mm) in case.nodules.iter_mut().zip([30.0, before]) {
            *nodule = Nodule {
                diameter_mm,
                kind: Some(NoduleKind::NonSolid),
                spiculated: Some(false),
                ..nodule.clone()
            };
        }
        category(&case)
    };
    assert!(glass(29.0).0.unwrap().contains("Lung-RADS 2,"), "grown by too little to count");
    assert!(glass(20.0).1.unwrap().contains("grows faster"));
}

fn stated(case: &mut Case, id: &str, value: FeatureValue) {
    case.table.features.iter_mut().find(|feature| feature.id == id).unwrap().value = value;
}

type Alters = fn(&mut Case);

#[test]
fn fleischner_is_said_of_several_nodules_too_or_why_it_is_not() {
    let said = |case: &Case, id: &str| risk(&input(case), id).guidance.map(|one| one.text);
    let why = |case: &Case| {
        let mayo = risk(&input(case), "mayo");
        assert!(mayo.guidance.is_none());
        let limit = mayo.limits.into_iter().find(|limit| limit.starts_with("the Fleischner Society 2017"));
        limit.unwrap()
    };
    let mut one = case(resources());
    let text = said(&one, "mayo").unwrap();
    assert!(text.contains("without immunosuppression") && text.contains("PET-CT or tissue"), "{text}");
    assert!(!said(&one, "brock").unwrap().contains("found by chance"), "Mayo has it");
    stated(&mut one, "immunosuppression", FeatureValue::Bool(false));
    assert!(said(&one, "mayo").unwrap().contains("by chance and not on screening, the guideline"));
    // Mayo is not for several nodules; the guideline is, and Brock, which is shown, has it
    one.nodules[0].count = Some(3);
    for id in ["mayo", "brock"] {
        let text = said(&one, id).unwrap();
        assert!(text.contains("CT at 3 to 6 months, then consider CT at 18 to 24 months"), "{id}: {text}");
    }
    not_solitary(&risk(&input(&one), "mayo"));
    // too small for Mayo
    one.nodules[0] = Nodule { count: Some(1), diameter_mm: 3.5, ..one.nodules[0].clone() };
    assert_eq!(risk(&input(&one), "mayo").missing, ["population"]);
    assert!(said(&one, "mayo").unwrap().contains("no routine follow-up"));
    let altered = |alter: &dyn Fn(&mut Case)| {
        let mut case = case(resources());
        alter(&mut case);
        why(&case)
    };
    let refused: [(Alters, &str); 6] = [
        (|case| stated(case, "age", FeatureValue::Number(34.0)), "below 35 years"),
        (|case| stated(case, "cancer", FeatureValue::Bool(true)), "a cancer is stated"),
        (|case| stated(case, "immunosuppression", FeatureValue::Bool(true)), "immunosuppression is stated"),
        (|case| case.nodules[0].kind = None, "the texture is not stated"),
        (|case| case.nodules[0].diameter_mm = 31.0, "a mass"),
        (
            |case| stated(case, "age", FeatureValue::Missing { reason: MissingReason::NotRecorded }),
            "age not known",
        ),
    ];
    for (alter, words) in refused {
        let found = altered(&alter);
        assert!(found.contains(words), "{found}");
    }
    let mut suppressed = resources();
    suppressed.push(condition("graft", ICD10, "Z94.2", "confirmed", "2021-05-01T00:00:00Z"));
    let suppressed = case(suppressed);
    assert!(why(&suppressed).contains("immunosuppression is stated"));
    let mayo = risk(&input(&suppressed), "mayo");
    let cited = mayo.inputs.iter().find(|one| one.label == "Immunosuppression").unwrap();
    assert_eq!((cited.value.as_str(), cited.source.as_deref()), ("yes", Some("Condition/graft")));
}

#[test]
fn a_readers_rating_stands_beside_brock_and_says_what_it_is() {
    let rating = |case: &Case| {
        let found = risk(&input(case), "brock").comparators;
        found.into_iter().find(|one| one.name == "LIDC-IDRI 1.0.0").unwrap()
    };
    let mut one = case(resources());
    let large = rating(&one);
    assert!(large.note.unwrap().contains("not pathology"));
    // what the model says of the row with the other cells empty
    let model = include_bytes!("../../models/lidc-malignancy-rating/model.json");
    let model = fusion::learned::tabular::TabularModel::from_json(model).unwrap();
    let names = ["diameter", "spiculation", "texture", "lobulation", "margin", "sphericity", "calcification"];
    let row = ["12", "5", "5", "", "", "", ""].map(str::to_owned).to_vec();
    let table = fusion::learned::tabular::Table::new(&names.map(str::to_owned), vec![row]).unwrap();
    let expected = model.predict(table.rows().next().unwrap()).unwrap();
    assert!((large.probability.unwrap() - expected.probability).abs() < 1e-9);
    assert_eq!(expected.missing.len(), 4);
    one.nodules[0].spiculated = Some(false);
    let smooth = rating(&one).probability.unwrap();
    one.nodules[0].diameter_mm = 5.0;
    assert!(rating(&one).probability.unwrap() < smooth && smooth < large.probability.unwrap());
    one.nodules[0].kind = None;
    let open = rating(&one);
    assert!(open.probability.is_none() && open.note.unwrap().contains("needs texture"));
}

/// The published worked values, through the risks of a report.
#[test]
fn herder_and_its_comparator_have_the_worked_values() {
    let mut case = case(resources());
    case.nodules[0].diameter_mm = 15.0;
    for (uptake, herder, by_ratio) in [
        (0.0, 0.064_662, 0.092_438),
        (1.0, 0.413_447, 0.177_927),
        (2.0, 0.874_930, 0.707_517),
        (3.0, 0.890_832, 0.926_494),
    ] {
        stated(&mut case, "fdg-uptake", FeatureValue::Number(uptake));
        let input = input(&case);
        assert!((risk_of(&input, "mayo").probability.unwrap() - 0.560_083).abs() < 1e-6);
        let found = risk_of(&input, "herder");
        assert!((found.probability.unwrap() - herder).abs() < 1e-6, "{found:?}");
        let other = found.comparators.iter().find(|one| one.name == "by likelihood ratio").unwrap();
        assert!((other.probability.unwrap() - by_ratio).abs() < 1e-6, "{other:?}");
    }
}

#[test]
fn herder_says_where_the_guideline_would_not_take_it() {
    let mut case = case(resources());
    stated(&mut case, "fdg-uptake", FeatureValue::Number(2.0));
    let says = |case: &Case, words: &str| {
        let herder = risk_of(&input(case), "herder");
        assert!(herder.probability.is_some(), "{herder:?}");
        herder.limits.iter().any(|limit| limit.contains(words))
    };
    assert!(risk_of(&input(&case), "brock").probability.unwrap() >= 0.1);
    assert!(!says(&case, "after a Brock risk"));
    case.nodules[0].kind = None;
    assert!(says(&case, "the texture is not stated; the model is for solid nodules"));
    assert!(!says(&case, "after a Brock risk"), "whatever the texture, Brock is above");
    case.nodules[0] = Nodule {
        diameter_mm: 8.0,
        kind: Some(NoduleKind::Solid),
        spiculated: Some(false),
        upper_lobe: Some(false),
        ..case.nodules[0].clone()
    };
    assert!(risk_of(&input(&case), "brock").probability.unwrap() < 0.1);
    assert!(says(&case, "10 % and more; here it is below"));
    stated(&mut case, "family-lung-cancer", FeatureValue::Missing { reason: MissingReason::NotRecorded });
    case.nodules[0].diameter_mm = 12.0;
    let brock = risk_of(&input(&case), "brock");
    assert!(brock.low.unwrap() < 0.1 && brock.high.unwrap() > 0.1, "{brock:?}");
    assert!(says(&case, "10 % and more; here that is not known"));
}

#[test]
fn the_comparators_of_the_prostate_have_the_worked_values() {
    let biopsy = serde_json::json!({ "resourceType": "Procedure", "id": "b", "status": "completed",
        "subject": { "reference": "Patient/p1" }, "performedDateTime": "2022-03-01",
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "65575008" }] } });
    let refuted = condition("c", "http://snomed.info/sct", "399068003", "refuted", "2022-03-10T08:00:00Z");
    let mut case = man(vec![psa(7.5), pi_rads("RID50299"), biopsy, refuted]);
    let shown = |case: &Case, id: &str, name: &str| {
        let found = risk_of(&input(case), id).comparators;
        found.into_iter().find(|one| one.name == name).and_then(|one| one.probability)
    };
    for (id, value) in [
        ("dre-abnormal", FeatureValue::Bool(false)),
        ("family-prostate-cancer", FeatureValue::Bool(false)),
        ("prostate-volume", FeatureValue::Number(40.0)),
    ] {
        stated(&mut case, id, value);
    }
    for (pi_rads, volume, expected) in
        [(4.0, 40.0, 0.179_284), (2.0, 40.0, 0.014_824), (5.0, 60.0, 0.147_240)]
    {
        stated(&mut case, "pi-rads", FeatureValue::Number(pi_rads));
        stated(&mut case, "prostate-volume", FeatureValue::Number(volume));
        let found = shown(&case, "tum-rc", "MRI-ERSPC after a negative biopsy").unwrap();
        assert!((found - expected).abs() < 1e-6, "{pi_rads} {volume}: {found}");
    }
    stated(&mut case, "prior-prostate-biopsy", FeatureValue::Bool(false));
    let found = shown(&case, "pbcg", "PCPTRC 2.0").unwrap();
    assert!((found - 0.101_579).abs() < 1e-6, "{found}");
    assert_eq!(shown(&case, "tum-rc", "MRI-ERSPC after a negative biopsy"), None, "it is for men with one");
    stated(&mut case, "dre-abnormal", FeatureValue::Missing { reason: MissingReason::NotRecorded });
    assert_eq!(shown(&case, "pbcg", "PCPTRC 2.0"), None, "it needs every input");
}

#[test]
fn the_va_model_stands_beside_mayo() {
    let smoker = |status: Option<&str>, quit: Option<f64>| {
        let mut case = case(resources());
        for feature in &mut case.table.features {
            match feature.id.as_str() {
                "smoking-status" => {
                    feature.value = status
                        .map_or(FeatureValue::Missing { reason: MissingReason::NotRecorded }, |status| {
                            FeatureValue::Code(status.to_owned())
                        });
                }
                // packs say that the patient smoked, too
                "pack-years" if status.is_none() => {
                    feature.value = FeatureValue::Missing { reason: MissingReason::NotRecorded };
                }
                "pack-years" => {
                    feature.value = FeatureValue::Missing { reason: MissingReason::NotRecorded };
                }
                "years-quit" => {
                    feature.value = quit.map_or(
                        FeatureValue::Missing { reason: MissingReason::NotRecorded },
                        FeatureValue::Number,
                    );
                }
                _ => {}
            }
        }
        risk(&input(&case), "mayo").comparators.into_iter().find(|one| one.name == "VA model")
    };
    let va = |ever, quit| fusion::formulas::comparators::va(65.0, ever, quit, 12.0);
    for (status, quit, expected) in [
        ("never-smoker", None, va(false, 0.0)),
        ("current-smoker", None, va(true, 0.0)),
        ("former-smoker", Some(7.0), va(true, 7.0)),
    ] {
        let found = smoker(Some(status), quit).unwrap();
        assert!((found.probability.unwrap() - expected).abs() < 1e-9, "{status}: {found:?}");
    }
    let open = smoker(Some("former-smoker"), None).unwrap();
    assert_eq!(open.probability, None);
    assert!(open.note.unwrap().contains("is not known"));
    assert!(smoker(None, None).is_none());
}
