//! A bucket of an S3 server: list, read, write, and nothing else. The only module that names the SDK.
//!
//! What is read has the length and the checksum that the server stated, and is the object that was listed: each read names
//! its ETag. Objects larger than [`WINDOW_BYTES`] are read in ranges, each by itself tried again.

mod connector;
mod credentials;
mod fault;
mod read;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_types::retry::ReconnectMode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::source::SourceError;
use crate::source::web::{Hidden, OpenError, WebOptions, base_url};

pub use read::WINDOW_BYTES;

/// Tries of one request inside the SDK, with its own pauses between them.
const TRIES: u32 = 3;

/// The first of these pauses at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which checksums a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksums {
    /// Those that S3 has had since 2022, sent and checked wherever they can be.
    #[default]
    Supported,
    /// Only where S3 requires one: for servers that refuse the others.
    Required,
}

/// Access key of a site.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: Hidden,
}

/// How to reach a bucket.
#[derive(Debug, Clone)]
pub struct BucketConfig {
    /// Its name.
    pub bucket: String,
    /// The server; AWS's of the region where none is named.
    pub url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// `<url>/<bucket>/<key>` instead of a host name a bucket.
    pub path_style: bool,
    /// Credentials; the usual chain (environment, profile, web identity, container, machine) where there are none.
    pub access_key: Option<AccessKey>,
    /// Which checksums are used.
    pub checksums: Checksums,
    /// TLS and time limits.
    pub web: WebOptions,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
    checksums: Checksums,
}

/// An object as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// What tells it from another object that once has the same key.
    pub etag: Option<String>,
}

impl Bucket {
    /// Prepares connections; nothing is sent yet.
    pub fn new(config: &BucketConfig) -> Result<Self, OpenError> {
        let url = config.url.as_deref().map(base_url).transpose()?;
        let is_plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
        let http = connector::client(&config.web, is_plain)?;
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            // Which connections are used again is the HTTP client's to know.
            .with_reconnect_mode(ReconnectMode::ReuseAllConnections)
            .with_initial_backoff(FIRST_PAUSE)
            .with_max_backoff(LONGEST_PAUSE);
        let mut builder = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .force_path_style(config.path_style)
            .http_client(http.clone())
            .credentials_provider(credentials::provider(config.access_key.as_ref(), &config.region, http))
            .retry_config(retries)
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(config.web.timeout).build());
        if let Some(url) = url {
            builder = builder.endpoint_url(url.as_str().trim_end_matches('/'));
        }
        if config.checksums == Checksums::Required {
            builder = builder
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let client = Client::from_conf(builder.build());
        Ok(Self { client, name: config.bucket.clone(), checksums: config.checksums })
    }

    /// All objects whose key begins so, page by page; at most so many.
    pub async fn list(&self, prefix: &str, most: usize) -> Result<Vec<Object>, SourceError> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
            let page = request.set_continuation_token(token.clone()).send().await.map_err(fault::of_place)?;
            for object in page.contents() {
                let (Some(key), Some(bytes)) = (object.key(), object.size()) else {
                    return Err(SourceError::NotUnderstood("an object was listed without key or length"));
                };
                let Ok(bytes) = u64::try_from(bytes) else {
                    return Err(SourceError::NotUnderstood("an object was listed with a negative length"));
                };
                objects.push(Object { key: key.to_owned(), bytes, etag: object.e_tag().map(str::to_owned) });
            }
            if objects.len() > most {
                return Err(SourceError::TooManyFiles { limit: most });
            }
            let next = page.next_continuation_token().map(str::to_owned);
            match (page.is_truncated().unwrap_or_default(), next) {
                (false, _) => return Ok(objects),
                (true, Some(next)) if token.as_ref() != Some(&next) => token = Some(next),
                (true, _) => return Err(SourceError::NotUnderstood("a list goes on and does not say where")),
            }
        }
    }

    /// Writes an object, over whatever has its key. The server checks what it got against the SHA-256, where checksums are
    /// supported; and what it then holds has the right length.
    pub async fn write(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), SourceError> {
        let length = bytes.len();
        let mut request = self.client.put_object().bucket(&self.name).key(key).content_type(content_type);
        if self.checksums == Checksums::Supported {
            request = request.checksum_sha256(STANDARD.encode(Sha256::digest(&bytes)));
        }
        request.body(bytes.into()).send().await.map_err(fault::of_place)?;
        let head =
            self.client.head_object().bucket(&self.name).key(key).send().await.map_err(fault::of_object)?;
        let is_whole = head.content_length().and_then(|length| usize::try_from(length).ok()) == Some(length);
        if is_whole { Ok(()) } else { Err(SourceError::Truncated) }
    }

    /// The bytes of a small object, of at most so many; `None` where there is no such object.
    pub async fn read_small(&self, key: &str, most: u64) -> Result<Option<Vec<u8>>, SourceError> {
        let answer = self.client.get_object().bucket(&self.name).key(key).send().await;
        let answer = match answer.map_err(fault::of_object) {
            Err(SourceError::Changed) => return Ok(None),
            answer => answer?,
        };
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        match length {
            Some(length) if length <= most => read::body(answer.body, length).await.map(Some),
            _ => Err(SourceError::NotUnderstood("an object is longer than it can be")),
        }
    }

    /// Whether the bucket is there.
    pub async fn probe(&self) -> Result<(), SourceError> {
        self.client.head_bucket().bucket(&self.name).send().await.map(drop).map_err(fault::of_place)
    }
}
