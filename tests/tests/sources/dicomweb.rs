//! A real Orthanc as a source.

use std::collections::BTreeSet;
use std::time::Duration;

use chiasm_tests::gateway::{Fault, Gateway};
use chiasm_tests::orthanc::{LOGIN, Orthanc};
use chiasm_tests::{phantom_series, study_uid};
use dicom_ingest::source::dicomweb::{Dicomweb, DicomwebConfig, Login};
use dicom_ingest::source::web::Hidden;
use dicom_ingest::source::{FetchLimits, Source, SourceError};

use super::{LIMITS, fetch, web};

/// Time for one answer where there is one.
const PATIENT: Duration = Duration::from_secs(20);

/// Time for one answer where there is none.
const HASTY: Duration = Duration::from_millis(500);

fn source(url: &str, password: &'static str, timeout: Duration) -> Dicomweb {
    let config = DicomwebConfig {
        url: format!("{url}/dicom-web"),
        login: Some(Login::Basic { user: LOGIN.0.into(), password: Hidden::new(|| password.into()) }),
        web: web(timeout),
        max_instance_bytes: 1 << 20,
    };
    Dicomweb::new(&config).unwrap()
}

/// An Orthanc with one study, its UID, and Orthanc's name for it.
fn archive(folder: &std::path::Path, instances: u64) -> Option<(Orthanc, String, String)> {
    let orthanc = Orthanc::start_pacs(folder)?;
    let files = phantom_series(60, instances);
    let mut study = String::new();
    for file in &files {
        study = orthanc.store(file);
    }
    Some((orthanc, study_uid(&files[0]), study))
}

#[tokio::test]
async fn a_study_comes_whole_as_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let Some((orthanc, uid, study)) = archive(folder.path(), 3) else { return };
    let source = source(&orthanc.url(), LOGIN.1, PATIENT);
    source.probe().await.unwrap();
    assert!(matches!(source.locate(&"1.2.3".parse().unwrap(), LIMITS).await, Err(SourceError::Absent)));
    let holding = source.locate(&uid.parse().unwrap(), LIMITS).await.unwrap();
    assert_eq!(holding.instances(), Some(3));
    assert_eq!(source.stated_instances(&uid.parse().unwrap()).await.unwrap(), Some(3));
    assert!(matches!(source.stated_instances(&"1.2.3".parse().unwrap()).await, Err(SourceError::Absent)));
    let into = folder.path().join("spool");
    std::fs::create_dir(&into).unwrap();
    holding.fetch(&into).await.unwrap();
    let came: u64 =
        std::fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(came <= holding.bytes(), "{came} bytes came where {} were expected at most", holding.bytes());

    // bounds are kept before and while it comes
    let small = FetchLimits { max_bytes: came / 2, ..LIMITS };
    let refused = source.locate(&uid.parse().unwrap(), small).await;
    assert!(matches!(refused, Err(SourceError::TooLarge { .. })));
    let few = FetchLimits { max_files: 2, ..LIMITS };
    let refused = source.locate(&uid.parse().unwrap(), few).await;
    assert!(matches!(refused, Err(SourceError::TooManyFiles { limit: 2 })));

    // one that is deleted between is noticed
    orthanc.delete(&study);
    std::fs::remove_dir_all(&into).unwrap();
    std::fs::create_dir(&into).unwrap();
    assert!(matches!(holding.fetch(&into).await, Err(SourceError::Changed)));
    assert!(matches!(source.locate(&uid.parse().unwrap(), LIMITS).await, Err(SourceError::Absent)));
}

#[tokio::test]
async fn every_fault_is_typed_or_overcome_and_no_redirect_is_followed() {
    const SEARCH: &str = "/instances?";
    const STUDY: &str = " HTTP";
    let folder = tempfile::tempdir().unwrap();
    let Some((orthanc, uid, _)) = archive(folder.path(), 2) else { return };
    let whole: BTreeSet<String> = fetch(&source(&orthanc.url(), LOGIN.1, PATIENT), &uid).await.unwrap();
    assert_eq!(whole.len(), 2);
    let elsewhere = Gateway::start(orthanc.http());
    let always = usize::MAX;
    let retrieve = format!("/studies/{uid}{STUDY}");
    let retrieve = retrieve.as_str();
    let redirect = || Fault::Redirect(format!("{}/dicom-web/studies/{uid}", elsewhere.url()));
    let mut cells = Vec::new();
    for on in [SEARCH, retrieve] {
        cells.extend([
            (Fault::Status(503, ""), on, 1, None, PATIENT),
            (Fault::Lost, on, 1, None, PATIENT),
            (Fault::Truncated, on, 1, None, PATIENT),
            (Fault::Cut, on, 1, None, PATIENT),
            (Fault::Slow(4), on, always, None, PATIENT),
            (Fault::Status(503, ""), on, always, Some("SourceBusy"), PATIENT),
            (Fault::Status(429, ""), on, always, Some("SourceBusy"), PATIENT),
            (Fault::Status(500, ""), on, always, Some("SourceFailed"), PATIENT),
            (Fault::Status(401, ""), on, 1, Some("SourceDenied"), PATIENT),
            (Fault::Status(403, ""), on, 1, Some("SourceDenied"), PATIENT),
            (Fault::Status(406, ""), on, 1, Some("SourceRefused"), PATIENT),
            (redirect(), on, 1, Some("SourceRedirected"), PATIENT),
            (Fault::Lost, on, always, Some("SourceUnreachable"), PATIENT),
            (Fault::Truncated, on, always, Some("SourceTruncated"), PATIENT),
            (Fault::Silence, on, always, Some("SourceTimedOut"), HASTY),
        ]);
    }
    cells.push((Fault::Status(404, ""), SEARCH, 1, Some("StudyNotFound"), PATIENT));
    cells.push((Fault::Status(404, ""), retrieve, 1, Some("SourceChanging"), PATIENT));
    // a page of a proxy in place of the answer
    cells.push((Fault::Status(200, "welcome"), SEARCH, 1, Some("SourceNotUnderstood"), PATIENT));
    cells.push((Fault::Status(200, "welcome"), retrieve, 1, Some("SourceNotUnderstood"), PATIENT));
    for (fault, on, times, code, limit) in cells {
        let gateway = Gateway::start(orthanc.http());
        let source = source(&gateway.url(), LOGIN.1, limit);
        let what = format!("{fault:?} on {on} x {times}");
        gateway.spoil(fault, on, times);
        let fetched = fetch(&source, &uid).await;
        assert!(gateway.spoiled() > 0, "{what} never happened: {:?}", gateway.seen());
        match (fetched, code) {
            (Ok(came), None) => assert_eq!(came, whole, "{what}"),
            (Err(error), Some(code)) => {
                assert_eq!(error.code(), code, "{what}: {error:?}");
                assert!(!format!("{error:?} {error}").contains(LOGIN.1));
            }
            (fetched, code) => panic!("{what}: {fetched:?}, expected {code:?}"),
        }
        gateway.pass();
        assert_eq!(fetch(&source, &uid).await.unwrap(), whole, "after {what}");
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new(), "a redirect was followed");
}

#[tokio::test]
async fn a_wrong_password_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let Some((orthanc, uid, _)) = archive(folder.path(), 1) else { return };
    let denied = fetch(&source(&orthanc.url(), "another", PATIENT), &uid).await.unwrap_err();
    assert_eq!(denied.code(), "SourceDenied");
}
