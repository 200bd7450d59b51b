//! Prostate facts of structured reports beside those of the record.

use fusion::{
    AssessInput, Comparison, FeatureTable, HeaderDemographics, ProstateLesion, ProstateReport, Record, Risk,
    Sex, assess, features, prostate_lesions,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{LOINC, bundle, bytes, observation, patient, t0};

const REPORT: &str = "urn:oid:1.2.3";

fn report() -> ProstateReport {
    ProstateReport {
        pi_rads: Some(4),
        volume_ml: Some(50.0),
        psa: Some((7.5, None)),
        lesions: vec![],
        source: REPORT.to_owned(),
        dated: Some(t0()),
    }
}

fn days_ago(days: i64) -> Timestamp {
    t0().checked_sub(SignedDuration::from_hours(24 * days)).unwrap()
}

fn table(resources: Vec<Value>) -> FeatureTable {
    let mut man = patient();
    man["gender"] = json!("male");
    let record = Record::from_json(&bytes(&bundle([vec![man], resources].concat()))).unwrap();
    features(&record, t0(), &TimeZone::UTC)
}

fn psa(value: f64, days: i64) -> Value {
    let amount = json!({ "valueQuantity": { "value": value, "unit": "ng/mL", "system": "http://unitsofmeasure.org", "code": "ng/mL" } });
    observation("psa", LOINC, "2857-1", &days_ago(days).to_string(), &amount)
}

fn pi_rads(category: u8, days: i64) -> Value {
    let mut stated =
        observation("pi", "", "", &days_ago(days).to_string(), &json!({ "valueInteger": category }));
    stated["code"] = json!({ "text": "PI-RADS" });
    stated
}

fn volume(value: f64) -> Value {
    let amount = json!({ "valueQuantity": { "value": value, "unit": "mL", "system": "http://unitsofmeasure.org", "code": "mL" } });
    let mut stated = observation("volume", "", "", &days_ago(200).to_string(), &amount);
    stated["code"] = json!({ "text": "prostate volume" });
    stated
}

fn input<'a>(features: Option<&'a FeatureTable>, prostate: &'a [ProstateReport]) -> AssessInput<'a> {
    let header = HeaderDemographics { age_years: Some(65.0), sex: Some(Sex::Male) };
    AssessInput {
        t0: t0(),
        features,
        nodules: &[],
        prostate,
        lesions: &[],
        image: None,
        header: Some(header),
        late_fusion: None,
    }
}

fn risk(input: &AssessInput<'_>, id: &str) -> Risk {
    assess(input).into_iter().find(|risk| risk.id == id).unwrap()
}

/// `(value, source)` of an input.
fn stated(risk: &Risk, label: &str) -> (String, String) {
    let found = risk.inputs.iter().find(|input| input.label.starts_with(label)).unwrap();
    (found.value.clone(), found.source.clone().unwrap())
}

fn says(risk: &Risk, part: &str) -> bool {
    risk.limits.iter().any(|limit| limit.contains(part))
}

#[test]
fn a_report_alone_gives_the_worked_value_and_is_cited() {
    let reports = [report()];
    let alone = input(None, &reports);
    let tum = risk(&alone, "tum-rc");
    // The published formula over an unknown earlier biopsy: 0.302391 without, 0.156429 with.
    assert!((tum.high.unwrap() - 0.302_391).abs() < 1e-6 && (tum.low.unwrap() - 0.156_429).abs() < 1e-6);
    for label in ["PI-RADS", "Prostate-specific", "Prostate, volume"] {
        assert_eq!(stated(&tum, label).1, REPORT, "{label}");
    }
    assert!(says(&tum, "when it was taken is not stated"));
    let pbcg = risk(&alone, "pbcg");
    assert_eq!(pbcg.missing, ["ancestry"]);
    let woman = HeaderDemographics { age_years: Some(65.0), sex: Some(Sex::Female) };
    let woman = AssessInput { header: Some(woman), ..alone };
    assert!(assess(&woman).iter().all(|risk| risk.id != "tum-rc"));
    let silent = [ProstateReport { pi_rads: None, psa: None, ..report() }];
    assert!(assess(&input(None, &silent)).iter().all(|risk| risk.id != "tum-rc"));
}

#[test]
fn the_higher_category_of_the_same_examination_counts_and_the_other_is_said() {
    let record = table(vec![pi_rads(5, 0)]);
    let reports = [report()];
    let same = risk(&input(Some(&record), &reports), "pbcg-mri");
    assert_eq!(stated(&same, "PI-RADS"), ("5".to_owned(), "Observation/pi".to_owned()));
    assert!(says(&same, "PI-RADS 5 and 4; the higher counts"), "{:?}", same.limits);
    // An older examination is no contradiction.
    let record = table(vec![pi_rads(5, 100)]);
    let older = risk(&input(Some(&record), &reports), "pbcg-mri");
    assert_eq!(stated(&older, "PI-RADS"), ("4".to_owned(), REPORT.to_owned()));
    assert!(!says(&older, "counts"));
    let agreeing = table(vec![pi_rads(4, 0)]);
    assert!(!says(&risk(&input(Some(&agreeing), &reports), "pbcg-mri"), "the higher counts"));
}

#[test]
fn a_quoted_antigen_yields_to_a_dated_one_unless_it_is_later() {
    let record = table(vec![psa(5.0, 30)]);
    let undated = [report()];
    let found = risk(&input(Some(&record), &undated), "pbcg");
    assert_eq!(stated(&found, "Prostate-specific"), ("5".to_owned(), "Observation/psa".to_owned()));
    assert!(says(&found, "quotes a PSA of 7.5 ng/mL; the value of the record counts"));
    let taken = |days, ng_ml| [ProstateReport { psa: Some((ng_ml, Some(days_ago(days)))), ..report() }];
    for (days, ng_ml, value) in
        [(10, 7.5, "7.5"), (30, 7.5, "5"), (90, 7.5, "5"), (-3, 7.5, "5"), (3000, 7.5, "5")]
    {
        let reports = taken(days, ng_ml);
        let found = risk(&input(Some(&record), &reports), "pbcg");
        assert_eq!(stated(&found, "Prostate-specific").0, value, "{days} days ago");
        assert_eq!(says(&found, "later than any of the record"), days == 10);
    }
    // The same value is no contradiction; one of the future or of long ago is none at all.
    assert!(!says(&risk(&input(Some(&record), &taken(90, 5.1)), "pbcg"), "quotes"));
    for days in [-3, 3000] {
        assert_eq!(risk(&input(Some(&table(vec![])), &taken(days, 7.5)), "pbcg").missing, ["psa"]);
    }
}

#[test]
fn the_volume_of_the_study_counts_and_the_record_is_named() {
    let record = table(vec![psa(7.5, 30), volume(40.0)]);
    let reports = [report()];
    let found = risk(&input(Some(&record), &reports), "tum-rc");
    assert_eq!(stated(&found, "Prostate, volume"), ("50".to_owned(), REPORT.to_owned()));
    assert!(says(&found, "the record states 40 mL"), "{:?}", found.limits);
    let near = [ProstateReport { volume_ml: Some(42.0), ..report() }];
    assert!(!says(&risk(&input(Some(&record), &near), "tum-rc"), "the record states"));
    let two = [
        ProstateReport { dated: Some(days_ago(1)), volume_ml: Some(80.0), ..report() },
        ProstateReport { volume_ml: Some(41.0), ..report() },
    ];
    let found = risk(&input(Some(&record), &two), "tum-rc");
    assert_eq!(stated(&found, "Prostate, volume").0, "41");
    assert!(says(&found, "41 and 80 mL for the prostate; the latest counts"), "{:?}", found.limits);
}

/// SNOMED CT of a sector: left anterior middle peripheral, right anterior basal transition zone.
const MID_PERIPHERAL: &str = "716920008";
const BASE_TRANSITION: &str = "716896009";

fn lesion(pi_rads: u8, sector: &str) -> ProstateLesion {
    ProstateLesion::at(pi_rads, [(Some(sector), "")]).unwrap()
}

fn by_place(input: &AssessInput<'_>) -> Option<Comparison> {
    let risk = risk(input, "pbcg-mri");
    risk.comparators.into_iter().find(|other| other.name == "Insights into Imaging 2024;15:3")
}

#[test]
fn the_model_of_a_lesions_place_is_a_comparator_where_the_place_is_stated() {
    let note = |found: &Option<Comparison>| found.as_ref().unwrap().note.clone().unwrap();
    // The published example: 65 years, density 0.15, PI-RADS 4, peripheral zone, middle third.
    let located =
        [ProstateReport { lesions: vec![lesion(4, MID_PERIPHERAL), lesion(3, BASE_TRANSITION)], ..report() }];
    let found = by_place(&input(None, &located));
    assert!((found.as_ref().unwrap().probability.unwrap() - 0.977_357).abs() < 1e-6, "{found:?}");
    assert!(note(&found).contains("the peripheral zone and the middle third"), "{}", note(&found));
    for (lesions, volume_ml, why) in [
        (vec![], Some(50.0), "needs the zone"),
        (vec![lesion(3, BASE_TRANSITION)], Some(50.0), "needs the zone"),
        (vec![lesion(4, MID_PERIPHERAL), lesion(4, BASE_TRANSITION)], Some(50.0), "different places"),
        (vec![lesion(4, MID_PERIPHERAL)], None, "needs the volume"),
    ] {
        let found = by_place(&input(None, &[ProstateReport { lesions, volume_ml, ..report() }]));
        assert_eq!(found.as_ref().unwrap().probability, None);
        assert!(note(&found).contains(why), "{}", note(&found));
    }
    let low = [ProstateReport { pi_rads: Some(2), lesions: vec![lesion(2, MID_PERIPHERAL)], ..report() }];
    assert_eq!(by_place(&input(None, &low)), None, "the model begins with PI-RADS 3");
}

#[test]
fn a_record_states_where_a_lesion_lies_by_its_body_site() {
    let site = |code: &str, display: &str| json!({ "coding": [{ "system": "http://snomed.info/sct", "code": code, "display": display }] });
    let at = |site: Value, days| {
        let mut stated = pi_rads(3, days);
        stated["bodySite"] = site;
        let mut man = patient();
        man["gender"] = json!("male");
        Record::from_json(&bytes(&bundle(vec![man, psa(7.5, 30), volume(50.0), stated]))).unwrap()
    };
    let place = |record: &Record| prostate_lesions(record, t0(), &TimeZone::UTC);
    let record = at(site(BASE_TRANSITION, ""), 10);
    let lesions = place(&record);
    assert_eq!(lesions.len(), 1);
    let table = features(&record, t0(), &TimeZone::UTC);
    let located = AssessInput { lesions: &lesions, ..input(Some(&table), &[]) };
    // The published example: PI-RADS 3, not peripheral, base.
    let found = by_place(&located).unwrap();
    assert!((found.probability.unwrap() - 0.378_716).abs() < 1e-6, "{found:?}");
    // Of an earlier examination than the one whose category counts.
    let later = [ProstateReport { pi_rads: Some(3), volume_ml: None, ..report() }];
    let found = by_place(&AssessInput { prostate: &later, ..located }).unwrap();
    assert_eq!(found.probability, None);
    // In words, as a component too; nothing where the third is open, or it became known after t0.
    let worded = place(&at(json!({ "text": "transition zone, base, right" }), 10));
    assert_eq!((worded[0].peripheral, worded[0].third), (lesions[0].peripheral, lesions[0].third));
    assert_eq!(place(&at(site("279706003", "Peripheral zone of the prostate"), 10)), []);
    assert_eq!(place(&at(site(BASE_TRANSITION, ""), -2)), []);
}
