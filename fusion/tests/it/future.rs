//! Nothing that became known after t0 takes part: real records at many times, and a property over later resources.

use fusion::{FeatureTable, FeatureValue, MissingReason, Record, features};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::features::table;
use crate::support::{
    ICD10, LOINC, SNOMED, at, bundle, bytes, coded, condition, data, json_files, lab, observation, resources,
    t0,
};

/// Whatever the index time, no value of a real record is one that was not known by then.
#[test]
fn no_value_of_a_real_record_is_from_the_future() {
    let check = |record: &Record, t0: Timestamp| {
        let table = features(record, t0, &TimeZone::UTC);
        for feature in table.present() {
            assert!(feature.available.is_none_or(|available| available <= t0), "{}", feature.id);
            assert!(feature.age_days.is_none_or(|age| age >= 0.0), "{}", feature.id);
        }
        table
    };
    if let Some(folder) = data("cxr-hannover") {
        let outcomes = std::fs::read_to_string(folder.join("outcomes.csv")).unwrap();
        let mut covid = 0;
        for line in outcomes.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let bytes = std::fs::read(folder.join(format!("ehr/{}.json", fields[2]))).unwrap();
            let record = Record::from_json(&bytes).unwrap();
            let table = check(&record, at(fields[4]));
            covid += usize::from(table.truth("covid-19") == Some(true));
            for never in [Timestamp::MIN, Timestamp::MAX] {
                check(&record, never);
            }
        }
        assert!(covid > 150, "{covid}");
    }
    if let Some(folder) = data("synthea") {
        for path in json_files(&folder) {
            let Ok(record) = Record::from_json(&std::fs::read(&path).unwrap()) else { continue };
            for year in 1990..2020 {
                check(&record, at(&format!("{year}-06-01T12:00:00Z")));
            }
        }
    }
}

/// Nothing that became known after t0 changes anything, but the reason of what is missing.
fn without_reasons(mut table: FeatureTable) -> FeatureTable {
    for feature in &mut table.features {
        if let FeatureValue::Missing { reason } = &mut feature.value
            && *reason == MissingReason::OnlyAfterT0
        {
            *reason = MissingReason::NotRecorded;
        }
    }
    table.excluded = fusion::Excluded::default();
    table
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_future_changes_nothing(
        kept in proptest::collection::vec(any::<bool>(), 24),
        future in proptest::collection::vec((0_usize..14, 1_i64..100_000_000, 0.1_f64..100.0, any::<bool>()), 1..12),
    ) {
        let all = resources();
        let known: Vec<Value> = all.iter().enumerate().filter(|(index, _)| *index == 0 || kept.get(index - 1).copied().unwrap_or(true)).map(|(_, value)| value.clone()).collect();
        let mut more = known.clone();
        for (index, (kind, seconds, number, by_issue)) in future.into_iter().enumerate() {
            more.push(later(index, kind, seconds, number, by_issue));
        }
        let before = without_reasons(table(known.clone(), t0()));
        let after = without_reasons(table(more.clone(), t0()));
        prop_assert_eq!(serde_json::to_string(&before).unwrap(), serde_json::to_string(&after).unwrap());
        let nodules = |resources: Vec<Value>| {
            let record = Record::from_json(&bytes(&bundle(resources))).unwrap();
            fusion::nodules(&record, t0(), &TimeZone::UTC)
        };
        prop_assert_eq!(nodules(known), nodules(more));
    }
}

/// What a later note would change if it were read.
const LATER_NOTE: &str = "No spiculation. Asbestos exposure. Ground glass nodule. Emphysema, COPD and lung cancer. Mother had lung cancer. Current smoker, 60 pack-years, quit in 2020.";

/// A resource that became known `seconds` after t0; by issue: it happened before t0.
fn later(index: usize, kind: usize, seconds: i64, number: f64, by_issue: bool) -> Value {
    let known = (t0() + SignedDuration::from_secs(seconds)).to_string();
    let happened = if by_issue { "2024-05-02T09:59:00Z" } else { known.as_str() };
    let id = format!("later-{index}");
    let mut made = match kind {
        0 => lab(&id, "1988-5", happened, number, "mg/L"),
        1 => lab(&id, "731-0", happened, number, "10*9/L"),
        2 => observation(&id, LOINC, "72166-2", happened, &coded(SNOMED, "449868002")),
        3 => condition(&id, SNOMED, "87433001", "confirmed", &known),
        4 => condition(&id, ICD10, "C50.9", "confirmed", &known),
        5 => json!({ "resourceType": "FamilyMemberHistory", "id": id, "status": "completed", "date": known,
            "patient": { "reference": "Patient/p1" },
            "relationship": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH" }] },
            "condition": [{ "code": { "coding": [{ "system": SNOMED, "code": "254637007" }] } }] }),
        8 => lab(&id, "2857-1", happened, number, "ng/mL"),
        9 => observation(
            &id,
            LOINC,
            "2857-1",
            happened,
            &json!({ "valueCodeableConcept": { "coding": [{
            "system": "http://radlex.org", "code": "RID50293" }] } }),
        ),
        10 => {
            json!({ "resourceType": "Procedure", "id": id, "status": "completed", "performedDateTime": known,
            "subject": { "reference": "Patient/p1" },
            "code": { "coding": [{ "system": SNOMED, "code": "65575008" }] } })
        }
        11 => crate::notes::document(&id, &known, "text/plain", LATER_NOTE),
        12 => {
            json!({ "resourceType": "DiagnosticReport", "id": id, "status": "final", "issued": known,
            "effectiveDateTime": happened, "subject": { "reference": "Patient/p1" }, "conclusion": LATER_NOTE })
        }
        13 => json!({ "resourceType": "Composition", "id": id, "status": "final", "date": known,
            "subject": { "reference": "Patient/p1" },
            "section": [{ "title": "Assessment", "text": { "div": format!("<div>{LATER_NOTE}</div>") } }] }),
        6 => json!({ "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
            "subject": { "reference": "Patient/p1" }, "authoredOn": known,
            "medicationCodeableConcept": { "coding": [{ "system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": id }] } }),
        _ => {
            let mut nodule = crate::support::nodule();
            nodule["id"] = json!(id);
            nodule["effectiveDateTime"] = json!(happened);
            nodule
        }
    };
    if made["resourceType"] == "Observation" {
        made["issued"] = json!(known);
    }
    made
}
