//! What only a server has: connections that break, restarts, TLS, passwords and rights.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row};

use super::migrations::STEPS;
use super::{PostgresLedger, sql};
use crate::config::secret::Secret;
use crate::config::site::PostgresConfig;
use crate::ledger::tests::server::{PASSWORD, Server};
use crate::ledger::tests::site::{LONG, job, report};
use crate::ledger::{EndedWhy, JobState, Ledger, LedgerError};

/// Ends the session that holds the lock of a worker, and waits until it is gone.
async fn break_holder(connection: &mut PgConnection, worker: &PostgresLedger) {
    let ended: bool = sqlx::query(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
         WHERE locktype = 'advisory' AND ((classid::bigint << 32) | objid::bigint) = $1",
    )
    .bind(worker.holder.id())
    .fetch_one(connection)
    .await
    .unwrap()
    .get(0);
    assert!(ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_frees_the_jobs_and_the_worker_comes_back() {
    let Some(server) = Server::shared().await else { return };
    let (config, database) = server.database().await;
    let mut connection = server.connect(&database).await;
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    let other = PostgresLedger::open(&config, LONG).await.unwrap();
    worker.accept(&job("j", "r")).await.unwrap();
    let held = worker.lease_next().await.unwrap().unwrap();
    break_holder(&mut connection, &worker).await;
    let taken = other.lease_next().await.unwrap().expect("its holder is gone");
    assert!(taken.fence > held.fence);
    let late = worker.store_report(&held, None, &report(JobState::Reported)).await;
    assert!(matches!(late, Err(LedgerError::LeaseLost { .. })));
    other.release(&taken).await.unwrap();

    worker.renew_leases().await.unwrap();
    let again = worker.lease_next().await.unwrap().unwrap();
    assert!(other.lease_next().await.unwrap().is_none(), "it lives, and is seen to live");
    break_holder(&mut connection, &worker).await;
    assert!(worker.is_reachable().await, "a look at the database repairs the connection");
    assert!(other.lease_next().await.unwrap().is_none());
    worker.store_report(&again, None, &report(JobState::Reported)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_takes_no_job_from_a_living_worker() {
    let Some(server) = Server::start(None) else { return };
    let (config, _) = server.database().await;
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    let other = PostgresLedger::open(&config, LONG).await.unwrap();
    worker.accept(&job("j", "r")).await.unwrap();
    let held = worker.lease_next().await.unwrap().unwrap();
    server.crash_and_start().await;
    assert!(other.is_reachable().await);
    assert!(other.lease_next().await.unwrap().is_none(), "everybody's lock is gone, which proves nothing");
    worker.renew_leases().await.unwrap();
    assert!(other.lease_next().await.unwrap().is_none());
    worker.store_report(&held, None, &report(JobState::Reported)).await.unwrap();
    worker.settle(&held, JobState::Reported, None).await.unwrap();
    assert_eq!(worker.report("j").await.unwrap(), Some(report(JobState::Reported)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_said_within_a_second() {
    let Some(server) = Server::start(None) else { return };
    let (config, _) = server.database().await;
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    assert!(worker.is_reachable().await);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
    let began = Instant::now();
    assert!(!worker.is_reachable().await);
    assert!(began.elapsed() < Duration::from_secs(1));
    let refused = worker.accept(&job("j", "r")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Database { .. }));
    assert!(PostgresLedger::open(&config, LONG).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_start_together_make_one_schema_and_newer_ones_are_left_alone() {
    let Some(server) = Server::shared().await else { return };
    let (config, database) = server.database().await;
    let mut opening = tokio::task::JoinSet::new();
    for _worker in 0..8 {
        let config = config.clone();
        opening.spawn(async move { PostgresLedger::open(&config, LONG).await.map(drop) });
    }
    for opened in opening.join_all().await {
        opened.unwrap();
    }
    let mut connection = server.connect(&database).await;
    let newer = "INSERT INTO schema_version (version) VALUES (99)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    let refused = PostgresLedger::open(&config, LONG).await;
    assert!(matches!(refused, Err(LedgerError::Schema(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_reasons_goes_on() {
    let Some(server) = Server::shared().await else { return };
    let (config, database) = server.database().await;
    let mut connection = server.connect(&database).await;
    let before = STEPS.len() - 1;
    for step in &STEPS[..before] {
        sqlx::raw_sql(*step).execute(&mut connection).await.unwrap();
    }
    let filled = "CREATE TABLE schema_version (
             version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());
         INSERT INTO schema_version (version) VALUES (1), (2), (3), (4), (5);
         INSERT INTO job (job_key, report_key, lane, study_uid, request, accepted_at, state, ends, outcome, html, ended_code)
             VALUES ('j', 'r', 'routine', '1.1', '{}', '2026-01-01T00:00:00Z', 'failed', 'reported', '{}', 'page', 'Rejected')";
    sqlx::raw_sql(filled).execute(&mut connection).await.unwrap();
    let ledger = PostgresLedger::open(&config, LONG).await.unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.ended_code.as_deref(), row.ended_reason), (Some("Rejected"), None));
    ledger.retry("j").await.unwrap();
    let job = ledger.lease_key("j").await.unwrap().unwrap();
    let why = EndedWhy { code: "Rejected", reason: "the server answered 422" };
    ledger.settle(&job, JobState::Failed, Some(why)).await.unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!(row.ended_reason.as_deref(), Some("the server answered 422"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_waits_for_the_disk_and_for_nothing_else_for_long() {
    let Some(server) = Server::shared().await else { return };
    let (config, database) = server.database().await;
    let mut connection = server.connect(&database).await;
    let careless = format!("ALTER DATABASE {database} SET synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(careless)).execute(&mut connection).await.unwrap();
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    for (name, expected) in [
        ("synchronous_commit", "on"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let statement = sqlx::query("SELECT current_setting($1)").bind(name);
        let rows = worker.connections.rows(statement).await.unwrap();
        assert_eq!(rows[0].get::<String, _>(0), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_walks_an_index_whatever_the_planner_knows() {
    let Some(server) = Server::shared().await else { return };
    let (config, _) = server.database().await;
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    for (statement, index) in [(sql::LEASE_NEXT, "job_by_turn"), (sql::LEASE_STORED, "job_by_delivery")] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {statement}"));
        let statement = sqlx::query(explain).bind(1_i64).bind(1_i64);
        let rows = worker.connections.rows(statement).await.unwrap();
        let plan = rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n");
        assert!(plan.contains(&format!("Index Scan using {index}")), "{plan}");
        assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_needed_and_never_shown() {
    let Some(server) = Server::shared().await else { return };
    let (config, _) = server.database().await;
    let worker = PostgresLedger::open(&config, LONG).await.unwrap();
    assert!(!format!("{worker:?} {config:?}").contains(PASSWORD));
    let wrong = Secret::new("canary-wrong-password".into());
    let config = PostgresConfig { password: Some(wrong), ..config };
    let refused = format!("{:?}", PostgresLedger::open(&config, LONG).await.unwrap_err());
    assert!(refused.contains("authentication failed") && !refused.contains("canary"), "{refused}");
}

/// An authority and a certificate of it for 127.0.0.1, by OpenSSL; false where that is not installed.
fn certificates(folder: &Path) -> bool {
    const COMMANDS: [&str; 4] = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other.key -out other.pem",
    ];
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    COMMANDS.iter().all(|arguments| {
        let ran = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        ran.is_ok_and(|ran| ran.status.success())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_the_server_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    if !certificates(folder.path()) {
        eprintln!("skipped: OpenSSL is not installed, so that no certificate can be made");
        return;
    }
    let file = |name: &str| folder.path().join(name);
    let Some(server) = Server::start(Some((&file("server.pem"), &file("server.key")))) else { return };
    let (mut config, _) = server.database().await;
    config.ca_file = Some(file("ca.pem"));
    let worker: Arc<dyn Ledger> = Arc::new(PostgresLedger::open(&config, LONG).await.unwrap());
    worker.accept(&job("j", "r")).await.unwrap();
    config.ca_file = Some(file("other.pem"));
    assert!(PostgresLedger::open(&config, LONG).await.is_err(), "another authority's server");
    config.ca_file = Some(file("ca.pem"));
    config.url = config.url.replace("127.0.0.1", "localhost");
    assert!(PostgresLedger::open(&config, LONG).await.is_err(), "a certificate for another name");
    let Some(plain) = Server::shared().await else { return };
    let (mut plain, _) = plain.database().await;
    plain.ca_file = Some(file("ca.pem"));
    assert!(PostgresLedger::open(&plain, LONG).await.is_err(), "a server without TLS");
}
