//! Features: what was known at t0, with units, states and reasons.

use fusion::{FeatureTable, FeatureValue, MissingReason, Record, features};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    ICD10, LOINC, SNOMED, at, bundle, bytes, condition, data, json_files, lab, observation, patient,
    quantity, resources, t0,
};

pub(crate) fn table(resources: Vec<Value>, t0: Timestamp) -> FeatureTable {
    let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
    features(&record, t0, &TimeZone::UTC)
}

pub(crate) fn reason(table: &FeatureTable, id: &str) -> Option<MissingReason> {
    match table.feature(id).unwrap().value {
        FeatureValue::Missing { reason } => Some(reason),
        _ => None,
    }
}

/// The golden table of the synthetic patient, byte for byte. To renew it after a wanted change, run the
/// test and copy the file that its message names.
#[test]
fn golden_table() {
    let made = serde_json::to_string_pretty(&table(resources(), t0())).unwrap() + "\n";
    let golden = include_str!("../golden/features.json");
    if made != golden {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("features.json");
        std::fs::write(&path, &made).unwrap();
        panic!("the feature table changed; the new one is {}", path.display());
    }
    let mut backwards = resources();
    backwards.reverse();
    assert_eq!(
        serde_json::to_string_pretty(&table(backwards, t0())).unwrap() + "\n",
        golden,
        "order of the bundle"
    );
    let read: FeatureTable = serde_json::from_str(golden).unwrap();
    assert_eq!(serde_json::to_string_pretty(&read).unwrap() + "\n", golden);
}

#[test]
fn values_of_the_synthetic_patient() {
    let table = table(resources(), t0());
    let close = |id: &str, expected: f64| {
        let found = table.number(id).unwrap_or_else(|| panic!("{id} is missing"));
        assert!((found - expected).abs() < 1e-9, "{id}: {found}");
    };
    close("age", 65.0);
    close("crp", 48.0);
    close("ldh", 240.0);
    close("d-dimer", 0.5);
    close("nlr", 4.5);
    close("pao2", 75.0062);
    close("bmi", 68.0 / 1.65 / 1.65);
    close("years-smoked", 30.0);
    close("education", 2.0);
    close("active-drugs", 1.0);
    assert!((table.number("years-quit").unwrap() - 9.96).abs() < 0.02);
    assert_eq!(table.code("sex"), Some("female"));
    assert_eq!(table.code("race"), Some("white"));
    assert_eq!(table.code("smoking-status"), Some("former-smoker"));
    assert_eq!(table.truth("copd"), Some(true));
    assert_eq!(table.truth("emphysema"), Some(false));
    assert_eq!(table.truth("cancer"), Some(false));
    assert_eq!(table.truth("extrathoracic-cancer"), Some(false));
    assert_eq!(table.truth("family-lung-cancer"), Some(false));
    assert_eq!(table.truth("covid-19"), Some(true));
    assert_eq!(table.truth("polypharmacy"), Some(false));
    assert_eq!(table.truth("lung-cancer"), Some(false), "no cancer at all is no lung cancer");
    assert_eq!(reason(&table, "platelets"), Some(MissingReason::NotRecorded));
    let crp = table.feature("crp").unwrap();
    assert_eq!(crp.source.as_deref(), Some("Observation/crp-3"));
    assert_eq!(crp.windows.iter().map(|window| window.count).collect::<Vec<_>>(), [1, 3, 3, 3]);
    assert_eq!((crp.windows[2].min, crp.windows[2].max, crp.windows[2].mean), (12.0, 48.0, 30.0));
    let ddimer = table.feature("d-dimer").unwrap();
    assert!(ddimer.note.as_deref().unwrap().contains("DDU"));
    assert!((ddimer.factor.unwrap() - 0.002).abs() < 1e-12);
}

/// t0 one second before a value's `issued`: the value is gone.
#[test]
fn a_value_vanishes_one_second_before_it_was_issued() {
    let mut value = lab("x", "1988-5", "2024-05-01T08:00:00Z", 7.0, "mg/L");
    value["issued"] = json!("2024-05-01T09:30:00+00:00");
    let issued = at("2024-05-01T09:30:00Z");
    let make = |t0| table(vec![patient(), value.clone()], t0);
    assert_eq!(make(issued).number("crp"), Some(7.0));
    let before = make(issued - SignedDuration::from_secs(1));
    assert_eq!(reason(&before, "crp"), Some(MissingReason::OnlyAfterT0));
    assert_eq!(before.excluded.after_t0, 1);
}

