//! A server that has the study more than once.

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use serde_json::json;
use worker::deliver::Target as _;

use super::{PATIENT, PLACE, parcel, report, server, target};

/// Puts the study there under this id.
fn put_study(server: &FhirServer, id: &str) {
    let identifier = json!([{ "system": "urn:dicom:uid", "value": "urn:oid:1.2.3" }]);
    server.put(&json!({ "resourceType": "ImagingStudy", "id": id, "identifier": identifier }));
}

fn referred(server: &FhirServer) -> String {
    let report = server.resource(PLACE).expect("the report is there");
    report["imagingStudy"][0]["reference"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_study_that_is_there_twice_is_referred_to_and_the_report_is_written() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for id in ["pacs-2", "pacs-1"] {
        put_study(&server, id);
    }
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    assert_eq!(referred(&server), "ImagingStudy/pacs-1");
    assert_eq!(server.places("ImagingStudy").len(), 2, "none is created");
    assert_eq!(server.places("Observation").len(), 1);
    let searches =
        server.seen().into_iter().filter(|seen| seen.path.starts_with("/fhir/ImagingStudy?")).count();
    assert_eq!((server.count(Route::Transaction), searches), (2, 1));
    // once more, and the next version: the same again
    target.deliver(&parcel("job-1", &report("job-1"), true)).await.unwrap();
    target.deliver(&parcel("job-2", &report("job-2"), false)).await.unwrap();
    let keys: Vec<_> = server.versions(PLACE).into_iter().filter_map(|version| version.job_key).collect();
    assert_eq!(keys, ["job-1", "job-2"]);
    assert_eq!(referred(&server), "ImagingStudy/pacs-1");
}

#[tokio::test]
async fn a_study_that_is_there_once_is_referred_to_by_the_server() {
    let server = server();
    put_study(&server, "pacs-1");
    target(&server, None, PATIENT).deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    assert_eq!(referred(&server), "ImagingStudy/pacs-1");
    assert_eq!(server.count(Route::Transaction), 1);
}

#[tokio::test]
async fn an_unknown_outcome_after_the_study_was_found_twice_is_read_first() {
    for fault in [Fault::AnswerLost, Fault::ResetMidAnswer] {
        let server = server();
        let target = target(&server, None, PATIENT);
        put_study(&server, "pacs-1");
        put_study(&server, "pacs-2");
        server.fault(Route::Transaction, Fault::Status(412, "multiple-matches"));
        server.fault(Route::Transaction, fault);
        let error = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap_err();
        assert_eq!(error.code(), "ConnectionCut");
        target.deliver(&parcel("job-1", &report("job-1"), true)).await.unwrap();
        assert_eq!(server.versions(PLACE).len(), 1);
    }
}

#[tokio::test]
async fn a_412_that_no_study_explains_is_for_a_person() {
    let server = server();
    let target = target(&server, None, PATIENT);
    server.fault(Route::Transaction, Fault::Status(412, "conflict"));
    let error = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("Conflict", false));
    assert_eq!(server.count(Route::Transaction), 1);
}
