//! What only a file has: older versions of itself, and writes that wait for the disk.

use std::time::Duration;

use rusqlite::Connection;

use super::SqliteLedger;
use super::file;
use super::migrations::{MIGRATIONS, VERSION_1};
use crate::lane::Lane;
use crate::ledger::JobState::{Accepted, Composed, Failed, Refused, Reported, Superseded};
use crate::ledger::row::EndedWhy;
use crate::ledger::tests::site::{LONG, report, states};
use crate::ledger::{Ledger, LedgerError, ReportBytes};

/// Rows as version 0.1.0 left them: one in each state, two of them leased by a worker that is gone.
const ROWS: &str = "INSERT INTO job (job_key, report_key, study_uid, request, accepted_at, state, attempts, lease_holder,
        lease_until, model_output, ends, outcome, bundle, html) VALUES
    ('waits', 'a', '1.1', '{}', '2026-01-01T00:00:00Z', 'accepted', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('leased', 'b', '1.2', '{}', '2026-01-01T00:00:00Z', 'leased', 3, '1-2-0', 9000000000000, NULL, NULL, NULL, NULL, NULL),
    ('composed', 'c', '1.3', '{}', '2026-01-01T00:00:00Z', 'composed', 7, '1-2-0', 9000000000000, 'output', 'reported',
        '{\"state\":\"reported\"}', X'62756e646c65', X'70616765'),
    ('reported', 'd', '1.4', '{}', '2026-01-01T00:00:00Z', 'reported', 1, NULL, NULL, 'output', 'reported',
        '{\"state\":\"reported\"}', X'62756e646c65', X'70616765'),
    ('refused', 'e', '1.5', '{}', '2026-01-01T00:00:00Z', 'refused', 1, NULL, NULL, NULL, 'refused',
        '{\"state\":\"refused\"}', X'62756e646c65', X'70616765'),
    ('failed', 'f', '1.6', '{}', '2026-01-01T00:00:00Z', 'failed', 21, NULL, NULL, NULL, 'failed',
        '{\"state\":\"failed\"}', X'62756e646c65', X'70616765'),
    ('superseded', 'd', '1.4', '{}', '2026-01-01T00:00:00Z', 'superseded', 1, NULL, NULL, NULL, 'reported',
        '{\"state\":\"reported\"}', X'62756e646c65', X'70616765')";

fn write_version_1(folder: &std::path::Path) {
    let connection = Connection::open(folder.join("ledger.sqlite")).unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    connection.execute_batch(ROWS).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}

/// A report of version 0.1.0, which wrote no structured report.
fn without_sr() -> ReportBytes {
    ReportBytes { sr: None, overlay: None, segmentation: None, ..report(Reported) }
}

#[tokio::test]
async fn a_file_of_version_1_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write_version_1(folder.path());
    let ledger: std::sync::Arc<dyn Ledger> =
        std::sync::Arc::new(SqliteLedger::open(folder.path(), LONG).unwrap());
    let expected = [Accepted, Accepted, Composed, Reported, Refused, Failed, Superseded];
    assert_eq!(states(&ledger).await, expected, "no worker of that version goes on with a lease");
    assert_eq!(ledger.report("reported").await.unwrap(), Some(without_sr()));

    let leased = ledger.lease_key("leased").await.unwrap().expect("its worker is gone");
    assert_eq!((leased.attempts, leased.fence, leased.lane), (4, 4, Lane::Routine));
    let composed = ledger.lease_key("composed").await.unwrap().expect("its worker is gone");
    assert_eq!((composed.attempts, composed.model_output.as_deref()), (8, Some("output")));
    assert_eq!(composed.composed, Some(without_sr()), "it is delivered as it was composed");
    assert!(composed.composed_at.is_some(), "it waits for its delivery since now");
    assert!(ledger.outbox_age().await.unwrap().unwrap() < Duration::from_mins(1));
    ledger.settle(&composed, Reported, None).await.unwrap();
    ledger.retry("failed").await.unwrap();
    assert_eq!(ledger.lease_next().await.unwrap().unwrap().job_key, "waits");
    assert_eq!(ledger.begin("digest").await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_of_version_6_goes_on_and_its_ended_jobs_have_no_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    MIGRATIONS.to_version(&mut connection, 6).unwrap();
    connection
        .execute_batch(
            "INSERT INTO job (job_key, report_key, study_uid, request, accepted_at, state, ends, outcome, html, ended_code)
             VALUES ('j', 'r', '1.1', '{}', '2026-01-01T00:00:00Z', 'failed', 'reported', '{}', X'70616765', 'Rejected')",
        )
        .unwrap();
    drop(connection);
    let ledger = SqliteLedger::open(folder.path(), LONG).unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.ended_code.as_deref(), row.ended_reason), (Some("Rejected"), None));
    ledger.retry("j").await.unwrap();
    let job = ledger.lease_key("j").await.unwrap().unwrap();
    let why = EndedWhy { code: "Rejected", reason: "the server answered 422" };
    ledger.settle(&job, Failed, Some(why)).await.unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!(row.ended_reason.as_deref(), Some("the server answered 422"));
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteLedger::open(folder.path(), LONG).unwrap());
    let connection = Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteLedger::open(folder.path(), LONG);
    assert!(matches!(refused, Err(LedgerError::Schema(_))), "{refused:?}");
}

#[test]
fn writes_are_on_the_disk_when_they_return() {
    let folder = tempfile::tempdir().unwrap();
    let connection = file::connect(folder.path()).unwrap();
    let text = |name| -> String { connection.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
    let number = |name| -> i64 { connection.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
    assert_eq!((text("journal_mode").as_str(), number("synchronous")), ("wal", 2));
    assert!(number("busy_timeout") >= 10_000);
    assert_eq!(MIGRATIONS.current_version(&connection).unwrap().to_string(), "7 (inside)");
}

#[test]
fn processes_that_start_together_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let opened: Vec<_> =
            (0..8).map(|_| scope.spawn(|| SqliteLedger::open(folder.path(), LONG).map(drop))).collect();
        for opened in opened {
            opened.join().unwrap().unwrap();
        }
    });
}
