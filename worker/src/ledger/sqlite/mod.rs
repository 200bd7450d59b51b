//! The ledger of one machine: one SQLite file, shared with the embedded queue.
//!
//! One connection writes and one reads, each behind a mutex and used on threads that may block. Every worker keeps a lock
//! file for as long as it lives, so that the leases of a killed worker are void at once, see [`holder`].

mod end;
pub(crate) mod file;
pub(crate) mod holder;
mod look;
pub(crate) mod migrations;
pub(crate) mod row;
mod take;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use self::end::Fenced;
use self::holder::Holder;
use super::hold::Holds;
use super::row::{Accepted, AuditEntry, EndedWhy, Job, JobFilter, JobRow, NewJob, ReportBytes, Standing};
use super::{JobState, Ledger, LedgerError, REACH_WITHIN, Turn, not_failed, not_held, not_waiting};

/// The ledger in a SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    workers: PathBuf,
    holder: Holder,
    lease: Duration,
    holds: Holds,
}

/// Who asks, when, and how long a lease of it is good for. Times in milliseconds since 1970.
struct Lessee {
    holder: String,
    now_ms: i64,
    lease_ms: i64,
}

impl Lessee {
    fn until_ms(&self) -> i64 {
        self.now_ms.saturating_add(self.lease_ms)
    }
}

