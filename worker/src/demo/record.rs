//! The synthetic record: one invented woman, written as a FHIR R4 collection. It shows the coded forms that the formulas
//! read: a lung nodule with its components, smoking, diseases stated and stated absent, relatives.

use jiff::civil::Date;
use serde_json::{Value, json};

/// Who issued the invented identifier.
pub(super) const ISSUER: &str = "CHIASM-DEMO";

const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const SUBJECT: &str = "Patient/phantom";
/// Everything was known the day before the study.
const KNOWN: &str = "2026-03-16T10:00:00Z";

/// The bundle as bytes; the same every time.
pub(super) fn bundle(patient_id: &str, birth_date: Date) -> Vec<u8> {
    let resources = [
        patient(patient_id, birth_date),
        nodule(),
        coded(
            "smoking",
            &concept(LOINC, "72166-2", "Tobacco smoking status"),
            concept(SNOMED, "8517006", "Ex-smoker"),
        ),
        measured(
            "cigarettes",
            &concept(LOINC, "63640-7", "Cigarettes smoked per day"),
            20.0,
            "{cigarettes}/d",
        ),
        measured("years-smoked", &concept(SNOMED, "228487000", "Total time smoked"), 35.0, "a"),
        measured("years-quit", &concept(SNOMED, "228486009", "Time since stopped smoking"), 6.0, "a"),
        measured("pack-years", &concept(SNOMED, "401201003", "Cigarette pack-years"), 35.0, "{pack-years}"),
        measured("bmi", &concept(LOINC, "39156-5", "Body mass index"), 26.4, "kg/m2"),
        coded(
            "education",
            &concept(LOINC, "82589-3", "Highest level of education"),
            concept(
                "http://terminology.hl7.org/CodeSystem/v3-EducationLevel",
                "SCOL",
                "Some college education",
            ),
        ),
        measured("crp", &concept(LOINC, "1988-5", "C reactive protein"), 4.2, "mg/L"),
        measured("haemoglobin", &concept(LOINC, "718-7", "Hemoglobin"), 13.1, "g/dL"),
        condition("copd", &concept(SNOMED, "13645005", "Chronic obstructive lung disease"), "confirmed"),
        condition("emphysema", &concept(SNOMED, "87433001", "Pulmonary emphysema"), "confirmed"),
        condition("cancer", &concept(SNOMED, "363346000", "Malignant neoplastic disease"), "refuted"),
        relative(),
    ];
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|resource| {
            let (kind, id) = (resource["resourceType"].clone(), resource["id"].clone());
            let url = format!("https://example.org/fhir/{}/{}", text(&kind), text(&id));
            json!({"fullUrl": url, "resource": resource})
        })
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
    let mut bytes = format!("{bundle:#}").into_bytes();
    bytes.push(b'\n');
    bytes
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}]})
}

fn patient(patient_id: &str, birth_date: Date) -> Value {
    let race = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
    json!({
        "resourceType": "Patient",
        "id": "phantom",
        "extension": [{"url": race, "extension": [
            {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}},
            {"url": "text", "valueString": "White"}
        ]}],
        "identifier": [{"system": "urn:oid:2.25.20261121", "value": patient_id, "assigner": {"display": ISSUER}}],
        "active": true,
        "name": [{"use": "official", "family": "Phantom", "given": ["Ada"]}],
        "gender": "female",
        "birthDate": birth_date.to_string()
    })
}

/// A nodule that a radiologist measured on an earlier CT.
fn nodule() -> Value {
    let component = |code: Value, value: (&str, Value)| {
        let mut component = json!({"code": code});
        component[value.0] = value.1;
        component
    };
    let mut observation = coded(
        "nodule",
        &concept(SNOMED, "427359005", "Solitary nodule of lung"),
        concept(SNOMED, "52101004", "Present"),
    );
    observation["bodySite"] = concept(SNOMED, "45653009", "Structure of upper lobe of lung");
    observation["component"] = json!([
        component(
            concept(LOINC, "33728-7", "Size.maximum dimension in Tumor"),
            ("valueQuantity", quantity(9.0, "mm"))
        ),
        component(
            concept("https://radelement.org", "RDE1301", "Composition"),
            ("valueCodeableConcept", concept("https://radelement.org", "RDE1301.0", "Solid"))
        ),
        component(concept(SNOMED, "129742005", "Spiculated lesion"), ("valueBoolean", json!(true))),
        component(concept(SNOMED, "246205007", "Quantity"), ("valueInteger", json!(1))),
    ]);
    observation
}

fn observation(id: &str, code: &Value) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": code,
        "subject": {"reference": SUBJECT}, "effectiveDateTime": KNOWN, "issued": KNOWN
    })
}

fn coded(id: &str, code: &Value, value: Value) -> Value {
    let mut observation = observation(id, code);
    observation["valueCodeableConcept"] = value;
    observation
}

fn measured(id: &str, code: &Value, value: f64, unit: &str) -> Value {
    let mut observation = observation(id, code);
    observation["valueQuantity"] = quantity(value, unit);
    observation
}

fn quantity(value: f64, unit: &str) -> Value {
    json!({"value": value, "unit": unit, "system": UCUM, "code": unit})
}

fn condition(id: &str, code: &Value, verification: &str) -> Value {
    let status = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
    let mut condition = json!({
        "resourceType": "Condition", "id": id, "code": code, "subject": {"reference": SUBJECT},
        "verificationStatus": {"coding": [{"system": status, "code": verification}]},
        "recordedDate": KNOWN
    });
    if verification == "confirmed" {
        let clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical";
        condition["clinicalStatus"] = json!({"coding": [{"system": clinical, "code": "active"}]});
    }
    condition
}

/// A mother without lung cancer, her history taken completely.
fn relative() -> Value {
    json!({
        "resourceType": "FamilyMemberHistory", "id": "mother", "status": "completed",
        "patient": {"reference": SUBJECT}, "date": KNOWN,
        "relationship": concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "mother"),
        "condition": [{"code": concept(SNOMED, "38341003", "Hypertensive disorder")}]
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::bundle;

    #[test]
    fn the_record_is_read_by_the_fusion_as_one_patient_with_one_nodule() {
        let record = fusion::Record::from_json(&bundle("DEMO0001", date(1958, 5, 4))).unwrap();
        let t0 = "2026-03-17T09:30:00Z".parse().unwrap();
        assert_eq!(fusion::nodules(&record, t0, &jiff::tz::TimeZone::UTC).len(), 1);
    }
}
