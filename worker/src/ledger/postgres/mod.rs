//! The ledger of many workers: a PostgreSQL database.
//!
//! Every operation is one or two statements that commit by themselves, so that no worker holds a row while it does
//! something else. Workers that race for a row are put in order by the row's lock, by the unique job key and by the
//! unique index that lets a report have one writer. Times are the database's.

mod connect;
mod connections;
mod end;
mod holder;
mod look;
mod migrations;
mod row;
mod sql;
mod take;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::query;
use tokio::time::timeout;

use self::connections::{Connections, Statement};
use self::holder::Holder;
use super::hold::Holds;
use super::row::{Accepted, AuditEntry, EndedWhy, Job, JobFilter, JobRow, NewJob, ReportBytes, Standing};
use super::{JobState, Ledger, LedgerError, REACH_WITHIN, Turn, not_failed, not_held};
use crate::config::site::PostgresConfig;

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
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn begin(&self, arrival: &str) -> Result<u32, LedgerError> {
        take::begin(self, arrival).await
    }

    async fn forget(&self, arrival: &str) -> Result<(), LedgerError> {
        take::forget(self, arrival).await
    }

    async fn accept(&self, job: &NewJob) -> Result<Accepted, LedgerError> {
        take::accept(self, job).await
    }

    async fn widen(&self, job_key: &str, before: &str, wide: &str) -> Result<bool, LedgerError> {
        take::widen(self, job_key, (before, wide)).await
    }

    async fn lease_next(&self) -> Result<Option<Job>, LedgerError> {
        take::lease(self, &Turn::Next).await
    }

    async fn lease_stored(&self) -> Result<Option<Job>, LedgerError> {
        take::lease(self, &Turn::Stored).await
    }

    async fn lease_key(&self, job_key: &str) -> Result<Option<Job>, LedgerError> {
        take::lease(self, &Turn::Key(job_key.to_owned())).await
    }

    async fn renew_leases(&self) -> Result<(), LedgerError> {
        take::renew(self).await
    }

    async fn store_report(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
    ) -> Result<Standing, LedgerError> {
        end::store_report(self, job, model_output, report).await
    }

    async fn store_held(
        &self,
        job: &Job,
        model_output: Option<&str>,
        report: &ReportBytes,
        why: &str,
        lasts: Duration,
    ) -> Result<(), LedgerError> {
        end::store_held(self, job, model_output, report, (why, lasts)).await
    }

    async fn let_go(&self, job_key: &str) -> Result<(), LedgerError> {
        let act = "let a report go";
        if end::let_go(self, act, job_key).await? {
            return Ok(());
        }
        Err(not_held(job_key, look::state(self, act, job_key).await?))
    }

    async fn standing(&self, job: &Job) -> Result<Standing, LedgerError> {
        look::standing(self, &job.job_key).await
    }

    async fn defer(&self, job: &Job, after: Duration, why: &str) -> Result<(), LedgerError> {
        end::defer(self, job, after, why).await
    }

    async fn release(&self, job: &Job) -> Result<(), LedgerError> {
        end::release(self, job).await
    }

    async fn settle(&self, job: &Job, ends: JobState, why: Option<EndedWhy<'_>>) -> Result<(), LedgerError> {
        debug_assert!(ends.is_terminal(), "a job is settled in a terminal state");
        end::settle(self, job, ends, why).await
    }

    async fn newest(&self, report_key: &str) -> Result<Option<Job>, LedgerError> {
        look::newest(self, report_key).await
    }

    async fn versions(&self, report_key: &str) -> Result<Vec<JobRow>, LedgerError> {
        look::versions(self, report_key).await
    }

    async fn stored(&self, job_key: &str) -> Result<Option<Job>, LedgerError> {
        look::by_key(self, "read a job", job_key).await
    }

    async fn withdraw(
        &self,
        of: &str,
        withdrawal: &NewJob,
        report: &ReportBytes,
    ) -> Result<bool, LedgerError> {
        end::withdraw(self, of, withdrawal, report).await
    }

    async fn report(&self, job_key: &str) -> Result<Option<ReportBytes>, LedgerError> {
        let job = look::by_key(self, "read a report", job_key).await?;
        Ok(job.and_then(|job| job.composed))
    }

    async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError> {
        look::jobs(self, filter).await
    }

    async fn job(&self, prefix: &str) -> Result<Option<(JobRow, Vec<AuditEntry>)>, LedgerError> {
        look::job(self, prefix).await
    }

    async fn counts(&self) -> Result<BTreeMap<JobState, u64>, LedgerError> {
        look::counts(self).await
    }

    async fn outbox_age(&self) -> Result<Option<Duration>, LedgerError> {
        look::outbox_age(self).await
    }

    async fn retry(&self, job_key: &str) -> Result<(), LedgerError> {
        let act = "retry a job";
        if take::again(self, act, job_key).await? {
            return Ok(());
        }
        not_failed(job_key, look::state(self, act, job_key).await?)
    }

    async fn cancel(&self, job_key: &str) -> Result<(), LedgerError> {
        end::cancel(self, job_key).await
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
