//! The ledger: one row a job. Job table and outbox of every worker.
//!
//! A job is accepted once (its key is unique), leased by one worker at a time under a fencing token that only grows,
//! and its model output, report bytes and audit entry are stored in one transaction. Only after delivery does it reach
//! its terminal state. Killing the process between any two of these steps leaves a row from which the next worker
//! goes on. SQLite (`synchronous=FULL`) serves one machine, PostgreSQL many; the same tests run on both.

mod hold;
mod postgres;
mod redelivery;
mod row;
pub(crate) mod sqlite;
mod state;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::site::LedgerConfig;

pub use postgres::PostgresLedger;
pub use row::{Accepted, AuditEntry, EndedWhy, Job, JobFilter, JobRow, NewJob, ReportBytes, Standing};
pub use sqlite::SqliteLedger;
pub use sqlite::holder::Holder;
pub use state::{JobState, UnknownState};

/// How long the database may take to answer whether it is there.
const REACH_WITHIN: Duration = Duration::from_millis(900);

/// Opens the ledger that is configured; a file lies in the folder `state`. A lease is good for `lease` when its worker
/// lives.
pub async fn open(
    config: &LedgerConfig,
    state: &Path,
    lease: Duration,
) -> Result<Arc<dyn Ledger>, LedgerError> {
    Ok(match config {
        LedgerConfig::Sqlite => Arc::new(SqliteLedger::open(state, lease)?),
        LedgerConfig::Postgres(config) => Arc::new(Box::pin(PostgresLedger::open(config, lease)).await?),
    })
}

/// Why the ledger could not do what was asked. No text holds a secret or patient data.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder of the ledger could not be made or written.
    #[error("could not open the ledger in `{folder}`; check that the folder exists and is writable")]
    Open {
        /// The folder that holds the ledger.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused or failed, or cannot be reached; trying again later can help.
    #[error("the ledger could not {act}")]
    Database {
        /// What was tried.
        act: &'static str,
        /// What the database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was written by a newer version, or a migration failed.
    #[error(
        "the ledger's schema does not fit this version of chiasm; use the version that wrote it or a newer one"
    )]
    Schema(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The configuration of the database cannot be used.
    #[error("the ledger cannot be used: {reason}")]
    Unusable {
        /// What is wrong and what to do.
        reason: String,
    },
    /// No job has this key.
    #[error("no job of the ledger has the key `{job_key}`; `chiasm jobs list` shows those that are there")]
    UnknownJob {
        /// The key that was asked for.
        job_key: String,
    },
    /// The lease was lost: another worker owns the job now.
    #[error("the lease of job `{job_key}` was lost to another worker")]
    LeaseLost {
        /// The job's key.
        job_key: String,
    },
    /// The job is in a state in which this cannot be done.
    #[error("job `{job_key}` is {state}: {why}")]
    WrongState {
        /// The job's key.
        job_key: String,
        /// Where it stands.
        state: JobState,
        /// What can be done instead.
        why: &'static str,
    },
}

