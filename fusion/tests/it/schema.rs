//! The feature schema: what is refused when it is loaded, its ViewDefinitions, and what the newer kinds read.

use fusion::features::SCHEMA;
use fusion::{FeatureTable, FeatureValue, MissingReason, Schema, SchemaError};
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{ICD10, LOINC, SNOMED, condition, lab, observation, patient, quantity, resources, t0};

#[test]
fn the_built_in_schema_is_the_one_that_tables_name() {
    assert_eq!(Schema::built_in().name(), SCHEMA);
}

#[expect(clippy::panic, reason = "a test that does not find what it expects has failed")]
fn altered(from: &str, to: &str) -> Vec<String> {
    let text = Schema::built_in_text();
    assert!(text.contains(from), "{from}");
    match Schema::parse(&text.replacen(from, to, 1)) {
        Err(SchemaError::Invalid(findings)) => findings,
        Err(SchemaError::Toml(text)) => vec![text],
        Ok(_) => panic!("{from} as {to} was taken"),
    }
}

#[test]
fn what_cannot_be_right_is_refused_with_its_name() {
    for (from, to, said) in [
        ("1988-5", "1988-6", "crp"),
        ("\"13645005\"", "\"13645006\"", "copd"),
        ("unit = \"mg/L\"", "unit = \"furlong\"", "furlong"),
        ("range = [0.0, 1000.0]", "range = [10.0, 1.0]", "crp"),
        ("over = \"neutrophils\"", "over = \"neutrophil\"", "nlr"),
        ("windows_days = [30, 180, 365, 1825]", "windows_days = [180, 30]", "laboratory"),
        ("id = \"ldh\"", "id = \"crp\"", "twice"),
        ("\"@emphysema\"", "\"@emphysemas\"", "emphysemas"),
        ("statistics = [\"last\", ", "statistics = [\"lst\", ", "lst"),
        ("missing = \"unknown\"\n\n[defaults.vital]", "missing = \"zero\"\n\n[defaults.vital]", "laboratory"),
        ("loinc|72166-2", "loinc|72166-3", "72166-3"),
        ("polypharmacy = 5", "polypharmacy = 50", "hyper_polypharmacy"),
        ("umol_per_mg = 0.06206", "umol_per_mg = 0.0", "haemoglobin"),
        ("group = \"laboratory\"", "grup = \"laboratory\"", "grup"),
    ] {
        let findings = altered(from, to).join("\n");
        assert!(findings.contains(said), "{from} as {to}: {findings}");
    }
}

/// The ViewDefinitions in the repository are the schema's. To renew them after a wanted change, run the test and copy the
/// folder that its message names.
#[test]
fn view_definitions_are_those_of_the_schema() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/view-definitions");
    let made = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("view-definitions");
    std::fs::create_dir_all(&made).unwrap();
    let mut same = true;
    for (name, view) in Schema::built_in().view_definitions() {
        let text = serde_json::to_string_pretty(&view).unwrap() + "\n";
        same &= std::fs::read_to_string(folder.join(&name)).ok().as_deref() == Some(text.as_str());
        std::fs::write(made.join(&name), text).unwrap();
    }
    assert!(same, "the views changed; the new ones are in {}", made.display());
}

#[expect(clippy::panic, reason = "a test that does not find what it expects has failed")]
fn close(table: &FeatureTable, id: &str, expected: f64) {
    let found = table.number(id).unwrap_or_else(|| panic!("{id} is missing"));
    assert!((found - expected).abs() < 1e-9, "{id}: {found}");
}

fn volume(date: &str, value: f64, unit: &str) -> Value {
    let mut made = observation("volume", SNOMED, "118565006", date, &quantity(value, unit));
    made["bodySite"] = json!({ "coding": [{ "system": SNOMED, "code": "41216001" }] });
    made
}

