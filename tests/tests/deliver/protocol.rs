//! What is asked of a server and in which order, what is sent where, and what is believed.

use std::sync::Arc;
use std::time::Duration;

use chiasm_tests::fhir_server::{Fault, FhirServer, JOB_KEYS, Route};
use serde_json::{Value, json};
use tokio::time::timeout;
use worker::config::secret::Secret;
use worker::config::site::FhirConfig;
use worker::deliver::fhir::FhirTarget;
use worker::deliver::{DeliverError, Target as _};
use worker::report::fhir;

use super::{HASTY, PATIENT, PLACE, parcel, report, report_at, server, sha256, target};

#[tokio::test]
async fn the_bundle_goes_out_as_stored_to_the_base_with_the_token() {
    let server = server();
    server.require_token(Some("secret"));
    let target = target(&server, Some(Secret::new("secret".into())), PATIENT);
    let report = report("job-1");
    target.probe().await.unwrap();
    target.deliver(&parcel("job-1", &report, false)).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 5, "a first delivery looks, asks for the patient, writes and looks");
    let told = format!("/fhir/{PLACE}?_elements=identifier%2Cstatus%2Cmeta");
    assert_eq!(seen[1].path, told, "read before every write, and not its page");
    assert_eq!(seen[4].path, told, "and after it");
    assert_eq!(seen[2].path, "/fhir/Patient?identifier=TEST0001", "immediately before");
    let questions = seen.iter().filter(|seen| seen.method == "GET");
    assert!(questions.clone().all(|seen| seen.cache_control.as_deref() == Some("no-cache")), "{questions:?}");
    assert_eq!((seen[3].method.as_str(), seen[3].path.as_str()), ("POST", "/fhir"));
    assert_eq!(seen[3].content_type.as_deref(), Some("application/fhir+json"));
    assert_eq!(seen[3].authorization.as_deref(), Some("Bearer secret"));
    assert_eq!(server.accepted()[0].sha256, sha256(&report));
}

#[tokio::test]
async fn a_server_that_gives_no_part_of_a_report_is_asked_for_all_of_it() {
    for status in [400, 405, 406, 414, 422, 501] {
        let server = server();
        let target = target(&server, None, PATIENT);
        server.fault(Route::Read, Fault::Status(status, "structure"));
        target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
        assert_eq!(server.accepted().len(), 1, "{status}");
        let paths = server.seen().into_iter().map(|seen| seen.path);
        let reads: Vec<String> = paths.filter(|path| path.contains("DiagnosticReport/")).collect();
        let (told, whole) =
            (format!("/fhir/{PLACE}?_elements=identifier%2Cstatus%2Cmeta"), format!("/fhir/{PLACE}"));
        assert_eq!(reads, [told, whole.clone(), whole], "{status}: before the write and after it");
    }
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
        for sent_before in [true, true, false, false] {
            let error = target.deliver(&parcel("job-1", &report, sent_before)).await.unwrap_err();
            assert_eq!((error.code(), error.is_transient()), ("RedirectRefused", false));
        }
        server.fault(Route::Metadata, Fault::Redirect(to.clone()));
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
    let expected =
        ["old", "old", "new", "new", "new", "new", "new", "new"].map(|token| format!("Bearer {token}"));
    assert_eq!(tokens, expected);
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
    assert_eq!(digests, [sha256(&report)], "the second was to be written only where there is none");
    assert_eq!(server.versions(PLACE).len(), 1);
}

#[tokio::test]
async fn what_answers_without_fhir_is_no_server() {
    let server = server();
    let target = target(&server, None, HASTY);
    let cases = [
        (Fault::NotJson, "AnswerNotUnderstood"),
        (Fault::Status(404, "not-found"), "AnswerNotUnderstood"),
        (Fault::OutcomeInSuccess("exception"), "AnswerNotUnderstood"),
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

/// A FHIR server that somebody runs, which knows the phantom's patient now: `CHIASM_FHIR_SERVER` is its base URL
/// (`scripts/check-hapi` sets it). It must allow client-assigned ids.
async fn real_server() -> Option<(String, FhirConfig)> {
    #[expect(clippy::disallowed_methods, reason = "tests look for a server where the caller says")]
    let Ok(url) = std::env::var("CHIASM_FHIR_SERVER") else {
        eprintln!("skipped: no FHIR server in $CHIASM_FHIR_SERVER");
        return None;
    };
    // before any target has: this client is the test's own
    drop(rustls::crypto::ring::default_provider().install_default());
    let put = reqwest::Client::new().put(format!("{url}/Patient/carla"));
    let put = put.header("content-type", "application/fhir+json").body(chiasm_tests::patient().to_string());
    // both tests put her at once, and one may find that the other did
    let status = put.send().await.unwrap().status();
    assert!(status.is_success() || status == 409, "{status}");
    let config = FhirConfig { url: url.clone(), token: None, smart: None, ca_file: None, timeout: PATIENT };
    Some((url, config))
}

/// How many versions of a place a real server holds.
async fn versions_of(url: &str, place: &str) -> Option<usize> {
    let history = reqwest::get(format!("{url}/{place}/_history")).await.unwrap();
    let history: Value = serde_json::from_str(&history.text().await.unwrap()).unwrap();
    history["entry"].as_array().map(Vec::len)
}

#[tokio::test]
async fn a_real_server_takes_a_report_that_two_workers_bring_at_once_once() {
    let Some((url, config)) = real_server().await else { return };
    let nonce = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    for number in 0..5 {
        let key = format!("twice-{nonce}-{number}");
        let place = format!("DiagnosticReport/{key}");
        let deliveries = (0..2).map(|_| {
            let target = FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap();
            let (key, report) = (key.clone(), report_at(&place, &key, &[]));
            tokio::spawn(async move { target.deliver(&parcel(&key, &report, false)).await.map(drop) })
        });
        for delivery in deliveries.collect::<Vec<_>>() {
            delivery.await.unwrap().unwrap();
        }
        assert_eq!(versions_of(&url, &place).await, Some(1), "{place}");
    }
}

#[tokio::test]
async fn a_real_server_takes_each_report_once_while_all_bring_the_same_new_device() {
    let Some((url, config)) = real_server().await else { return };
    let target = Arc::new(FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap());
    target.probe().await.unwrap();
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
        assert_eq!(versions_of(&url, &place).await, Some(1), "{place}");
    }
}

#[test]
fn the_test_server_knows_the_programs_identifier_system() {
    assert_eq!(JOB_KEYS, fhir::JOB_KEYS);
}
