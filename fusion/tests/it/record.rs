//! Bundles: real ones, foreign ones, broken ones.

use fusion::record::{MAX_DEPTH, MAX_ENTRIES};
use fusion::{Gender, Record, RecordError};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{bundle, bytes, data, json_files, lab, patient, resources, t0};

#[test]
fn every_real_bundle_of_the_radiographs_is_read() {
    for (folder, least) in [("cxr-hannover/ehr", 56), ("cxr-nih/ehr", 500)] {
        let Some(folder) = data(folder) else { continue };
        let files = json_files(&folder);
        assert!(files.len() >= least);
        for path in files {
            let record = Record::from_json(&std::fs::read(&path).unwrap()).unwrap();
            let number = path.file_stem().unwrap().to_str().unwrap();
            let identifier = &record.patient().identifiers[0];
            assert_eq!(identifier.value.expose(), number);
            assert_eq!(identifier.system.as_deref(), Some("urn:oid:2.25.303030"));
            assert_eq!(identifier.type_code.as_deref(), Some("MR"));
            assert_eq!(identifier.assigner.as_deref(), Some("SYNTHETIC-MRN"));
            assert_eq!(record.patient().reference, format!("Patient/{}", number.to_lowercase()));
            assert_eq!(record.ignored().unreadable, 0);
            assert_eq!(record.ignored().unresolved_subject, 0);
            assert!(record.patient().gender.is_some());
        }
    }
}

#[test]
fn whole_synthetic_records_are_read() {
    let Some(folder) = data("synthea") else { return };
    for path in json_files(&folder) {
        let found = Record::from_json(&std::fs::read(&path).unwrap());
        if path.file_name().unwrap().to_str().unwrap().starts_with("practitioner") {
            assert_eq!(found.unwrap_err(), RecordError::NoPatient);
            continue;
        }
        let record = found.unwrap();
        assert_eq!(record.ignored().unreadable, 0);
        assert_eq!(record.ignored().unresolved_subject, 0);
        assert!(matches!(record.patient().gender, Some(Gender::Female | Gender::Male)));
        assert!(record.patient().birth_date.is_some());
        assert!(record.latest_time(&jiff::tz::TimeZone::UTC).is_some());
    }
}

/// Example resources of HL7, each put into a bundle beside a patient: read or refused, never a panic.
#[test]
fn published_examples_are_read_or_refused() {
    let Some(folder) = data("fhir/examples") else { return };
    for path in json_files(&folder) {
        let text = std::fs::read(&path).unwrap();
        assert_eq!(Record::from_json(&text).unwrap_err(), RecordError::NotABundle);
        let resource: Value = serde_json::from_slice(&text).unwrap();
        let found = Record::from_json(&bytes(&bundle(vec![patient(), resource])));
        assert!(matches!(found, Ok(_) | Err(RecordError::MixedPatients { .. })), "{path:?}");
    }
}

#[test]
fn resources_of_another_patient_refuse_the_bundle() {
    let mut other = lab("x", "1988-5", "2024-01-01", 5.0, "mg/L");
    other["subject"] = json!({ "reference": "Patient/p2" });
    let found = Record::from_json(&bytes(&bundle(vec![patient(), other.clone()]))).unwrap_err();
    assert_eq!(found, RecordError::MixedPatients { patients: 1, foreign: 1 });
    let mut second = patient();
    second["id"] = json!("p2");
    let found = Record::from_json(&bytes(&bundle(vec![patient(), second]))).unwrap_err();
    assert_eq!(found, RecordError::MixedPatients { patients: 2, foreign: 0 });
    assert!(
        Record::from_json(&bytes(&bundle(vec![patient(), patient()]))).is_ok(),
        "the same resource twice is one"
    );
    other["subject"] = json!({ "identifier": { "system": "urn:oid:2.25.1", "value": "P-2" } });
    let found = Record::from_json(&bytes(&bundle(vec![patient(), other]))).unwrap_err();
    assert_eq!(found, RecordError::MixedPatients { patients: 1, foreign: 1 });
}