#[test]
fn prostate_facts() {
    let psa = |id: &str, date: &str, value: f64| lab(id, "2857-1", date, value, "ng/mL");
    let radlex = |code: &str| json!({ "valueCodeableConcept": { "coding": [{ "system": "http://radlex.org", "code": code }] } });
    let mut rectal = observation("dre", SNOMED, "410006001", "2024-04-01T08:00:00Z", &json!({}));
    rectal["interpretation"] = json!([{ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "A" }] }]);
    let biopsy = json!({ "resourceType": "Procedure", "id": "biopsy", "status": "completed",
        "subject": { "reference": "Patient/p1" }, "performedDateTime": "2022-03-01",
        "code": { "coding": [{ "system": SNOMED, "code": "65575008" }] } });
    let stated = vec![
        patient(),
        psa("a", "2022-05-02T10:00:00Z", 4.0),
        psa("b", "2023-05-02T16:00:00Z", 5.0),
        psa("c", "2024-05-01T22:00:00Z", 9.0),
        volume("2024-01-01T08:00:00Z", 0.05, "L"),
        observation("l1", SNOMED, "118565006", "2024-04-28T08:00:00Z", &radlex("RID50297")),
        observation("l2", SNOMED, "118565006", "2024-04-28T08:00:00Z", &radlex("RID50299")),
        observation("old", SNOMED, "118565006", "2024-01-28T08:00:00Z", &radlex("RID50300")),
        rectal,
        biopsy,
        observation("fh", SNOMED, "414205003", "2020-01-01T00:00:00Z", &json!({ "valueBoolean": true })),
    ];
    let found = table(stated, t0());
    close(&found, "psa", 9.0);
    close(&found, "prostate-volume", 50.0);
    close(&found, "psa-density", 0.18);
    close(&found, "pi-rads", 4.0);
    close(&found, "psa-velocity", 2.5);
    assert_eq!(found.truth("dre-abnormal"), Some(true));
    assert_eq!(found.truth("prior-prostate-biopsy"), Some(true));
    assert_eq!(found.truth("family-prostate-cancer"), Some(true));
    let velocity = found.feature("psa-velocity").unwrap();
    assert_eq!(velocity.source.as_deref(), Some("Observation/c"));
    assert_eq!(velocity.other_sources, ["Observation/b", "Observation/a"]);
    assert_eq!(found.feature("psa-density").unwrap().other_sources, ["Observation/c"]);
}

/// Grams a mole: haemoglobin as its monomer, as UCUM's and IFCC's factors have it; creatinine C4H7N3O; bilirubin C33H36N4O6.
const MOLAR_MASS: [(&str, f64); 3] = [
    ("haemoglobin", 16_114.5),
    ("creatinine", 4.0 * 12.011 + 7.0 * 1.008 + 3.0 * 14.007 + 15.999),
    ("bilirubin", 33.0 * 12.011 + 36.0 * 1.008 + 4.0 * 14.007 + 6.0 * 15.999),
];

/// 1 mg is 1000 / M umol. Every factor of the schema is checked; one that is added has to be named here too.
#[test]
fn factors_between_mass_and_moles_are_those_of_the_molar_masses() {
    let schema: toml::Table = toml::from_str(Schema::built_in_text()).unwrap();
    let all = schema["measurement"].as_array().unwrap().iter();
    let factors: Vec<(&str, f64)> =
        all.filter_map(|one| Some((one["id"].as_str()?, one.get("umol_per_mg")?.as_float()?))).collect();
    assert_eq!(factors.iter().map(|one| one.0).collect::<Vec<_>>(), MOLAR_MASS.map(|one| one.0));
    for ((id, factor), (_, molar_mass)) in factors.into_iter().zip(MOLAR_MASS) {
        let expected = 1000.0 / molar_mass;
        assert!((factor / expected - 1.0).abs() < 1e-3, "{id}: {factor} against {expected}");
    }
}

/// The worked values of the literature, from moles and in both cases of the litre.
#[test]
fn moles_are_read_as_mass() {
    for (id, loinc, value, unit, expected) in [
        ("creatinine", "2160-0", 88.4, "umol/L", 1.0),
        ("creatinine", "2160-0", 88.4, "umol/l", 1.0),
        ("creatinine", "2160-0", 0.0884, "mmol/l", 1.0),
        ("creatinine", "2160-0", 88.4, "\u{3bc}mol/l", 1.0),
        ("creatinine", "2160-0", 88.4, "\u{b5}mol/L", 1.0),
        ("bilirubin", "1975-2", 17.1, "umol/l", 1.0),
        ("haemoglobin", "718-7", 8.6884, "mmol/l", 14.0),
        ("psa", "2857-1", 7.5, "ug/l", 7.5),
        ("cea", "2039-6", 3000.0, "pg/ml", 3.0),
    ] {
        let found = table(vec![patient(), lab("x", loinc, "2024-05-01T08:00:00Z", value, unit)], t0());
        close(&found, id, expected);
        let factor = found.feature(id).unwrap().factor.unwrap_or(1.0);
        assert!((factor * value - expected).abs() < 1e-9, "{id}: {factor}");
    }
}

