//! A patient's record of any size, with the mix of resources that a hospital's export has: mostly observations, then
//! encounters, medication, conditions, procedures, and what nobody reads.

use serde_json::{Value, json};

/// LOINC codes with unit and a usual value: laboratory values and vital signs that the features read, and some they do not.
const MEASURED: [(&str, &str, f64); 12] = [
    ("1988-5", "mg/L", 5.0),
    ("2532-0", "U/L", 180.0),
    ("731-0", "10*3/uL", 1.6),
    ("751-8", "10*3/uL", 4.2),
    ("718-7", "g/dL", 13.2),
    ("2160-0", "mg/dL", 0.9),
    ("6690-2", "10*3/uL", 7.1),
    ("777-3", "10*3/uL", 240.0),
    ("8867-4", "/min", 72.0),
    ("8310-5", "Cel", 36.8),
    ("29463-7", "kg", 71.0),
    ("2708-6", "%", 97.0),
];
/// SNOMED CT codes of diseases.
const DISEASES: [&str; 5] = ["13645005", "38341003", "44054006", "73211009", "195967001"];

/// A record of `resources` resources, at least one, as a FHIR collection. The same number gives the same bytes.
pub fn record(resources: usize) -> Vec<u8> {
    let mut entries = vec![entry(&json!({
        "resourceType": "Patient", "id": "p", "active": true,
        "identifier": [{"system": "urn:oid:2.25.7000", "value": "BENCH"}],
        "name": [{"use": "official", "family": "Bench", "given": ["Bea"]}],
        "gender": "female", "birthDate": "1950-02-03"
    }))];
    entries.extend((1..resources).map(|index| entry(&resource(index, resources))));
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string().into_bytes()
}

fn entry(resource: &Value) -> Value {
    let url = format!(
        "https://example.org/fhir/{}/{}",
        resource["resourceType"].as_str().unwrap_or_default(),
        resource["id"].as_str().unwrap_or_default()
    );
    json!({"fullUrl": url, "resource": resource})
}

/// One resource; the record ends a day before the benchmarks' index time.
fn resource(index: usize, resources: usize) -> Value {
    let time = time(resources - index);
    let subject = json!({"reference": "Patient/p"});
    let id = format!("r{index}");
    let snomed = |code: &str| json!({"coding": [{"system": "http://snomed.info/sct", "code": code}]});
    match index % 20 {
        13 | 14 => json!({
            "resourceType": "Encounter", "id": id, "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": subject, "period": {"start": time, "end": time}
        }),
        15 | 16 => json!({
            "resourceType": "MedicationRequest", "id": id, "status": "completed", "intent": "order",
            "medicationCodeableConcept": {"coding": [
                {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076", "display": "lisinopril 10 MG"}]},
            "subject": subject, "authoredOn": time
        }),
        17 => json!({
            "resourceType": "Condition", "id": id,
            "clinicalStatus": {"coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
            "verificationStatus": {"coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
            "code": snomed(DISEASES[index / 20 % DISEASES.len()]),
            "subject": subject, "onsetDateTime": time, "recordedDate": time
        }),
        18 => json!({
            "resourceType": "Procedure", "id": id, "status": "completed", "code": snomed("399208008"),
            "subject": subject, "performedDateTime": time
        }),
        19 => json!({
            "resourceType": "Claim", "id": id, "status": "active", "use": "claim", "patient": subject, "created": time,
            "item": [{"sequence": 1, "productOrService": {"text": "a visit"}, "net": {"value": 129.16, "currency": "USD"}}]
        }),
        _ => observation(index, &id, &time, &subject),
    }
}

fn observation(index: usize, id: &str, time: &str, subject: &Value) -> Value {
    let (code, unit, usual) = MEASURED[index % MEASURED.len()];
    // two decimals around what is usual; ±15 %
    let value = (usual * (0.85 + 0.3 * (index * 37 % 101) as f64 / 100.0) * 100.0).round() / 100.0;
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": subject, "effectiveDateTime": time, "issued": time,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    })
}

/// So many steps of three hours before 2024-05-05.
fn time(steps: usize) -> String {
    let end = jiff::civil::date(2024, 5, 5).at(6, 0, 0, 0);
    let hours = i64::try_from(steps).unwrap_or_default() * 3;
    let at = end.saturating_sub(jiff::Span::new().hours(hours.min(20_000_000)));
    format!("{}Z", at.strftime("%Y-%m-%dT%H:%M:%S"))
}