#[test]
fn a_date_without_a_time_is_known_at_its_end() {
    let value = lab("x", "1988-5", "2024-05-01", 7.0, "mg/L");
    assert_eq!(table(vec![patient(), value.clone()], at("2024-05-01T23:59:59Z")).number("crp"), None);
    assert_eq!(table(vec![patient(), value.clone()], at("2024-05-02T00:00:00Z")).number("crp"), Some(7.0));
    let record = Record::from_json(&bytes(&bundle(vec![patient(), value]))).unwrap();
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(features(&record, at("2024-05-01T22:00:00Z"), &berlin).number("crp"), Some(7.0));
    assert_eq!(features(&record, at("2024-05-01T21:59:59Z"), &berlin).number("crp"), None);
}

#[test]
fn status_and_dates_decide_what_counts() {
    for (status, counts) in [
        ("final", true),
        ("amended", true),
        ("corrected", true),
        ("preliminary", false),
        ("entered-in-error", false),
        ("cancelled", false),
        ("registered", false),
    ] {
        let mut value = lab("x", "1988-5", "2024-05-01T08:00:00Z", 7.0, "mg/L");
        value["status"] = json!(status);
        let table = table(vec![patient(), value], t0());
        assert_eq!(table.number("crp").is_some(), counts, "{status}");
        assert_eq!(reason(&table, "crp"), (!counts).then_some(MissingReason::Status), "{status}");
    }
    let mut undated = lab("x", "1988-5", "2024-05-01T08:00:00Z", 7.0, "mg/L");
    undated.as_object_mut().unwrap().remove("effectiveDateTime");
    assert_eq!(reason(&table(vec![patient(), undated], t0()), "crp"), Some(MissingReason::Undated));
    let mut unrecorded = condition("x", SNOMED, "13645005", "confirmed", "x");
    unrecorded["onsetDateTime"] = json!("2010-01-01");
    let found = table(vec![patient(), unrecorded], t0());
    assert_eq!(
        reason(&found, "copd"),
        Some(MissingReason::Undated),
        "onset does not say since when it was known"
    );
    let old = lab("x", "1988-5", "2018-05-01T08:00:00Z", 7.0, "mg/L");
    let found = table(vec![patient(), old], t0());
    assert_eq!(reason(&found, "crp"), Some(MissingReason::Stale));
    assert!(found.feature("crp").unwrap().age_days.unwrap() > 1825.0);
}

#[test]
fn an_amended_resource_counts_as_it_was_known_at_t0() {
    let version = |number: &str, updated: &str, value: f64| {
        let mut made = lab("x", "1988-5", "2024-04-01T08:00:00Z", value, "mg/L");
        made["meta"] = json!({ "versionId": number, "lastUpdated": updated });
        made
    };
    let first = version("1", "2024-04-01T09:00:00Z", 5.0);
    let second = version("2", "2024-04-02T09:00:00Z", 6.0);
    let third = version("3", "2024-06-01T09:00:00Z", 7.0);
    for order in [[&first, &second, &third], [&third, &first, &second], [&second, &third, &first]] {
        let mut all = vec![patient()];
        all.extend(order.into_iter().cloned());
        let found = table(all, t0());
        assert_eq!(found.number("crp"), Some(6.0));
        assert_eq!(found.feature("crp").unwrap().source_version.as_deref(), Some("2"));
        assert_eq!(found.excluded.superseded, 2);
    }
}

