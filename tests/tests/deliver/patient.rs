//! Whose the report is, asked of the server immediately before the write.

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use serde_json::{Value, json};
use worker::deliver::Target as _;
use worker::ledger::JobState;

use super::{PATIENT, bytes, parcel, report, server, sha256, target};

/// A change of what the server knows of the patient, and the code of the refusal.
type Change = (fn(&FhirServer), &'static str);

#[tokio::test]
async fn whose_it_is_is_asked_again_immediately_before_the_write() {
    fn with(server: &FhirServer, key: &str, value: Value) {
        let mut patient = chiasm_tests::patient();
        patient[key] = value;
        server.put(&patient);
    }
    let changes: [Change; 7] = [
        (|server| with(server, "gender", "male".into()), "PatientConflict"),
        (|server| with(server, "birthDate", "1950-02-04".into()), "PatientConflict"),
        (|server| with(server, "active", false.into()), "PatientNotCurrent"),
        (|server| with(server, "identifier", json!([{ "value": "TEST0002" }])), "PatientNotFound"),
        (|server| with(server, "name", json!([])), "delivered"),
        (
            |server| {
                with(server, "name", json!([]));
                let mut patient = chiasm_tests::patient();
                patient.as_object_mut().unwrap().remove("name");
                patient.as_object_mut().unwrap().remove("gender");
                server.put(&patient);
            },
            "PatientUnconfirmed",
        ),
        (|server| with(server, "id", "twin".into()), "SeveralPatients"),
    ];
    for (number, (change, code)) in changes.into_iter().enumerate() {
        let server = server();
        change(&server);
        let target = target(&server, None, PATIENT);
        let report = report("job-1");
        let delivered = target.deliver(&parcel("job-1", &report, false)).await;
        if code == "delivered" {
            delivered.unwrap();
            continue;
        }
        let error = delivered.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), (code, false), "{number}");
        assert!(!format!("{error} {error:?}").contains("TEST0001"), "{error}");
        assert!(server.accepted().is_empty(), "{number}: nothing is written");
        // corrected by a person, the same bytes are taken
        server.put(&chiasm_tests::patient());
        let mut twin = chiasm_tests::patient();
        (twin["id"], twin["active"]) = ("twin".into(), false.into());
        server.put(&twin);
        target.deliver(&parcel("job-1", &report, false)).await.unwrap();
        assert_eq!(server.accepted()[0].sha256, sha256(&report), "{number}");
    }
}

#[tokio::test]
async fn a_search_for_the_patient_that_fails_is_no_confirmation() {
    let cells = [
        (Fault::Status(500, "exception"), "ServerFailed"),
        (Fault::Busy(503, "7".into()), "ServerBusy"),
        (Fault::Status(403, "forbidden"), "PermissionDenied"),
        (Fault::Status(404, "not-supported"), "Rejected"),
        (Fault::Lost, "ConnectionCut"),
        (Fault::NotJson, "AnswerNotUnderstood"),
        (Fault::TruncatedJson, "AnswerNotUnderstood"),
        (Fault::OutcomeInSuccess("exception"), "AnswerNotUnderstood"),
        (Fault::Huge(100 * 1024 * 1024), "AnswerTooLong"),
    ];
    for (fault, code) in cells {
        let server = server();
        let target = target(&server, None, PATIENT);
        server.fault(Route::Search, fault.clone());
        let error = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}");
        assert_eq!(server.count(Route::Transaction), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_report_that_says_something_of_nobody_is_not_written_and_a_refusal_is() {
    let server = server();
    let target = target(&server, None, PATIENT);
    let mut report = report("job-1");
    let mut bundle: Value = serde_json::from_slice(report.bundle.as_deref().unwrap()).unwrap();
    bundle["entry"][0]["resource"]["subject"] = json!({ "type": "Patient", "display": "not stated" });
    (report.bundle, report.sr) = (Some(bytes(&bundle)), None);
    let error = target.deliver(&parcel("job-1", &report, false)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("PatientNotStated", false));
    report.ends = JobState::Refused;
    target.deliver(&parcel("job-1", &report, false)).await.unwrap();
    assert_eq!(server.count(Route::Search), 0, "it names nobody who could be another");
}
