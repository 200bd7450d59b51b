//! Sources on other machines, and buckets for reports: real servers, every fault of a way between, and the whole program.

mod buckets;
mod dicomweb;
mod s3;
mod tls;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chiasm_tests::fhir_server::sha256 as digest;
use chiasm_tests::s3_server::{ACCESS_KEY, BUCKET};
use dicom_ingest::bucket::{AccessKey, BucketConfig, Checksums};
use dicom_ingest::source::web::{Hidden, WebOptions};
use dicom_ingest::source::{FetchLimits, Source, SourceError};

/// Room for everything in these tests.
const LIMITS: FetchLimits = FetchLimits { max_bytes: 64 << 20, max_files: 5_000 };

fn web(timeout: Duration) -> WebOptions {
    WebOptions { authorities: None, identity: None, timeout }
}

/// The bucket of the tests' server behind this URL.
fn bucket(url: &str, secret: &'static str, timeout: Duration) -> BucketConfig {
    BucketConfig {
        bucket: BUCKET.into(),
        url: Some(url.into()),
        region: "us-east-1".into(),
        path_style: true,
        access_key: Some(AccessKey { id: ACCESS_KEY.0.into(), secret: Hidden::new(|| secret.into()) }),
        checksums: Checksums::Supported,
        web: web(timeout),
    }
}

/// Locates and fetches a study, and gives the digests of what came.
async fn fetch(source: &dyn Source, study: &str) -> Result<BTreeSet<String>, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let holding = source.locate(&study.parse().unwrap(), LIMITS).await?;
    holding.fetch(folder.path()).await?;
    let came = names(folder.path());
    for name in &came {
        assert_eq!(
            *name,
            digest(&fs::read(folder.path().join(name)).unwrap()),
            "files are named by their digest"
        );
    }
    assert!(came.len() as u64 <= holding.instances().unwrap_or(u64::MAX));
    Ok(came)
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
