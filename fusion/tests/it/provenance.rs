//! Where every number comes from: each statistic cites what it was made from, and what was changed later says so.

use fusion::features::{CELLS, ROW_NAMES, rows};
use fusion::{FeatureTable, MissingReason, Schema};
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{SNOMED, condition, lab, patient, t0};

fn row(table: &FeatureTable, feature: &str, statistic: &str, days: &str) -> [String; CELLS] {
    let all = rows(Schema::built_in(), table);
    all.into_iter().find(|row| row[0] == feature && row[3] == statistic && row[4] == days).unwrap()
}

fn cell<'a>(row: &'a [String; CELLS], name: &str) -> &'a str {
    &row[ROW_NAMES.iter().position(|one| *one == name).unwrap()]
}

/// Value, source and other sources of a statistic.
fn cited(table: &FeatureTable, statistic: &str, days: &str) -> (f64, String, String) {
    let row = row(table, "crp", statistic, days);
    let value = cell(&row, "value").parse().unwrap();
    (value, cell(&row, "source").to_owned(), cell(&row, "other_sources").to_owned())
}

fn crp(id: &str, day: &str, value: f64) -> Value {
    lab(id, "1988-5", &format!("{day}T08:00:00Z"), value, "mg/L")
}

fn course() -> Vec<Value> {
    vec![
        patient(),
        crp("old", "2020-01-01", 200.0),
        crp("high", "2024-01-01", 90.0),
        crp("low", "2024-02-01", 2.0),
        crp("before", "2024-04-20", 10.0),
        crp("last", "2024-05-01", 16.0),
    ]
}

#[test]
fn each_statistic_cites_what_it_was_made_from() {
    let table = table(course(), t0());
    let of = |source: &str, others: &[&str]| {
        let others: Vec<String> = others.iter().map(|one| format!("Observation/{one}")).collect();
        (format!("Observation/{source}"), others.join(" "))
    };
    for (statistic, days, value, (source, others)) in [
        ("last", "", 16.0, of("last", &[])),
        ("min", "365", 2.0, of("low", &[])),
        ("max", "365", 90.0, of("high", &[])),
        ("max", "1825", 200.0, of("old", &[])),
        ("mean", "365", 29.5, of("last", &["before", "low", "high"])),
        ("count", "365", 4.0, of("last", &["before", "low", "high"])),
        ("mean", "30", 13.0, of("last", &["before"])),
        ("delta", "1825", 6.0, of("last", &["before"])),
    ] {
        assert_eq!(cited(&table, statistic, days), (value, source, others), "{statistic} {days}");
    }
    let slope = row(&table, "crp", "slope", "1825");
    assert_eq!(cell(&slope, "other_sources").split(' ').count(), 4, "all of a slope's");
    let none = row(&table, "crp", "slope", "30");
    assert_eq!((cell(&none, "value"), cell(&none, "source")), ("", ""), "what is not there cites nothing");
    let min = row(&table, "crp", "min", "365");
    assert_eq!((cell(&min, "age_days"), cell(&min, "effective")), ("", ""), "these are of the last value");
}

fn drug(id: &str, since: &str, codes: &[&str], display: &str) -> Value {
    let rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm";
    let coding = |code: &&str| json!({ "system": rxnorm, "code": code });
    let mut codings: Vec<Value> = codes.iter().map(coding).collect();
    if !display.is_empty() {
        codings[0]["display"] = display.into();
    }
    json!({ "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
        "subject": { "reference": "Patient/p1" }, "authoredOn": format!("{since}T00:00:00Z"),
        "medicationCodeableConcept": { "coding": codings } })
}

