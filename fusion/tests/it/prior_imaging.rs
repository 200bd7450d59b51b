//! Earlier imaging: how many examinations in a year, how long ago the latest, and what does not count.

use fusion::{FeatureTable, MissingReason, Schema, features_by};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::features::{reason, table};
use crate::support::{LOINC, SNOMED, bundle, bytes, patient, t0};

const SERVICE: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";

/// A report with a category and a code, made at a time and known two hours later.
fn report(id: &str, category: &str, loinc: &str, day: &str) -> Value {
    json!({
        "resourceType": "DiagnosticReport", "id": id, "status": "final",
        "subject": { "reference": "Patient/p1" },
        "category": [{ "coding": [{ "system": SERVICE, "code": category }] }],
        "code": { "coding": [{ "system": LOINC, "code": loinc }] },
        "effectiveDateTime": format!("{day}T10:00:00Z"), "issued": format!("{day}T12:00:00Z"),
    })
}

fn done(id: &str, snomed: &str, performed: &str) -> Value {
    json!({
        "resourceType": "Procedure", "id": id, "status": "completed",
        "subject": { "reference": "Patient/p1" },
        "code": { "coding": [{ "system": SNOMED, "code": snomed }] },
        "performedDateTime": performed,
    })
}

fn of(resources: Vec<Value>) -> FeatureTable {
    table([vec![patient()], resources].concat(), t0())
}

#[expect(clippy::panic, reason = "a test that does not find what it expects has failed")]
fn close(table: &FeatureTable, id: &str, expected: f64) {
    let found = table.number(id).unwrap_or_else(|| panic!("{id} is missing"));
    assert!((found - expected).abs() < 1e-9, "{id}: {found}");
}

#[test]
fn examinations_are_counted_by_kind_and_the_latest_says_how_long_ago() {
    let found = of(vec![
        report("ct", "CT", "24627-2", "2024-04-22"),
        done("ct-done", "169069000", "2024-04-22T10:00:00Z"),
        report("ultrasound", "RUS", "24558-9", "2024-03-03"),
        report("radiograph", "LAB", "36643-5", "2023-01-02"),
        report("blood", "LAB", "58410-2", "2024-05-01"),
    ]);
    close(&found, "imaging-365d", 2.0);
    close(&found, "days-since-imaging", 10.0);
    close(&found, "chest-ct-365d", 1.0);
    close(&found, "days-since-chest-ct", 10.0);
    close(&found, "chest-radiograph-365d", 0.0);
    close(&found, "days-since-chest-radiograph", 486.0);
    let ct = found.feature("chest-ct-365d").unwrap();
    assert_eq!((ct.unit.as_deref(), ct.source.as_deref()), (Some("1"), Some("DiagnosticReport/ct")));
    assert_eq!(ct.other_sources, ["Procedure/ct-done"], "a report and its procedure are one examination");
    let all = found.feature("imaging-365d").unwrap();
    assert_eq!(all.other_sources, ["DiagnosticReport/ultrasound", "Procedure/ct-done"]);
    let none = found.feature("chest-radiograph-365d").unwrap();
    assert_eq!((none.source.as_deref(), none.age_days), (None, None));
    let days = found.feature("days-since-chest-radiograph").unwrap();
    assert_eq!(
        (days.unit.as_deref(), days.source.as_deref()),
        (Some("d"), Some("DiagnosticReport/radiograph"))
    );
    assert_eq!(Schema::built_in().unit_of("days-since-chest-ct"), Some("d"));
    assert_eq!(Schema::built_in().unit_of("chest-ct-365d"), Some("1"));
}

#[test]
fn examinations_of_one_day_are_one_and_of_other_days_are_others() {
    let ct = |id: &str, effective: &str| {
        let mut made = report(id, "RAD", "24628-0", "2024-04-01");
        made["effectiveDateTime"] = effective.into();
        made["issued"] = effective.into();
        made
    };
    let found = of(vec![
        ct("a", "2024-04-01T10:00:00Z"),
        ct("b", "2024-04-01T13:00:00Z"),
        ct("c", "2024-04-04T10:00:00Z"),
        ct("d", "2023-05-03T11:00:00Z"),
        ct("e", "2023-05-03T10:00:00Z"),
    ]);
    close(&found, "chest-ct-365d", 3.0);
    close(&found, "days-since-chest-ct", 28.0);
    assert_eq!(found.feature("chest-ct-365d").unwrap().other_sources.len(), 3, "the year is half-open");
}

#[test]
fn no_imaging_is_unknown_and_not_none() {
    let ids = ["imaging-365d", "days-since-imaging", "chest-ct-365d", "days-since-chest-ct"];
    let is = |found: &FeatureTable, why: MissingReason| {
        for id in ids {
            assert_eq!(reason(found, id), Some(why), "{id}");
        }
    };
    is(&of(vec![report("blood", "LAB", "58410-2", "2024-05-01")]), MissingReason::NotRecorded);
    let mut preliminary = report("ct", "CT", "24627-2", "2024-04-22");
    preliminary["status"] = "preliminary".into();
    is(&of(vec![preliminary]), MissingReason::Status);
    let mut later = report("ct", "CT", "24627-2", "2024-05-02");
    later["issued"] = "2024-05-02T10:00:01Z".into();
    is(&of(vec![later.clone()]), MissingReason::OnlyAfterT0);
    later["issued"] = "2024-05-02T10:00:00Z".into();
    close(&of(vec![later]), "chest-ct-365d", 1.0);
    // a code of another system is none of these
    let mut foreign = report("ct", "LAB", "24627-2", "2024-04-22");
    foreign["code"]["coding"][0]["system"] = SNOMED.into();
    is(&of(vec![foreign]), MissingReason::NotRecorded);
}

#[test]
fn the_study_itself_is_not_an_earlier_one() {
    let own = of(vec![done("own", "399208008", "2024-05-02T09:50:00Z")]);
    assert_eq!(reason(&own, "chest-radiograph-365d"), Some(MissingReason::NotRecorded));
    let earlier = of(vec![
        done("own", "399208008", "2024-05-02T09:50:00Z"),
        done("earlier", "399208008", "2024-05-02T08:00:00Z"),
    ]);
    close(&earlier, "chest-radiograph-365d", 1.0);
    assert_eq!(
        earlier.feature("days-since-chest-radiograph").unwrap().source.as_deref(),
        Some("Procedure/earlier")
    );
}

#[test]
fn another_schema_may_leave_imaging_out_and_what_cannot_be_right_is_refused() {
    let text = Schema::built_in_text();
    let (start, end) = (text.find("# Earlier imaging").unwrap(), text.find("# First-degree").unwrap());
    let without = Schema::parse(&format!("{}{}", &text[..start], &text[end..])).unwrap();
    let record = fusion::Record::from_json(&bytes(&bundle(vec![
        patient(),
        report("ct", "CT", "24627-2", "2024-04-22"),
    ])));
    let found = features_by(&without, &record.unwrap(), t0(), &TimeZone::UTC);
    assert!(found.features.iter().all(|one| !one.id.contains("imaging")));
    for (from, to, said) in [
        ("v2-0074|RAD", "v2-0074|rad", "rad"),
        ("loinc|24627-2", "loinc|24627-3", "24627-3"),
        (
            "window_days = 365\nmissing = \"zero\"\ncodes",
            "window_days = 0\nmissing = \"zero\"\ncodes",
            "imaging-365d",
        ),
        ("id = \"days-since-chest-ct\"", "id = \"days-since-imaging\"", "twice"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Schema::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{from}: {error}");
    }
}
