//! A bucket as a target of reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chiasm_tests::gateway::{Fault, Gateway};
use chiasm_tests::s3_server::{ACCESS_KEY, BUCKET, S3Server};
use serde_json::Value;
use worker::config::secret::Secret;
use worker::config::site::S3Config;
use worker::deliver::s3::S3Target;
use worker::deliver::{Parcel, Target};
use worker::ledger::{JobState, ReportBytes};

/// Time for one request where the server answers.
const PATIENT: Duration = Duration::from_secs(20);

fn target(url: &str, secret: &str, timeout: Duration) -> S3Target {
    let config = S3Config {
        url: Some(url.into()),
        bucket: BUCKET.into(),
        prefix: "reports/".into(),
        region: "us-east-1".into(),
        path_style: true,
        access_key: Some((ACCESS_KEY.0.into(), Secret::new(secret.into()))),
        required_checksums_only: false,
        ca_file: None,
        timeout,
    };
    S3Target::new("shelf".parse().unwrap(), &config).unwrap()
}

fn report(text: &str) -> ReportBytes {
    ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: Some(format!("{{\"bundle\":\"{text}\"}}").into_bytes()),
        html: format!("<p>{text}</p>").into_bytes(),
        sr: Some(format!("DICM {text}").into_bytes()),
        overlay: Some(format!("DICM overlay {text}").into_bytes()),
        segmentation: Some(format!("DICM segmentation {text}").into_bytes()),
    }
}

fn parcel<'a>(job_key: &'a str, report: &'a ReportBytes, sent_before: bool) -> Parcel<'a> {
    Parcel { study_uid: "1.2.3", job_key, report_key: "r", report, address: None, earlier: &[], sent_before }
}

/// Every object with its bytes.
fn objects(server: &S3Server) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(root, &entry, found);
            } else {
                found.insert(entry.strip_prefix(root).unwrap().to_owned(), fs::read(&entry).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&server.bucket(), &server.bucket(), &mut found);
    found
}

#[tokio::test]
async fn versions_lie_beside_each_other_and_the_pointer_names_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let target = target(&server.url(), ACCESS_KEY.1, PATIENT);
    target.probe().await.unwrap();
    let (first, second) = (report("one"), report("two"));
    let receipts = target.deliver(&parcel("j1", &first, false)).await.unwrap();
    assert_eq!(receipts["html"], "s3://archive/reports/1.2.3/j1/report.html");
    assert_eq!(receipts["bundle"], "s3://archive/reports/1.2.3/j1/bundle.json");
    let once = objects(&server);
    assert_eq!(once[Path::new("reports/1.2.3/j1/bundle.json")], first.bundle.clone().unwrap());
    assert_eq!(once[Path::new("reports/1.2.3/j1/report.html")], first.html);
    assert_eq!(once[Path::new("reports/1.2.3/j1/report.dcm")], first.sr.clone().unwrap());
    for sent_before in [true, false] {
        assert_eq!(target.deliver(&parcel("j1", &first, sent_before)).await.unwrap(), receipts);
        assert_eq!(objects(&server), once, "the same parcel has the same effect");
    }
    target.deliver(&parcel("j2", &second, false)).await.unwrap();
    let both = objects(&server);
    assert!(once.iter().all(|(key, bytes)| key.ends_with("latest.json") || both[key] == *bytes));
    let latest: Value = serde_json::from_slice(&both[Path::new("reports/1.2.3/latest.json")]).unwrap();
    assert_eq!((&latest["job"], &latest["files"]["bundle"]["key"]), (&"j2".into(), &"j2/bundle.json".into()));
}

#[tokio::test]
async fn a_version_that_was_sent_and_not_heard_of_is_looked_for_first() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let gateway = Gateway::start(server.address());
    let target = target(&gateway.url(), ACCESS_KEY.1, PATIENT);
    let report = report("one");
    target.deliver(&parcel("j1", &report, false)).await.unwrap();
    let before = gateway.seen().len();
    target.deliver(&parcel("j1", &report, true)).await.unwrap();
    let seen = gateway.seen().split_off(before);
    assert!(seen.iter().all(|line| line.starts_with("GET ")) && seen.len() == 1, "{seen:?}");
}

#[tokio::test]
async fn every_fault_is_typed_and_the_next_delivery_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let elsewhere = Gateway::start(server.address());
    let report = report("one");
    let always = usize::MAX;
    for (number, (fault, times, code)) in [
        (Fault::Status(503, "SlowDown"), 2, None),
        (Fault::Lost, 1, None),
        (Fault::Slow(3), always, None),
        (Fault::Status(503, "SlowDown"), always, Some("ServerBusy")),
        (Fault::Status(500, "InternalError"), always, Some("ServerFailed")),
        (Fault::Status(401, "Unauthorized"), always, Some("AuthenticationFailed")),
        (Fault::Status(403, "AccessDenied"), always, Some("PermissionDenied")),
        (Fault::Status(404, "NoSuchBucket"), always, Some("TargetMissing")),
        (Fault::Status(400, "BadDigest"), always, Some("Rejected")),
        (Fault::Redirect(elsewhere.url()), always, Some("RedirectRefused")),
        (Fault::Lost, always, Some("Unreachable")),
        (Fault::Silence, always, Some("TimedOut")),
    ]
    .into_iter()
    .enumerate()
    {
        let gateway = Gateway::start(server.address());
        let limit = if fault == Fault::Silence { Duration::from_millis(300) } else { PATIENT };
        let target = target(&gateway.url(), ACCESS_KEY.1, limit);
        let what = format!("{fault:?} x {times}");
        let job = format!("j{number}");
        gateway.spoil(fault, "PUT ", times);
        let delivered = target.deliver(&parcel(&job, &report, false)).await;
        match (delivered, code) {
            (Ok(_), None) => {}
            (Err(error), Some(code)) => {
                assert_eq!(error.code(), code, "{what}: {error:?}");
                let pointer =
                    objects(&server).get(Path::new("reports/1.2.3/latest.json")).cloned().unwrap_or_default();
                assert!(
                    !String::from_utf8_lossy(&pointer).contains(&job),
                    "{what}: the pointer leads to nothing"
                );
            }
            (delivered, code) => panic!("{what}: {delivered:?}, expected {code:?}"),
        }
        gateway.pass();
        target.deliver(&parcel(&job, &report, true)).await.unwrap();
        let stored = objects(&server);
        assert_eq!(stored[Path::new(&format!("reports/1.2.3/{job}/report.html"))], report.html, "{what}");
        assert!(String::from_utf8_lossy(&stored[Path::new("reports/1.2.3/latest.json")]).contains(&job));
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new(), "a redirect was followed");
    let denied = target(&server.url(), "another secret", PATIENT).deliver(&parcel("j", &report, false)).await;
    assert_eq!(denied.unwrap_err().code(), "PermissionDenied");
    let target = target(&server.url(), ACCESS_KEY.1, PATIENT);
    let bad = Parcel { study_uid: "../escape", ..parcel("j", &report, false) };
    assert_eq!(target.deliver(&bad).await.unwrap_err().code(), "StudyUidUnusable");
}