#[test]
fn ratios_and_doubling_by_hand() {
    let at = "2024-05-01T08:00:00Z";
    let found = table(
        vec![
            patient(),
            lab("crp", "1988-5", at, 4.8, "mg/dL"),
            lab("albumin", "1751-7", at, 4.0, "g/dL"),
            lab("ldh", "2532-0", at, 240.0, "U/L"),
            lab("platelets", "777-3", at, 210.0, "10*9/L"),
            lab("lymphocytes", "731-0", at, 1400.0, "/uL"),
            lab("psa-1", "2857-1", "2022-05-01T20:00:00Z", 4.0, "ng/mL"),
            lab("psa-2", "2857-1", "2023-05-02T02:00:00Z", 4.0 * std::f64::consts::SQRT_2, "ng/mL"),
            lab("psa-3", "2857-1", at, 8.0, "ug/L"),
            lab("free", "10886-0", at, 1.2, "ng/mL"),
        ],
        t0(),
    );
    close(&found, "crp-albumin", 48.0 / 40.0);
    close(&found, "ldh-albumin", 240.0 / 40.0);
    close(&found, "plr", 210.0 / 1.4);
    close(&found, "psa-free-share", 1.2 / 8.0);
    close(&found, "psa-doubling", 24.0);
    for (id, unit) in [
        ("crp-albumin", "mg/g"),
        ("ldh-albumin", "U/g"),
        ("plr", "1"),
        ("psa-free-share", "1"),
        ("psa-doubling", "mo"),
    ] {
        assert_eq!(found.feature(id).unwrap().unit.as_deref(), Some(unit));
    }
    let ratio = found.feature("crp-albumin").unwrap();
    let both = [ratio.source.as_deref(), ratio.other_sources.first().map(String::as_str)];
    assert!(both.contains(&Some("Observation/crp")) && both.contains(&Some("Observation/albumin")));

    // Eight days apart, a share over two days, and a course that falls.
    let apart = table(
        vec![
            patient(),
            lab("crp", "1988-5", "2024-04-20T08:00:00Z", 48.0, "mg/L"),
            lab("albumin", "1751-7", "2024-04-29T08:00:00Z", 40.0, "g/L"),
            lab("psa-1", "2857-1", "2022-05-01T20:00:00Z", 8.0, "ng/mL"),
            lab("psa-2", "2857-1", "2023-05-02T02:00:00Z", 6.0, "ng/mL"),
            lab("psa-3", "2857-1", "2024-04-29T08:00:00Z", 4.0, "ng/mL"),
            lab("free", "10886-0", at, 1.2, "ng/mL"),
        ],
        t0(),
    );
    assert_eq!(reason(&apart, "crp-albumin"), Some(MissingReason::Stale));
    assert_eq!(reason(&apart, "psa-free-share"), Some(MissingReason::Stale));
    assert_eq!(reason(&apart, "psa-doubling"), Some(MissingReason::NotRecorded));
    assert_eq!(reason(&apart, "ldh-albumin"), Some(MissingReason::NotRecorded));
}

#[test]
fn a_volume_of_something_else_or_in_another_unit_is_not_read() {
    let mut other = volume("2024-01-01T08:00:00Z", 50.0, "mL");
    other["bodySite"]["coding"][0]["code"] = json!("64033007");
    assert_eq!(
        reason(&table(vec![patient(), other], t0()), "prostate-volume"),
        Some(MissingReason::NotRecorded)
    );
    let wrong = volume("2024-01-01T08:00:00Z", 50.0, "mg/dL");
    assert_eq!(reason(&table(vec![patient(), wrong], t0()), "prostate-volume"), Some(MissingReason::Unit));
}