#[test]
fn the_patient_may_be_referred_to_in_many_ways() {
    let own = [
        json!({ "reference": "Patient/p1" }),
        json!({ "reference": "Patient/p1/_history/3" }),
        json!({ "reference": "https://server/fhir/Patient/p1" }),
        json!({ "reference": "Patient?identifier=urn:oid:2.25.1|P-1" }),
        json!({ "identifier": { "system": "urn:oid:2.25.1", "value": "P-1" } }),
    ];
    let unresolved = [
        json!({ "reference": "https://elsewhere/fhir/Patient/p1" }),
        json!({ "reference": "urn:uuid:3bcde2e2-a5e8-5efd-ac34-52489c484e60" }),
        json!({ "reference": "Group/1" }),
        json!({ "identifier": { "value": "P-1" } }),
        json!("Patient/p1"),
        json!({}),
    ];
    for (subjects, expected) in [(&own[..], 0), (&unresolved[..], 1)] {
        for subject in subjects {
            let mut observation = lab("x", "1988-5", "2024-01-01", 5.0, "mg/L");
            observation["subject"] = subject.clone();
            let mut made = bundle(vec![patient(), observation]);
            made["entry"][0]["fullUrl"] = json!("https://server/fhir/Patient/p1");
            let record = Record::from_json(&bytes(&made)).unwrap();
            assert_eq!(record.ignored().unresolved_subject, expected, "{subject}");
        }
    }
    let mut made = bundle(vec![patient(), lab("x", "1988-5", "2024-01-01", 5.0, "mg/L")]);
    made["entry"][0]["fullUrl"] = json!("urn:uuid:3bcde2e2-a5e8-5efd-ac34-52489c484e60");
    made["entry"][1]["resource"]["subject"]["reference"] =
        json!("urn:uuid:3bcde2e2-a5e8-5efd-ac34-52489c484e60");
    made["entry"][0]["resource"].as_object_mut().unwrap().remove("id");
    let record = Record::from_json(&bytes(&made)).unwrap();
    assert_eq!(record.patient().reference, "urn:uuid:3bcde2e2-a5e8-5efd-ac34-52489c484e60");
    assert_eq!(record.ignored().unresolved_subject, 0);
}

