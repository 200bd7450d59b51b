//! Coded nodules.

use fusion::{Nodule, NoduleKind, Record, nodules};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::support::{LOINC, SNOMED, at, bundle, bytes, nodule, patient, t0};

fn found(resources: Vec<Value>) -> Vec<Nodule> {
    let mut all = vec![patient()];
    all.extend(resources);
    nodules(&Record::from_json(&bytes(&bundle(all))).unwrap(), t0(), &TimeZone::UTC)
}

#[test]
fn a_coded_nodule_is_read() {
    let read = found(vec![nodule()]);
    assert_eq!(read.len(), 1);
    assert!((read[0].diameter_mm - 12.0).abs() < 1e-9);
    assert_eq!(read[0].kind, Some(NoduleKind::Solid));
    assert_eq!(read[0].spiculated, Some(true));
    assert_eq!(read[0].upper_lobe, Some(true));
    assert_eq!(read[0].count, Some(1));
    assert_eq!(read[0].source, ["Observation/nodule-1"]);
    assert_eq!(read[0].dated, Some(at("2024-04-20T09:00:00Z")));
}

#[test]
fn other_accepted_forms() {
    let size = json!({ "resourceType": "Observation", "id": "size", "status": "final", "subject": { "reference": "Patient/p1" },
        "code": { "coding": [{ "system": LOINC, "code": "21889-1" }] }, "effectiveDateTime": "2024-04-01T00:00:00Z",
        "bodySite": { "coding": [{ "system": SNOMED, "code": "266005" }] },
        "valueQuantity": { "value": 8, "code": "mm", "system": "http://unitsofmeasure.org" } });
    let read = found(vec![size.clone()]);
    assert!((read[0].diameter_mm - 8.0).abs() < 1e-9);
    assert_eq!(
        (read[0].upper_lobe, read[0].kind, read[0].spiculated, read[0].count),
        (Some(false), None, None, None)
    );
    let mut elsewhere = size;
    elsewhere["bodySite"]["coding"][0]["code"] = json!("10200004");
    assert!(found(vec![elsewhere]).is_empty(), "a tumour of the liver is no lung nodule");
    let mut element = nodule();
    element["code"]["coding"][0] = json!({ "system": "https://radelement.org", "code": "RDES195" });
    element["component"][1]["valueCodeableConcept"] = json!({ "text": "Part-solid" });
    element["component"][2] =
        json!({ "code": { "coding": [{ "system": SNOMED, "code": "129742005" }] }, "valueBoolean": false });
    let read = found(vec![element]);
    assert_eq!((read[0].kind, read[0].spiculated), (Some(NoduleKind::PartSolid), Some(false)));
}

#[test]
fn what_is_absent_or_unmeasured_is_no_nodule() {
    let mut absent = nodule();
    absent["valueBoolean"] = json!(false);
    assert!(found(vec![absent]).is_empty());
    let mut unmeasured = nodule();
    unmeasured["component"].as_array_mut().unwrap().remove(0);
    assert!(found(vec![unmeasured]).is_empty());
    let mut wrong = nodule();
    wrong["component"][0]["valueQuantity"]["code"] = json!("mg");
    assert!(found(vec![wrong]).is_empty());
    let mut draft = nodule();
    draft["status"] = json!("preliminary");
    assert!(found(vec![draft]).is_empty());
}

fn sized(system: &str, code: &str, site: Option<Value>) -> Value {
    let mut made = json!({ "resourceType": "Observation", "id": "n", "status": "final",
        "subject": { "reference": "Patient/p1" }, "effectiveDateTime": "2024-04-01T00:00:00Z",
        "code": { "coding": [{ "system": system, "code": code }] },
        "valueQuantity": { "value": 0.9, "unit": "cm", "code": "cm", "system": "http://unitsofmeasure.org" } });
    if let Some(site) = site {
        made["bodySite"] = site;
    }
    made
}

fn site(code: &str) -> Value {
    json!({ "coding": [{ "system": SNOMED, "code": code }] })
}

