//! What a message on the queue asks for. The wire form is a CloudEvents envelope; other systems' messages
//! are turned into it at the edge.
//!
//! Messages are untrusted. They name sources, records and targets by the names of the site's configuration, never by
//! URL, path or credential, and carry no patient data beyond the Study Instance UID.

pub mod adapters;
pub mod envelope;
mod fields;
mod json;
pub mod status;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::fmt;
use std::str::FromStr;

use dicom_ingest::uid::Uid;
use jiff::Timestamp;

use crate::lane::Lane;

use adapters::AdapterMapping;
use adapters::orthanc::OrthancStudy;
use fields::Fields;

/// The most bytes a message may have.
pub const MAX_BYTES: usize = 64 * 1024;

/// A valid request: read this study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// CloudEvents `id`: names the request in traces and status events; not the job's key.
    pub id: String,
    /// CloudEvents `time`: when the request was made. The report is dated by it, so a redelivery changes nothing.
    pub time: Timestamp,
    /// The study.
    pub study_uid: Uid,
    /// The configured source that holds it; `None` for the site's default.
    pub source: Option<Name>,
    /// The configured source of the patient's record; `None` for the site's default.
    pub record: Option<Name>,
    /// The configured targets of the report; empty for the site's defaults.
    pub targets: Vec<Name>,
    /// The pipeline that is asked for; `None` lets the site choose.
    pub pipeline: Option<Name>,
    /// Which lane it belongs on, from its priority.
    pub lane: Lane,
    /// What to do with the report.
    pub mode: Mode,
    /// How many instances the study has, where the asker knows: fewer means that it is not complete yet.
    pub expected_instances: Option<u32>,
    /// The asker's own name for the whole undertaking (MONAI's `correlation_id`), echoed in status events.
    pub correlation_id: Option<String>,
}

/// What to do with the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Deliver it to the targets.
    #[default]
    Clinical,
    /// Make and keep it in the ledger, deliver nothing: a candidate beside the system in use.
    Shadow,
}

/// A name from the site's configuration: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_`, `-`, beginning with a letter or digit. It
/// cannot be a path or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text is not a [`Name`].
#[derive(Debug, thiserror::Error)]
#[error("a name has 1 to 64 letters, digits, `_` or `-`, and begins with a letter or digit")]
pub struct BadName;

impl Name {
    /// The name of the folder that a caller gave with `--out`, in messages about it.
    pub fn out() -> Self {
        Self("out".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if fits && begins && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message is refused: it goes to the dead-letter queue with this. No text repeats a value of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct MessageRefusal {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong and where, in one sentence.
    pub reason: String,
}

fn refusal(code: &'static str, reason: String) -> MessageRefusal {
    MessageRefusal { code, reason }
}

/// What a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A request.
    Request(JobRequest),
    /// A study that Orthanc must name first.
    OrthancStudy(OrthancStudy),
}

/// Reads a body in any of the forms that are known, native or of another system.
///
/// `now` bounds the message's time, and is the time of a message that states none. Such a message has another time when
/// it is read again; the ledger keeps the time of the first acceptance, so the report does not change.
pub fn recognise(body: &[u8], now: Timestamp, mapping: &AdapterMapping) -> Result<Incoming, MessageRefusal> {
    let message = Fields::root(json::parse(body)?)
        .ok_or_else(|| refusal("NotCloudEvents", "the message is no JSON object".to_owned()))?;
    adapters::read(message, body, now, mapping)
}

/// Reads a body that must be a request by itself; one that Orthanc must complete first is refused.
pub fn read(body: &[u8], now: Timestamp, mapping: &AdapterMapping) -> Result<JobRequest, MessageRefusal> {
    match recognise(body, now, mapping)? {
        Incoming::Request(request) => Ok(request),
        Incoming::OrthancStudy(_) => Err(refusal(
            "OrthancUnknown",
            "the event names a study by Orthanc's own identifier, and no Orthanc is configured that could say which it is"
                .to_owned(),
        )),
    }
}

/// The W3C trace context of a native message, where it states one in its envelope.
pub fn trace_parent(body: &[u8]) -> Option<String> {
    let message = Fields::root(json::parse(body).ok()?)?;
    message.peek("traceparent").and_then(words::trace_parent)
}

/// A time of another system's clock as a request may state it: `now` where it is so far off that a reader would refuse it.
pub fn plausible_or_now(time: Timestamp, now: Timestamp) -> Timestamp {
    words::plausible(time, now, "time").unwrap_or(now)
}

/// Whether a text can be an id or a correlation id: 1 to 128 letters, digits, `.`, `_`, `:` or `-`, beginning with a letter
/// or digit.
pub fn is_token(text: &str) -> bool {
    words::token(text).is_some()
}
