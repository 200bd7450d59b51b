//! A bucket as a source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chiasm_tests::gateway::{Fault, Gateway};
use chiasm_tests::proxy::{self, Proxy};
use chiasm_tests::s3_server::{ACCESS_KEY, S3Server};
use dicom_ingest::bucket::{BucketConfig, Checksums, WINDOW_BYTES};
use dicom_ingest::source::s3::S3;
use dicom_ingest::source::{FetchLimits, Source, SourceError};

use super::{LIMITS, bucket, digest, fetch};

/// Time for one request where the server answers.
const PATIENT: Duration = Duration::from_secs(20);

/// Time for one request where no answer comes.
const HASTY: Duration = Duration::from_millis(500);

fn source(url: &str, timeout: Duration) -> S3 {
    S3::new(&bucket(url, ACCESS_KEY.1, timeout), "studies/").unwrap()
}

/// Puts objects into the bucket's folder and gives their digests.
fn put(server: &S3Server, study: &str, objects: &[(&str, Vec<u8>)]) -> BTreeSet<String> {
    for (name, bytes) in objects {
        let path = server.bucket().join("studies").join(study).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    objects.iter().map(|(_, bytes)| digest(bytes)).collect()
}

/// Bytes without a pattern that a wrong range would keep.
fn noise(length: u64, seed: u8) -> Vec<u8> {
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((*state >> 56) as u8)
    };
    let mut state = u64::from(seed) + 1;
    std::iter::from_fn(|| next(&mut state)).take(usize::try_from(length).unwrap()).collect()
}

#[tokio::test]
async fn nested_objects_of_any_name_and_size_are_fetched_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let source = source(&server.url(), PATIENT);
    source.probe().await.unwrap();
    assert!(matches!(source.locate(&"1.2".parse().unwrap(), LIMITS).await, Err(SourceError::Absent)));

    let objects = [
        ("image", noise(1000, 1)),
        ("series 1/größe ä.dcm", noise(WINDOW_BYTES, 2)),
        ("series 1/deep/er", noise(2 * WINDOW_BYTES + 12_345, 3)),
    ];
    let put_there = put(&server, "1.2", &objects);
    put(&server, "1.2.9", &[("image", noise(10, 9))]);
    assert_eq!(fetch(&source, "1.2").await.unwrap(), put_there, "and nothing of 1.2.9");

    // more than a page of a thousand
    let many: Vec<_> =
        (0..1100).map(|number| (format!("i{number}"), format!("instance {number}").into_bytes())).collect();
    let many: Vec<_> = many.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let put_there = put(&server, "1.3", &many);
    assert_eq!(fetch(&source, "1.3").await.unwrap(), put_there);
    let few = FetchLimits { max_files: 1099, ..LIMITS };
    let refused = source.locate(&"1.3".parse().unwrap(), few).await;
    assert!(matches!(refused, Err(SourceError::TooManyFiles { limit: 1099 })));
    let small = FetchLimits { max_bytes: 100, ..LIMITS };
    let refused = source.locate(&"1.3".parse().unwrap(), small).await;
    assert!(matches!(refused, Err(SourceError::TooLarge { limit: 100, .. })));

    let strict =
        BucketConfig { checksums: Checksums::Required, ..bucket(&server.url(), ACCESS_KEY.1, PATIENT) };
    let strict = S3::new(&strict, "studies/").unwrap();
    assert_eq!(fetch(&strict, "1.2").await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_changes_between_list_and_get_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let source = source(&server.url(), PATIENT);
    let into = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    for (study, large) in [("1.2", 100), ("1.3", WINDOW_BYTES + 100)] {
        put(&server, study, &[("a", noise(100, 1)), ("b", noise(large, 2))]);
        let holding = source.locate(&study.parse().unwrap(), LIMITS).await.unwrap();
        assert_eq!(holding.bytes(), 100 + large);
        // another one of the same length
        put(&server, study, &[("b", noise(large, 3))]);
        let fetched = holding.fetch(&into(&format!("changed-{study}"))).await;
        assert!(matches!(fetched, Err(SourceError::Changed)), "{fetched:?}");
        let holding = source.locate(&study.parse().unwrap(), LIMITS).await.unwrap();
        fs::remove_file(server.bucket().join("studies").join(study).join("b")).unwrap();
        let fetched = holding.fetch(&into(&format!("gone-{study}"))).await;
        assert!(matches!(fetched, Err(SourceError::Changed)), "{fetched:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_bucket_or_address_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    put(&server, "1.2", &[("a", noise(100, 1))]);
    let code = async |config: BucketConfig| {
        fetch(&S3::new(&config, "studies/").unwrap(), "1.2").await.unwrap_err().code()
    };
    let good = || bucket(&server.url(), ACCESS_KEY.1, PATIENT);
    assert_eq!(code(bucket(&server.url(), "another secret", PATIENT)).await, "SourceDenied");
    assert_eq!(code(BucketConfig { bucket: "elsewhere".into(), ..good() }).await, "SourceNoSuchPlace");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        code(BucketConfig { url: Some(format!("http://{closed}")), ..good() }).await,
        "SourceUnreachable"
    );
    // the certificate of an authority that nobody trusts is no answer either
    assert_eq!(
        code(BucketConfig { url: Some(server.url().replace("http", "https")), ..good() }).await,
        "SourceUnreachable"
    );
}

/// One fault of the answers to `on`, so often; what comes of it; and the time for one request.
struct Cell {
    fault: Fault,
    on: &'static str,
    times: usize,
    code: Option<&'static str>,
    limit: Duration,
}

fn cells(elsewhere: &str) -> Vec<Cell> {
    const LIST: &str = "list-type=2";
    const GET: &str = "/a?";
    let cell = |fault, on, times, code| Cell { fault, on, times, code, limit: PATIENT };
    let always = usize::MAX;
    let mut cells = Vec::new();
    for on in [LIST, GET] {
        cells.extend([
            // once or twice is overcome
            cell(Fault::Status(503, "SlowDown"), on, 2, None),
            cell(Fault::Status(500, "InternalError"), on, 1, None),
            cell(Fault::Lost, on, 1, None),
            cell(Fault::Status(503, "SlowDown"), on, always, Some("SourceBusy")),
            cell(Fault::Status(500, "InternalError"), on, always, Some("SourceFailed")),
            cell(Fault::Status(401, "Unauthorized"), on, 1, Some("SourceDenied")),
            cell(Fault::Status(403, "AccessDenied"), on, 1, Some("SourceDenied")),
            cell(Fault::Status(400, "InvalidArgument"), on, 1, Some("SourceRefused")),
            cell(Fault::Redirect(elsewhere.to_owned()), on, 1, Some("SourceRedirected")),
            cell(Fault::Lost, on, always, Some("SourceUnreachable")),
            cell(Fault::Slow(4), on, always, None),
            Cell { fault: Fault::Silence, on, times: always, code: Some("SourceTimedOut"), limit: HASTY },
        ]);
    }
    cells.extend([
        cell(Fault::Truncated, GET, 1, None),
        cell(Fault::Cut, GET, 1, None),
        cell(Fault::Truncated, GET, always, Some("SourceTruncated")),
        cell(Fault::Cut, GET, always, Some("SourceTruncated")),
        cell(Fault::Status(404, "NoSuchKey"), GET, 1, Some("SourceChanging")),
        cell(Fault::Status(412, "PreconditionFailed"), GET, 1, Some("SourceChanging")),
        cell(Fault::Status(404, "NoSuchBucket"), LIST, 1, Some("SourceNoSuchPlace")),
    ]);
    cells
}

#[tokio::test]
async fn every_fault_is_typed_or_overcome_and_no_redirect_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let put_there = put(&server, "1.2", &[("a", noise(100_000, 1)), ("b", noise(100, 2))]);
    let elsewhere = Gateway::start(server.address());
    for cell in cells(&elsewhere.url()) {
        let gateway = Gateway::start(server.address());
        let source = source(&gateway.url(), cell.limit);
        gateway.spoil(cell.fault.clone(), cell.on, cell.times);
        let fetched = fetch(&source, "1.2").await;
        let what = format!("{:?} on {} x {}", cell.fault, cell.on, cell.times);
        assert!(gateway.spoiled() > 0, "{what} never happened: {:?}", gateway.seen());
        match (fetched, cell.code) {
            (Ok(came), None) => assert_eq!(came, put_there, "{what}"),
            (Err(error), Some(code)) => {
                assert_eq!(error.code(), code, "{what}: {error:?}");
                assert!(!format!("{error:?} {error}").contains(ACCESS_KEY.1));
            }
            (fetched, code) => panic!("{what}: {fetched:?}, expected {code:?}"),
        }
        // and when the fault is over all is well
        gateway.pass();
        assert_eq!(fetch(&source, "1.2").await.unwrap(), put_there, "after {what}");
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new(), "a redirect was followed");
}

