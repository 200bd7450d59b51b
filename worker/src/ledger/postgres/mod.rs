//! The ledger of many workers: a PostgreSQL database.
//!
//! Every operation is one or two statements that commit by themselves, so that no worker holds a row while it does
//! something else. Workers that race for a row are put in order by the row's lock, by the unique job key and by the
//! unique index that lets a report have one writer. Times are the database's.

mod cancel;
mod connect;
mod connections;
mod holder;
mod migrations;
mod row;
mod sql;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Row, query};
use tokio::time::timeout;

use self::connections::{Connections, Statement};
use self::holder::Holder;
use super::hold::Holds;
use super::row::{Accepted, AuditEntry, EndedWhy, Job, JobFilter, JobRow, NewJob, ReportBytes, Standing};
use super::{JobState, Ledger, LedgerError, REACH_WITHIN, Turn, not_failed, not_held, redelivery};
use crate::config::site::PostgresConfig;
use crate::job::withdrawal_key;

/// How often a lease is tried again when another worker took a version of the same report in the same moment.
const LEASE_TRIES: usize = 16;

/// The ledger in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresLedger {
    connections: Connections,
    holder: Holder,
    actor: String,
    lease_ms: i64,
    holds: Holds,
}

impl PostgresLedger {
    /// Connects, and brings the schema to the newest version. A lease is good for `lease` when its worker lives.
    pub async fn open(config: &PostgresConfig, lease: Duration) -> Result<Self, LedgerError> {
        let options = connect::options(config)?;
        let act = "connect to its database; check `ledger.url`, the password and that the server is up";
        let mut connection = connect::connect(&options).await.map_err(database(act))?;
        migrations::migrate(&mut connection).await?;
        let holder = Holder::register(options.clone(), connection).await.map_err(database(act))?;
        let connections = Connections::open(options, config.connections).await.map_err(database(act))?;
        Ok(Self {
            connections,
            actor: format!("{:016x}", holder.id()),
            holder,
            lease_ms: millis(lease),
            holds: Holds::default(),
        })
    }

    /// The first row that a statement gives.
    async fn one(&self, act: &'static str, statement: Statement) -> Result<Option<PgRow>, LedgerError> {
        self.connections.rows(statement).await.map(|rows| rows.into_iter().next()).map_err(database(act))
    }

    async fn all(&self, act: &'static str, statement: Statement) -> Result<Vec<PgRow>, LedgerError> {
        self.connections.rows(statement).await.map_err(database(act))
    }

    /// Keeps this worker's claim. Where that took a new connection, the server or the way to it was gone, and the others are
    /// not used again.
    async fn keep(&self) -> Result<(), sqlx::Error> {
        if self.holder.keep().await? {
            self.connections.forget();
        }
        Ok(())
    }

    /// Gives up void leases and lets due reports go.
    async fn tidy(&self, act: &'static str) -> Result<(), LedgerError> {
        self.all(act, query(sql::TIDY).bind(self.actor.clone())).await.map(drop)
    }

    async fn lease(&self, turn: Turn) -> Result<Option<Job>, LedgerError> {
        let act = "lease a job";
        // A job that is asked for by its key was accepted a moment ago, most often, and is to be had: nobody holds it whose
        // lease would have to be given up first.
        let mut is_tidy = !matches!(turn, Turn::Key(_));
        if is_tidy {
            self.tidy(act).await?;
        }
        for _try in 0..LEASE_TRIES {
            let statement = match &turn {
                Turn::Next => query(sql::LEASE_NEXT).bind(self.holder.id()).bind(self.lease_ms),
                Turn::Stored => query(sql::LEASE_STORED).bind(self.holder.id()).bind(self.lease_ms),
                Turn::Key(job_key) => {
                    query(sql::LEASE_KEY).bind(self.holder.id()).bind(self.lease_ms).bind(job_key.clone())
                }
            };
            match self.connections.rows(statement).await {
                Ok(rows) => {
                    let job = rows.first().map(row::job).transpose().map_err(database(act))?;
                    if job.is_none() && !is_tidy {
                        self.tidy(act).await?;
                        is_tidy = true;
                        continue;
                    }
                    return Ok(job.map(|job| Job { hold: self.holds.add(&job.job_key, job.fence), ..job }));
                }
                // Another worker took another version of the same report in this moment.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
                Err(error) => return Err(database(act)(error)),
            }
        }
        Ok(None)
    }

