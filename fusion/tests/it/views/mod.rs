//! The ViewDefinitions, run: the rows that they select are those that the features are made from.

mod evaluate;

use std::collections::{BTreeMap, BTreeSet};

use fusion::Schema;
use serde_json::{Value, json};

use crate::features::table;
use crate::support::{ICD10, LOINC, SNOMED, coded, condition, lab, observation, quantity, resources, t0};
use evaluate::Row;

fn stated() -> Vec<Value> {
    let mut all = resources();
    all[0]["gender"] = json!("male");
    let text = |id: &str, text: &str, value: Value| {
        let mut made = observation(id, "", "", "2024-04-20T09:00:00Z", &value);
        made["code"] = json!({ "text": text });
        made
    };
    let mut volume =
        observation("volume", SNOMED, "118565006", "2024-04-20T09:00:00Z", &quantity(50.0, "mL"));
    volume["bodySite"] = json!({ "coding": [{ "system": SNOMED, "code": "41216001" }] });
    let mut rectal = observation("dre", SNOMED, "410006001", "2024-04-01T08:00:00Z", &json!({}));
    rectal["interpretation"] = json!([{ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "A" }] }]);
    let panel = observation(
        "bp",
        LOINC,
        "85354-9",
        "2024-05-01T08:00:00Z",
        &json!({ "component": [
        { "code": { "coding": [{ "system": LOINC, "code": "8480-6" }] },
          "valueQuantity": { "value": 131, "unit": "mmHg", "code": "mm[Hg]" } }] }),
    );
    all.extend([
        volume,
        rectal,
        panel,
        lab("psa", "2857-1", "2024-04-20T09:00:00Z", 7.5, "ng/mL"),
        text("pi-rads", "PI-RADS", json!({ "valueInteger": 4 })),
        text("uptake", "FDG uptake", json!({ "valueString": "intense" })),
        condition("family", ICD10, "Z80.42", "confirmed", "2020-02-01T08:00:00Z"),
        json!({ "resourceType": "Procedure", "id": "biopsy", "status": "completed",
            "subject": { "reference": "Patient/p1" }, "performedPeriod": { "start": "2022-03-01", "end": "2022-03-01" },
            "code": { "coding": [{ "system": SNOMED, "code": "65575008" }] } }),
        json!({ "resourceType": "DiagnosticReport", "id": "ct", "status": "final",
            "subject": { "reference": "Patient/p1" }, "issued": "2024-04-20T12:00:00Z",
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "CT" }] }],
            "code": { "coding": [{ "system": LOINC, "code": "24627-2" }] } }),
        json!({ "resourceType": "Procedure", "id": "radiograph", "status": "completed",
            "subject": { "reference": "Patient/p1" }, "performedDateTime": "2024-03-01",
            "code": { "coding": [{ "system": SNOMED, "code": "399208008" }] } }),
        json!({ "resourceType": "MedicationStatement", "id": "taken", "status": "active",
            "subject": { "reference": "Patient/p1" }, "dateAsserted": "2024-02-01T09:00:00Z",
            "effectivePeriod": { "start": "2024-01-01" },
            "medicationCodeableConcept": { "coding": [{
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "25025" }] } }),
    ]);
    all
}

/// The rows of every view, by its file.
fn run(resources: &[Value]) -> BTreeMap<String, (String, Vec<Row>)> {
    let views = Schema::built_in().view_definitions().into_iter();
    views
        .map(|(name, view)| {
            let kind = view["resource"].as_str().unwrap().to_owned();
            (name, (kind, evaluate::rows(&view, resources)))
        })
        .collect()
}

