//! Units, codes and magnitudes swapped: what does not fit is missing with its reason, and no value turns up under another
//! name. Every measurement of the schema takes part; one that is added has to be named here too.

use std::collections::BTreeSet;

use fusion::{FeatureTable, FeatureValue, MissingReason, Schema};
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{ICD10, LOINC, SNOMED, coded, condition, observation, patient, quantity, t0};

/// Identifier, a usual value in the schema's unit, what the unit measures, and the number that a usual slip writes under
/// that unit, such as the one of ug/L under mg/L.
const MEASURED: [(&str, f64, &str, f64); 30] = [
    ("crp", 5.0, "mass", 5000.0),                          // ug/L
    ("ldh", 240.0, "catalytic", 4.0),                      // ukat/L
    ("d-dimer", 0.25, "mass", 250.0),                      // ug/L
    ("lymphocytes", 1.4, "count", 1400.0),                 // /uL
    ("neutrophils", 6.3, "count", 6300.0),                 // /uL
    ("leukocytes", 7.2, "count", 7200.0),                  // /uL
    ("platelets", 210.0, "count", 210_000.0),              // /uL
    ("lymphocytes-percent", 22.0, "fraction", 0.22),       // of 1
    ("neutrophils-percent", 70.0, "fraction", 0.7),        // of 1
    ("haemoglobin", 13.1, "mass", 131.0),                  // g/L
    ("pao2", 75.0, "pressure", 10.0),                      // kPa
    ("paco2", 40.0, "pressure", 5.3),                      // kPa
    ("sao2", 97.0, "fraction", 0.97),                      // of 1
    ("albumin", 41.0, "mass", 4.1),                        // g/dL
    ("creatinine", 0.9, "mass", 80.0),                     // umol/L
    ("bilirubin", 0.8, "mass", 13.7),                      // umol/L
    ("inr", 1.1, "number", 91.0),                          // prothrombin time in %
    ("coagulation-factor-3209-4", 100.0, "fraction", 1.0), // of 1
    ("cea", 3.0, "mass", 3000.0),                          // ng/L
    ("psa", 7.5, "mass", 7500.0),                          // ng/L
    ("psa-free", 1.2, "mass", 1200.0),                     // ng/L
    ("fev1-fvc", 72.0, "fraction", 0.72),                  // of 1
    ("spo2", 97.0, "fraction", 0.97),                      // of 1
    ("temperature", 36.8, "temperature", 98.2),            // [degF]
    ("heart-rate", 72.0, "rate", 1.2),                     // /s
    ("respiratory-rate", 16.0, "rate", 0.27),              // /s
    ("systolic-pressure", 120.0, "pressure", 16.0),        // kPa
    ("diastolic-pressure", 80.0, "pressure", 10.7),        // kPa
    ("prostate-volume", 50.0, "volume", 0.05),             // L
    ("bmi", 25.0, "index", 0.0025),                        // kg/cm2
];

/// Of these, slips that no range can tell: the wrong number is a right one in an ill person.
const NOT_TOLD: [&str; 8] = [
    "lymphocytes-percent",
    "neutrophils-percent",
    "bilirubin",
    "coagulation-factor-3209-4",
    "cea",
    "psa",
    "psa-free",
    "diastolic-pressure",
];

/// A measurement of the schema, by its first code.
struct Measured {
    id: String,
    unit: String,
    system: &'static str,
    code: String,
    body_site: Option<String>,
}

fn schema() -> toml::Table {
    toml::from_str(Schema::built_in_text()).unwrap()
}

fn measured() -> Vec<Measured> {
    let schema = schema();
    let index = &schema["body_mass_index"]["index"];
    let all = schema["measurement"].as_array().unwrap().iter().chain([index]);
    all.map(|one| {
        let first = &one["codes"][0];
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let (system, code) = match first.get("loinc") {
            Some(code) => (LOINC, text(code)),
            None => (SNOMED, text(&first["snomed"])),
        };
        let body_site = first.get("body_site").map(text);
        Measured { id: text(&one["id"]), unit: text(&one["unit"]), system, code, body_site }
    })
    .collect()
}

/// The measurement with its usual value, what its unit measures, and the number of the slip.
fn all() -> Vec<(Measured, f64, &'static str, f64)> {
    let measured = measured();
    let named: BTreeSet<&str> = MEASURED.iter().map(|row| row.0).collect();
    let there: BTreeSet<&str> = measured.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(named, there, "every measurement takes part");
    let row = |id: &str| MEASURED.into_iter().find(|row| row.0 == id).unwrap();
    measured
        .into_iter()
        .map(|one| {
            let (_, value, kind, slip) = row(&one.id);
            (one, value, kind, slip)
        })
        .collect()
}

fn of(measured: &Measured, value: f64, unit: &str) -> FeatureTable {
    let mut made =
        observation("x", measured.system, &measured.code, "2024-05-01T08:00:00Z", &quantity(value, unit));
    if let Some(site) = &measured.body_site {
        made["bodySite"] = json!({ "coding": [{ "system": SNOMED, "code": site }] });
    }
    table(vec![patient(), made], t0())
}

