//! The servers that a site configured, as clients: sources of studies, and the buckets that reports go to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_ingest::bucket::{AccessKey, BucketConfig, Checksums};
use dicom_ingest::source::Source;
use dicom_ingest::source::dicomweb::{self, Dicomweb, Login};
use dicom_ingest::source::s3::S3;
use dicom_ingest::source::shelf::Shelf;
use dicom_ingest::source::web::{Hidden, OpenError, WebOptions};

use crate::config::secret::Secret;
use crate::config::site::{DicomwebConfig, S3Config, SourceConfig, TlsConfig};
use crate::message::Name;

/// A configured source or bucket cannot be used. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SourceOpenError {
    /// A file that the configuration names cannot be read.
    #[error("`{name}`: could not read `{path}`")]
    Read {
        /// The source or target.
        name: Name,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client cannot be made.
    #[error("`{name}`: {source}")]
    Open {
        /// The source or target.
        name: Name,
        /// Why.
        source: OpenError,
    },
}

/// Makes every source. Nothing is reached yet: a source that is away now is no error.
pub(crate) fn open(
    configured: &BTreeMap<Name, SourceConfig>,
) -> Result<BTreeMap<Name, Arc<dyn Source>>, SourceOpenError> {
    let open = |(name, config): (&Name, &SourceConfig)| {
        let source: Arc<dyn Source> = match config {
            SourceConfig::Folder { path } => Arc::new(Shelf::new(path.clone())),
            SourceConfig::S3(s3) => {
                let failed = |source| SourceOpenError::Open { name: name.clone(), source };
                Arc::new(S3::new(&bucket(name, s3)?, &s3.prefix).map_err(failed)?)
            }
            SourceConfig::Dicomweb(web) => Arc::new(archive(name, web)?),
        };
        Ok((name.clone(), source))
    };
    configured.iter().map(open).collect()
}

/// A DICOMweb server by itself. Nothing is reached yet.
pub(crate) fn archive(name: &Name, config: &DicomwebConfig) -> Result<Dicomweb, SourceOpenError> {
    let failed = |source| SourceOpenError::Open { name: name.clone(), source };
    Dicomweb::new(&server(name, config)?).map_err(failed)
}

/// A bucket as its library wants it told.
pub(crate) fn bucket(name: &Name, config: &S3Config) -> Result<BucketConfig, SourceOpenError> {
    let authorities = config.ca_file.as_deref().map(|file| read(name, file)).transpose()?;
    let access_key = config.access_key.clone();
    Ok(BucketConfig {
        bucket: config.bucket.clone(),
        url: config.url.clone(),
        region: config.region.clone(),
        path_style: config.path_style,
        access_key: access_key.map(|(id, secret)| AccessKey { id, secret: hidden(secret) }),
        checksums: if config.required_checksums_only { Checksums::Required } else { Checksums::Supported },
        web: WebOptions { authorities, identity: None, timeout: config.timeout },
    })
}

fn server(name: &Name, config: &DicomwebConfig) -> Result<dicomweb::DicomwebConfig, SourceOpenError> {
    let basic = config.login.clone().map(|(user, secret)| Login::Basic { user, password: hidden(secret) });
    let bearer = config.token.clone().map(|secret| Login::Bearer(hidden(secret)));
    let TlsConfig { ca_file, client_certificate_file, client_key_file } = &config.tls;
    let identity = match client_certificate_file.as_deref().zip(client_key_file.as_deref()) {
        Some((certificate, key)) => {
            let pem = [read(name, certificate)?, b"\n".to_vec(), read(name, key)?].concat();
            Some(hidden(Secret::new(String::from_utf8_lossy(&pem).into_owned())))
        }
        None => None,
    };
    let authorities = ca_file.as_deref().map(|file| read(name, file)).transpose()?;
    Ok(dicomweb::DicomwebConfig {
        url: config.url.clone(),
        login: basic.or(bearer),
        web: WebOptions { authorities, identity, timeout: config.timeout },
        max_instance_bytes: config.max_instance_bytes,
    })
}

/// The secret as its file holds it whenever it is used, so that a renewed one is used without a restart.
fn hidden(secret: Secret) -> Hidden {
    Hidden::new(move || secret.read_again().as_ref().unwrap_or(&secret).expose().to_owned())
}

fn read(name: &Name, path: &Path) -> Result<Vec<u8>, SourceOpenError> {
    fs::read(path).map_err(|source| SourceOpenError::Read {
        name: name.clone(),
        path: path.to_owned(),
        source,
    })
}