#[test]
fn the_own_value_of_a_nodule_is_its_diameter() {
    for (system, code, site) in [
        (SNOMED, "427359005", None),
        (SNOMED, "308689002", None),
        (SNOMED, "27925004", Some(site("39607008"))),
        (LOINC, "33728-7", Some(site("42400003"))),
        (LOINC, "21889-1", Some(site("42400003"))),
        (SNOMED, "246120007", Some(site("3341006"))),
    ] {
        let read = found(vec![sized(system, code, site)]);
        assert_eq!(read.len(), 1, "{code}");
        assert!((read[0].diameter_mm - 9.0).abs() < 1e-9, "{code}");
    }
    for (system, code, site) in [
        (SNOMED, "27925004", None),
        (SNOMED, "27925004", Some(site("69748006"))),
        (LOINC, "33728-7", Some(site("10200004"))),
        (SNOMED, "410668003", Some(site("39607008"))),
    ] {
        assert!(found(vec![sized(system, code, site)]).is_empty(), "{code}");
    }
}

#[test]
fn other_codes_of_the_diameter() {
    for (system, code) in [(LOINC, "21889-1"), (SNOMED, "410668003"), (SNOMED, "246120007")] {
        let mut other = nodule();
        other["component"][0]["code"]["coding"][0] = json!({ "system": system, "code": code });
        assert!((found(vec![other])[0].diameter_mm - 12.0).abs() < 1e-9, "{code}");
    }
}

#[test]
fn a_unit_that_contradicts_its_code_is_no_diameter() {
    let with = |unit: &str, code: &str| {
        let mut other = nodule();
        other["component"][0]["valueQuantity"]["unit"] = json!(unit);
        other["component"][0]["valueQuantity"]["code"] = json!(code);
        found(vec![other]).first().map(|nodule| nodule.diameter_mm)
    };
    assert_eq!(with("mm", "cm"), None);
    assert_eq!(with("centimeter", "mm"), None);
    assert_eq!(with("Centimeters", "cm"), Some(12.0));
}

#[test]
fn spiculation_is_present_absent_or_unknown() {
    let with = |name: &str, answer: &str| {
        let mut other = nodule();
        other["component"][2] = json!({ "code": { "coding": [{ "system": SNOMED, "code": name }] },
            "valueCodeableConcept": { "coding": [{ "system": SNOMED, "code": answer }] } });
        found(vec![other])[0].spiculated
    };
    for (answer, expected) in [
        ("52101004", Some(true)),
        ("373066001", Some(true)),
        ("2667000", Some(false)),
        ("373067005", Some(false)),
        ("261665006", None),
    ] {
        assert_eq!(with("129742005", answer), expected, "{answer}");
    }
    assert_eq!(with("129737002", "129742005"), Some(true));
    assert_eq!(with("129737002", "129738007"), Some(false));
    assert_eq!(with("129737002", "261665006"), None, "an unknown margin is not a smooth one");
}

#[test]
fn a_lobe_is_read_from_words_where_no_code_names_one() {
    let upper = |site: Value| {
        let mut other = nodule();
        other["bodySite"] = site;
        found(vec![other])[0].upper_lobe
    };
    assert_eq!(upper(json!({ "text": "Structure of upper lobe of right lung" })), Some(true));
    assert_eq!(upper(json!({ "text": "Right upper lobe" })), Some(true));
    assert_eq!(upper(json!({ "coding": [{ "display": "Structure of middle lobe of lung" }] })), Some(false));
    assert_eq!(upper(json!({ "text": "Left lower lobe of lung" })), Some(false));
    let lung = json!({ "coding": [{ "system": SNOMED, "code": "3341006" }], "text": "Right upper lobe" });
    assert_eq!(upper(lung), Some(true));
    let coded = json!({ "coding": [{ "system": SNOMED, "code": "266005" }], "text": "upper lobe of lung" });
    assert_eq!(upper(coded), Some(false), "a known code decides");
    for unclear in [
        "upper and lower lobe of lung",
        "lingula of upper lobe of left lung",
        "middle lobe of prostate",
        "lung",
    ] {
        assert_eq!(upper(json!({ "text": unclear })), None, "{unclear}");
    }
}

#[test]
fn a_name_without_a_code_needs_a_diameter() {
    for name in ["Lung nodule", "Pulmonary nodule", "Solitary pulmonary nodule"] {
        let mut named = sized(SNOMED, "x", None);
        named["code"] = json!({ "text": name });
        assert_eq!(found(vec![named.clone()]).len(), 1, "{name}");
        named["code"] = json!({ "text": name, "coding": [{ "system": SNOMED, "code": "237495005" }] });
        assert!(found(vec![named.clone()]).is_empty(), "the code decides");
        named["code"] = json!({ "text": name });
        named.as_object_mut().unwrap().remove("valueQuantity");
        assert!(found(vec![named]).is_empty(), "{name}");
    }
}
