//! The rows of the ledger: jobs to accept, jobs under lease, and the bytes of a report.

use jiff::Timestamp;
use rusqlite::Row;

use super::state::JobState;
use crate::lane::Lane;

/// How often a job may be started before it is given to a human: a job that kills its worker this often is poison.
const MAX_ATTEMPTS: u32 = 20;

/// A job to accept.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The job key J: one version of one report.
    pub job_key: String,
    /// The report key R: versions chain under it.
    pub report_key: String,
    /// Which lane it came on.
    pub lane: Lane,
    /// StudyInstanceUID.
    pub study_uid: String,
    /// What to read and where to write, as JSON of [`crate::job::Request`].
    pub request: String,
    /// When the job was accepted, RFC 3339.
    pub accepted_at: String,
}

/// What became of an offer to accept a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The job is new and durable now.
    New,
    /// A job with this key was accepted before; it stands in this state.
    Before(JobState),
}

/// A job under this worker's lease.
#[derive(Debug, Clone)]
pub struct Job {
    /// Order of acceptance.
    pub sequence: i64,
    /// The fencing token of this lease; a later lease has a greater one.
    pub fence: i64,
    /// Which lane it came on.
    pub lane: Lane,
    /// The job key J.
    pub job_key: String,
    /// The report key R.
    pub report_key: String,
    /// StudyInstanceUID.
    pub study_uid: String,
    /// JSON of [`crate::job::Request`].
    pub request: String,
    /// When the job was accepted, RFC 3339.
    pub accepted_at: String,
    /// How often it was started, this time included.
    pub attempts: u32,
    /// The model output of an earlier attempt, as JSON.
    pub model_output: Option<String>,
    /// When its report was composed, if it was.
    pub composed_at: Option<Timestamp>,
    /// How often its delivery was put off.
    pub deferrals: u32,
    /// Report bytes of an earlier attempt that were not yet delivered.
    pub composed: Option<ReportBytes>,
}

impl Job {
    /// True when this job was started too often: it is given to a human instead of being tried again.
    pub fn is_poison(&self) -> bool {
        self.attempts > MAX_ATTEMPTS
    }
}

/// The bytes of one report with its machine-readable outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportBytes {
    /// The terminal state the job takes once the bytes are delivered.
    pub ends: JobState,
    /// One JSON line without file paths and timings, see [`crate::outcome`].
    pub outcome: String,
    /// The FHIR bundle, where one is written.
    pub bundle: Option<Vec<u8>>,
    /// The page.
    pub html: Vec<u8>,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only jobs in one of these states; empty for all.
    pub states: Vec<JobState>,
    /// Only the newest so many, still in order of acceptance.
    pub last: Option<usize>,
}

/// One row for people to look at.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// The job key J.
    pub job_key: String,
    /// The report key R.
    pub report_key: String,
    /// Which lane it came on.
    pub lane: Lane,
    /// StudyInstanceUID.
    pub study_uid: String,
    /// Where the job stands.
    pub state: JobState,
    /// When it was accepted, RFC 3339.
    pub accepted_at: String,
    /// How often it was started.
    pub attempts: u32,
    /// Why it rests, where its delivery was put off: a stable code.
    pub resting: Option<String>,
    /// The stored outcome, one JSON line, once the report is composed.
    pub outcome: Option<String>,
}

/// What happened to a job, once and for good.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// When, RFC 3339.
    pub at: String,
    /// The worker.
    pub actor: String,
    /// What happened: `accepted`, `composed`, `deferred`, `settled`, `superseded`, `retried`, `cancelled`.
    pub event: String,
    /// State or code, and SHA-256 digests of what was stored; no patient data.
    pub detail: String,
}

pub(super) fn parse_state(text: &str) -> rusqlite::Result<JobState> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn read_job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let ends: Option<String> = row.get("ends")?;
    let outcome: Option<String> = row.get("outcome")?;
    let html: Option<Vec<u8>> = row.get("html")?;
    let composed = match (ends, outcome, html) {
        (Some(ends), Some(outcome), Some(html)) => {
            Some(ReportBytes { ends: parse_state(&ends)?, outcome, bundle: row.get("bundle")?, html })
        }
        _ => None,
    };
    Ok(Job {
        sequence: row.get("sequence")?,
        fence: row.get("attempts")?,
        lane: Lane::Routine,
        job_key: row.get("job_key")?,
        report_key: row.get("report_key")?,
        study_uid: row.get("study_uid")?,
        request: row.get("request")?,
        accepted_at: row.get("accepted_at")?,
        attempts: row.get("attempts")?,
        model_output: row.get("model_output")?,
        composed_at: None,
        deferrals: 0,
        composed,
    })
}
