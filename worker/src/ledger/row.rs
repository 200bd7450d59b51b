//! The rows of the ledger: jobs to accept, jobs under lease, and the bytes of a report.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::hold::Hold;
use super::state::JobState;
use crate::job::hex;
use crate::lane::Lane;

/// Starts of a job beside others. Where its worker died in them, any of the jobs under way may have been the cause; from
/// the next start on it runs alone.
const STARTS_BESIDE_OTHERS: u32 = 2;

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
    /// Report bytes of an earlier attempt that were not yet delivered.
    pub composed: Option<ReportBytes>,
    /// Since when they wait for their delivery.
    pub composed_at: Option<Timestamp>,
    /// How often their delivery was put off.
    pub deferrals: u32,
    /// Keeps the lease renewed.
    #[expect(dead_code, reason = "only its life counts")]
    pub(super) hold: Hold,
}

impl Job {
    /// Whether the job was begun so often without an end that it may be what stops its worker: it runs alone then.
    pub fn is_suspect(&self) -> bool {
        self.attempts > STARTS_BESIDE_OTHERS && self.composed.is_none()
    }

    /// Whether the job stopped its worker `poison_after` times alone: it is given to a human instead of being tried again.
    pub fn is_poison(&self, poison_after: u32) -> bool {
        self.attempts > STARTS_BESIDE_OTHERS.saturating_add(poison_after)
    }
}

/// How a version of a report stands to the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether the report of a newer version is composed or delivered: this one must not overwrite it.
    pub is_superseded: bool,
    /// Whether some target may hold the report of an earlier version ([`JobRow::may_lie_somewhere`]).
    pub has_earlier: bool,
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
    /// The DICOM structured report, where one is written.
    pub sr: Option<Vec<u8>>,
    /// The picture with its overlay as a DICOM image, where one is written: what the ledger stores of it, or for its targets the
    /// file ([`crate::report::overlay`]).
    pub overlay: Option<Vec<u8>>,
    /// What the model outlines as a DICOM segmentation, where one is written.
    pub segmentation: Option<Vec<u8>>,
}

impl ReportBytes {
    /// What the audit trail says of them and of the model output they were made from: state and SHA-256 digests.
    pub(super) fn digests(&self, model_output: Option<&str>) -> String {
        let mut detail = format!("{} html={}", self.ends, hex(&Sha256::digest(&self.html)));
        let others = [
            ("bundle", self.bundle.as_deref()),
            ("sr", self.sr.as_deref()),
            ("overlay", self.overlay.as_deref()),
            ("segmentation", self.segmentation.as_deref()),
            ("model_output", model_output.map(str::as_bytes)),
        ];
        for (name, bytes) in others {
            if let Some(bytes) = bytes {
                detail = format!("{detail} {name}={}", hex(&Sha256::digest(bytes)));
            }
        }
        detail
    }
}

/// Why a job ends otherwise than its report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedWhy<'a> {
    /// A stable code, such as that of a delivery that failed for good.
    pub code: &'a str,
    /// One sentence for people, without patient data.
    pub reason: &'a str,
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
    /// Why it rests, where its delivery was put off, or is held: a stable code.
    pub resting: Option<String>,
    /// Until when it rests or is held.
    pub rests_until: Option<Timestamp>,
    /// Why it ended otherwise than its report says: a stable code, such as `Cancelled`.
    pub ended_code: Option<String>,
    /// The same in one sentence, such as the codes and places of a server's issues; without patient data.
    pub ended_reason: Option<String>,
    /// The stored outcome, one JSON line, once the report is composed.
    pub outcome: Option<String>,
}

impl JobRow {
    /// Whether some target may hold the report of this job, or hold it no longer because a newer version took its place.
    pub fn may_lie_somewhere(&self) -> bool {
        self.outcome.is_some() && self.state != JobState::Held
    }
}

/// What happened to a job, once and for good.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AuditEntry {
    /// When, RFC 3339.
    pub at: String,
    /// The worker.
    pub actor: String,
    /// What happened: `accepted`, `composed`, `held`, `released`, `deferred`, `settled`,
    /// `superseded`, `widened`, `withdrawn`, `retried`, `cancelled`.
    pub event: String,
    /// State or code and reason, and SHA-256 digests of what was stored; no patient data.
    pub detail: String,
}