/// Quan's codes and Charlson's weights, by hand: heart failure 1, diabetes with complications 2 (plain diabetes yields),
/// metastases 6 (the tumour yields), COPD 1 once.
#[test]
fn charlson_counts_the_graver_category_once() {
    let icd = |id: &str, code: &str| condition(id, ICD10, code, "confirmed", "2024-01-01T08:00:00Z");
    let found = table(
        vec![
            patient(),
            icd("a", "I50.9"),
            icd("b", "E11.9"),
            icd("c", "E11.22"),
            icd("d", "C50.911"),
            icd("e", "C78.7"),
            icd("f", "J44.9"),
            icd("g", "J43.9"),
            condition("h", ICD10, "B20", "refuted", "2024-01-01T08:00:00Z"),
            condition("i", ICD10, "K70.4", "provisional", "2024-01-01T08:00:00Z"),
        ],
        t0(),
    );
    close(&found, "charlson", 10.0);
    close(&found, "diagnoses", 7.0);
    close(&found, "diagnoses-respiratory", 2.0);
    close(&found, "diagnoses-circulatory-365d", 1.0);
    let index = found.feature("charlson").unwrap();
    assert_eq!(index.other_sources.len() + 1, 4, "one resource a category");
    let old =
        table(vec![patient(), condition("a", ICD10, "I50.9", "confirmed", "2020-01-01T08:00:00Z")], t0());
    close(&old, "diagnoses-circulatory", 1.0);
    close(&old, "diagnoses-circulatory-365d", 0.0);
    assert_eq!(reason(&table(vec![patient()], t0()), "charlson"), Some(MissingReason::NotRecorded));
}

#[test]
fn a_drug_is_known_by_code_or_name_and_never_absent() {
    let drug = |text: &str| {
        json!({ "resourceType": "MedicationRequest", "id": "x", "status": "active", "intent": "order",
        "subject": { "reference": "Patient/p1" }, "authoredOn": "2024-01-01T00:00:00Z",
        "medicationCodeableConcept": { "text": text } })
    };
    let found = table(vec![patient(), drug("Finasteride 5 MG Oral Tablet")], t0());
    assert_eq!(found.truth("five-alpha-reductase-inhibitor"), Some(true));
    let other = table(vec![patient(), drug("Pseudofinasteride")], t0());
    assert_eq!(other.truth("five-alpha-reductase-inhibitor"), None);
}

#[test]
fn blood_pressure_is_read_from_the_parts_of_a_panel() {
    let panel = observation(
        "bp",
        LOINC,
        "85354-9",
        "2024-05-01T08:00:00Z",
        &json!({ "component": [
        { "code": { "coding": [{ "system": LOINC, "code": "8480-6" }] },
          "valueQuantity": { "value": 17.6, "unit": "kPa", "code": "kPa", "system": "http://unitsofmeasure.org" } },
        { "code": { "coding": [{ "system": LOINC, "code": "8462-4" }] },
          "valueQuantity": { "value": 81, "unit": "mmHg", "code": "mm[Hg]", "system": "http://unitsofmeasure.org" } } ] }),
    );
    let found = table(vec![patient(), panel], t0());
    close(&found, "systolic-pressure", 17.6 * 7.50062);
    close(&found, "diastolic-pressure", 81.0);
    assert!(matches!(found.feature("heart-rate").unwrap().value, FeatureValue::Missing { .. }));
}

/// One row a statistic, each with the resource it is from.
#[test]
fn a_table_as_rows_says_every_number_with_its_source() {
    use fusion::features::{ROW_NAMES, rows, to_text};
    let table = table(resources(), t0());
    let rows = rows(fusion::Schema::built_in(), &table);
    let cell = |feature: &str, statistic: &str, days: &str, name: &str| {
        let at = ROW_NAMES.iter().position(|one| *one == name).unwrap();
        let row = rows.iter().find(|row| row[0] == feature && row[3] == statistic && row[4] == days);
        row.unwrap_or_else(|| panic!("{feature} {statistic} {days}"))[at].clone()
    };
    assert_eq!(cell("crp", "last", "", "value"), "48");
    assert_eq!(cell("crp", "mean", "365", "value"), "30");
    assert_eq!(cell("crp", "count", "30", "value"), "1");
    assert_eq!(cell("crp", "slope", "365", "unit"), "mg/L/a");
    assert_eq!(cell("crp", "last", "", "source"), "Observation/crp-3");
    assert_eq!(cell("platelets", "last", "", "missing"), "not-recorded");
    assert_eq!(cell("covid-19", "last", "", "value"), "true");
    assert_eq!(rows.iter().filter(|row| row[3] == "last").count(), table.features.len());
    let text = to_text(&table);
    assert!(text.contains("Observation/crp-3") && text.contains("platelets"), "{text}");
}