impl SqliteLedger {
    /// Opens, and where needed makes, the ledger in `folder`. A lease is good for `lease` when its worker lives.
    pub fn open(folder: &Path, lease: Duration) -> Result<Self, LedgerError> {
        let writer = file::connect(folder)?;
        let reader = file::connect(folder)?;
        reader.pragma_update(None, "query_only", true).map_err(|source| LedgerError::Database {
            act: "open its file to read",
            source: Box::new(source),
        })?;
        let workers = folder.join(file::WORKERS);
        let holder = Holder::register(&workers)
            .map_err(|source| LedgerError::Open { folder: folder.to_owned(), source })?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(reader)),
            workers,
            holder,
            lease,
            holds: Holds::default(),
        })
    }

    fn lessee(&self) -> Lessee {
        Lessee {
            holder: self.holder.token().to_owned(),
            now_ms: Timestamp::now().as_millisecond(),
            lease_ms: millis(self.lease),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Connection, &Lessee) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let mut lessee = self.lessee();
        on(act, &self.writer, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // It may have waited for other writers.
            lessee.now_ms = Timestamp::now().as_millisecond();
            let done = work(&transaction, &lessee)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        on(act, &self.reader, move |connection| work(connection)).await
    }

    async fn lease(&self, turn: Turn) -> Result<Option<Job>, LedgerError> {
        let workers = self.workers.clone();
        let job = self
            .write("lease a job", move |connection, lessee| take::lease(connection, &turn, &workers, lessee))
            .await?;
        Ok(job.map(|job| Job { hold: self.holds.add(&job.job_key, job.fence), ..job }))
    }

    /// A fenced write that is false when the lease was lost.
    async fn fenced(
        &self,
        act: &'static str,
        job: &Job,
        work: impl FnOnce(&Connection, &Fenced, &Lessee) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<(), LedgerError> {
        let lease = Fenced { job_key: job.job_key.clone(), fence: job.fence };
        let kept = self.write(act, move |connection, lessee| work(connection, &lease, lessee)).await?;
        if kept { Ok(()) } else { Err(LedgerError::LeaseLost { job_key: job.job_key.clone() }) }
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn begin(&self, arrival: &str) -> Result<u32, LedgerError> {
        let arrival = arrival.to_owned();
        self.write("count a start", move |connection, lessee| {
            take::begin(connection, &arrival, lessee.now_ms)
        })
        .await
    }

    async fn forget(&self, arrival: &str) -> Result<(), LedgerError> {
        let arrival = arrival.to_owned();
        self.write("forget starts", move |connection, lessee| {
            take::forget(connection, &arrival, lessee.now_ms)
        })
        .await
    }

    async fn accept(&self, job: &NewJob) -> Result<Accepted, LedgerError> {
        let job = job.clone();
        self.write("accept a job", move |connection, lessee| take::accept(connection, &job, lessee)).await
    }

    async fn widen(&self, job_key: &str, before: &str, wide: &str) -> Result<bool, LedgerError> {
        let [job_key, before, wide] = [job_key, before, wide].map(str::to_owned);
        let workers = self.workers.clone();
        self.write("widen a request", move |connection, lessee| {
            take::free_void_leases(connection, &workers, lessee)?;
            take::widen(connection, &job_key, (&before, &wide), lessee)
        })
        .await
    }

    async fn lease_next(&self) -> Result<Option<Job>, LedgerError> {
        self.lease(Turn::Next).await
    }

    async fn lease_stored(&self) -> Result<Option<Job>, LedgerError> {
        self.lease(Turn::Stored).await
    }

    async fn lease_key(&self, job_key: &str) -> Result<Option<Job>, LedgerError> {
        self.lease(Turn::Key(job_key.to_owned())).await
    }

    async fn renew_leases(&self) -> Result<(), LedgerError> {
        let (job_keys, fences) = self.holds.wanted();
        if job_keys.is_empty() {
            return Ok(());
        }
        self.write("renew leases", move |connection, lessee| {
            take::renew(connection, &job_keys, &fences, lessee)
        })
        .await
    }

    async fn store_report(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Result<Standing, LedgerError> {
        let (model_output, report) = (model_output.map(str::to_owned), report.clone());
        self.fenced("store a report", job, move |connection, lease, lessee| {
            end::store_report(connection, lease, model_output.as_deref(), &report, lessee)
        })
        .await?;
        self.standing(job).await
    }

    async fn store_held(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
        why: &str,
        lasts: Duration,
    ) -> Result<(), LedgerError> {
        let (model_output, report) = (model_output.map(str::to_owned), report.clone());
        let (why, lasts_ms) = (why.to_owned(), millis(lasts));
        self.fenced("hold a report", job, move |connection, lease, lessee| {
            Ok(end::store_report(connection, lease, model_output.as_deref(), &report, lessee)?
                && end::hold(connection, lease, &why, lasts_ms, lessee)?)
        })
        .await
    }

    async fn let_go(&self, job_key: &str) -> Result<(), LedgerError> {
        let key = job_key.to_owned();
        let (gone, state) = self
            .write("let a report go", move |connection, lessee| {
                let state = look::state(connection, &key)?;
                Ok((end::let_go(connection, &key, lessee)?, state))
            })
            .await?;
        if gone { Ok(()) } else { Err(not_held(job_key, state)) }
    }

    async fn standing(&self, job: &Job) -> Result<Standing, LedgerError> {
        let job_key = job.job_key.clone();
        self.read("look for other versions", move |connection| look::standing(connection, &job_key)).await
    }

    async fn defer(&self, job: &Job, after: Duration, why: &str) -> Result<(), LedgerError> {
        let (after_ms, why) = (millis(after), why.to_owned());
        self.fenced("put a delivery off", job, move |connection, lease, lessee| {
            end::defer(connection, lease, after_ms, &why, lessee)
        })
        .await
    }

    async fn release(&self, job: &Job) -> Result<(), LedgerError> {
        let lease = Fenced { job_key: job.job_key.clone(), fence: job.fence };
        self.write("give a job back", move |connection, lessee| end::release(connection, &lease, lessee))
            .await
    }

    async fn settle(&self, job: &Job, ends: JobState, why: Option<EndedWhy<'_>>) -> Result<(), LedgerError> {
        debug_assert!(ends.is_terminal(), "a job is settled in a terminal state");
        let why = why.map(|EndedWhy { code, reason }| (code.to_owned(), reason.to_owned()));
        self.fenced("settle a job", job, move |connection, lease, lessee| {
            let why = why.as_ref().map(|(code, reason)| EndedWhy { code, reason });
            end::settle(connection, lease, ends, why, lessee)
        })
        .await
    }

    async fn newest(&self, report_key: &str) -> Result<Option<Job>, LedgerError> {
        let report_key = report_key.to_owned();
        self.read("look for the newest version", move |connection| look::newest(connection, &report_key))
            .await
    }

    async fn versions(&self, report_key: &str) -> Result<Vec<JobRow>, LedgerError> {
        let report_key = report_key.to_owned();
        let act = "list the versions of a report";
        self.read(act, move |connection| look::versions(connection, &report_key)).await
    }

    async fn stored(&self, job_key: &str) -> Result<Option<Job>, LedgerError> {
        let job_key = job_key.to_owned();
        self.read("read a job", move |connection| look::by_key(connection, &job_key)).await
    }

    async fn withdraw(
        &self,
        of: &str,
        withdrawal: &NewJob,
        report: &ReportBytes,
    ) -> Result<bool, LedgerError> {
        let (of, withdrawal, report) = (of.to_owned(), withdrawal.clone(), report.clone());
        self.write("withdraw a report", move |connection, lessee| {
            end::withdraw(connection, &of, &withdrawal, &report, lessee)
        })
        .await
    }

    async fn report(&self, job_key: &str) -> Result<Option<ReportBytes>, LedgerError> {
        let job_key = job_key.to_owned();
        let job = self.read("read a report", move |connection| look::by_key(connection, &job_key)).await?;
        Ok(job.and_then(|job| job.composed))
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError> {
        let filter = filter.clone();
        self.read("list its jobs", move |connection| look::jobs(connection, &filter)).await
    }

    async fn job(&self, prefix: &str) -> Result<Option<(JobRow, Vec<AuditEntry>)>, LedgerError> {
        let prefix = prefix.to_owned();
        self.read("look up a job", move |connection| look::job(connection, &prefix)).await
    }

    async fn counts(&self) -> Result<BTreeMap<JobState, u64>, LedgerError> {
        self.read("count its jobs", look::counts).await
    }

    async fn outbox_age(&self) -> Result<Option<Duration>, LedgerError> {
        let since_ms = self.read("look for the oldest report", look::oldest_composed_ms).await?;
        let now_ms = Timestamp::now().as_millisecond();
        Ok(since_ms.map(|since_ms| Duration::from_millis(u64::try_from(now_ms - since_ms).unwrap_or(0))))
    }

    async fn retry(&self, job_key: &str) -> Result<(), LedgerError> {
        let key = job_key.to_owned();
        let state = self
            .write("retry a job", move |connection, lessee| {
                let state = look::state(connection, &key)?;
                if state == Some(JobState::Failed) && take::again(connection, &key, None, lessee.now_ms)? {
                    note(connection, &key, lessee, "retried", "")?;
                }
                Ok(state)
            })
            .await?;
        not_failed(job_key, state)
    }

    async fn cancel(&self, job_key: &str) -> Result<(), LedgerError> {
        let (key, workers) = (job_key.to_owned(), self.workers.clone());
        let (cancelled, state) = self
            .write("cancel a job", move |connection, lessee| {
                take::free_void_leases(connection, &workers, lessee)?;
                let state = look::state(connection, &key)?;
                Ok((end::cancel(connection, &key, lessee)?, state))
            })
            .await?;
        if cancelled { Ok(()) } else { Err(not_waiting(job_key, state)) }
    }

    async fn is_reachable(&self) -> bool {
        let look = self.read("answer", |connection| {
            connection.query_row("SELECT count(*) FROM (SELECT 1 FROM job LIMIT 1)", [], |_| Ok(()))
        });
        tokio::time::timeout(REACH_WITHIN, look).await.is_ok_and(|answer| answer.is_ok())
    }
}

/// Uses a connection on a thread that may block.
async fn on<T: Send + 'static>(
    act: &'static str,
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, LedgerError> {
    let connection = Arc::clone(connection);
    let done = tokio::task::spawn_blocking(move || {
        work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
    });
    match done.await {
        Ok(done) => done.map_err(|source| LedgerError::Database { act, source: Box::new(source) }),
        Err(source) => Err(LedgerError::Database { act, source: Box::new(source) }),
    }
}

/// Writes an entry of the audit trail.
fn note(
    connection: &Connection,
    job_key: &str,
    lessee: &Lessee,
    event: &str,
    detail: &str,
) -> rusqlite::Result<()> {
    let at = Timestamp::from_millisecond(lessee.now_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    connection
        .prepare_cached("INSERT INTO audit (job_key, at, actor, event, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((job_key, at, &lessee.holder, event, detail))
        .map(drop)
}

fn millis(duration: Duration) -> i64 {
    // Far beyond any lease, and still a time that can be added to another.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::from(u32::MAX) * 1_000)
}
