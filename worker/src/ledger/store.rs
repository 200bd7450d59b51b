//! Reads and writes the ledger's file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};

use super::LedgerError;
use super::row::{Accepted, Job, JobRow, NewJob, ReportBytes, parse_state, read_job};
use super::sqlite::holder::{self, Holder};
use super::sqlite::migrations::MIGRATIONS;
use super::state::JobState;
use crate::lane::Lane;

/// How long a write waits for another process's write, in milliseconds.
const BUSY_TIMEOUT_MS: u64 = 30_000;

/// How long a lease is good for when its holder lives, in milliseconds.
const LEASE_MS: i64 = 15 * 60 * 1_000;

/// The jobs that are not terminal, oldest first; all of them, or the one with the key.
const OPEN_JOBS: &str = "SELECT sequence, lease_holder, lease_until_ms FROM job
     WHERE state IN ('accepted', 'leased', 'composed') AND (:job_key IS NULL OR job_key = :job_key)
     ORDER BY sequence";

/// A failed job starts anew; its model output, if it got that far, is kept.
const RETRY_FAILED: &str = "UPDATE job SET state = 'accepted', attempts = 0, request = :request, ends = NULL,
     outcome = NULL, bundle = NULL, html = NULL, lease_holder = NULL, lease_until_ms = NULL
     WHERE job_key = :job_key";

/// A superseded version that is asked for again becomes the newest: its stored report is delivered once more.
const REVIVE_SUPERSEDED: &str = "UPDATE job SET sequence = (SELECT max(sequence) + 1 FROM job), attempts = 0,
     state = CASE WHEN html IS NULL THEN 'accepted' ELSE 'composed' END, request = :request,
     lease_holder = NULL, lease_until_ms = NULL
     WHERE job_key = :job_key";

/// The open ledger of one process.
#[derive(Debug)]
pub struct FileLedger {
    connection: Connection,
    workers: PathBuf,
    holder: Holder,
}