    /// A fenced statement, which gives a row when the lease was kept.
    async fn fenced(&self, act: &'static str, job: &Job, statement: Statement) -> Result<(), LedgerError> {
        match self.one(act, statement).await? {
            Some(_) => Ok(()),
            None => Err(LedgerError::LeaseLost { job_key: job.job_key.clone() }),
        }
    }

    /// Begins a fenced statement: $1 is the key, $2 the fence, $3 the worker.
    fn under_lease(&self, sql: &'static str, job: &Job) -> Statement {
        query(sql).bind(job.job_key.clone()).bind(job.fence).bind(self.holder.id())
    }

    /// Begins a fenced statement that stores a report: $4 to $13. The bytes are copied once, into the statement.
    fn stores(
        &self,
        sql: &'static str,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Statement {
        self.under_lease(sql, job)
            .bind(report.ends.as_str())
            .bind(report.outcome.as_str())
            .bind(report.bundle.as_deref())
            .bind(report.html.as_slice())
            .bind(model_output)
            .bind(self.actor.as_str())
            .bind(report.digests(model_output))
            .bind(report.sr.as_deref())
            .bind(report.overlay.as_deref())
            .bind(report.segmentation.as_deref())
    }

    async fn state(&self, act: &'static str, job_key: &str) -> Result<Option<JobState>, LedgerError> {
        let row = self.one(act, query(sql::BY_KEY).bind(job_key.to_owned())).await?;
        row.map(|row| row::state(row.try_get("state")?)).transpose().map_err(database(act))
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn begin(&self, arrival: &str) -> Result<u32, LedgerError> {
        let act = "count a start";
        let row = self.one(act, query(sql::BEGIN).bind(arrival.to_owned())).await?;
        let starts = row.map(|row| row.try_get::<i32, _>(0)).transpose().map_err(database(act))?;
        Ok(starts.and_then(|starts| u32::try_from(starts).ok()).unwrap_or(u32::MAX))
    }

    async fn forget(&self, arrival: &str) -> Result<(), LedgerError> {
        self.all("forget starts", query(sql::FORGET).bind(arrival.to_owned())).await.map(drop)
    }

    async fn accept(&self, job: &NewJob) -> Result<Accepted, LedgerError> {
        let act = "accept a job";
        let lane = job.lane.as_str();
        let statement = query(sql::ACCEPT)
            .bind(job.job_key.clone())
            .bind(job.report_key.clone())
            .bind(lane)
            .bind(job.study_uid.clone())
            .bind(job.request.clone())
            .bind(job.accepted_at.clone())
            .bind(self.actor.clone())
            .bind(withdrawal_key(&job.job_key));
        if self.one(act, statement).await?.is_some() {
            return Ok(Accepted::New);
        }
        let statement = query(sql::ACCEPTED_BEFORE).bind(job.job_key.clone()).bind(lane);
        match self.one(act, statement).await? {
            Some(row) => {
                let state = row.try_get("state").and_then(row::state).map_err(database(act))?;
                Ok(Accepted::Before(state))
            }
            None => Err(LedgerError::UnknownJob { job_key: job.job_key.clone() }),
        }
    }

    async fn widen(&self, job_key: &str, before: &str, wide: &str) -> Result<bool, LedgerError> {
        let statement = query(sql::WIDEN)
            .bind(job_key.to_owned())
            .bind(before.to_owned())
            .bind(wide.to_owned())
            .bind(self.actor.clone())
            .bind(withdrawal_key(job_key))
            .bind(redelivery::before(before, wide));
        let act = "widen a request";
        self.all(act, query(sql::FREE_VOID_LEASES)).await?;
        Ok(self.one(act, statement).await?.is_some())
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
        let act = "renew leases";
        self.keep().await.map_err(database(act))?;
        let (job_keys, fences) = self.holds.wanted();
        if job_keys.is_empty() {
            return Ok(());
        }
        let statement =
            query(sql::RENEW).bind(job_keys).bind(fences).bind(self.holder.id()).bind(self.lease_ms);
        self.all(act, statement).await.map(drop)
    }

    async fn store_report(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Result<Standing, LedgerError> {
        let act = "store a report";
        let row = self.one(act, self.stores(sql::STORE_REPORT, job, model_output, report)).await?;
        let row = row.ok_or_else(|| LedgerError::LeaseLost { job_key: job.job_key.clone() })?;
        row::standing(&row).map_err(database(act))
    }

    async fn store_held(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
        why: &str,
        lasts: Duration,
    ) -> Result<(), LedgerError> {
        let statement = self.stores(sql::STORE_HELD, job, model_output, report);
        let statement = statement.bind(why.to_owned()).bind(millis(lasts));
        self.fenced("hold a report", job, statement).await
    }

    async fn let_go(&self, job_key: &str) -> Result<(), LedgerError> {
        let act = "let a report go";
        let statement = query(sql::LET_GO).bind(job_key.to_owned()).bind(self.actor.clone());
        if self.one(act, statement).await?.is_some() {
            return Ok(());
        }
        Err(not_held(job_key, self.state(act, job_key).await?))
    }

    async fn standing(&self, job: &Job) -> Result<Standing, LedgerError> {
        let act = "look for other versions";
        let row = self.one(act, query(sql::STANDING).bind(job.job_key.clone())).await?;
        row.as_ref().map(row::standing).transpose().map(Option::unwrap_or_default).map_err(database(act))
    }

    async fn defer(&self, job: &Job, after: Duration, why: &str) -> Result<(), LedgerError> {
        let statement = self
            .under_lease(sql::DEFER, job)
            .bind(millis(after))
            .bind(why.to_owned())
            .bind(self.actor.clone());
        self.fenced("put a delivery off", job, statement).await
    }

    async fn release(&self, job: &Job) -> Result<(), LedgerError> {
        self.all("give a job back", self.under_lease(sql::RELEASE, job)).await.map(drop)
    }

    async fn settle(&self, job: &Job, ends: JobState, why: Option<EndedWhy<'_>>) -> Result<(), LedgerError> {
        debug_assert!(ends.is_terminal(), "a job is settled in a terminal state");
        let code = why.map(|why| why.code);
        let statement = self
            .under_lease(sql::SETTLE, job)
            .bind(ends.as_str())
            .bind(code.map(str::to_owned))
            .bind(ends.supersedes(code))
            .bind(self.actor.clone())
            .bind(ends.because(why))
            .bind(why.map(|why| why.reason.to_owned()));
        self.fenced("settle a job", job, statement).await
    }

    async fn newest(&self, report_key: &str) -> Result<Option<Job>, LedgerError> {
        let act = "look for the newest version";
        let row = self.one(act, query(sql::NEWEST).bind(report_key.to_owned())).await?;
        row.as_ref().map(row::job).transpose().map_err(database(act))
    }

    async fn versions(&self, report_key: &str) -> Result<Vec<JobRow>, LedgerError> {
        let act = "list the versions of a report";
        let rows = self.all(act, query(sql::VERSIONS).bind(report_key.to_owned())).await?;
        rows.iter().map(row::job_row).collect::<Result<_, _>>().map_err(database(act))
    }

    async fn stored(&self, job_key: &str) -> Result<Option<Job>, LedgerError> {
        let act = "read a job";
        let row = self.one(act, query(sql::BY_KEY).bind(job_key.to_owned())).await?;
        row.as_ref().map(row::job).transpose().map_err(database(act))
    }

    async fn withdraw(
        &self,
        of: &str,
        withdrawal: &NewJob,
        report: &ReportBytes,
    ) -> Result<bool, LedgerError> {
        let statement = query(sql::WITHDRAW)
            .bind(withdrawal.job_key.clone())
            .bind(withdrawal.lane.as_str())
            .bind(withdrawal.study_uid.clone())
            .bind(withdrawal.request.clone())
            .bind(withdrawal.accepted_at.clone())
            .bind(report.ends.as_str())
            .bind(report.outcome.as_str())
            .bind(report.bundle.as_deref())
            .bind(report.html.as_slice())
            .bind(report.sr.as_deref())
            .bind(of.to_owned())
            .bind(self.actor.clone())
            .bind(report.digests(None))
            .bind(report.overlay.as_deref())
            .bind(report.segmentation.as_deref());
        Ok(self.one("withdraw a report", statement).await?.is_some())
    }

    async fn report(&self, job_key: &str) -> Result<Option<ReportBytes>, LedgerError> {
        let act = "read a report";
        let row = self.one(act, query(sql::BY_KEY).bind(job_key.to_owned())).await?;
        let job = row.as_ref().map(row::job).transpose().map_err(database(act))?;
        Ok(job.and_then(|job| job.composed))
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError> {
        let act = "list its jobs";
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let last = filter.last.map(|last| i64::try_from(last).unwrap_or(i64::MAX));
        let rows = self.all(act, query(sql::JOBS).bind(states).bind(last)).await?;
        rows.iter().map(row::job_row).collect::<Result<_, _>>().map_err(database(act))
    }

    async fn job(&self, prefix: &str) -> Result<Option<(JobRow, Vec<AuditEntry>)>, LedgerError> {
        let act = "look up a job";
        let rows = self.all(act, query(sql::BY_PREFIX).bind(prefix.to_owned())).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let job = row::job_row(first).map_err(database(act))?;
        if rows.len() > 1 && job.job_key != prefix {
            return Ok(None);
        }
        let entries = self.entries(act, &job.job_key).await?;
        Ok(Some((job, entries)))
    }

    async fn counts(&self) -> Result<BTreeMap<JobState, u64>, LedgerError> {
        let act = "count its jobs";
        let rows = self.all(act, query(sql::COUNTS)).await?;
        let count = |row: &PgRow| {
            let jobs = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
            Ok((row::state(row.try_get(0)?)?, jobs))
        };
        rows.iter().map(count).collect::<Result<_, _>>().map_err(database(act))
    }

    async fn outbox_age(&self) -> Result<Option<Duration>, LedgerError> {
        let act = "look for the oldest report";
        let row = self.one(act, query(sql::OUTBOX_AGE)).await?;
        let age_ms: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0)).map_err(database(act))?;
        Ok(age_ms.map(|age_ms| Duration::from_millis(u64::try_from(age_ms).unwrap_or(0))))
    }

    async fn retry(&self, job_key: &str) -> Result<(), LedgerError> {
        let act = "retry a job";
        let statement = query(sql::RETRY).bind(job_key.to_owned()).bind(self.actor.clone());
        if self.one(act, statement).await?.is_some() {
            return Ok(());
        }
        not_failed(job_key, self.state(act, job_key).await?)
    }

    async fn cancel(&self, job_key: &str) -> Result<(), LedgerError> {
        self.end_waiting(job_key).await
    }

    async fn is_reachable(&self) -> bool {
        timeout(REACH_WITHIN, self.keep()).await.is_ok_and(|kept| kept.is_ok())
    }
}

fn database(act: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |source| LedgerError::Database { act, source: Box::new(source) }
}

fn millis(duration: Duration) -> i64 {
    // Far beyond any lease, and still a time that can be added to another.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::from(u32::MAX) * 1_000)
}
