//! Delivery to a FHIR server that fails in every way: typed, nothing lost, nothing written twice.

use std::sync::Arc;
use std::time::Duration;

use chiasm_tests::fhir_server::{Fault, FaultRule, FhirServer, JOB_KEYS, Route};
use serde_json::{Value, json};
use tokio::time::timeout;
use worker::config::secret::Secret;
use worker::config::site::FhirConfig;
use worker::deliver::fhir::FhirTarget;
use worker::deliver::{DeliverError, Parcel, Target};
use worker::ledger::{JobState, ReportBytes};
use worker::report::fhir;

/// The report's place: one for all versions.
const PLACE: &str = "DiagnosticReport/8a2e5a6e-7d0f-5b0e-9a3d-0123456789ab";

/// Time for one request where the server answers.
const PATIENT: Duration = Duration::from_secs(20);

/// Time for one request where no answer comes.
const HASTY: Duration = Duration::from_millis(400);

/// One fault, the code of the try that meets it (none: it succeeds all the same), and the request limit.
struct Cell {
    fault: Fault,
    code: Option<&'static str>,
    limit: Duration,
}

fn cells() -> Vec<Cell> {
    let cell = |fault, code| Cell { fault, code, limit: PATIENT };
    let hasty = |fault, code| Cell { fault, code, limit: HASTY };
    vec![
        cell(Fault::Status(500, "exception"), Some("ServerFailed")),
        cell(Fault::Status(502, "transient"), Some("ServerFailed")),
        cell(Fault::Status(504, "timeout"), Some("ServerFailed")),
        cell(Fault::Busy(503, "7".into()), Some("ServerBusy")),
        cell(Fault::Busy(429, "Fri, 31 Dec 9999 23:59:59 GMT".into()), Some("ServerBusy")),
        cell(Fault::Status(425, "transient"), Some("ServerBusy")),
        cell(Fault::Status(408, "timeout"), Some("ServerBusy")),
        cell(Fault::Status(401, "expired"), Some("AuthenticationFailed")),
        cell(Fault::Status(403, "forbidden"), Some("PermissionDenied")),
        cell(Fault::Status(400, "structure"), Some("Rejected")),
        cell(Fault::Status(404, "not-found"), Some("Rejected")),
        cell(Fault::Status(410, "deleted"), Some("Rejected")),
        cell(Fault::Status(422, "invariant"), Some("Rejected")),
        cell(Fault::Status(412, "multiple-matches"), Some("Conflict")),
        // another worker writes the same model's device: sent again at once
        cell(Fault::Status(409, "conflict"), None),
        cell(Fault::ConflictStored, None),
        cell(Fault::Lost, Some("ConnectionCut")),
        cell(Fault::AnswerLost, Some("ConnectionCut")),
        cell(Fault::ResetMidRequest(1000), Some("ConnectionCut")),
        cell(Fault::ResetMidAnswer, Some("ConnectionCut")),
        hasty(Fault::Hang, Some("TimedOut")),
        hasty(Fault::HangStored, Some("TimedOut")),
        cell(Fault::Delay(Duration::from_millis(50)), None),
        hasty(Fault::Delay(HASTY * 100), Some("TimedOut")),
        cell(Fault::OutcomeInSuccess("exception"), Some("AnswerContradictory")),
        cell(Fault::OutcomeInSuccess("invariant"), Some("Rejected")),
        cell(Fault::NotJson, Some("AnswerNotUnderstood")),
        // what the answer does not say, a look at the server does
        cell(Fault::NotJsonStored, None),
        cell(Fault::TruncatedJson, None),
        cell(Fault::Huge(100 * 1024 * 1024), None),
        cell(Fault::Redirect("http://127.0.0.1:9/fhir".into()), Some("RedirectRefused")),
        cell(Fault::BrokenTransaction, Some("TransactionBroken")),
    ]
}