#[test]
fn a_unit_that_does_not_fit_is_missing_with_its_reason() {
    let table_of = |value: Value| {
        table(vec![patient(), observation("x", LOINC, "1988-5", "2024-05-01T08:00:00Z", &value)], t0())
    };
    let missing = [
        (quantity(5.0, "U/L"), MissingReason::Unit),
        (quantity(5.0, "10*3/uL"), MissingReason::Unit),
        (json!({ "valueQuantity": { "value": 5.0 } }), MissingReason::Unit),
        (quantity(5000.0, "mg/L"), MissingReason::Implausible),
        (quantity(-1.0, "mg/L"), MissingReason::Implausible),
        (json!({ "valueString": "high" }), MissingReason::NotNumeric),
        (json!({ "dataAbsentReason": { "text": "x" } }), MissingReason::NotNumeric),
    ];
    for (value, expected) in missing {
        assert_eq!(reason(&table_of(value.clone()), "crp"), Some(expected), "{value}");
    }
    let by_text = table_of(json!({ "valueQuantity": { "value": 5.0, "unit": "mg/l" } }));
    assert_eq!(by_text.number("crp"), Some(5.0));
    let below = table_of(
        json!({ "valueQuantity": { "value": 5.0, "comparator": "<", "unit": "mg/L", "code": "mg/L", "system": "http://unitsofmeasure.org" } }),
    );
    assert_eq!(below.number("crp"), Some(5.0));
    assert_eq!(below.feature("crp").unwrap().comparator, Some(fusion::Comparator::Below));
    let contradiction =
        table(vec![patient(), lab("x", "48066-5", "2024-05-01T08:00:00Z", 1.0, "mg/L{FEU}")], t0());
    assert_eq!(reason(&contradiction, "d-dimer"), Some(MissingReason::Unit));
    let agrees = table(vec![patient(), lab("x", "48065-7", "2024-05-01T08:00:00Z", 1.0, "mg/L{FEU}")], t0());
    assert_eq!(agrees.number("d-dimer"), Some(1.0));
}

/// A ratio of bounds is one, turned round for what divides, and none where its parts point apart.
#[test]
fn a_ratio_of_a_bound_is_a_bound() {
    let part = |loinc: &str, comparator: Option<&str>, value: f64, unit: &str| {
        let mut made = lab(loinc, loinc, "2024-05-01T08:00:00Z", value, unit);
        if let Some(comparator) = comparator {
            made["valueQuantity"]["comparator"] = json!(comparator);
        }
        made
    };
    let (below, above) = (Some(fusion::Comparator::Below), Some(fusion::Comparator::Above));
    for (crp, albumin, expected) in [
        (None, None, None),
        (Some("<"), None, below),
        (Some(">="), None, above),
        (None, Some("<"), above),
        (None, Some(">"), below),
        (Some("<"), Some(">"), below),
        (Some("<"), Some("<"), None),
    ] {
        let resources =
            vec![patient(), part("1988-5", crp, 5.0, "mg/L"), part("1751-7", albumin, 10.0, "g/L")];
        let found = table(resources, t0());
        let ratio = found.feature("crp-albumin").unwrap();
        assert_eq!((found.number("crp-albumin"), ratio.comparator), (Some(0.5), expected));
        let said = ratio.note.as_deref().is_some_and(|note| note.contains("either side"));
        assert_eq!(said, crp == Some("<") && albumin == Some("<"));
    }
}

#[test]
fn a_later_unusable_value_is_said() {
    let found = table(
        vec![
            patient(),
            lab("a", "1988-5", "2024-04-01T08:00:00Z", 5.0, "mg/L"),
            lab("b", "1988-5", "2024-05-01T08:00:00Z", 5.0, "U/L"),
        ],
        t0(),
    );
    assert_eq!(found.number("crp"), Some(5.0));
    assert!(found.feature("crp").unwrap().note.as_deref().unwrap().contains("later value"));
}

#[test]
fn a_panel_states_its_values_in_components() {
    let part = |loinc: &str, value: f64| {
        let mut made = quantity(value, "mm[Hg]");
        made["code"] = json!({ "coding": [{ "system": LOINC, "code": loinc }] });
        made
    };
    let mut panel = observation("gas", LOINC, "24336-0", "2024-05-01T08:00:00Z", &json!({}));
    panel["component"] = json!([part("2703-7", 71.0), part("2019-8", 38.0)]);
    let found = table(vec![patient(), panel], t0());
    assert_eq!((found.number("pao2"), found.number("paco2")), (Some(71.0), Some(38.0)));
    assert_eq!(found.feature("pao2").unwrap().source.as_deref(), Some("Observation/gas"));
}