#[test]
fn a_count_of_drugs_cites_them_all_and_counts_strengths_of_one_once() {
    let all = vec![
        patient(),
        drug("a", "2024-01-01", &["861007"], "Metformin hydrochloride 500 MG Oral Tablet"),
        drug(
            "b",
            "2024-01-02",
            &["861004"],
            "24 HR Metformin hydrochloride 1000 MG Extended Release Oral Tablet",
        ),
        drug("c", "2024-01-03", &["314076"], "lisinopril 10 MG Oral Tablet"),
        drug("d", "2024-01-04", &["311989", "7646"], ""),
        drug("e", "2024-01-05", &["198051", "7646"], ""), // another strength, the same ingredient
        drug(
            "f",
            "2024-01-06",
            &["856987"],
            "Acetaminophen 325 MG / Hydrocodone Bitartrate 10 MG Oral Tablet",
        ),
        drug("g", "2024-01-07", &["313782"], "Acetaminophen 325 MG Oral Tablet"),
        drug("h", "2024-01-08", &["313782"], ""), // the same code, without its name
    ];
    let table = table(all, t0());
    for (id, expected) in
        [("active-drugs", None), ("polypharmacy", Some(true)), ("hyper-polypharmacy", Some(false))]
    {
        let found = table.feature(id).unwrap();
        assert_eq!(found.source.as_deref(), Some("MedicationRequest/h"), "{id}");
        let others =
            ["MedicationRequest/b", "MedicationRequest/c", "MedicationRequest/e", "MedicationRequest/f"];
        assert_eq!(found.other_sources, others, "{id}");
        assert_eq!(table.truth(id), expected);
    }
    assert_eq!(table.number("active-drugs"), Some(5.0));
}

#[test]
fn drugs_that_a_third_entry_joins_are_one() {
    let of = |since: [&str; 3]| {
        let all = vec![
            patient(),
            drug("a", since[0], &["1"], "alpha 1 MG"),
            drug("b", since[1], &["2"], "beta 1 MG"),
            drug("other", "2024-01-01", &["3"], "gamma 1 MG"),
            drug("c", since[2], &["1", "2"], ""),
        ];
        let table = table(all, t0());
        let found = table.feature("active-drugs").unwrap().clone();
        (table.number("active-drugs"), found.source, found.other_sources)
    };
    let days = ["2024-02-01", "2024-02-02", "2024-02-03"];
    for (order, cited) in [([0, 1, 2], "c"), ([2, 0, 1], "a"), ([1, 2, 0], "b")] {
        let found = of(order.map(|at: usize| days[at]));
        let (cited, other) = (format!("MedicationRequest/{cited}"), "MedicationRequest/other".to_owned());
        assert_eq!(found, (Some(2.0), Some(cited), vec![other]), "{order:?}");
    }
}

/// A record can have so many that comparing each with each would hold up every other study.
#[test]
fn a_record_of_drugs_alone_is_counted_in_time() {
    const DRUGS: u32 = 90_000;
    let drugs = (0..DRUGS).map(|at| drug(&at.to_string(), "2024-01-01", &[&at.to_string()], ""));
    let all: Vec<Value> = std::iter::once(patient()).chain(drugs).collect();
    let began = std::time::Instant::now();
    let table = table(all, t0());
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(table.number("active-drugs"), Some(f64::from(DRUGS)));
}

fn statement(times: &Value) -> Value {
    let mut made = json!({ "resourceType": "MedicationStatement", "id": "x", "status": "active",
        "subject": { "reference": "Patient/p1" }, "effectivePeriod": { "start": "2024-01-01T00:00:00Z" },
        "medicationCodeableConcept": { "text": "Finasteride 5 MG Oral Tablet" } });
    for (key, part) in times.as_object().unwrap() {
        made[key] = part.clone();
    }
    made
}

/// That a drug is taken since January may be said first in June.
#[test]
fn what_is_taken_is_known_from_when_it_was_asserted_and_not_from_its_start() {
    let id = "five-alpha-reductase-inhibitor";
    let of = |times: Value| table(vec![patient(), statement(&times)], t0());
    for known in [
        json!({ "dateAsserted": "2024-05-01T09:00:00Z" }),
        json!({ "meta": { "lastUpdated": "2024-05-01T09:00:00Z" } }),
    ] {
        assert_eq!(of(known.clone()).truth(id), Some(true), "{known}");
    }
    let drugs = |table: &FeatureTable| reason(table, "active-drugs");
    for (times, expected) in [
        (json!({ "dateAsserted": "2024-05-02" }), MissingReason::OnlyAfterT0),
        (json!({ "meta": { "lastUpdated": "2024-06-01T09:00:00Z" } }), MissingReason::OnlyAfterT0),
        (json!({}), MissingReason::Undated),
    ] {
        let found = of(times.clone());
        assert_eq!((found.truth(id), drugs(&found)), (None, Some(expected)), "{times}");
    }
    let later =
        of(json!({ "dateAsserted": "2024-05-01T09:00:00Z", "effectivePeriod": { "start": "2024-06" } }));
    assert_eq!(drugs(&later), Some(MissingReason::OnlyAfterT0), "it is to begin later");
}