/// The ledger of a site.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Counts one more start of what a queue delivered, before anything of it is read, and gives the count: a message
    /// that stops its worker each time is seen here. `arrival` is a digest of the message.
    async fn begin(&self, arrival: &str) -> Result<u32, LedgerError>;

    /// Forgets the starts of a delivery that was settled or handed back.
    async fn forget(&self, arrival: &str) -> Result<(), LedgerError>;

    /// Accepts `job` once. The row is durable when this returns. A job that ended as failed is accepted anew, and so is
    /// one that was superseded: asking for it again makes it the newest version. One that was withdrawn is not.
    async fn accept(&self, job: &NewJob) -> Result<Accepted, LedgerError>;

    /// A job whose request still is `before` and that nobody has in hand gets the request `wide`: its report is to go to
    /// more places. One that ended with a report is delivered again, with the same bytes. True when it did; false where
    /// somebody has it in hand, the request is another by now, or the version ended otherwise or was withdrawn.
    async fn widen(&self, job_key: &str, before: &str, wide: &str) -> Result<bool, LedgerError>;

    /// Leases the next job that waits, or whose worker died or overstayed: STAT first, then the oldest. A job that rests
    /// ([`Ledger::defer`]) is left until its time, and one of which another version is under way until that one is done:
    /// a report has one writer. `None` when there is none.
    async fn lease_next(&self) -> Result<Option<Job>, LedgerError>;

    /// Leases the next job whose report is stored and only waits for its delivery, in the same order: while intake pauses.
    async fn lease_stored(&self) -> Result<Option<Job>, LedgerError>;

    /// Leases the job with this key, if it is to be had; a resting one too.
    async fn lease_key(&self, job_key: &str) -> Result<Option<Job>, LedgerError>;

    /// Extends the leases of all jobs that this worker still has in hand: of which a copy of the [`Job`] exists. A heartbeat
    /// calls it several times a lease.
    async fn renew_leases(&self) -> Result<(), LedgerError>;

    /// Stores model output, report bytes, outcome and an audit entry in one transaction, and says how the job stands to the
    /// other versions of its report then. From here on, only delivery is left. Fenced: [`LedgerError::LeaseLost`] when the job
    /// was leased to another worker since.
    async fn store_report(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Result<Standing, LedgerError>;

    /// Stores what [`Ledger::store_report`] does and gives the job up at once: it is held for a person, for as long as `lasts`
    /// at most, because of `why`, a stable code. Then, and when a person lets it go, its delivery is due. Fenced.
    async fn store_held(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
        why: &str,
        lasts: Duration,
    ) -> Result<(), LedgerError>;

    /// A held job's report is delivered from now on. [`LedgerError::WrongState`] for another state.
    async fn let_go(&self, job_key: &str) -> Result<(), LedgerError>;

    /// How a job stands to the other versions of its report.
    async fn standing(&self, job: &Job) -> Result<Standing, LedgerError>;

    /// True when a newer version of the same report is already composed or delivered: this one must not overwrite it.
    async fn is_superseded(&self, job: &Job) -> Result<bool, LedgerError> {
        Ok(self.standing(job).await?.is_superseded)
    }

    /// Gives a composed job back until `after` has passed, because a target cannot be reached; `why` is a stable code.
    /// Does not count as a start. Fenced.
    async fn defer(&self, job: &Job, after: Duration, why: &str) -> Result<(), LedgerError>;

    /// Gives a job back at once, as it is, because this worker stops. Does not count as a start. Fenced; a lease that is
    /// lost already is no error.
    async fn release(&self, job: &Job) -> Result<(), LedgerError>;

    /// Settles a job: it takes its terminal state, with an audit entry, and older versions of its report become superseded.
    /// `why` says why it ended otherwise than its report says, such as a delivery that failed for good; its report is at
    /// no target then, and older versions stay what they are. Fenced.
    async fn settle(&self, job: &Job, ends: JobState, why: Option<EndedWhy<'_>>) -> Result<(), LedgerError>;

    /// The newest version of a report that is composed or ended with a report, as it is stored: for a worker that lost
    /// its lease while it delivered an older version, and for `replay`.
    async fn newest(&self, report_key: &str) -> Result<Option<Job>, LedgerError>;

    /// All versions of a report, in order of acceptance; one that is accepted anew after it was superseded is the last.
    async fn versions(&self, report_key: &str) -> Result<Vec<JobRow>, LedgerError>;

    /// The job with this key as it is stored, in whatever state it is, held by nobody here: for `recall` and `replay`.
    async fn stored(&self, job_key: &str) -> Result<Option<Job>, LedgerError>;

    /// Takes the version `of` of a report back: stores `withdrawal`, another version of the same report that nobody analyses,
    /// with its report, ready for its delivery, in one transaction with the audit entries. True when it did; false where it is
    /// stored already, or where another version took or is about to take the place of `of`. From then on `of` is never
    /// accepted anew.
    async fn withdraw(
        &self,
        of: &str,
        withdrawal: &NewJob,
        report: &ReportBytes,
    ) -> Result<bool, LedgerError>;

    /// The stored report of a job, in whatever state it is.
    async fn report(&self, job_key: &str) -> Result<Option<ReportBytes>, LedgerError>;

    /// Jobs in order of acceptance.
    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError>;

    /// The job whose key begins with `prefix`, and its audit entries, oldest first. `None` when none or several do.
    async fn job(&self, prefix: &str) -> Result<Option<(JobRow, Vec<AuditEntry>)>, LedgerError>;

    /// Number of jobs in each state; states without a job may be left out.
    async fn counts(&self) -> Result<BTreeMap<JobState, u64>, LedgerError>;

    /// How long the oldest composed job has waited for its delivery, for metrics.
    async fn outbox_age(&self) -> Result<Option<Duration>, LedgerError>;

    /// A failed job is accepted anew: one whose report could only not be delivered is delivered with the same bytes, and
    /// every other is analysed again. [`LedgerError::WrongState`] for another state.
    async fn retry(&self, job_key: &str) -> Result<(), LedgerError>;

    /// A job that waits or is held ends as failed with the code `Cancelled`; one that is under way or ended cannot be cancelled.
    /// A report that was delivered and is to go to more places ([`Ledger::widen`]) goes to none of those, and its job ends again as
    /// it had.
    async fn cancel(&self, job_key: &str) -> Result<(), LedgerError>;

    /// Whether the database answers now, for readiness. Never blocks longer than a second.
    async fn is_reachable(&self) -> bool;
}

fn not_failed(job_key: &str, state: Option<JobState>) -> Result<(), LedgerError> {
    match state {
        Some(JobState::Failed) => Ok(()),
        Some(state @ JobState::Held) => Err(LedgerError::WrongState {
            job_key: job_key.to_owned(),
            state,
            why: "reading the same images again finds the same; `chiasm jobs release` lets its refusal go out",
        }),
        Some(state) => Err(LedgerError::WrongState {
            job_key: job_key.to_owned(),
            state,
            why: "only a failed job can be tried again; submit the study again for a new version",
        }),
        None => Err(LedgerError::UnknownJob { job_key: job_key.to_owned() }),
    }
}

fn not_held(job_key: &str, state: Option<JobState>) -> LedgerError {
    let job_key = job_key.to_owned();
    match state {
        Some(state) => LedgerError::WrongState { job_key, state, why: "only a held job can be let go" },
        None => LedgerError::UnknownJob { job_key },
    }
}

fn not_waiting(job_key: &str, state: Option<JobState>) -> LedgerError {
    let job_key = job_key.to_owned();
    match state {
        Some(state) if state.is_terminal() => {
            LedgerError::WrongState { job_key, state, why: "it has ended, and nothing is left to cancel" }
        }
        Some(state) => LedgerError::WrongState {
            job_key,
            state,
            why: "a worker has it under way; it ends by itself, or waits again when that worker is stopped",
        },
        None => LedgerError::UnknownJob { job_key },
    }
}

/// Whose turn it is.
#[derive(Debug, Clone)]
enum Turn {
    /// The next job's.
    Next,
    /// The next job's whose report is stored.
    Stored,
    /// The job's with this key.
    Key(String),
}
