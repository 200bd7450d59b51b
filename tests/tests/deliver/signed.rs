//! A report that a person signed on the server is theirs: nothing takes its place.

use chiasm_tests::fhir_server::{Fault, Route};
use serde_json::Value;
use worker::deliver::{DeliverError, Receipts, Target as _};
use worker::ledger::ReportBytes;

use super::{PATIENT, PLACE, bytes, parcel, report, server, sha256, target};

/// The report of a version as the radiology system writes it back.
fn as_written(job_key: &str, status: &str) -> Value {
    let bundle: Value = serde_json::from_slice(report(job_key).bundle.as_deref().unwrap()).unwrap();
    let mut resource = bundle["entry"][0]["resource"].clone();
    resource["status"] = status.into();
    resource
}

/// The withdrawal of whatever lies at the place.
fn withdrawal(job_key: &str) -> ReportBytes {
    let mut report = report(job_key);
    let mut bundle: Value = serde_json::from_slice(report.bundle.as_deref().unwrap()).unwrap();
    bundle["entry"][0]["resource"]["status"] = "entered-in-error".into();
    report.bundle = Some(bytes(&bundle));
    report
}

fn code(delivered: &Result<Receipts, DeliverError>) -> (&'static str, bool) {
    delivered.as_ref().map_or_else(|error| (error.code(), error.is_transient()), |_| ("delivered", false))
}

#[tokio::test]
async fn what_a_person_signed_is_never_overwritten_nor_withdrawn() {
    for status in ["final", "amended", "corrected", "appended"] {
        let server = server();
        let target = target(&server, None, PATIENT);
        target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
        server.put(&as_written("job-1", status));
        for sent_before in [false, true] {
            let delivered = target.deliver(&parcel("job-2", &report("job-2"), sent_before)).await;
            assert_eq!(code(&delivered), ("AlreadySigned", false), "{status}");
            let text = delivered.unwrap_err().to_string();
            assert!(text.contains(&format!("its status is `{status}`")), "{text}");
            let delivered = target.deliver(&parcel("job-3", &withdrawal("job-3"), sent_before)).await;
            assert_eq!(code(&delivered), ("AlreadySigned", false), "{status}");
        }
        // this very version is what was signed: it is there, and stays as it is
        target.deliver(&parcel("job-1", &report("job-1"), true)).await.unwrap();
        assert_eq!(server.count(Route::Transaction), 1, "{status}: nothing else was sent");
        let states: Vec<_> = server.versions(PLACE).into_iter().filter_map(|one| one.status).collect();
        assert_eq!(states, ["preliminary", status]);
    }
}

#[tokio::test]
async fn what_nobody_signed_is_replaced() {
    for status in ["registered", "partial", "preliminary", "cancelled", "entered-in-error", "unknown"] {
        let server = server();
        let target = target(&server, None, PATIENT);
        server.put(&as_written("job-1", status));
        target.deliver(&parcel("job-2", &report("job-2"), false)).await.unwrap();
        let states: Vec<_> = server.versions(PLACE).into_iter().filter_map(|one| one.status).collect();
        assert_eq!(states, [status, "preliminary"]);
    }
}

#[tokio::test]
async fn a_person_who_signs_between_the_look_and_the_write_is_not_overwritten() {
    let server = server();
    let target = target(&server, None, PATIENT);
    // the first write was to find nothing, the second the first version
    server.put_meanwhile(as_written("job-0", "final"));
    let delivered = target.deliver(&parcel("job-1", &report("job-1"), false)).await;
    assert_eq!(code(&delivered), ("AlreadySigned", false));
    server.put(&as_written("job-0", "preliminary"));
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    server.put_meanwhile(as_written("job-1", "final"));
    let delivered = target.deliver(&parcel("job-2", &report("job-2"), false)).await;
    assert_eq!(code(&delivered), ("AlreadySigned", false));
    let states: Vec<_> = server.versions(PLACE).into_iter().filter_map(|one| one.status).collect();
    assert_eq!(states, ["final", "preliminary", "preliminary", "final"]);
    assert_eq!(server.accepted().len(), 1);
}

#[tokio::test]
async fn a_version_that_another_worker_wrote_in_between_is_read_and_replaced() {
    let server = server();
    let target = target(&server, None, PATIENT);
    server.put_meanwhile(as_written("job-0", "preliminary"));
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    assert_eq!(server.count(Route::Transaction), 2, "the first was refused for what lay there");
    let keys: Vec<_> = server.versions(PLACE).into_iter().filter_map(|version| version.job_key).collect();
    assert_eq!(keys, ["job-0", "job-1"]);
    assert_eq!(server.accepted()[0].sha256, sha256(&report("job-1")), "the same bytes but for the condition");
}

#[tokio::test]
async fn what_the_network_brings_twice_is_written_once() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for key in ["job-1", "job-2"] {
        server.fault(Route::Transaction, Fault::Twice);
        target.deliver(&parcel(key, &report(key), false)).await.unwrap();
    }
    let keys: Vec<_> = server.versions(PLACE).into_iter().filter_map(|version| version.job_key).collect();
    assert_eq!(keys, ["job-1", "job-2"]);
}

#[tokio::test]
async fn a_server_that_tells_no_version_is_written_without_a_condition() {
    let server = server();
    let target = target(&server, None, PATIENT);
    server.put(&as_written("job-1", "preliminary"));
    server.hide_versions();
    target.deliver(&parcel("job-2", &report("job-2"), false)).await.unwrap();
    let keys: Vec<_> = server.versions(PLACE).into_iter().filter_map(|version| version.job_key).collect();
    assert_eq!(keys, ["job-1", "job-2"]);
}
