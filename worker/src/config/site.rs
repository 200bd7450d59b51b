//! What a site configures, as valid values. The raw form stands beside it.

mod models;
mod receive;
mod remote;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::secret::Secret;
use crate::message::Name;

pub use models::{ModelsConfig, PipelineConfig, RiskConfig};
pub use receive::{Callers, CountFrom, ReceiveConfig, ReceiveTls};
pub use remote::{DicomwebConfig, S3Config};

/// Which queue.
#[derive(Debug, Clone)]
pub enum QueueConfig {
    /// A table beside the ledger's.
    Embedded,
    /// RabbitMQ.
    RabbitMq(RabbitMqConfig),
}

/// How to reach a RabbitMQ broker.
#[derive(Debug, Clone)]
pub struct RabbitMqConfig {
    /// `amqp://` or `amqps://` URL without password.
    pub url: String,
    /// The password.
    pub password: Option<Secret>,
    /// TLS of an `amqps` URL.
    pub tls: TlsConfig,
    /// Names of exchanges and queues begin with it.
    pub prefix: Name,
}

/// Whom to trust and who we are.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// PEM file of the authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain, for mTLS.
    pub client_certificate_file: Option<PathBuf>,
    /// PEM file of our key.
    pub client_key_file: Option<PathBuf>,
}

/// When a request that cannot be read yet is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryConfig {
    /// How often.
    pub retries: u32,
    /// First pause; it doubles up to ten minutes.
    pub after: Duration,
}

/// Which ledger.
#[derive(Debug, Clone)]
pub enum LedgerConfig {
    /// A file in the state folder.
    Sqlite,
    /// PostgreSQL.
    Postgres(PostgresConfig),
}

/// How to reach a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://` URL without password.
    pub url: String,
    /// The password.
    pub password: Option<Secret>,
    /// PEM file of the authority to trust; TLS is then required and verified.
    pub ca_file: Option<PathBuf>,
    /// Whether an unencrypted connection to another machine is allowed.
    pub allow_plaintext: bool,
    /// Connections of the pool.
    pub connections: u32,
}

/// Where studies come from.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// `<path>/<Study Instance UID>/`.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// `<prefix><Study Instance UID>/` in a bucket.
    S3(S3Config),
    /// A DICOMweb server.
    Dicomweb(DicomwebConfig),
}

/// Where records come from.
#[derive(Debug, Clone)]
pub enum RecordConfig {
    /// A folder with one bundle a patient.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with the NDJSON files of a bulk export.
    Export {
        /// The folder.
        path: PathBuf,
    },
    /// A FHIR R4 server.
    Fhir {
        /// How to reach it.
        server: Box<FhirConfig>,
        /// Only what changed since then: a date.
        updated_since: Option<String>,
    },
}

/// Where reports go.
#[derive(Debug, Clone)]
pub enum TargetConfig {
    /// `<path>/<Study Instance UID>/`.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A FHIR server, and the release that it speaks.
    Fhir(FhirConfig, FhirRelease),
    /// `<prefix><Study Instance UID>/` in a bucket.
    S3(S3Config),
    /// A PACS over DICOMweb (STOW-RS).
    DicomWeb(DicomWebConfig),
    /// A PACS over DICOM (C-STORE).
    Dicom(DicomConfig),
}

/// How to reach a PACS over DICOMweb.
#[derive(Debug, Clone)]
pub struct DicomWebConfig {
    /// Base URL of its services.
    pub url: String,
    /// Bearer token.
    pub token: Option<Secret>,
    /// User and password of HTTP basic authentication.
    pub login: Option<(String, Secret)>,
    /// PEM file of the authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for one request.
    pub timeout: Duration,
}

/// How to reach a PACS over DICOM.
#[derive(Debug, Clone)]
pub struct DicomConfig {
    /// `host:port`.
    pub address: String,
    /// The PACS' application entity title.
    pub called_ae: String,
    /// Ours.
    pub calling_ae: String,
    /// Time for one association, from its beginning to its end.
    pub timeout: Duration,
}

/// How this program proves who it is to a FHIR server's authorization server: SMART Backend Services.
#[derive(Debug, Clone)]
pub struct SmartConfig {
    /// The client's id, as it is registered there.
    pub client_id: String,
    /// PEM file of the private key.
    pub key_file: PathBuf,
    /// The key's name (`kid`); its thumbprint where there is none.
    pub key_id: Option<String>,
    /// What is asked for, such as `system/Patient.rs`.
    pub scopes: Vec<String>,
    /// The only token endpoint that is used; the one that the FHIR server names where there is none.
    pub token_url: Option<String>,
}

/// A release of FHIR that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FhirRelease {
    /// 4.0.1
    #[default]
    R4,
    /// 5.0.0
    R5,
}

/// How to reach a FHIR server.
#[derive(Debug, Clone)]
pub struct FhirConfig {
    /// Base URL.
    pub url: String,
    /// Bearer token.
    pub token: Option<Secret>,
    /// Tokens of an authorization server instead.
    pub smart: Option<SmartConfig>,
    /// PEM file of the authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for one request.
    pub timeout: Duration,
}

