//! Authorities and certificates of sources: those that the site names, and no other.

use std::fs;
use std::time::Duration;

use chiasm_tests::certificates::Certificates;
use chiasm_tests::orthanc::{LOGIN, Orthanc};
use chiasm_tests::s3_server::{ACCESS_KEY, S3Server};
use chiasm_tests::tls_front::TlsFront;
use chiasm_tests::{phantom, study_uid};
use dicom_ingest::bucket::BucketConfig;
use dicom_ingest::source::dicomweb::{Dicomweb, DicomwebConfig, Login};
use dicom_ingest::source::s3::S3;
use dicom_ingest::source::web::{Hidden, WebOptions};

use super::{bucket, digest, fetch};

const TIMEOUT: Duration = Duration::from_secs(20);

fn web(certificates: &Certificates, authority: &str, client: bool) -> WebOptions {
    let read = |name: &str| fs::read_to_string(certificates.file(name)).unwrap();
    let identity = format!("{}{}", read("client.pem"), read("client.key"));
    WebOptions {
        authorities: Some(read(authority).into_bytes()),
        identity: client.then(|| Hidden::new(move || identity.clone())),
        timeout: TIMEOUT,
    }
}

#[tokio::test]
async fn a_bucket_is_reached_through_the_sites_own_authority_alone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = Certificates::make(folder.path()) else { return };
    let server = S3Server::start(&folder.path().join("s3"));
    let study = server.bucket().join("studies/1.2");
    fs::create_dir_all(&study).unwrap();
    fs::write(study.join("a"), "image").unwrap();
    let front = TlsFront::start(server.address(), &certificates, false);
    let source = |authority: &str| {
        let web = web(&certificates, authority, false);
        S3::new(&BucketConfig { web, ..bucket(&front.url(), ACCESS_KEY.1, TIMEOUT) }, "studies/").unwrap()
    };
    assert_eq!(fetch(&source("ca.pem"), "1.2").await.unwrap(), [digest(b"image")].into());
    assert_eq!(fetch(&source("other-ca.pem"), "1.2").await.unwrap_err().code(), "SourceUnreachable");
}

#[tokio::test]
async fn a_dicomweb_server_can_ask_for_the_workers_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = Certificates::make(folder.path()) else { return };
    let Some(orthanc) = Orthanc::start_pacs(&folder.path().join("orthanc")) else { return };
    let file = phantom(75);
    orthanc.store(&file);
    let study = study_uid(&file);
    let front = TlsFront::start(orthanc.http(), &certificates, true);
    let source = |authority: &str, client: bool| {
        let config = DicomwebConfig {
            url: format!("{}/dicom-web", front.url()),
            login: Some(Login::Basic { user: LOGIN.0.into(), password: Hidden::new(|| LOGIN.1.into()) }),
            web: web(&certificates, authority, client),
            max_instance_bytes: 1 << 20,
        };
        Dicomweb::new(&config).unwrap()
    };
    assert_eq!(fetch(&source("ca.pem", true), &study).await.unwrap(), [digest(&file)].into());
    assert_eq!(fetch(&source("ca.pem", false), &study).await.unwrap_err().code(), "SourceUnreachable");
    assert_eq!(fetch(&source("other-ca.pem", true), &study).await.unwrap_err().code(), "SourceUnreachable");
}
