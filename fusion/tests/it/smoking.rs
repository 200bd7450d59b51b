//! Tobacco: status, amounts and years since quitting.

use fusion::{Comparator, FeatureTable, MissingReason};
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{LOINC, SNOMED, coded, lab, observation, patient, quantity, t0};

#[test]
fn smoking_states_and_amounts() {
    let status = |system: &str, code: &str| {
        table(
            vec![patient(), observation("x", LOINC, "72166-2", "2024-01-01T00:00:00Z", &coded(system, code))],
            t0(),
        )
    };
    assert_eq!(status(SNOMED, "449868002").code("smoking-status"), Some("current-smoker"));
    assert_eq!(status(SNOMED, "449868002").number("years-quit"), Some(0.0));
    assert_eq!(status(LOINC, "LA18978-9").code("smoking-status"), Some("never-smoker"));
    assert_eq!(reason(&status(SNOMED, "266927001"), "smoking-status"), Some(MissingReason::NotRecorded));
    assert_eq!(reason(&status(SNOMED, "1"), "smoking-status"), Some(MissingReason::Unmapped));
    let since = table(
        vec![patient(), observation("x", SNOMED, "228486009", "2023-05-02T10:00:00Z", &quantity(24.0, "mo"))],
        t0(),
    );
    assert!((since.number("years-quit").unwrap() - 3.0).abs() < 0.01);
}

#[test]
fn tobacco_is_read_with_a_unit_that_says_what_is_counted() {
    let daily = |value: Value| {
        table(vec![patient(), observation("x", LOINC, "63640-7", "2024-01-01T00:00:00Z", &value)], t0())
    };
    for unit in ["{cigarettes}/d", "{cigs}/d", "{#}/d", "/d"] {
        assert_eq!(daily(quantity(7.0, unit)).number("cigarettes-per-day"), Some(7.0), "{unit}");
    }
    let text = json!({ "valueQuantity": { "value": 7, "unit": "cigarettes/day" } });
    assert_eq!(daily(text).number("cigarettes-per-day"), Some(7.0));
    for unit in ["{packs}/d", "{pack}/d", "{packs}", "{cigars}/d", "1", "{score}"] {
        let found = daily(quantity(7.0, unit));
        assert_eq!(reason(&found, "cigarettes-per-day"), Some(MissingReason::Unit), "{unit}");
    }
    let integer = daily(json!({ "valueInteger": 7 }));
    assert_eq!(reason(&integer, "cigarettes-per-day"), Some(MissingReason::Unit));
    let packs = vec![patient(), lab("x", "8664-5", "2024-01-01T00:00:00Z", 7.0, "{packs}/d")];
    assert_eq!(reason(&table(packs, t0()), "pack-years"), Some(MissingReason::Unit));
    let years = vec![patient(), lab("x", "88029-4", "2024-01-01T00:00:00Z", 7.0, "{packs}a")];
    assert_eq!(reason(&table(years, t0()), "years-smoked"), Some(MissingReason::Unit));
}

#[test]
fn time_since_quitting_grows_by_completed_years() {
    let quit = |effective: &str| {
        let since = observation("x", SNOMED, "228486009", effective, &quantity(6.0, "a"));
        table(vec![patient(), since], t0()).number("years-quit")
    };
    assert_eq!(quit("2024-04-29T10:00:00Z"), Some(6.0));
    assert_eq!(quit("2023-05-03T10:00:00Z"), Some(6.0));
    assert_eq!(quit("2023-05-02T10:00:00Z"), Some(7.0));
    assert_eq!(quit("2021-12-31"), Some(8.0));
}

/// `> 40 pack-years` is at least so many, and so is what is made from it.
#[test]
fn a_bound_of_an_amount_stays_a_bound() {
    let bounded = |code: &str, comparator: &str, value: f64, unit: &str| {
        let mut made = lab(code, code, "2024-01-01T00:00:00Z", value, unit);
        made["valueQuantity"]["comparator"] = json!(comparator);
        made
    };
    let bound = |found: &FeatureTable, id: &str| found.feature(id).unwrap().comparator;
    let daily = lab("daily", "63640-7", "2024-01-01T00:00:00Z", 20.0, "{cigarettes}/d");
    let found = table(vec![patient(), bounded("8664-5", ">", 40.0, "{pack-years}"), daily], t0());
    assert_eq!((found.number("pack-years"), found.number("years-smoked")), (Some(40.0), Some(40.0)));
    assert_eq!(bound(&found, "pack-years"), Some(Comparator::Above));
    assert_eq!(bound(&found, "years-smoked"), Some(Comparator::Above));
    assert_eq!(bound(&found, "cigarettes-per-day"), None);
    let packs = lab("packs", "8664-5", "2024-01-01T00:00:00Z", 40.0, "{pack-years}");
    let found = table(vec![patient(), packs, bounded("63640-7", ">=", 20.0, "{cigarettes}/d")], t0());
    assert_eq!(bound(&found, "years-smoked"), Some(Comparator::Below), "more a day are fewer years");
    let mut quit = observation("x", SNOMED, "228486009", "2024-04-29T10:00:00Z", &quantity(15.0, "a"));
    quit["valueQuantity"]["comparator"] = json!(">");
    let found = table(vec![patient(), quit], t0());
    assert_eq!(
        (found.number("years-quit"), bound(&found, "years-quit")),
        (Some(15.0), Some(Comparator::Above))
    );
}
