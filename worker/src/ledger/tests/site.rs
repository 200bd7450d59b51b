//! A place with a ledger, for tests that run on every kind of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sqlx::Row;

use super::server::Server;
use crate::config::site::{LedgerConfig, PostgresConfig};
use crate::lane::Lane;
use crate::ledger::{Job, JobFilter, JobState, Ledger, NewJob, ReportBytes, open};

/// Longer than any test.
pub(in crate::ledger) const LONG: Duration = Duration::from_hours(1);

/// A place with an empty ledger of its own.
pub(in crate::ledger) struct Site {
    folder: tempfile::TempDir,
    postgres: Option<(&'static Server, PostgresConfig, String)>,
}

impl Site {
    pub(in crate::ledger) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), postgres: None }
    }

    /// `None` where PostgreSQL is not installed.
    pub(in crate::ledger) async fn postgres() -> Option<Self> {
        let server = Server::shared().await?;
        let (config, database) = server.database().await;
        Some(Self { folder: tempfile::tempdir().unwrap(), postgres: Some((server, config, database)) })
    }

    /// A new worker, whose leases are good for so long.
    pub(in crate::ledger) async fn worker(&self, lease: Duration) -> Arc<dyn Ledger> {
        let config = match &self.postgres {
            None => LedgerConfig::Sqlite,
            Some((_, config, _)) => LedgerConfig::Postgres(config.clone()),
        };
        open(&config, self.folder.path(), lease).await.unwrap()
    }

    /// Ends a worker as a kill does, and waits until the system has seen it.
    pub(in crate::ledger) async fn kill(&self, worker: Arc<dyn Ledger>) {
        let Some((server, _, database)) = &self.postgres else { return drop(worker) };
        let mut connection = server.connect(database).await;
        let living = async |connection: &mut sqlx::PgConnection| -> i64 {
            sqlx::query(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(connection)
            .await
            .unwrap()
            .get(0)
        };
        let before = living(&mut connection).await;
        drop(worker);
        let began = Instant::now();
        while living(&mut connection).await >= before {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not see the end of a worker");
        }
    }

    /// Changes what is stored behind the ledger's back.
    pub(in crate::ledger) async fn execute(&self, sql: &'static str) {
        match &self.postgres {
            None => {
                let connection = Connection::open(self.folder.path().join("ledger.sqlite")).unwrap();
                connection.execute(sql, []).unwrap();
            }
            Some((server, _, database)) => {
                let mut connection = server.connect(database).await;
                sqlx::query(sql).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// When the lease of a job runs out, as it is stored.
    pub(in crate::ledger) async fn lease_until_ms(&self, job_key: &str) -> Option<i64> {
        let sql = "SELECT lease_until_ms FROM job WHERE job_key = $1";
        match &self.postgres {
            None => {
                let connection = Connection::open(self.folder.path().join("ledger.sqlite")).unwrap();
                connection.query_row(sql, [job_key], |row| row.get(0)).unwrap()
            }
            Some((server, _, database)) => {
                let mut connection = server.connect(database).await;
                sqlx::query(sql).bind(job_key.to_owned()).fetch_one(&mut connection).await.unwrap().get(0)
            }
        }
    }
}

/// A routine job.
pub(in crate::ledger) fn job(key: &str, report: &str) -> NewJob {
    NewJob {
        job_key: key.into(),
        report_key: report.into(),
        lane: Lane::Routine,
        study_uid: "1.2".into(),
        request: "{}".into(),
        accepted_at: "2026-01-02T03:04:05Z".into(),
    }
}

/// A STAT job.
pub(in crate::ledger) fn stat(key: &str, report: &str) -> NewJob {
    NewJob { lane: Lane::Stat, ..job(key, report) }
}

/// A report whose job ends so.
pub(in crate::ledger) fn report(ends: JobState) -> ReportBytes {
    ReportBytes {
        ends,
        outcome: format!(r#"{{"state":"{ends}"}}"#),
        bundle: Some(b"bundle".to_vec()),
        html: b"page".to_vec(),
        sr: Some(b"sr".to_vec()),
        overlay: Some(b"overlay".to_vec()),
        segmentation: Some(b"segmentation".to_vec()),
    }
}

/// Leases a job that is known to wait.
pub(in crate::ledger) async fn lease(ledger: &Arc<dyn Ledger>) -> Job {
    ledger.lease_next().await.unwrap().expect("a job waits")
}

/// Accepts a job and carries it to its end.
pub(in crate::ledger) async fn carry(ledger: &Arc<dyn Ledger>, job: &NewJob, ends: JobState) {
    ledger.accept(job).await.unwrap();
    let leased = ledger.lease_key(&job.job_key).await.unwrap().expect("the job waits");
    if leased.composed.is_none() {
        ledger.store_report(&leased, Some("output"), &report(ends)).await.unwrap();
    }
    ledger.settle(&leased, ends, None).await.unwrap();
}

/// States of all jobs, in order of acceptance.
pub(in crate::ledger) async fn states(ledger: &Arc<dyn Ledger>) -> Vec<JobState> {
    ledger.jobs(&JobFilter::default()).await.unwrap().iter().map(|job| job.state).collect()
}

/// What happened to a job: the events of its audit trail.
pub(in crate::ledger) async fn events(ledger: &Arc<dyn Ledger>, job_key: &str) -> Vec<String> {
    let (_, entries) = ledger.job(job_key).await.unwrap().expect("the job is known");
    entries.into_iter().map(|entry| entry.event).collect()
}
