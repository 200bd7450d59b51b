//! A server that lets nobody choose ids: a report is found by its identifier, and there is one all the same.

use std::sync::Arc;

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use serde_json::{Value, json};
use worker::deliver::Target as _;
use worker::ledger::ReportBytes;
use worker::report::fhir;

use super::{HASTY, PATIENT, PLACE, bytes, parcel, report_at, server, target};

/// A server that chooses ids, and says so or not.
fn choosing(says_so: bool) -> FhirServer {
    let server = server();
    server.choose_ids();
    if says_so {
        server.say_capabilities(|said| {
            for resource in said["rest"][0]["resource"].as_array_mut().unwrap() {
                resource["updateCreate"] = false.into();
            }
        });
    }
    server
}

/// A report with a Provenance, which has no identifier.
fn report(job_key: &str) -> ReportBytes {
    let id = format!("p-{job_key}");
    let provenance = json!({
        "fullUrl": format!("urn:uuid:{id}"),
        "resource": {
            "resourceType": "Provenance", "id": id, "target": [{ "reference": format!("urn:uuid:o-{job_key}") }]
        },
        "request": { "method": "PUT", "url": format!("Provenance/{id}") }
    });
    report_at(PLACE, job_key, &[provenance])
}

/// The place of the only report.
fn only(server: &FhirServer) -> String {
    let [place] = &server.places("DiagnosticReport")[..] else {
        panic!("{:?}", server.places("DiagnosticReport"))
    };
    place.clone()
}

fn keys(server: &FhirServer, place: &str) -> Vec<String> {
    server.versions(place).into_iter().filter_map(|version| version.job_key).collect()
}

/// Each kind of resource is there so often, each in one version.
fn assert_once(server: &FhirServer, reports: usize) {
    for (kind, count) in [("Observation", reports), ("Provenance", reports), ("ImagingStudy", 1)] {
        let places = server.places(kind);
        assert_eq!(places.len(), count, "{kind}: {places:?}");
        for place in places {
            assert_eq!(server.versions(&place).len(), 1, "{place}");
        }
    }
}

#[tokio::test]
async fn a_report_is_created_once_and_its_later_versions_are_versions_of_it() {
    for says_so in [true, false] {
        let server = choosing(says_so);
        let target = target(&server, None, PATIENT);
        let receipts = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
        let place = only(&server);
        assert_ne!(place, PLACE);
        assert_eq!(receipts["diagnostic_report"], format!("{}/{place}", server.url()));
        let refused = usize::from(!says_so);
        assert_eq!(server.count(Route::Transaction), 1 + refused, "a refusal is met once");
        let stored = server.resource(&place).unwrap();
        let observation = stored["result"][0]["reference"].as_str().unwrap();
        assert_eq!(server.places("Observation"), [observation]);
        let target_of = server.resource(&server.places("Provenance")[0]).unwrap();
        assert_eq!(target_of["target"][0]["reference"], observation);
        // the same again: nothing is written; the next version: one more
        for (key, sent_before) in [("job-1", true), ("job-1", false), ("job-2", false), ("job-2", true)] {
            let receipts = target.deliver(&parcel(key, &report(key), sent_before)).await.unwrap();
            assert_eq!(receipts["diagnostic_report"], format!("{}/{place}", server.url()));
        }
        assert_eq!(only(&server), place);
        assert_eq!(keys(&server, &place), ["job-1", "job-2"]);
        assert_eq!(server.count(Route::Transaction), 2 + refused);
        assert_once(&server, 2);
        let sent = fhir::with_server_ids(report("job-1").bundle.as_deref().unwrap(), None).unwrap();
        assert_eq!(
            server.accepted()[0].sha256,
            chiasm_tests::fhir_server::sha256(&sent),
            "a form of the stored bytes"
        );
    }
}