#[tokio::test]
async fn every_fault_is_typed_and_after_it_the_same_bytes_arrive_once() {
    for Cell { fault, code, limit } in cells() {
        let server = server();
        let target = target(&server, None, limit);
        let report = report("job-1");
        server.fault(Route::Transaction, fault.clone());

        let first = target.deliver(&parcel("job-1", &report, false)).await;
        assert_eq!(first.as_ref().err().map(DeliverError::code), code, "{fault:?}");
        if let Err(error) = first {
            let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            for canary in ["Canary", "TEST0001", "127.0.0.1"] {
                assert!(!text.contains(canary), "{fault:?}: {text}");
            }
            let receipts = target.deliver(&parcel("job-1", &report, true)).await;
            let receipts = receipts.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!(receipts["diagnostic_report"], format!("{}/{PLACE}", server.url()));
        }
        let accepted = server.accepted();
        assert_eq!(accepted.len(), 1, "{fault:?}: written more than once");
        assert_eq!(accepted[0].sha256, sha256(&report), "{fault:?}: other bytes");
        assert_eq!(server.versions(PLACE).len(), 1, "{fault:?}");
        assert_eq!(server.doubled(), Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test]
async fn each_fault_twice_in_a_row_and_again_while_looking_changes_nothing() {
    for Cell { fault, limit, .. } in cells() {
        let server = server();
        let target = target(&server, None, limit);
        let report = report("job-1");
        for _ in 0..2 {
            server.fault(Route::Transaction, fault.clone());
        }
        server.fault(Route::Read, Fault::Status(500, "exception"));
        server.fault(Route::Read, Fault::TruncatedJson);
        server.fault(Route::Read, Fault::Lost);
        let mut tries = 0;
        while let Err(error) = target.deliver(&parcel("job-1", &report, tries > 0)).await {
            tries += 1;
            assert!(tries < 10, "{fault:?}: {error}");
        }
        assert_eq!(server.doubled(), Vec::<String>::new(), "{fault:?}");
        let accepted = server.accepted();
        assert_eq!(accepted.len(), 1, "{fault:?}: written more than once");
        assert_eq!(accepted[0].sha256, sha256(&report), "{fault:?}");
    }
}

#[tokio::test]
async fn many_reports_through_a_server_that_fails_at_every_third_request_arrive_once_each() {
    let seed = 20_261_123;
    let server = server();
    let target = target(&server, None, PATIENT);
    let quick = |cell: &Cell| cell.limit == PATIENT && !matches!(cell.fault, Fault::Huge(_));
    let faults = cells().into_iter().filter(quick).map(|cell| cell.fault).collect();
    server.fault_by_rule(Some(FaultRule { seed, per_mille: 333, faults }));
    for number in 0..100 {
        let key = format!("job-{number}");
        let report = report(&key);
        let mut tries = 0;
        while let Err(error) = target.deliver(&parcel(&key, &report, tries > 0)).await {
            tries += 1;
            assert!(tries < 50, "seed {seed}, {key}: {error}");
        }
    }
    let written: Vec<_> = server.accepted().into_iter().filter_map(|one| one.job_key).collect();
    let expected: Vec<_> = (0..100).map(|number| format!("job-{number}")).collect();
    assert_eq!(written, expected, "seed {seed}");
    assert!(server.seen().iter().filter(|seen| seen.fault.is_some()).count() > 20, "seed {seed}");
}

#[tokio::test]
async fn the_bundle_goes_out_as_stored_to_the_base_with_the_token() {
    let server = server();
    server.require_token(Some("secret"));
    let target = target(&server, Some(Secret::new("secret".into())), PATIENT);
    let report = report("job-1");
    target.probe().await.unwrap();
    target.deliver(&parcel("job-1", &report, false)).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3, "a first delivery asks for the patient and writes");
    assert_eq!(seen[1].path, "/fhir/Patient?identifier=TEST0001", "immediately before");
    assert_eq!((seen[2].method.as_str(), seen[2].path.as_str()), ("POST", "/fhir"));
    assert_eq!(seen[2].content_type.as_deref(), Some("application/fhir+json"));
    assert_eq!(seen[2].authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(server.accepted()[0].sha256, sha256(&report));
}

#[tokio::test]
async fn nothing_reaches_another_origin() {
    let other = FhirServer::start();
    for to in [other.url(), format!("{}/metadata", other.url()), other.url().replace("http://", "//")] {
        let server = server();
        let target = target(&server, Some(Secret::new("secret".into())), PATIENT);
        let report = report("job-1");
        for route in [Route::Search, Route::Transaction, Route::Read, Route::Metadata] {
            server.fault(route, Fault::Redirect(to.clone()));
        }
        for sent_before in [true, false, false] {
            let error = target.deliver(&parcel("job-1", &report, sent_before)).await.unwrap_err();
            assert_eq!((error.code(), error.is_transient()), ("RedirectRefused", false));
        }
        assert_eq!(target.probe().await.unwrap_err().code(), "RedirectRefused");
        assert!(server.accepted().is_empty());
    }
    assert_eq!(other.seen(), Vec::new());
}

#[tokio::test]
async fn a_token_renewed_in_its_file_is_used_once_the_old_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old\n").unwrap();
    let server = server();
    server.require_token(Some("new"));
    let target = target(&server, Some(Secret::from_file(&file).unwrap()), PATIENT);
    let report = report("job-1");

    let error = target.deliver(&parcel("job-1", &report, false)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("AuthenticationFailed", true));
    assert_eq!(server.seen().len(), 1, "the same token is not tried twice");
    std::fs::write(&file, "new\n").unwrap();
    target.deliver(&parcel("job-1", &report, false)).await.unwrap();
    target.deliver(&parcel("job-1", &report, true)).await.unwrap();
    let tokens: Vec<_> = server.seen().into_iter().filter_map(|seen| seen.authorization).collect();
    assert_eq!(tokens, ["Bearer old", "Bearer old", "Bearer new", "Bearer new", "Bearer new"]);
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_an_older_one() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for key in ["job-1", "job-2"] {
        target.deliver(&parcel(key, &report(key), true)).await.unwrap();
    }
    let keys: Vec<_> = server.versions(PLACE).into_iter().filter_map(|version| version.job_key).collect();
    assert_eq!(keys, ["job-1", "job-2"]);
    assert_eq!(server.places("DiagnosticReport"), [PLACE]);
    let studies = server.places("ImagingStudy");
    assert_eq!(studies.len(), 1, "the study was created once");
    assert_eq!(server.versions(&studies[0]).len(), 1);
}

#[tokio::test]
async fn a_conflict_that_stays_is_for_a_human_after_a_few_tries() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for _ in 0..10 {
        server.fault(Route::Transaction, Fault::Status(409, "conflict"));
    }
    let error = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("Conflict", false));
    let text = error.to_string();
    assert!(text.contains("409: conflict at Bundle.entry[0].resource.subject"), "{text}");
    assert_eq!(server.count(Route::Transaction), 4);
}