#[test]
fn what_is_no_record_is_refused_with_a_code() {
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
    let many = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{}{{}}]}}"#,
        "{},".repeat(MAX_ENTRIES)
    );
    let table: [(&[u8], &str); 12] = [
        (b"", "RecordJson"),
        (b"\xff\xfe", "RecordJson"),
        (b"null", "RecordJson"),
        (b"[]", "RecordJson"),
        (b"{}", "RecordNotABundle"),
        (br#"{"resourceType":"Patient","id":"1"}"#, "RecordNotABundle"),
        (br#"{"resourceType":"Bundle"}"#, "RecordBundleType"),
        (br#"{"resourceType":"Bundle","type":"history"}"#, "RecordBundleType"),
        (br#"{"resourceType":"Bundle","type":"collection"}"#, "RecordNoPatient"),
        (br#"{"resourceType":"Bundle","type":"collection","entry":[null,1,"x",{},{"resource":null},{"resource":[]}]}"#, "RecordNoPatient"),
        (deep.as_bytes(), "RecordTooDeep"),
        (many.as_bytes(), "RecordTooManyEntries"),
    ];
    for (text, code) in table {
        let error = Record::from_json(text).unwrap_err();
        assert_eq!(error.code(), code, "{:?}", String::from_utf8_lossy(&text[..text.len().min(80)]));
        assert!(!error.to_string().is_empty());
    }
    let with_mark = [b"\xEF\xBB\xBF".as_slice(), &bytes(&bundle(vec![patient()]))].concat();
    assert!(Record::from_json(&with_mark).is_ok());
}

#[test]
fn no_error_and_no_debug_shows_the_patient() {
    let mut made = bundle(vec![patient()]);
    made["entry"] = json!("Public P-1 1958-11-20");
    let error = Record::from_json(&bytes(&made)).unwrap_err();
    let record = Record::from_json(&bytes(&bundle(resources()))).unwrap();
    let table = fusion::features(&record, crate::support::t0(), &jiff::tz::TimeZone::UTC);
    let shown = format!("{error} {error:?} {record:?} {:?} {table:?} {:?}", record.patient(), table.features);
    for secret in ["Public", "P-1", "1958", "Pat\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// A record cut at 1,000 places, and with single bytes changed: a record or a typed error.
#[test]
fn mutilated_bundles_end_in_a_typed_error() {
    let whole = serde_json::to_vec_pretty(&bundle(resources())).unwrap();
    for step in 0..1000_usize {
        let cut = step * whole.len() / 1000;
        let error = Record::from_json(&whole[..cut]).unwrap_err();
        assert_eq!(error.code(), "RecordJson", "cut at {cut}");
        let mut changed = whole.clone();
        changed[cut] = changed[cut].wrapping_mul(31).wrapping_add(7);
        if let Ok(record) = Record::from_json(&changed) {
            let _table = fusion::features(&record, crate::support::t0(), &jiff::tz::TimeZone::UTC);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Record::from_json(&text).is_err());
    }

    /// Any one value of the record replaced by any other JSON value.
    #[test]
    fn any_field_may_be_anything(which in 0_usize..10_000, kind in 0_u8..7, number in any::<f64>()) {
        let mut made = bundle(resources());
        let replacement = match kind {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(number),
            3 => json!("x\u{0}\u{1F980}"),
            4 => json!([]),
            5 => json!({}),
            _ => json!("9999-12-31T23:59:60+14:00"),
        };
        let mut left = which;
        replace(&mut made, &mut left, &replacement);
        if let Ok(record) = Record::from_json(&bytes(&made)) {
            let t0 = crate::support::t0();
            let table = fusion::features(&record, t0, &jiff::tz::TimeZone::UTC);
            let nodules = fusion::nodules(&record, t0, &jiff::tz::TimeZone::UTC);
            let input = fusion::AssessInput { t0, features: Some(&table), nodules: &nodules, prostate: &[], lesions: &[], image: None, header: None, late_fusion: None };
            prop_assert_eq!(fusion::assess(&input).len(), 4);
        }
    }
}

/// Replaces the value that is the `left`-th in depth-first order.
fn replace(value: &mut Value, left: &mut usize, replacement: &Value) {
    if *left == 0 {
        *value = replacement.clone();
        *left = usize::MAX;
        return;
    }
    *left = left.saturating_sub(1);
    match value {
        Value::Array(parts) => {
            for part in parts {
                if *left == usize::MAX {
                    return;
                }
                replace(part, left, replacement);
            }
        }
        Value::Object(parts) => {
            for part in parts.values_mut() {
                if *left == usize::MAX {
                    return;
                }
                replace(part, left, replacement);
            }
        }
        _ => {}
    }
}

/// A bulk export of two patients: one's record holds what refers to it, with the drugs it names, and nothing of the other.
#[test]
fn one_patient_of_a_bulk_export() {
    let line = |value: Value| serde_json::to_string(&value).unwrap() + "\n";
    let other = |mut value: Value| {
        value["id"] = json!("p2");
        value["identifier"] = json!([{ "value": "P-2" }]);
        value
    };
    let patients = line(patient()) + &line(other(patient()));
    let mut foreign = lab("f", "1988-5", "2024-05-01T08:00:00Z", 99.0, "mg/L");
    foreign["subject"]["reference"] = json!("https://ehr.example.org/fhir/Patient/p2");
    let observations =
        line(lab("a", "1988-5", "2024-04-01T08:00:00Z", 7.0, "mg/L")) + "\n{broken\n" + &line(foreign);
    let drug = line(json!({ "resourceType": "Medication", "id": "m1", "code": { "text": "Warfarin" } }))
        + &line(json!({ "resourceType": "Medication", "id": "m2", "code": { "text": "Aspirin" } }));
    let request =
        line(json!({ "resourceType": "MedicationRequest", "id": "r", "status": "active", "intent": "order",
        "subject": { "reference": "Patient/p1" }, "authoredOn": "2024-01-01T00:00:00Z",
        "medicationReference": { "reference": "Medication/m1" } }));
    let files = [patients.as_bytes(), observations.as_bytes(), drug.as_bytes(), request.as_bytes()];
    let ids: Vec<String> = fusion::record::exported_patients(files).into_iter().map(|one| one.id).collect();
    assert_eq!(ids, ["p1", "p2"]);
    let table = |id: &str| {
        let record = Record::from_export(&files, id).unwrap();
        fusion::features(&record, t0(), &TimeZone::UTC)
    };
    assert_eq!((table("p1").number("crp"), table("p2").number("crp")), (Some(7.0), Some(99.0)));
    assert_eq!(table("p1").truth("anticoagulant"), Some(true));
    assert!(matches!(Record::from_export(&files, "p3"), Err(RecordError::NoPatient)));
    let backwards: Vec<&[u8]> = files.iter().rev().copied().collect();
    let bundle = |files: &[&[u8]]| fusion::record::exported_record(files, "p1").unwrap();
    assert_eq!(bundle(&files), bundle(&backwards), "the order of files changes no byte");
}

#[test]
fn pages_become_one_bundle_whatever_their_order() {
    use fusion::record::Assembly;
    let page = |resources: Vec<Value>, next: Option<&str>| {
        let mut made = bundle(resources);
        made["type"] = json!("searchset");
        made["link"] =
            json!(next.map(|url| vec![json!({ "relation": "next", "url": url })]).unwrap_or_default());
        bytes(&made)
    };
    let first = page(vec![patient()], Some("https://ehr/2"));
    let second = page(vec![lab("b", "1988-5", "2024-05-01T08:00:00Z", 7.0, "mg/L")], None);
    let third = page(
        vec![lab("a", "1988-5", "2024-04-01T08:00:00Z", 6.0, "mg/L"), json!({ "resourceType": "Claim" })],
        None,
    );
    let made = |pages: &[&Vec<u8>]| {
        let mut assembly = Assembly::default();
        let found: Vec<_> = pages.iter().map(|page| assembly.page(page).unwrap()).collect();
        (found, assembly.into_bundle())
    };
    let (pages, whole) = made(&[&first, &second, &third]);
    assert_eq!(
        (pages[0].next.as_deref(), pages[0].patients.as_slice()),
        (Some("https://ehr/2"), &["p1".to_owned()][..])
    );
    assert_eq!(whole, made(&[&third, &second, &first, &second]).1);
    let record = Record::from_json(&whole).unwrap();
    assert_eq!(fusion::features(&record, t0(), &TimeZone::UTC).number("crp"), Some(7.0));
    assert_eq!(record.ignored().other_types, 0, "types that nothing is made from are left out");
    let mut assembly = Assembly::default();
    assert!(matches!(assembly.page(&bytes(&bundle(vec![]))), Err(RecordError::BundleType)));
    assert!(matches!(assembly.page(b"{}"), Err(RecordError::Json { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_of_an_export_panics(text in "(\\{\"resourceType\":\"(Patient|Observation)\"[^\n]{0,60}\n?|.{0,40}\n){0,6}") {
        let files = [text.as_bytes()];
        drop(fusion::record::exported_patients(files));
        drop(Record::from_export(&files, "p1"));
        drop(fusion::record::Assembly::default().page(text.as_bytes()));
    }
}