#[test]
fn diseases_have_three_states() {
    let rows = [
        (SNOMED, "840539006", "confirmed", "covid-19", Some(true)),
        (ICD10, "U07.1", "confirmed", "covid-19", Some(true)),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "U07.1!", "confirmed", "covid-19", Some(true)),
        (ICD10, "U07.2", "confirmed", "covid-19", None),
        (ICD10, "J44.1", "confirmed", "copd", Some(true)),
        (ICD10, "J44.1", "refuted", "copd", Some(false)),
        (ICD10, "J44.1", "provisional", "copd", None),
        (ICD10, "J44.1", "entered-in-error", "copd", None),
        (ICD10, "C50.9", "confirmed", "extrathoracic-cancer", Some(true)),
        (ICD10, "C34.1", "confirmed", "extrathoracic-cancer", None),
        (ICD10, "C34.1", "confirmed", "lung-cancer", Some(true)),
        (ICD10, "C34.1", "confirmed", "cancer", Some(true)),
        (ICD10, "C44.3", "confirmed", "cancer", None),
        (ICD10, "Z85.3", "confirmed", "extrathoracic-cancer", Some(true)),
        (ICD10, "Z85.118", "confirmed", "lung-cancer", Some(true)),
        (ICD10, "C50.9", "refuted", "cancer", None),
        (ICD10, "J43.9", "confirmed", "copd", Some(true)),
        (ICD10, "J43.9", "refuted", "copd", None),
        (SNOMED, "363346000", "confirmed", "cancer", Some(true)),
        (SNOMED, "363346000", "confirmed", "extrathoracic-cancer", None),
        (SNOMED, "363346000", "refuted", "extrathoracic-cancer", Some(false)),
        ("http://example.org", "C34.1", "confirmed", "lung-cancer", None),
    ];
    for (system, code, verification, feature, expected) in rows {
        let found =
            table(vec![patient(), condition("x", system, code, verification, "2024-01-01T00:00:00Z")], t0());
        assert_eq!(found.truth(feature), expected, "{code} {verification} {feature}");
    }
    let observed =
        observation("x", SNOMED, "87433001", "2024-01-01T00:00:00Z", &json!({ "valueBoolean": false }));
    assert_eq!(table(vec![patient(), observed], t0()).truth("emphysema"), Some(false));
    let years =
        table(vec![patient(), condition("x", ICD10, "C50.9", "confirmed", "2014-05-02T10:00:00Z")], t0());
    assert!((years.number("years-since-cancer").unwrap() - 10.0).abs() < 0.02);
}

/// A personal history says that there was a cancer; when it was written down is not when it was.
#[test]
fn years_since_a_cancer_are_unknown_where_only_its_history_is_recorded() {
    let history = |recorded: &str, onset: Option<&str>| {
        let mut made = condition("history", ICD10, "Z85.3", "confirmed", recorded);
        if let Some(onset) = onset {
            made["onsetDateTime"] = onset.into();
        }
        made
    };
    let cancer = |onset: &str| condition("cancer", ICD10, "C50.9", "confirmed", onset);
    let years = |conditions: Vec<Value>| {
        let found = table([vec![patient()], conditions].concat(), t0());
        assert_eq!(found.truth("cancer"), Some(true));
        let since = found.feature("years-since-cancer").unwrap();
        match &since.value {
            FeatureValue::Number(years) => Ok(*years),
            FeatureValue::Missing { reason } => Err(*reason),
            _ => panic!("a number of years, or why there is none"),
        }
    };
    let near = |found: Result<f64, MissingReason>, wanted: f64| (found.unwrap() - wanted).abs() < 0.02;
    let late = "2024-03-01T10:00:00Z";
    assert_eq!(years(vec![history(late, None)]), Err(MissingReason::Undated));
    assert!(near(years(vec![history(late, Some("2012-05-02T10:00:00Z"))]), 12.0), "an onset says when");
    // what was recorded later may be of another, later cancer
    let dated = cancer("2014-05-02T10:00:00Z");
    assert_eq!(years(vec![dated.clone(), history(late, None)]), Err(MissingReason::Undated));
    // what was recorded before the dated one was before it
    assert!(near(years(vec![dated, history("2013-01-01T10:00:00Z", None)]), 10.0));
}

#[test]
fn whole_records_give_whole_tables() {
    let Some(folder) = data("synthea") else { return };
    let mut present = 0;
    for path in json_files(&folder) {
        let Ok(record) = Record::from_json(&std::fs::read(&path).unwrap()) else { continue };
        let early = features(&record, at("2005-01-01T00:00:00Z"), &TimeZone::UTC);
        let late = features(&record, at("2019-06-01T00:00:00Z"), &TimeZone::UTC);
        assert_eq!(early.features.len(), late.features.len());
        assert!(late.number("age").is_some() && late.code("sex").is_some());
        assert_ne!(reason(&late, "race"), Some(MissingReason::NotRecorded));
        assert!(late.code("smoking-status").is_some() && late.number("bmi").is_some());
        present += late.present().count();
    }
    assert!(present > 100, "{present}");
}