#[tokio::test]
async fn a_rest_that_a_server_asks_for_is_passed_on_within_bounds() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for (after, seconds) in [("7", Some(7)), ("86400", Some(600)), ("soon", None)] {
        server.fault(Route::Transaction, Fault::Busy(503, after.into()));
        let error = target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap_err();
        let DeliverError::Transient { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, seconds.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_transient_and_found_again_on_its_port() {
    let mut server = server();
    let target = target(&server, None, PATIENT);
    let report = report("job-1");
    target.probe().await.unwrap();
    server.stop();
    // the connection that was kept may be found dead only when it is used
    assert!(target.probe().await.unwrap_err().is_transient());
    assert_eq!(target.probe().await.unwrap_err().code(), "Unreachable");
    let error = target.deliver(&parcel("job-1", &report, false)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("Unreachable", true));
    server.restart();
    target.probe().await.unwrap();
    target.deliver(&parcel("job-1", &report, true)).await.unwrap();
    server.restart();
    // the first may meet the old connection
    drop(target.deliver(&parcel("job-1", &report, true)).await);
    target.deliver(&parcel("job-1", &report, true)).await.unwrap();
    assert_eq!(server.accepted().len(), 1, "its data survives");
}

#[tokio::test]
async fn a_very_long_answer_is_cut() {
    let server = server();
    let target = target(&server, None, PATIENT);
    server.fault(Route::Transaction, Fault::Huge(u64::MAX / 2));
    // the answer would never end: that the delivery does says that it was not read to its end
    let delivered = timeout(PATIENT, target.deliver(&parcel("job-1", &report("job-1"), false))).await;
    delivered.unwrap().unwrap();
    server.fault(Route::Read, Fault::Huge(u64::MAX / 2));
    let looked = timeout(PATIENT, target.deliver(&parcel("job-1", &report("job-1"), true))).await;
    assert_eq!(looked.unwrap().unwrap_err().code(), "AnswerTooLong");
}

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

#[tokio::test]
async fn two_workers_that_deliver_the_same_report_at_once_make_one() {
    let server = server();
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
    assert_eq!(server.places("DiagnosticReport"), [PLACE]);
    assert_eq!(server.places("Observation").len(), 1);
    assert_eq!(server.places("ImagingStudy").len(), 1);
    let digests: Vec<_> = server.accepted().into_iter().map(|accepted| accepted.sha256).collect();
    assert!(digests.iter().all(|digest| *digest == sha256(&report)), "{digests:?}");
}

#[tokio::test]
async fn what_answers_without_fhir_is_no_server() {
    let server = server();
    let target = target(&server, None, HASTY);
    let cases = [
        (Fault::NotJson, "AnswerNotUnderstood"),
        (Fault::Status(503, "transient"), "ServerBusy"),
        (Fault::Status(401, "login"), "AuthenticationFailed"),
        (Fault::Hang, "TimedOut"),
    ];
    for (fault, code) in cases {
        server.fault(Route::Metadata, fault);
        assert_eq!(target.probe().await.unwrap_err().code(), code);
    }
    target.probe().await.unwrap();
}

/// A FHIR server that somebody runs: `CHIASM_FHIR_SERVER` is its base URL. It must allow client-assigned ids.
#[tokio::test]
async fn a_real_server_takes_each_report_once_while_all_bring_the_same_new_device() {
    #[expect(clippy::disallowed_methods, reason = "tests look for a server where the caller says")]
    let Ok(url) = std::env::var("CHIASM_FHIR_SERVER") else {
        eprintln!("skipped: no FHIR server in $CHIASM_FHIR_SERVER");
        return;
    };
    let config = FhirConfig { url: url.clone(), token: None, smart: None, ca_file: None, timeout: PATIENT };
    let target = Arc::new(FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap());
    target.probe().await.unwrap();
    let put = reqwest::Client::new().put(format!("{url}/Patient/carla"));
    let put = put.header("content-type", "application/fhir+json").body(chiasm_tests::patient().to_string());
    assert!(put.send().await.unwrap().status().is_success());
    let nonce = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let deliveries = (0..6).map(|number| {
        let target = Arc::clone(&target);
        tokio::spawn(async move {
            let key = format!("real-{nonce}-{number}");
            let place = format!("DiagnosticReport/{key}");
            let device = json!({
                "fullUrl": format!("urn:uuid:device-{nonce}"),
                "resource": { "resourceType": "Device", "id": format!("device-{nonce}"), "status": "active" },
                "request": { "method": "PUT", "url": format!("Device/device-{nonce}") }
            });
            let report = report_at(&place, &key, &[device]);
            target.deliver(&parcel(&key, &report, false)).await.unwrap();
            target.deliver(&parcel(&key, &report, true)).await.unwrap();
            place
        })
    });
    for delivery in deliveries.collect::<Vec<_>>() {
        let place = delivery.await.unwrap();
        let history = reqwest::get(format!("{url}/{place}/_history")).await.unwrap();
        let history: Value = serde_json::from_str(&history.text().await.unwrap()).unwrap();
        assert_eq!(history["entry"].as_array().map(Vec::len), Some(1), "{place}");
    }
}

#[test]
fn the_test_server_knows_the_programs_identifier_system() {
    assert_eq!(JOB_KEYS, fhir::JOB_KEYS);
}

/// A server that knows the phantom's patient.
fn server() -> FhirServer {
    let server = FhirServer::start();
    server.put(&chiasm_tests::patient());
    server
}

fn target(server: &FhirServer, token: Option<Secret>, timeout: Duration) -> FhirTarget {
    let config = FhirConfig { url: server.url(), token, smart: None, ca_file: None, timeout };
    FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap()
}

fn parcel<'a>(job_key: &'a str, report: &'a ReportBytes, sent_before: bool) -> Parcel<'a> {
    Parcel { study_uid: "1.2.3", job_key, report_key: "report-1", report, sent_before }
}

/// A report of the shape that the program writes, large enough that it takes several reads.
fn report(job_key: &str) -> ReportBytes {
    report_at(PLACE, job_key, &[])
}

/// The same at another place and with more entries.
fn report_at(place: &str, job_key: &str, more: &[Value]) -> ReportBytes {
    let id = place.trim_start_matches("DiagnosticReport/");
    let observation = format!("o-{job_key}");
    let mut bundle = json!({
        "resourceType": "Bundle",
        "identifier": { "system": JOB_KEYS, "value": job_key },
        "type": "transaction",
        "entry": [
            {
                "fullUrl": format!("urn:uuid:{id}"),
                "resource": {
                    "resourceType": "DiagnosticReport",
                    "id": id,
                    "status": "preliminary",
                    "subject": { "reference": "Patient/carla" },
                    "identifier": [{ "system": "https://chiasm.invalid/fhir/report-key", "value": "report-1" }, { "system": JOB_KEYS, "value": job_key }],
                    "result": [{ "reference": format!("urn:uuid:{observation}") }],
                    "presentedForm": [{ "contentType": "text/html", "data": "PHA+".repeat(20_000) }]
                },
                "request": { "method": "PUT", "url": place }
            },
            {
                "fullUrl": format!("urn:uuid:{observation}"),
                "resource": { "resourceType": "Observation", "id": observation, "status": "preliminary" },
                "request": { "method": "PUT", "url": format!("Observation/{observation}") }
            },
            {
                "fullUrl": "urn:uuid:1d7c1c2e-0000-5000-8000-000000000001",
                "resource": { "resourceType": "ImagingStudy", "identifier": [{ "system": "urn:dicom:uid", "value": "urn:oid:1.2.3" }] },
                "request": { "method": "POST", "url": "ImagingStudy", "ifNoneExist": "identifier=urn:dicom:uid|urn:oid:1.2.3" }
            }
        ]
    });
    bundle["entry"].as_array_mut().unwrap().extend(more.iter().cloned());
    let bundle: Option<Vec<u8>> = Some(bytes(&bundle));
    let sr = Some(chiasm_tests::structured_report("1.2.3"));
    ReportBytes { ends: JobState::Reported, outcome: "{}".into(), bundle, html: b"<p>".to_vec(), sr }
}

/// Written wide, so that bytes that were read and written again would differ.
fn bytes(bundle: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(bundle).unwrap()
}

fn sha256(report: &ReportBytes) -> String {
    chiasm_tests::fhir_server::sha256(report.bundle.as_deref().unwrap())
}