#[tokio::test]
async fn whatever_fails_the_report_is_there_once() {
    let faults = [
        Fault::Status(500, "exception"),
        Fault::Busy(503, "1".into()),
        Fault::Status(409, "conflict"),
        Fault::Status(422, "invariant"),
        Fault::ConflictStored,
        Fault::FailureStored(500),
        Fault::Lost,
        Fault::AnswerLost,
        Fault::ResetMidRequest(1000),
        Fault::ResetMidAnswer,
        Fault::ResetAfterAnswer,
        Fault::HangStored,
        Fault::OutcomeInSuccess("exception"),
        Fault::NotJson,
        Fault::NotJsonStored,
        Fault::TruncatedJson,
        Fault::Promise,
        Fault::Twice,
        Fault::BrokenTransaction,
    ];
    for fault in faults {
        let server = choosing(true);
        let limit = if fault == Fault::HangStored { HASTY } else { PATIENT };
        let target = target(&server, None, limit);
        let mut delivered = Vec::new();
        for key in ["job-1", "job-2"] {
            server.fault(Route::Transaction, fault.clone());
            let mut tries = 0;
            while let Err(error) = target.deliver(&parcel(key, &report(key), tries > 0)).await {
                tries += 1;
                assert!(tries < 10, "{fault:?}: {error}");
                if tries == 1 {
                    server.fault(Route::Search, Fault::Lost);
                }
            }
            delivered.push(key);
            assert_eq!(keys(&server, &only(&server)), delivered, "{fault:?}");
            assert_once(&server, delivered.len());
        }
    }
}

#[tokio::test]
async fn two_reports_with_one_identifier_are_an_alarm_and_nothing_is_deleted() {
    let server = choosing(true);
    let target = target(&server, None, PATIENT);
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    let mut twin = server.resource(&only(&server)).unwrap();
    twin["id"] = "twin".into();
    server.put(&twin);
    for (key, sent_before) in [("job-1", true), ("job-2", false)] {
        let error = target.deliver(&parcel(key, &report(key), sent_before)).await.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), ("SeveralReports", false));
        assert!(error.to_string().contains("2 reports"), "{error}");
    }
    assert_eq!(server.places("DiagnosticReport").len(), 2);
    assert_eq!(server.count(Route::Transaction), 1);
}

#[tokio::test]
async fn what_a_person_signed_there_stays_theirs() {
    let server = choosing(true);
    let target = target(&server, None, PATIENT);
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    let mut signed = server.resource(&only(&server)).unwrap();
    signed["status"] = "final".into();
    server.put(&signed);
    let error = target.deliver(&parcel("job-2", &report("job-2"), false)).await.unwrap_err();
    assert_eq!(error.code(), "AlreadySigned");
    signed["status"] = "preliminary".into();
    server.put(&signed);
    signed["status"] = "final".into();
    server.put_meanwhile(signed);
    let error = target.deliver(&parcel("job-2", &report("job-2"), false)).await.unwrap_err();
    assert_eq!(error.code(), "AlreadySigned", "signed between the look and the write");
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn a_withdrawal_takes_back_what_lies_under_the_servers_ids() {
    let server = choosing(true);
    let target = target(&server, None, PATIENT);
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    let mut withdrawal = report("job-1");
    let mut bundle: Value = serde_json::from_slice(withdrawal.bundle.as_deref().unwrap()).unwrap();
    bundle["identifier"]["value"] = "job-w".into();
    bundle["entry"][0]["resource"]["identifier"][1]["value"] = "job-w".into();
    for entry in [0, 1] {
        bundle["entry"][entry]["resource"]["status"] = "entered-in-error".into();
    }
    withdrawal.bundle = Some(bytes(&bundle));
    target.deliver(&parcel("job-w", &withdrawal, false)).await.unwrap();
    let place = only(&server);
    assert_eq!(keys(&server, &place), ["job-1", "job-w"]);
    for place in [place, server.places("Observation")[0].clone()] {
        let states: Vec<_> =
            server.versions(&place).into_iter().filter_map(|version| version.status).collect();
        assert_eq!(states, ["preliminary", "entered-in-error"], "{place}");
    }
    assert_eq!(server.places("Observation").len(), 1);
}

#[tokio::test]
async fn two_workers_that_deliver_the_same_report_at_once_make_one_there() {
    for says_so in [true, false] {
        let server = choosing(says_so);
        let report = Arc::new(report("job-1"));
        let deliveries: Vec<_> = (0..2)
            .map(|_| {
                let (target, report) = (target(&server, None, PATIENT), Arc::clone(&report));
                tokio::spawn(async move { target.deliver(&parcel("job-1", &report, true)).await.map(drop) })
            })
            .collect();
        for delivery in deliveries {
            delivery.await.unwrap().unwrap();
        }
        assert_eq!(keys(&server, &only(&server)), ["job-1"]);
        assert_once(&server, 1);
    }
}