impl FileLedger {
    /// Opens, and where needed makes, the ledger in `folder`.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let fail = |source| LedgerError::Open { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(fail)?;
        let workers = folder.join("workers");
        let holder = Holder::register(&workers).map_err(fail)?;
        let mut connection = Connection::open(folder.join("ledger.sqlite")).map_err(database("be opened"))?;
        connection
            .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
            .map_err(database("set its time-out"))?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
            .map_err(database("be set to durable writes"))?;
        MIGRATIONS.to_latest(&mut connection).map_err(|error| LedgerError::Schema(Box::new(error)))?;
        Ok(Self { connection, workers, holder })
    }

    /// Accepts `job` once. The row is durable when this returns. A job that ended as failed is accepted anew, and so is
    /// one that was superseded: asking for it again makes it the newest version.
    pub fn accept(&mut self, job: &NewJob) -> Result<Accepted, LedgerError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(database("begin to accept a job"))?;
        let before: Option<String> = transaction
            .query_row("SELECT state FROM job WHERE job_key = ?1", [&job.job_key], |row| row.get(0))
            .optional()
            .map_err(database("look up a job"))?;
        let accepted = match before.and_then(|state| state.parse().ok()) {
            None => {
                transaction
                    .execute(
                        "INSERT INTO job (job_key, report_key, study_uid, request, accepted_at, state)
                         VALUES (:job_key, :report_key, :study_uid, :request, :accepted_at, 'accepted')",
                        named_params! {":job_key": job.job_key, ":report_key": job.report_key,
                        ":study_uid": job.study_uid, ":request": job.request, ":accepted_at": job.accepted_at},
                    )
                    .map_err(database("accept a job"))?;
                Accepted::New
            }
            Some(state @ (JobState::Failed | JobState::Superseded)) => {
                let sql = if state == JobState::Failed { RETRY_FAILED } else { REVIVE_SUPERSEDED };
                transaction
                    .execute(sql, named_params! {":job_key": job.job_key, ":request": job.request})
                    .map_err(database("accept a job again"))?;
                Accepted::New
            }
            Some(state) => Accepted::Before(state),
        };
        transaction.commit().map_err(database("accept a job"))?;
        Ok(accepted)
    }

    /// Leases the oldest job that waits, or whose worker died or overstayed. `None` when there is none.
    pub fn lease_next(&mut self, now_ms: i64) -> Result<Option<Job>, LedgerError> {
        self.lease(None, now_ms)
    }

    /// Leases the job with this key, if it is to be had.
    pub fn lease_key(&mut self, job_key: &str, now_ms: i64) -> Result<Option<Job>, LedgerError> {
        self.lease(Some(job_key), now_ms)
    }

    fn lease(&mut self, job_key: Option<&str>, now_ms: i64) -> Result<Option<Job>, LedgerError> {
        let (workers, holder) = (&self.workers, self.holder.token());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(database("begin a lease"))?;
        let free = {
            let mut statement = transaction.prepare(OPEN_JOBS).map_err(database("look for a job"))?;
            let mut rows =
                statement.query(named_params! {":job_key": job_key}).map_err(database("look for a job"))?;
            let mut free = None;
            while let Some(row) = rows.next().map_err(database("look for a job"))? {
                let (sequence, by, until): (i64, Option<String>, Option<i64>) =
                    (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().map_err(database("read a job"))?;
                // A lease of our own is a job that this process could not finish: it is for the next process.
                let held = by.is_some_and(|by| {
                    by == holder
                        || (until.is_some_and(|until| until > now_ms) && holder::is_alive(workers, &by))
                });
                if !held {
                    free = Some(sequence);
                    break;
                }
            }
            free
        };
        let Some(sequence) = free else { return Ok(None) };
        let job = transaction
            .query_row(
                "UPDATE job SET attempts = attempts + 1, lease_holder = :holder, lease_until_ms = :until,
                 state = CASE state WHEN 'composed' THEN 'composed' ELSE 'leased' END
                 WHERE sequence = :sequence RETURNING *",
                named_params! {":holder": holder, ":until": now_ms + LEASE_MS, ":sequence": sequence},
                read_job,
            )
            .map_err(database("lease a job"))?;
        transaction.commit().map_err(database("lease a job"))?;
        Ok(Some(job))
    }

    /// Stores the model output of `job`, once: a later attempt builds its report from it.
    pub fn store_model_output(&mut self, job: &Job, model_output: &str) -> Result<(), LedgerError> {
        self.update_leased(
            job,
            "store the model output",
            "UPDATE job SET model_output = :text WHERE job_key = :job_key AND lease_holder = :holder",
            model_output,
        )
    }

    /// Stores report bytes and outcome in one transaction. From here on, only delivery is left.
    pub fn store_report(&mut self, job: &Job, report: &ReportBytes) -> Result<(), LedgerError> {
        let changed = self
            .connection
            .execute(
                "UPDATE job SET state = 'composed', ends = :ends, outcome = :outcome, bundle = :bundle, html = :html
                 WHERE job_key = :job_key AND lease_holder = :holder",
                named_params! {":ends": report.ends.as_str(), ":outcome": report.outcome, ":bundle": report.bundle, ":html": report.html,
                ":job_key": job.job_key, ":holder": self.holder.token()},
            )
            .map_err(database("store a report"))?;
        require_lease(changed, job)
    }

    /// True when a newer version of the same report is already composed or delivered: this one must not overwrite it.
    pub fn is_superseded(&self, job: &Job) -> Result<bool, LedgerError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM job WHERE report_key = ?1 AND sequence > ?2
                 AND state IN ('composed', 'reported', 'refused'))",
                (&job.report_key, job.sequence),
                |row| row.get(0),
            )
            .map_err(database("look for newer versions"))
    }

    /// Settles a delivered job: it takes its terminal state, and older versions of its report become superseded.
    pub fn settle(&mut self, job: &Job, ends: JobState) -> Result<(), LedgerError> {
        debug_assert!(ends.is_terminal(), "a job is settled in a terminal state");
        let holder = self.holder.token();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(database("begin to settle a job"))?;
        let changed = transaction
            .execute(
                "UPDATE job SET state = ?1, lease_holder = NULL, lease_until_ms = NULL
                 WHERE job_key = ?2 AND lease_holder = ?3",
                (ends.as_str(), &job.job_key, holder),
            )
            .map_err(database("settle a job"))?;
        require_lease(changed, job)?;
        if ends != JobState::Superseded {
            transaction
                .execute(
                    "UPDATE job SET state = 'superseded' WHERE report_key = ?1 AND sequence < ?2
                     AND state IN ('reported', 'refused', 'failed')",
                    (&job.report_key, job.sequence),
                )
                .map_err(database("mark older versions"))?;
        }
        transaction.commit().map_err(database("settle a job"))
    }

    /// The stored report of a job, in whatever state it is.
    pub fn report(&self, job_key: &str) -> Result<Option<ReportBytes>, LedgerError> {
        self.connection
            .query_row("SELECT * FROM job WHERE job_key = ?1", [job_key], read_job)
            .optional()
            .map(|job| job.and_then(|job| job.composed))
            .map_err(database("read a report"))
    }

    /// All jobs in order of acceptance.
    pub fn jobs(&self) -> Result<Vec<JobRow>, LedgerError> {
        let mut statement = self
            .connection
            .prepare("SELECT job_key, study_uid, state, accepted_at, attempts, report_key, outcome FROM job ORDER BY sequence")
            .map_err(database("list its jobs"))?;
        statement
            .query_map([], |row| {
                Ok(JobRow {
                    job_key: row.get(0)?,
                    study_uid: row.get(1)?,
                    state: parse_state(&row.get::<_, String>(2)?)?,
                    accepted_at: row.get(3)?,
                    attempts: row.get(4)?,
                    report_key: row.get(5)?,
                    lane: Lane::Routine,
                    resting: None,
                    outcome: row.get(6)?,
                })
            })
            .and_then(Iterator::collect)
            .map_err(database("list its jobs"))
    }

    fn update_leased(&self, job: &Job, act: &'static str, sql: &str, text: &str) -> Result<(), LedgerError> {
        let changed = self
            .connection
            .execute(
                sql,
                named_params! {":text": text, ":job_key": job.job_key, ":holder": self.holder.token()},
            )
            .map_err(database(act))?;
        require_lease(changed, job)
    }
}

fn require_lease(changed: usize, job: &Job) -> Result<(), LedgerError> {
    if changed == 1 { Ok(()) } else { Err(LedgerError::LeaseLost { job_key: job.job_key.clone() }) }
}

fn database(act: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError {
    move |source| LedgerError::Database { act, source: Box::new(source) }
}