#[test]
fn every_value_of_a_table_is_in_a_row_of_a_view() {
    let resources = stated();
    let views = run(&resources);
    let table = table(resources, t0());
    let mut kinds = BTreeSet::new();
    for feature in table.present() {
        let sources = feature.source.iter().chain(&feature.other_sources);
        for (kind, id) in sources.filter_map(|source| source.split_once('/')) {
            let own = views.values().filter(|(resource, _)| resource == kind);
            let rows: Vec<&Row> = own.flat_map(|(_, rows)| rows).filter(|row| row["id"] == id).collect();
            assert!(!rows.is_empty(), "{} of {kind}/{id} is in no row", feature.id);
            kinds.insert(kind.to_owned());
        }
    }
    let expected = [
        "Condition",
        "DiagnosticReport",
        "DocumentReference",
        "FamilyMemberHistory",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "Procedure",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// A measured value in a view is the number, unit and code that the table states as the original.
#[test]
fn rows_of_measurements_hold_the_originals() {
    let resources = stated();
    let views = run(&resources);
    let rows = &views["measurement.json"].1;
    let table = table(resources, t0());
    let mut compared = 0;
    let measured = ["laboratory", "vital"];
    for feature in table.present().filter(|one| measured.contains(&one.group.word())) {
        let Some(original) = &feature.original else { continue };
        let (_, id) = feature.source.as_deref().unwrap().split_once('/').unwrap();
        let text = |row: &Row, name: &str| row.get(name).map(|value| value.as_str().unwrap().to_owned());
        let found = rows.iter().any(|row| {
            let code =
                text(row, "system").zip(text(row, "code")).map(|(system, code)| format!("{system}|{code}"));
            row["id"] == id
                && row.get("value").map(Value::to_string).as_ref() == Some(&original.value)
                && text(row, "ucum") == original.unit
                && code == original.code
        });
        assert!(found, "{} {} {:?}", feature.id, original.value, original.unit);
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn views_say_what_the_code_alone_does_not() {
    let mut resources = stated();
    let mut other = resources.iter().find(|one| one["id"] == "volume").unwrap().clone();
    other["id"] = json!("liver");
    other["bodySite"]["coding"][0]["code"] = json!("10200004");
    let mut preliminary = lab("preliminary", "1988-5", "2024-05-01T09:00:00Z", 9.0, "mg/L");
    preliminary["status"] = json!("preliminary");
    let mut text = observation("by-text", "", "", "2024-05-01T09:00:00Z", &quantity(44.0, "mL"));
    text["code"] = json!({ "text": "Prostate Volume" });
    resources.extend([
        other,
        preliminary,
        text,
        observation("odd", LOINC, "9999-9", "2024-05-01", &coded(SNOMED, "1")),
    ]);
    let views = run(&resources);
    let row = |view: &str, id: &str| {
        views[view].1.iter().filter(|row| row["id"] == id).cloned().collect::<Vec<_>>()
    };
    assert_eq!(row("measurement.json", "volume")[0]["body_site"], "41216001");
    assert_eq!(row("measurement.json", "liver")[0]["body_site"], "10200004");
    assert_eq!(row("measurement.json", "by-text")[0]["code_text"], "Prostate Volume");
    assert_eq!(row("measurement.json", "bp")[0]["code"], "8480-6", "a part of a panel");
    for id in ["preliminary", "odd"] {
        assert!(views.values().all(|(_, rows)| rows.iter().all(|row| row["id"] != id)), "{id}");
    }
    assert_eq!(row("procedure.json", "biopsy")[0]["performed_end"], "2022-03-01");
    assert_eq!(row("medication-statement.json", "taken")[0]["asserted"], "2024-02-01T09:00:00Z");
    assert_eq!(row("scale.json", "pi-rads")[0]["integer"], 4);
    assert_eq!(row("scale.json", "uptake")[0]["text"], "intense");
    assert_eq!(row("examination.json", "dre")[0]["interpretation"], "A");
    assert_eq!(row("imaging-report.json", "ct")[0]["category"], "CT");
    assert_eq!(row("procedure.json", "radiograph")[0]["code"], "399208008");
    let nodule = row("nodule.json", "nodule-1");
    assert_eq!(nodule.len(), 4, "one row a component");
    assert!(nodule.iter().all(|row| row["body_site"] == "42400003"));
    assert!(nodule.iter().any(|row| row["part"] == "33728-7" && row["part_value"] == 1.2));
}
