//! The ledger: one row a job. Job table and outbox of every worker.
//!
//! A job is accepted once (its key is unique), leased by one worker at a time under a fencing token that only grows,
//! and its model output, report bytes and audit entry are stored in one transaction. Only after delivery does it reach
//! its terminal state. Killing the process between any two of these steps leaves a row from which the next worker
//! goes on. SQLite (`synchronous=FULL`) serves one machine, PostgreSQL many; the same tests run on both.

mod row;
mod sqlite;
mod state;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

pub use row::{Accepted, AuditEntry, Job, JobFilter, JobRow, NewJob, ReportBytes};
pub use sqlite::holder::Holder;
pub use state::{JobState, UnknownState};
pub use store::FileLedger;

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
    /// one that was superseded: asking for it again makes it the newest version.
    async fn accept(&self, job: &NewJob) -> Result<Accepted, LedgerError>;

    /// Leases the next job that waits, or whose worker died or overstayed: STAT first, then the oldest. A job that rests
    /// ([`Ledger::defer`]) is left until its time. `None` when there is none.
    async fn lease_next(&self) -> Result<Option<Job>, LedgerError>;

    /// Leases the job with this key, if it is to be had; a resting one too.
    async fn lease_key(&self, job_key: &str) -> Result<Option<Job>, LedgerError>;

    /// Extends all leases of this worker. A heartbeat calls it several times a lease.
    async fn renew_leases(&self) -> Result<(), LedgerError>;

    /// Stores model output, report bytes, outcome and an audit entry in one transaction. From here on, only delivery
    /// is left. Fenced: [`LedgerError::LeaseLost`] when the job was leased to another worker since.
    async fn store_report(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Result<(), LedgerError>;

    /// True when a newer version of the same report is already composed or delivered: this one must not overwrite it.
    async fn is_superseded(&self, job: &Job) -> Result<bool, LedgerError>;

    /// Gives a composed job back until `after` has passed, because a target cannot be reached; `why` is a stable code.
    /// Does not count as a start. Fenced.
    async fn defer(&self, job: &Job, after: Duration, why: &str) -> Result<(), LedgerError>;

    /// Gives a job back at once, as it is, because this worker stops. Does not count as a start. Fenced; a lease that is
    /// lost already is no error.
    async fn release(&self, job: &Job) -> Result<(), LedgerError>;

    /// Settles a delivered job: it takes its terminal state, with an audit entry, and older versions of its report
    /// become superseded. `why` is the code of what ended it, where that is not in its stored outcome: a target that refused
    /// the report. Fenced.
    async fn settle(&self, job: &Job, ends: JobState, why: Option<&str>) -> Result<(), LedgerError>;

    /// The newest version of a report that is composed or ended with a report, as it is stored: for a worker that lost
    /// its lease while it delivered an older version, and for `replay`.
    async fn newest(&self, report_key: &str) -> Result<Option<Job>, LedgerError>;

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

    /// A failed job is accepted anew. [`LedgerError::WrongState`] for another state.
    async fn retry(&self, job_key: &str) -> Result<(), LedgerError>;

    /// A job that waits ends as failed with the code `Cancelled`; one that is under way or ended cannot be cancelled.
    async fn cancel(&self, job_key: &str) -> Result<(), LedgerError>;

    /// Whether the database answers now, for readiness. Never blocks longer than a second.
    async fn is_reachable(&self) -> bool;
}
