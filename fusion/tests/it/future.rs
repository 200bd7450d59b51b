//! Nothing that became known after t0 takes part: real records at many times, and a property over later resources.

use fusion::{
    AssessInput, Feature, FeatureTable, FeatureValue, MissingReason, Nodule, ProstateLesion, Record, features,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

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

/// All that is made from a record at t0.
struct Read {
    table: FeatureTable,
    nodules: Vec<Nodule>,
    lesions: Vec<ProstateLesion>,
    risks: String,
}

fn read(resources: &[Value]) -> Read {
    let record = Record::from_json(&bytes(&bundle(resources.to_vec()))).unwrap();
    let table = features(&record, t0(), &TimeZone::UTC);
    let nodules = fusion::nodules(&record, t0(), &TimeZone::UTC);
    let lesions = fusion::prostate_lesions(&record, t0(), &TimeZone::UTC);
    let risks = fusion::assess(&AssessInput {
        t0: t0(),
        features: Some(&table),
        nodules: &nodules,
        prostate: &[],
        lesions: &lesions,
        image: None,
        header: None,
        late_fusion: None,
    });
    Read { table, nodules, lesions, risks: serde_json::to_string(&risks).unwrap() }
}

/// Both say the same, but for why something is missing: that there is something later may be said.
fn assert_same(before: &Read, after: &Read) {
    assert_eq!(before.table.features.len(), after.table.features.len());
    for (one, other) in before.table.features.iter().zip(&after.table.features) {
        let mut other = other.clone();
        if let (FeatureValue::Missing { reason: known }, FeatureValue::Missing { reason }) =
            (&one.value, &mut other.value)
            && matches!(
                reason,
                MissingReason::OnlyAfterT0 | MissingReason::CorrectedAfterT0 | MissingReason::Undated
            )
        {
            *reason = *known;
        }
        assert_eq!(text(one), text(&other), "{}", one.id);
    }
    assert_eq!(before.table.changed_after_t0, after.table.changed_after_t0);
    assert_eq!(before.nodules, after.nodules);
    assert_eq!(before.lesions, after.lesions);
    assert_eq!(before.risks, after.risks);
}

fn text(feature: &Feature) -> String {
    serde_json::to_string(feature).unwrap()
}

/// What was left out for a reason of time; and what for another reason, which the future does not change.
fn left_out(read: &Read) -> (usize, [usize; 4]) {
    let out = &read.table.excluded;
    (
        out.after_t0 + out.undated + out.superseded + out.corrected_after_t0,
        [out.status, out.unresolved_subject, out.unreadable, out.unread_texts],
    )
}

/// The record of a man about whom everything is known that features, nodules and lesions are made from.
fn everything() -> Vec<Value> {
    let mut all = resources();
    all[0]["gender"] = json!("male");
    let mut lesion = observation("lesion", "", "", "2024-04-20T09:00:00Z", &json!({ "valueInteger": 4 }));
    lesion["code"] = json!({ "text": "PI-RADS" });
    lesion["bodySite"] = json!({ "coding": [{ "system": SNOMED, "code": "716937001" }] });
    all.extend([
        lesion,
        lab("psa-1", "2857-1", "2023-04-20T09:00:00Z", 5.0, "ng/mL"),
        lab("psa-2", "2857-1", "2023-12-20T09:00:00Z", 6.0, "ng/mL"),
        lab("psa-3", "2857-1", "2024-04-20T09:00:00Z", 7.5, "ng/mL"),
        statement("taken", "Warfarin 5 MG Oral Tablet", &json!({ "dateAsserted": "2024-02-01T09:00:00Z" })),
        json!({ "resourceType": "DiagnosticReport", "id": "report", "status": "final",
            "issued": "2024-04-21T09:00:00Z", "effectiveDateTime": "2024-04-20T09:00:00Z",
            "subject": { "reference": "Patient/p1" }, "conclusion": "Mild fibrosis. No cavitation." }),
    ]);
    all
}

/// A MedicationStatement of what is taken since before t0.
fn statement(id: &str, drug: &str, times: &Value) -> Value {
    let mut made = json!({ "resourceType": "MedicationStatement", "id": id, "status": "active",
        "subject": { "reference": "Patient/p1" }, "effectivePeriod": { "start": "2024-01-01T00:00:00Z" },
        "medicationCodeableConcept": { "text": drug } });
    for (key, part) in times.as_object().unwrap() {
        made[key] = part.clone();
    }
    made
}

/// Another version of a resource, with another content, last changed `seconds` after t0.
fn changed(resource: &Value, seconds: i64) -> Value {
    let mut made = resource.clone();
    made["meta"] = json!({ "lastUpdated": (t0() + SignedDuration::from_secs(seconds)).to_string() });
    let confirmed = made["verificationStatus"]["coding"][0]["code"] == "confirmed";
    match made["resourceType"].as_str().unwrap() {
        "Condition" => {
            made["verificationStatus"] =
                json!({ "coding": [{ "code": if confirmed { "refuted" } else { "confirmed" } }] });
        }
        "FamilyMemberHistory" => {
            made["condition"] =
                json!([{ "code": { "coding": [{ "system": SNOMED, "code": "254637007" }] } }]);
        }
        "MedicationRequest" | "MedicationStatement" => {
            made["medicationCodeableConcept"] = json!({ "text": "Finasteride 5 MG Oral Tablet" });
        }
        "DocumentReference" => {
            let id = made["id"].as_str().unwrap().to_owned();
            made["content"] = crate::notes::document(&id, "", "text/plain", LATER_NOTE)["content"].clone();
        }
        "DiagnosticReport" => made["conclusion"] = json!(LATER_NOTE),
        _ if made.get("valueDateTime").is_some() => made["valueDateTime"] = json!("2019-01"),
        _ if made.get("valueInteger").is_some() => made["valueInteger"] = json!(5),
        _ if made["id"] == "status" => {
            made["valueCodeableConcept"] = coded(SNOMED, "449868002")["valueCodeableConcept"].clone();
        }
        _ if made["id"] == "school" => made["valueCodeableConcept"]["coding"][0]["code"] = json!("BD"),
        _ if made.get("component").is_some() => made["component"][0]["valueQuantity"]["value"] = json!(2.9),
        _ => {
            let value = made["valueQuantity"]["value"].as_f64().unwrap();
            made["valueQuantity"]["value"] = json!(value * 1.2);
        }
    }
    made
}

/// The same with a sign that it is a correction: its status where there is one that says so, or its number.
fn corrected(resource: &Value, seconds: i64, by_status: bool) -> Value {
    let mut made = changed(resource, seconds);
    let status = match made["resourceType"].as_str().unwrap() {
        "Observation" | "DiagnosticReport" => Some("corrected"),
        _ => None,
    };
    match status.filter(|_| by_status) {
        Some(status) => made["status"] = json!(status),
        None => made["meta"]["versionId"] = json!("2"),
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_future_changes_nothing(
        kept in proptest::collection::vec(any::<bool>(), 40),
        future in proptest::collection::vec((0_usize..17, 1_i64..100_000_000, 0.1_f64..100.0, any::<bool>()), 1..12),
    ) {
        let all = everything();
        let known: Vec<Value> = all.iter().enumerate().filter(|(index, _)| *index == 0 || kept.get(index - 1).copied().unwrap_or(true)).map(|(_, value)| value.clone()).collect();
        let mut more = known.clone();
        let added = future.len();
        for (index, (kind, seconds, number, by_issue)) in future.into_iter().enumerate() {
            more.push(later(index, kind, seconds, number, by_issue));
        }
        let (before, after) = (read(&known), read(&more));
        assert_same(&before, &after);
        let ((earlier, others), (later, same)) = (left_out(&before), left_out(&after));
        prop_assert_eq!((earlier + added, others), (later, same));
    }

    /// A later version beside the known one, any number of them and in any order: the known one counts.
    #[test]
    fn a_later_version_beside_the_known_one_changes_nothing(
        versions in proptest::collection::vec((1_usize..40, 1_i64..100_000_000, 0_u8..3, any::<bool>()), 1..12),
    ) {
        let known = everything();
        let mut more = known.clone();
        for (at, seconds, sign, before) in versions {
            let original = &known[1 + at % (known.len() - 1)];
            let later = match sign {
                0 => changed(original, seconds),
                1 => corrected(original, seconds, false),
                _ => corrected(original, seconds, true),
            };
            if before { more.insert(1, later) } else { more.push(later) }
        }
        let (before, after) = (read(&known), read(&more));
        assert_same(&before, &after);
        prop_assert_eq!(left_out(&before).0 + more.len() - known.len(), left_out(&after).0);
    }

    /// A later version in place of the known one: where it says that it is a correction, it is as if there were none; where
    /// it does not, every value that it changes is marked.
    #[test]
    fn a_later_version_in_place_of_the_known_one_is_left_out_or_marked(
        at in 1_usize..40, seconds in 1_i64..100_000_000, by_status in any::<bool>(),
    ) {
        let known = everything();
        let at = 1 + at % (known.len() - 1);
        let with = |version: Option<Value>| {
            let mut all = known.clone();
            match version {
                Some(version) => all[at] = version,
                None => drop(all.remove(at)),
            }
            read(&all)
        };
        let (then, without) = (read(&known), with(None));
        let left = with(Some(corrected(&known[at], seconds, by_status)));
        assert_same(&without, &left);
        prop_assert_eq!(left.table.excluded.corrected_after_t0, 1);

        let marked = with(Some(changed(&known[at], seconds)));
        let id = format!("{}/{}", known[at]["resourceType"].as_str().unwrap(), known[at]["id"].as_str().unwrap());
        let named = marked.table.changed_after_t0.contains(&id);
        let is_missing = |feature: &Feature| matches!(feature.value, FeatureValue::Missing { .. });
        let mut lost = false;
        for (one, other) in then.table.features.iter().zip(&marked.table.features) {
            lost |= is_missing(other) && !is_missing(one);
            // Of a measured value, a window may be made from it.
            let marks = other.changed_after_t0 || is_missing(other) || (named && other.series.contains(&id));
            prop_assert!(text(one) == text(other) || marks, "{id} {}", one.id);
        }
        prop_assert!(named || (then.nodules == marked.nodules && then.lesions == marked.lesions), "{id}");
        // A risk cannot tell why something is missing.
        let says = marked.risks.contains("changed in the record after the study");
        prop_assert!(then.risks == marked.risks || says || lost, "{id}");
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
        14 => {
            let drug = "Finasteride 5 MG Oral Tablet";
            let times = if by_issue {
                json!({ "dateAsserted": known })
            } else {
                json!({ "meta": { "lastUpdated": known } })
            };
            statement(&id, drug, &times)
        }
        15 => statement(&id, "Finasteride 5 MG Oral Tablet", &json!({})), // nobody says since when that is known
        16 => {
            let mut lesion = observation(&id, "", "", happened, &json!({ "valueInteger": 5 }));
            lesion["code"] = json!({ "text": "PI-RADS" });
            lesion["bodySite"] = json!({ "coding": [{ "system": SNOMED, "code": "716897000" }] });
            lesion
        }
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
