//! Where the tests find real data, and a synthetic patient built in code.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

/// A folder of the shared data, or `None` with a line that says so.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests look for data and say when it is missing"
)]
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var("CHIASM_DATA")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let found = root.join(folder);
    if found.is_dir() {
        return Some(found);
    }
    println!("skipped: {folder} is not in the data folder");
    None
}

/// The JSON files of a folder, sorted.
pub(crate) fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// A configuration of a model of made-up rows, with what all of them say in the place of `MADE_UP`: who made the table, whose
/// rows they are (`who`), and the outcome `y`.
pub(crate) fn made_up_table(config: &str) -> String {
    const MADE_UP: &str = r#"version = "1"
title = "t"
outcome = "o"
horizon = "h"
population = "p"
data = "made in code"
intended_use = "a test"
created = "2026-01-01"
patient = "who"
thresholds = [0.5]
label = { column = "y", positive = ["1"], negative = ["0"] }"#;
    config.replace("MADE_UP", MADE_UP)
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// t0 of the synthetic patient.
pub(crate) fn t0() -> Timestamp {
    at("2024-05-02T10:00:00Z")
}

pub(crate) fn bundle(resources: Vec<Value>) -> Value {
    let entries: Vec<Value> = resources.into_iter().map(|resource| json!({ "resource": resource })).collect();
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
}

pub(crate) fn bytes(bundle: &Value) -> Vec<u8> {
    serde_json::to_vec(bundle).unwrap()
}

pub(crate) fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p1", "active": true, "gender": "female", "birthDate": "1958-11-20",
        "identifier": [{ "type": { "coding": [{ "code": "MR" }] }, "system": "urn:oid:2.25.1", "value": "P-1",
            "assigner": { "display": "SITE" } }],
        "name": [{ "use": "official", "family": "Public", "given": ["Pat"] }],
        "extension": [{ "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
            { "url": "ombCategory", "valueCoding": { "system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White" } }] }]
    })
}

/// An Observation with these parts; `issued` 30 minutes after `effective` where it is a time.
pub(crate) fn observation(id: &str, system: &str, code: &str, effective: &str, value: &Value) -> Value {
    let mut made = json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "code": { "coding": [{ "system": system, "code": code }] },
        "subject": { "reference": "Patient/p1" },
        "effectiveDateTime": effective,
    });
    for (key, part) in value.as_object().unwrap() {
        made[key] = part.clone();
    }
    made
}

