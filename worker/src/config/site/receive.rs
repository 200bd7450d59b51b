//! What `chiasm receive` does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::DicomwebConfig;
use crate::message::Name;

/// How studies are received over DICOM.
#[derive(Debug, Clone)]
pub struct ReceiveConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The configured source, a folder, that received studies belong to.
    pub source: Name,
    /// The folder of that source.
    pub folder: PathBuf,
    /// How connections are encrypted; `None`: they are not.
    pub tls: Option<ReceiveTls>,
    /// Application entity titles that it answers to.
    pub called_aes: Vec<String>,
    /// Who may call.
    pub calling_aes: Callers,
    /// A study without a new instance for so long is released.
    pub quiet: Duration,
    /// A study is released so long after its first instance, whatever still comes.
    pub longest: Duration,
    /// Who is asked how many instances a study has; `None`: time alone says when one is whole.
    pub count_from: Option<CountFrom>,
    /// So much longer than `quiet` a study waits of which the archive states more than is here.
    pub count_patience: Duration,
    /// An association that is silent for so long is aborted.
    pub idle: Duration,
    /// Associations at once.
    pub max_associations: usize,
    /// Longest PDU that is taken, in bytes.
    pub max_pdu_bytes: u32,
    /// A larger instance is refused, in bytes.
    pub max_instance_bytes: u64,
    /// With less free disk than this, in bytes, instances are refused.
    pub min_free_disk_bytes: u64,
    /// A study whose last instance came so long ago is removed, once it was released; `None`: never.
    pub keep: Option<Duration>,
    /// Where probes and metrics are served.
    pub http_listen: Option<SocketAddr>,
}

/// The archive that states how many instances a study has.
#[derive(Debug, Clone)]
pub struct CountFrom {
    /// Its name among the sources.
    pub source: Name,
    /// How to reach it.
    pub server: DicomwebConfig,
}

/// How the receiver shows who it is, and whom it believes. All files are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveTls {
    /// Its certificate and those that lead to its authority.
    pub certificate_file: PathBuf,
    /// The certificate's key.
    pub key_file: PathBuf,
    /// The authority that the certificates of callers are of; `None`: callers need none.
    pub client_ca_file: Option<PathBuf>,
}

/// Which application entities may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    /// Any.
    Any,
    /// These.
    These(Vec<String>),
}