/// Names with their meaning, and which of them is meant by default.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Sources of studies.
    pub sources: BTreeMap<Name, SourceConfig>,
    /// The source of a request that names none.
    pub default_source: Option<Name>,
    /// Sources of records.
    pub records: BTreeMap<Name, RecordConfig>,
    /// The record source of a request that names none.
    pub default_record: Option<Name>,
    /// Targets of reports.
    pub targets: BTreeMap<Name, TargetConfig>,
    /// The targets of a request that names none.
    pub default_targets: Vec<Name>,
}

impl Places {
    /// Whether studies are fetched from another machine: then `state` holds them for as long as their jobs run.
    pub fn fetch_from_afar(&self) -> bool {
        self.sources.values().any(|source| !matches!(source, SourceConfig::Folder { .. }))
    }

    /// Folders that are not there now: no reason to refuse the configuration, a share can be mounted later.
    pub fn missing_folders(&self) -> Vec<Problem> {
        let sources = self.sources.iter().filter_map(|(name, source)| match source {
            SourceConfig::Folder { path } => Some(("sources", name, path)),
            SourceConfig::S3(_) | SourceConfig::Dicomweb(_) => None,
        });
        let records = self.records.iter().filter_map(|(name, record)| match record {
            RecordConfig::Folder { path } | RecordConfig::Export { path } => Some(("records", name, path)),
            RecordConfig::Fhir { .. } => None,
        });
        let targets = self.targets.iter().filter_map(|(name, target)| match target {
            TargetConfig::Folder { path } => Some(("targets", name, path)),
            TargetConfig::Fhir(..)
            | TargetConfig::S3(_)
            | TargetConfig::DicomWeb(_)
            | TargetConfig::Dicom(_) => None,
        });
        let missing = sources.chain(records).chain(targets).filter(|(_, _, path)| !path.is_dir());
        missing
            .map(|(table, name, path)| Problem {
                key: format!("{table}.{name}.path"),
                origin: None,
                problem: format!(
                    "there is no folder `{}` now; make it, or mount it before work begins",
                    path.display()
                ),
            })
            .collect()
    }
}

/// Bounds of the worker: each has a unit, none is endless.
#[derive(Debug, Clone, Copy)]
pub struct WorkerConfig {
    /// Routine studies under way at once.
    pub jobs_at_once: u16,
    /// STAT studies under way beside them.
    pub stat_jobs_at_once: u16,
    /// Studies read and decoded at the same time.
    pub decoders: usize,
    /// Address space of a process that reads files, in bytes.
    pub decoder_memory_bytes: u64,
    /// How long the reading of one file may take.
    pub decoder_timeout: Duration,
    /// Pictures scored together on a GPU.
    pub max_batch: usize,
    /// How long a picture waits for others.
    pub max_wait: Duration,
    /// How long the device may take for one answer.
    pub device_timeout: Duration,
    /// Bytes of studies under way.
    pub memory_bytes: u64,
    /// A larger study is refused, in bytes.
    pub max_study_bytes: u64,
    /// Below this much free disk, in bytes, intake pauses.
    pub min_free_disk_bytes: u64,
    /// Above so many undelivered reports, intake pauses.
    pub max_undelivered: u64,
    /// Time to finish after SIGTERM.
    pub grace: Duration,
    /// A request that stopped its worker so often is failed and dead-lettered.
    pub poison_after: u32,
    /// A report that cannot be delivered for so long fails.
    pub deliver_for: Duration,
    /// A refusal that a person can resolve is held for so long, then it goes out.
    pub hold_for: Duration,
    /// A worker that is silent for so long loses its jobs.
    pub lease: Duration,
}

/// What is served over HTTP.
#[derive(Debug, Clone, Default)]
pub struct HttpConfig {
    /// Address to listen on; nothing is served without one.
    pub listen: Option<std::net::SocketAddr>,
    /// Token of `POST /intake/orthanc`; without one there is no such place.
    pub intake_token: Option<Secret>,
}

/// An Orthanc whose changes are polled.
#[derive(Debug, Clone)]
pub struct OrthancConfig {
    /// Base URL.
    pub url: String,
    /// User and password of HTTP basic authentication.
    pub login: Option<(String, Secret)>,
    /// PEM file of the authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The configured source that its studies are read from.
    pub source: Name,
    /// Pause between polls.
    pub poll: Duration,
    /// Where the first poll begins.
    pub begin: Begin,
}

/// Where the polling of an Orthanc begins that was never polled before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// With what becomes stable from now on: an archive is not analysed whole because somebody wrote its URL down.
    #[default]
    Now,
    /// With the first change that Orthanc remembers.
    Oldest,
}

/// How logs and traces are written.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    /// JSON lines instead of text.
    pub json: bool,
    /// OTLP over HTTP endpoint for traces.
    pub otlp_url: Option<String>,
    /// PEM file of the authority to trust for it instead of the system's.
    pub ca_file: Option<PathBuf>,
}
