//! Inputs of the benchmarks: seeded, at real sizes, never zeros.

#![expect(clippy::expect_used, reason = "a benchmark without its input cannot run")]

use dicom_ingest::patient::Sex;
use dicom_ingest::phantom::{PhantomSpec, phantom_chest};
use jiff::civil::date;
use serde_json::json;

/// A phantom chest radiograph of this seed as a DICOM file.
///
/// # Panics
/// Where it cannot be made.
pub fn phantom(seed: u64) -> Vec<u8> {
    phantom_chest(&PhantomSpec {
        seed,
        patient_id: "BENCH".into(),
        patient_name: "Bench^Bea".into(),
        birth_date: date(1950, 2, 3),
        sex: Sex::Female,
        issuer: "BENCHES".into(),
        study_time: date(2024, 5, 6).at(7, 8, 9, 0),
        offset_minutes: None,
        accession_number: format!("ACC{seed}"),
        opacity: None,
    })
    .expect("a phantom")
}

/// A record with this many laboratory values, one an hour, as a FHIR bundle.
pub fn record(values: u32) -> Vec<u8> {
    let codes = ["1988-5", "2532-0", "731-0", "751-8", "718-7"];
    let units = ["mg/L", "U/L", "10*3/uL", "10*3/uL", "g/dL"];
    let patient = json!({"resource": {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-02-03"}});
    let labs = (0..values).map(|index| {
        let kind = index as usize % codes.len();
        let (day, hour) = (1 + index / 24 % 28, index % 24);
        let time = format!("{}-{:02}-{day:02}T{hour:02}:00:00Z", 2000 + index / 8064, 1 + index / 672 % 12);
        json!({"resource": {
            "resourceType": "Observation", "id": format!("o{index}"), "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": codes[kind]}]},
            "subject": {"reference": "Patient/p"}, "effectiveDateTime": time, "issued": time,
            "valueQuantity": {"value": f64::from(10 + index % 7), "system": "http://unitsofmeasure.org", "code": units[kind]}
        }})
    });
    let entries: Vec<_> = std::iter::once(patient).chain(labs).collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string().into_bytes()
}