pub(crate) fn quantity(value: f64, unit: &str) -> Value {
    json!({ "valueQuantity": { "value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit } })
}

pub(crate) fn lab(id: &str, loinc: &str, effective: &str, value: f64, unit: &str) -> Value {
    observation(id, LOINC, loinc, effective, &quantity(value, unit))
}

pub(crate) fn coded(system: &str, code: &str) -> Value {
    json!({ "valueCodeableConcept": { "coding": [{ "system": system, "code": code }] } })
}

pub(crate) fn condition(id: &str, system: &str, code: &str, verification: &str, recorded: &str) -> Value {
    json!({
        "resourceType": "Condition", "id": id, "subject": { "reference": "Patient/p1" },
        "verificationStatus": { "coding": [{ "code": verification }] },
        "code": { "coding": [{ "system": system, "code": code }] },
        "recordedDate": recorded,
    })
}

pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const LOINC: &str = "http://loinc.org";
pub(crate) const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";

/// A solid, spiculated nodule of 12 mm in the right upper lobe.
pub(crate) fn nodule() -> Value {
    json!({
        "resourceType": "Observation", "id": "nodule-1", "status": "final",
        "code": { "coding": [{ "system": SNOMED, "code": "427359005" }] },
        "subject": { "reference": "Patient/p1" },
        "effectiveDateTime": "2024-04-20T09:00:00Z", "issued": "2024-04-20T12:00:00Z",
        "bodySite": { "coding": [{ "system": SNOMED, "code": "42400003" }] },
        "component": [
            { "code": { "coding": [{ "system": LOINC, "code": "33728-7" }] },
              "valueQuantity": { "value": 1.2, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm" } },
            { "code": { "coding": [{ "system": "https://radelement.org", "code": "RDE1301" }] },
              "valueCodeableConcept": { "coding": [{ "system": "https://radelement.org", "code": "RDE1301.0", "display": "solid" }] } },
            { "code": { "coding": [{ "system": SNOMED, "code": "129737002" }] },
              "valueCodeableConcept": { "coding": [{ "system": SNOMED, "code": "129742005" }] } },
            { "code": { "coding": [{ "system": SNOMED, "code": "246205007" }] }, "valueInteger": 1 }
        ]
    })
}

/// Everything that a record of the synthetic patient states.
pub(crate) fn resources() -> Vec<Value> {
    let education = json!({ "valueCodeableConcept": { "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-EducationLevel", "code": "HS", "display": "High School" }] } });
    vec![
        patient(),
        lab("crp-1", "1988-5", "2024-01-10T08:00:00Z", 12.0, "mg/L"),
        lab("crp-2", "1988-5", "2024-03-10T08:00:00Z", 3.0, "mg/dL"),
        lab("crp-3", "1988-5", "2024-05-01T08:00:00Z", 48.0, "mg/L"),
        lab("ldh-1", "2532-0", "2024-05-01T08:00:00Z", 4.0, "ukat/L"),
        lab("ddimer-1", "48066-5", "2024-05-01T08:00:00Z", 250.0, "ng/mL"),
        lab("lym-1", "731-0", "2024-05-01T08:00:00Z", 1.4, "10*3/uL"),
        lab("neu-1", "751-8", "2024-05-01T08:00:00Z", 6.3, "10*9/L"),
        lab("pao2-1", "2703-7", "2024-05-01T20:00:00Z", 10.0, "kPa"),
        lab("height", "8302-2", "2023-05-01T08:00:00Z", 165.0, "cm"),
        lab("weight", "29463-7", "2024-02-01T08:00:00Z", 68.0, "kg"),
        lab("packs", "8664-5", "2024-02-01T08:00:00Z", 30.0, "{pack-years}"),
        lab("daily", "63640-7", "2024-02-01T08:00:00Z", 20.0, "{cigarettes}/d"),
        observation("status", LOINC, "72166-2", "2024-02-01T08:00:00Z", &coded(SNOMED, "8517006")),
        observation("quit", LOINC, "74010-0", "2024-02-01T08:00:00Z", &json!({ "valueDateTime": "2014-05" })),
        observation("school", LOINC, "82589-3", "2020-02-01T08:00:00Z", &education),
        condition("copd", SNOMED, "13645005", "confirmed", "2019-02-01T08:00:00Z"),
        condition("emphysema", ICD10, "J43.9", "refuted", "2021-02-01T08:00:00Z"),
        condition("cancer", SNOMED, "363346000", "refuted", "2022-02-01T08:00:00Z"),
        condition("covid", ICD10, "U07.1", "confirmed", "2024-04-28T08:00:00Z"),
        json!({ "resourceType": "FamilyMemberHistory", "id": "father", "status": "completed", "date": "2020-01-01",
            "patient": { "reference": "Patient/p1" },
            "relationship": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "FTH" }] } }),
        json!({ "resourceType": "MedicationRequest", "id": "drug", "status": "active", "intent": "order",
            "subject": { "reference": "Patient/p1" }, "authoredOn": "2024-01-01T00:00:00Z",
            "medicationCodeableConcept": { "coding": [{ "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "310965" }] } }),
        nodule(),
        crate::notes::document(
            "note",
            "2024-04-20T09:00:00Z",
            "text/plain",
            "FINDINGS: Spiculated nodule, at the right. SOCIAL HISTORY: Denies asbestos exposure.",
        ),
    ]
}
