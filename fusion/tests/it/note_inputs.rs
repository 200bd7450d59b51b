//! What of a clinical note enters a formula, and what never does.

use fusion::{AssessInput, FeatureTable, Nodule, Record, Risk, assess, features, nodules};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::notes::document;
use crate::support::{ICD10, SNOMED, bundle, bytes, condition, lab, nodule, resources, t0};

/// The day of the synthetic nodule.
const DAY: &str = "2024-04-20T09:00:00Z";

fn note(id: &str, date: &str, text: &str) -> Value {
    document(id, date, "text/plain", text)
}

/// The synthetic record without the margin of its nodule and without its note, and with these.
fn unstated(more: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = resources().into_iter().filter(|one| one["id"] != "note").collect();
    for one in &mut all {
        if let Some(parts) = one["component"].as_array_mut() {
            parts.retain(|part| part["code"]["coding"][0]["code"] != "129737002");
        }
    }
    all.extend(more);
    all
}

fn known(resources: Vec<Value>) -> (FeatureTable, Vec<Nodule>) {
    let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
    (features(&record, t0(), &TimeZone::UTC), nodules(&record, t0(), &TimeZone::UTC))
}

fn risk(resources: Vec<Value>, id: &str) -> Risk {
    let (table, nodules) = known(resources);
    let input = AssessInput {
        t0: t0(),
        features: Some(&table),
        nodules: &nodules,
        prostate: &[],
        lesions: &[],
        image: None,
        header: None,
        late_fusion: None,
    };
    assess(&input).into_iter().find(|risk| risk.id == id).unwrap()
}

fn says(risk: &Risk, words: &str) -> bool {
    risk.limits.iter().any(|limit| limit.contains(words))
}

#[test]
fn a_note_of_the_same_day_says_that_the_only_nodule_is_spiculated() {
    let coded: Vec<Value> = resources().into_iter().filter(|one| one["id"] != "note").collect();
    for id in ["brock", "mayo"] {
        let by_code = risk(coded.clone(), id);
        let by_note = risk(unstated(vec![note("n", DAY, "Spiculated nodule at the right.")]), id);
        assert_eq!(by_note.probability, by_code.probability, "{id}");
        let input = by_note.inputs.iter().find(|input| input.label == "spiculation").unwrap();
        assert_eq!((input.value.as_str(), input.from_note), ("yes", true));
        assert_eq!(input.source.as_deref(), Some("DocumentReference/n"));
        assert!(
            says(&by_note, "stated in a clinical note and not coded: spiculation"),
            "{:?}",
            by_note.limits
        );
        assert!(!says(&by_code, "clinical note"), "{:?}", by_code.limits);
        let denied = risk(unstated(vec![note("n", DAY, "No spiculation.")]), id);
        assert!(denied.probability.unwrap() < by_note.probability.unwrap(), "{id}");
    }
}

#[test]
fn a_note_of_which_it_cannot_be_told_which_nodule_it_means_says_nothing() {
    let spiculated = "Spiculated nodule at the right.";
    let mut second = nodule();
    second["id"] = json!("nodule-2");
    second["component"]
        .as_array_mut()
        .unwrap()
        .retain(|part| part["code"]["coding"][0]["code"] != "129737002");
    let rows = [
        (vec![note("n", "2024-03-01T09:00:00Z", spiculated)], "on another day"),
        (vec![note("n", DAY, spiculated), second], "of which nodule"),
        (vec![note("n", DAY, spiculated), note("m", DAY, "No spiculation.")], "contradict each other"),
    ];
    for (more, why) in rows {
        let found = risk(unstated(more), "brock");
        assert!(found.method.variant.starts_with("2a"), "{why}: {}", found.method.variant);
        assert!(says(&found, why), "{why}: {:?}", found.limits);
    }
    let uncertain = risk(unstated(vec![note("n", DAY, "Possible spiculation.")]), "brock");
    assert!(uncertain.method.variant.starts_with("2a") && !says(&uncertain, "spiculation"));
}

#[test]
fn the_coded_margin_stands_against_a_note() {
    let coded: Vec<Value> = resources().into_iter().filter(|one| one["id"] != "note").collect();
    let before = risk(coded.clone(), "mayo");
    let mut with = coded;
    with.push(note("n", DAY, "No spiculation."));
    let after = risk(with, "mayo");
    assert_eq!(after.probability, before.probability);
    assert!(says(&after, "the coded value stands") && !says(&before, "the coded value stands"));
}

#[test]
fn tobacco_family_and_disease_of_a_note_enter_and_are_named() {
    let text = "SOCIAL HISTORY: Former smoker, 1 ppd x 30 years, quit in May 2014.\nFAMILY HISTORY: Mother died of lung \
                cancer.\nPAST HISTORY: COPD.";
    let left_out = ["packs", "daily", "status", "quit", "copd", "father", "emphysema"];
    let mut all: Vec<Value> = unstated(vec![note("n", DAY, text)]);
    all.retain(|one| !left_out.iter().any(|id| one["id"] == *id));
    let (table, _) = known(all.clone());
    assert_eq!((table.number("cigarettes-per-day"), table.number("years-smoked")), (Some(20.0), Some(30.0)));
    assert_eq!(table.number("pack-years"), Some(30.0));
    let found = risk(all.clone(), "plcom2012");
    let mut coded = all;
    coded.retain(|one| one["id"] != "n");
    coded.extend([
        lab("daily", "63640-7", "2024-02-01T08:00:00Z", 20.0, "{cigarettes}/d"),
        lab("packs", "8664-5", "2024-02-01T08:00:00Z", 30.0, "{pack-years}"),
        condition("copd", SNOMED, "13645005", "confirmed", "2019-02-01T08:00:00Z"),
        json!({ "resourceType": "FamilyMemberHistory", "id": "mother", "status": "completed", "date": "2020-01-01",
            "patient": { "reference": "Patient/p1" },
            "relationship": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH" }] },
            "condition": [{ "code": { "coding": [{ "system": SNOMED, "code": "254637007" }] } }] }),
    ]);
    coded.extend(resources().into_iter().filter(|one| one["id"] == "status" || one["id"] == "quit"));
    let expected = risk(coded, "plcom2012");
    // a month stands for noon of its middle day in a note, for its middle where it is coded
    assert!((found.probability.unwrap() - expected.probability.unwrap()).abs() < 1e-4);
    let said = found.limits.iter().find(|limit| limit.contains("clinical note and not coded")).unwrap();
    for label in [
        "Smoking status",
        "Chronic obstructive",
        "first-degree relative",
        "Cigarettes per day",
        "Years smoked",
    ] {
        assert!(said.contains(label), "{label}: {said}");
    }
    assert!(!says(&expected, "clinical note"));
}

/// Mayo's data have no cancer within five years, and a note does not say since when there was one.
#[test]
fn a_cancer_without_its_date_leaves_mayo_open() {
    let mut all: Vec<Value> = resources();
    all.retain(|one| one["id"] != "cancer" && one["id"] != "note");
    all.push(note("n", DAY, "History of breast cancer."));
    let found = risk(all.clone(), "mayo");
    assert_eq!((found.probability, found.missing.as_slice()), (None, &["years-since-cancer".to_owned()][..]));
    all.push(condition("breast", ICD10, "C50.9", "confirmed", "2012-05-01T00:00:00Z"));
    let dated = risk(all, "mayo");
    assert!(dated.probability.is_some(), "{:?}", dated.reason);
    assert!(!says(&dated, "clinical note"), "the coded cancer has a date");
}
