//! Buckets and DICOMweb servers.

use std::path::PathBuf;
use std::time::Duration;

use super::{Secret, TlsConfig};

/// How to reach a bucket of an S3 server, as a source or as a target.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The server; AWS's of the region where none is named.
    pub url: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with: empty, or with a slash at its end.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// `<url>/<bucket>/<key>` instead of a host name a bucket.
    pub path_style: bool,
    /// Access key and its secret; the usual chain where there are none.
    pub access_key: Option<(String, Secret)>,
    /// Whether only those checksums are used that S3 requires.
    pub required_checksums_only: bool,
    /// PEM file of the authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for one request.
    pub timeout: Duration,
}

/// How to reach a DICOMweb server.
#[derive(Debug, Clone)]
pub struct DicomwebConfig {
    /// Base URL: `/studies` is below it.
    pub url: String,
    /// User and password of HTTP basic authentication.
    pub login: Option<(String, Secret)>,
    /// Bearer token.
    pub token: Option<Secret>,
    /// Whom to trust, and who we are.
    pub tls: TlsConfig,
    /// The longest silence of the server.
    pub timeout: Duration,
    /// Bytes that are allowed for an instance whose size the server does not let us know.
    pub max_instance_bytes: u64,
}