#[tokio::test]
async fn a_damaged_body_does_not_pass_for_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(folder.path());
    let gateway = Gateway::start(server.address());
    let source = source(&gateway.url(), PATIENT);
    // written through the API, so that the server has checksums
    let bytes = noise(WINDOW_BYTES + 5, 4);
    let writer = dicom_ingest::bucket::Bucket::new(&bucket(&server.url(), ACCESS_KEY.1, PATIENT)).unwrap();
    writer.write("studies/1.2/a", bytes.clone(), "application/dicom").await.unwrap();
    writer.write("studies/1.3/a", bytes[..1000].to_vec(), "application/dicom").await.unwrap();
    assert_eq!(fetch(&source, "1.2").await.unwrap(), [digest(&bytes)].into());
    for study in ["1.2", "1.3"] {
        gateway.spoil(Fault::Damaged, "GET /archive/studies/", usize::MAX);
        let fetched = fetch(&source, study).await;
        assert!(matches!(fetched, Err(SourceError::Damaged)), "{study}: {fetched:?}");
        gateway.pass();
    }
}

#[tokio::test]
async fn a_way_that_is_cut_or_dark_is_typed_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = S3Server::start(folder.path());
    let put_there = put(&server, "1.2", &[("a", noise(100_000, 1))]);
    let way = Proxy::start(server.address());
    let source = source(&format!("http://{}", way.address()), HASTY);
    for (fault, code) in
        [(proxy::Fault::Refuse, "SourceUnreachable"), (proxy::Fault::Blackhole, "SourceTimedOut")]
    {
        way.set(fault);
        assert_eq!(fetch(&source, "1.2").await.unwrap_err().code(), code, "{fault:?}");
        way.cut();
        way.set(proxy::Fault::Pass);
        assert_eq!(fetch(&source, "1.2").await.unwrap(), put_there);
    }
    server.restart();
    assert_eq!(fetch(&source, "1.2").await.unwrap(), put_there, "over a new connection");
    assert!(Path::new(&server.bucket()).exists());
}