/// Known measurements of the list.
fn known(table: &FeatureTable) -> Vec<&'static str> {
    MEASURED.iter().map(|row| row.0).filter(|id| table.number(id).is_some()).collect()
}

#[test]
fn a_unit_of_another_kind_leaves_the_value_missing() {
    let mut refused = 0;
    for (one, value, kind, _) in all() {
        let id = &one.id;
        assert_eq!(of(&one, value, &one.unit).number(id), Some(value), "{id}");
        for (other, _, of_other, _) in all() {
            let found = of(&one, value, &other.unit);
            if kind != of_other {
                assert_eq!(reason(&found, id), Some(MissingReason::Unit), "{id} in {}", other.unit);
                assert!(known(&found).is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 650, "{refused}");
}

/// The code of one measurement with value and unit of another: it counts as the code says, where the unit allows it and the
/// value is possible, and never as the other.
#[test]
fn a_swapped_code_is_never_read_as_what_was_meant() {
    for (one, _, kind, _) in all() {
        let id = one.id.as_str();
        for (other, value, of_other, _) in all() {
            let meant = other.id.as_str();
            if id == meant {
                continue;
            }
            let found = of(&one, value, &other.unit);
            assert!(known(&found).iter().all(|name| *name == id), "{meant} under the code of {id}");
            match &found.feature(id).unwrap().value {
                FeatureValue::Missing { reason } if kind == of_other => {
                    assert_eq!(*reason, MissingReason::Implausible, "{meant} under the code of {id}");
                }
                FeatureValue::Missing { reason } => assert_eq!(*reason, MissingReason::Unit),
                _ => {
                    assert_eq!(kind, of_other, "{meant} under the code of {id}");
                    let original = found.feature(id).unwrap().original.as_ref().unwrap();
                    assert_eq!(
                        original.unit.as_deref(),
                        Some(other.unit.as_str()),
                        "what was written is kept"
                    );
                }
            }
        }
    }
}

/// The number of another magnitude under the right unit: out of range, but where an ill person has such a value.
#[test]
fn a_number_of_another_magnitude_is_not_possible() {
    for (one, _, _, slip) in all() {
        let (id, found) = (one.id.as_str(), of(&one, slip, &one.unit));
        if NOT_TOLD.contains(&id) {
            assert_eq!(found.number(id), Some(slip), "{id}: if it is told now, it is no longer of this list");
        } else {
            assert_eq!(reason(&found, id), Some(MissingReason::Implausible), "{id} as {slip} {}", one.unit);
        }
    }
}

/// Without a unit, or with the unit's letters in the wrong case, nothing is guessed.
#[test]
fn a_number_alone_is_no_value() {
    for (one, value, kind, _) in all() {
        for unit in ["", "mG/l/x", "unit", "{mg}"] {
            let found = of(&one, value, unit);
            let plain = kind == "number" && (unit.is_empty() || unit == "{mg}");
            let expected = if plain { None } else { Some(MissingReason::Unit) };
            assert_eq!(reason(&found, &one.id), expected, "{} in `{unit}`", one.id);
        }
    }
}

/// Height and weight enter through the body mass index alone.
#[test]
fn height_and_weight_swapped_give_no_index() {
    let index = |height: (f64, &str), weight: (f64, &str)| {
        let stated = |id: &str, code: &str, value: (f64, &str)| {
            observation(id, LOINC, code, "2024-05-01T08:00:00Z", &quantity(value.0, value.1))
        };
        let resources = vec![patient(), stated("h", "8302-2", height), stated("w", "29463-7", weight)];
        table(resources, t0()).number("bmi")
    };
    assert!((index((165.0, "cm"), (68.0, "kg")).unwrap() - 24.977).abs() < 1e-3);
    assert!((index((1.65, "m"), (68_000.0, "g")).unwrap() - 24.977).abs() < 1e-3);
    for (height, weight) in [
        ((68.0, "kg"), (165.0, "cm")),
        ((165.0, "kg"), (68.0, "kg")),
        ((1.65, "cm"), (68.0, "kg")),
        ((1650.0, "cm"), (68.0, "kg")),
        ((165.0, "cm"), (68_000.0, "kg")),
        ((165.0, "cm"), (0.068, "kg")),
    ] {
        assert_eq!(index(height, weight), None, "{height:?} {weight:?}");
    }
}

fn drug(system: &str, code: &str) -> Value {
    json!({ "resourceType": "MedicationRequest", "id": "x", "status": "active", "intent": "order",
        "subject": { "reference": "Patient/p1" }, "authoredOn": "2024-01-01T00:00:00Z",
        "medicationCodeableConcept": { "coding": [{ "system": system, "code": code }] } })
}

/// Every drug of the schema by each of its codes: as itself, under another system as nothing, and never as another.
#[test]
fn a_drug_is_itself_and_no_other() {
    let schema = schema();
    let drugs = schema["drug"].as_array().unwrap();
    let id = |one: &toml::Value| one["id"].as_str().unwrap().to_owned();
    for one in drugs {
        for code in one["rxnorm"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()) {
            let own = table(vec![patient(), drug("http://www.nlm.nih.gov/research/umls/rxnorm", code)], t0());
            for other in drugs {
                let expected = (id(one) == id(other)).then_some(true);
                assert_eq!(own.truth(&id(other)), expected, "{code} as {}", id(other));
            }
            for system in [SNOMED, LOINC, "http://www.whocc.no/atc", "http://hl7.org/fhir/sid/ndc"] {
                let swapped = table(vec![patient(), drug(system, code)], t0());
                assert!(drugs.iter().all(|one| swapped.truth(&id(one)).is_none()), "{system}|{code}");
            }
        }
    }
}

fn relative(relationship: &str, system: &str, code: &str) -> Value {
    json!({ "resourceType": "FamilyMemberHistory", "id": "x", "status": "completed", "date": "2020-01-01",
        "patient": { "reference": "Patient/p1" },
        "relationship": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": relationship }] },
        "condition": [{ "code": { "coding": [{ "system": system, "code": code }] } }] })
}

/// A disease of a relative is not the patient's, the patient's is not a relative's, and a husband is no relative.
#[test]
fn whose_disease_it_is_is_never_swapped() {
    let families = [
        ("family-lung-cancer", "lung-cancer", "254637007", "429011007"),
        ("family-prostate-cancer", "prostate-cancer", "399068003", "414205003"),
    ];
    for (family, own, disease, history) in families {
        let (other, _, _, _) = families.into_iter().find(|one| one.0 != family).unwrap();
        let mothers = table(vec![patient(), relative("MTH", SNOMED, disease)], t0());
        assert_eq!(mothers.truth(family), Some(true), "{family}");
        assert_eq!((mothers.truth(own), mothers.truth("cancer")), (None, None), "{own} of the mother");
        assert_ne!(mothers.truth(other), Some(true), "{disease} as {other}");
        for role in ["FTWINBRO", "ITWINSIS", "ITWIN", "NFTH", "SONC"] {
            let found = table(vec![patient(), relative(role, SNOMED, disease)], t0());
            assert_eq!(found.truth(family), Some(true), "{family} by {role}");
        }
        for role in ["HUSB", "GRMTH", "COUSN", "NBOR", "HBRO", "STPFTH", "DAUADOPT"] {
            let found = table(vec![patient(), relative(role, SNOMED, disease)], t0());
            assert_eq!(found.truth(family), None, "{family} by {role}");
        }
        for system in [ICD10, LOINC] {
            let found = table(vec![patient(), relative("MTH", system, disease)], t0());
            assert_ne!(found.truth(family), Some(true), "{system}|{disease}");
        }
        let stated = |code: &str| condition("x", SNOMED, code, "confirmed", "2020-01-01T08:00:00Z");
        let patients = table(vec![patient(), stated(disease)], t0());
        assert_eq!((patients.truth(own), patients.truth(family)), (Some(true), None));
        let said = table(vec![patient(), stated(history)], t0());
        assert_eq!((said.truth(own), said.truth(family)), (None, Some(true)), "{history}");
    }
}

/// An answer of one scale under the question of the other, and categories that there are not.
#[test]
fn the_answer_of_another_scale_is_no_answer() {
    let stated = |question: &str, value: &Value| {
        let mut made = observation("x", "", "", "2024-04-28T08:00:00Z", value);
        made["code"] = json!({ "text": question });
        table(vec![patient(), made], t0())
    };
    let radlex = |code: &str| coded("http://radlex.org", code);
    for (question, id, good, value) in [
        ("PI-RADS", "pi-rads", json!({ "valueInteger": 4 }), 4.0),
        ("PI-RADS", "pi-rads", radlex("RID50299"), 4.0),
        ("FDG uptake", "fdg-uptake", json!({ "valueString": "intense" }), 3.0),
    ] {
        assert_eq!(stated(question, &good).number(id), Some(value));
    }
    for (question, id, bad) in [
        ("PI-RADS", "pi-rads", json!({ "valueString": "intense" })),
        ("PI-RADS", "pi-rads", json!({ "valueInteger": 6 })),
        ("PI-RADS", "pi-rads", json!({ "valueInteger": 0 })),
        ("PI-RADS", "pi-rads", radlex("RID50301")),
        ("PI-RADS", "pi-rads", coded(SNOMED, "RID50299")),
        ("FDG uptake", "fdg-uptake", json!({ "valueString": "pi-rads 4" })),
        ("FDG uptake", "fdg-uptake", json!({ "valueInteger": 4 })),
    ] {
        let found = stated(question, &bad);
        assert_eq!(reason(&found, id), Some(MissingReason::Unmapped), "{bad} for {question}");
        let both = (found.number("pi-rads"), found.number("fdg-uptake"));
        assert_eq!(both, (None, None), "{bad} for {question}");
    }
    let other = stated("BI-RADS", &json!({ "valueInteger": 4 }));
    assert_eq!(reason(&other, "pi-rads"), Some(MissingReason::NotRecorded));
}