fn with_meta(mut resource: Value, meta: Value) -> Value {
    resource["meta"] = meta;
    resource
}

const LATER: &str = "2024-06-01T08:00:00Z";

#[test]
fn a_version_that_says_that_it_is_corrected_after_t0_is_not_read() {
    let mut by_status = with_meta(crp("x", "2024-05-01", 90.0), json!({ "lastUpdated": LATER }));
    by_status["status"] = "corrected".into();
    let by_number =
        with_meta(crp("x", "2024-05-01", 90.0), json!({ "lastUpdated": LATER, "versionId": "2" }));
    for version in [by_status, by_number] {
        let alone = table(vec![patient(), version.clone()], t0());
        assert_eq!(reason(&alone, "crp"), Some(MissingReason::CorrectedAfterT0));
        assert_eq!((alone.excluded.corrected_after_t0, alone.excluded.after_t0), (1, 0));
        let first = with_meta(crp("x", "2024-05-01", 9.0), json!({ "lastUpdated": "2024-05-01T09:00:00Z" }));
        for both in [vec![version.clone(), first.clone()], vec![first, version]] {
            let found = table([vec![patient()], both].concat(), t0());
            assert_eq!(found.number("crp"), Some(9.0), "the version of then");
            assert_eq!(found.excluded.superseded, 1);
        }
    }
    // Corrected before t0, and at t0: read.
    let mut corrected = with_meta(
        crp("x", "2024-05-01", 9.0),
        json!({ "lastUpdated": "2024-05-02T10:00:00Z", "versionId": "3" }),
    );
    corrected["status"] = "corrected".into();
    assert_eq!(table(vec![patient(), corrected], t0()).number("crp"), Some(9.0));
}

#[test]
fn of_versions_that_all_came_later_the_earliest_is_read() {
    let version = |value: f64, number: &str, updated: &str| {
        with_meta(crp("x", "2024-05-01", value), json!({ "lastUpdated": updated, "versionId": number }))
    };
    let versions =
        vec![version(9.0, "1", "2024-06-01T08:00:00Z"), version(90.0, "2", "2024-07-01T08:00:00Z")];
    for order in [versions.clone(), versions.into_iter().rev().collect()] {
        let found = table([vec![patient()], order].concat(), t0());
        assert_eq!(found.number("crp"), Some(9.0));
        assert!(found.feature("crp").unwrap().changed_after_t0);
    }
}

/// A server that took the whole record in after t0 says no more than that: its values are read and marked.
#[test]
fn what_was_changed_later_without_a_word_is_marked_everywhere() {
    let late = |resource: Value| with_meta(resource, json!({ "lastUpdated": LATER, "versionId": "1" }));
    let mut all = course();
    all[3] = late(all[3].clone()); // the least
    all.push(late(condition("copd", SNOMED, "13645005", "confirmed", "2019-02-01T08:00:00Z")));
    let table = table(all, t0());
    assert_eq!(table.changed_after_t0, ["Condition/copd", "Observation/low"]);
    assert!(table.feature("copd").unwrap().changed_after_t0);
    assert!(table.feature("charlson").unwrap().changed_after_t0);
    assert!(!table.feature("crp").unwrap().changed_after_t0, "the last value is as it was");
    for (feature, statistic, days, expected) in [
        ("crp", "last", "", ""),
        ("crp", "min", "365", "true"),
        ("crp", "mean", "365", "true"),
        ("crp", "max", "365", ""),
        ("crp", "mean", "30", ""),
        ("copd", "last", "", "true"),
    ] {
        let row = row(&table, feature, statistic, days);
        assert_eq!(cell(&row, "changed_after_t0"), expected, "{feature} {statistic} {days}");
    }
    assert!(fusion::features::to_text(&table).contains("Condition/copd, changed after t0"));
    let stored = serde_json::to_string(&table).unwrap();
    let read: FeatureTable = serde_json::from_str(&stored).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
}
