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
