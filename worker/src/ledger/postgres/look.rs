//! What only looks.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Row, query};

use super::{PostgresLedger, database, row, sql};
use crate::ledger::row::{AuditEntry, Job, JobFilter, JobRow, Standing};
use crate::ledger::{JobState, LedgerError};

/// Whether a newer version's report is stored or was delivered, and whether an older one's may lie somewhere.
pub(super) async fn standing(ledger: &PostgresLedger, job_key: &str) -> Result<Standing, LedgerError> {
    let act = "look for other versions";
    let row = ledger.one(act, query(sql::STANDING).bind(job_key.to_owned())).await?;
    row.as_ref().map(row::standing).transpose().map(Option::unwrap_or_default).map_err(database(act))
}

/// The newest version whose report is stored or was delivered.
pub(super) async fn newest(ledger: &PostgresLedger, report_key: &str) -> Result<Option<Job>, LedgerError> {
    let act = "look for the newest version";
    let row = ledger.one(act, query(sql::NEWEST).bind(report_key.to_owned())).await?;
    row.as_ref().map(row::job).transpose().map_err(database(act))
}

/// All versions of a report, in order of acceptance.
pub(super) async fn versions(ledger: &PostgresLedger, report_key: &str) -> Result<Vec<JobRow>, LedgerError> {
    let act = "list the versions of a report";
    let rows = ledger.all(act, query(sql::VERSIONS).bind(report_key.to_owned())).await?;
    rows.iter().map(row::job_row).collect::<Result<_, _>>().map_err(database(act))
}

/// The job with the key, held by nobody here.
pub(super) async fn by_key(
    ledger: &PostgresLedger,
    act: &'static str,
    job_key: &str,
) -> Result<Option<Job>, LedgerError> {
    let row = ledger.one(act, query(sql::BY_KEY).bind(job_key.to_owned())).await?;
    row.as_ref().map(row::job).transpose().map_err(database(act))
}

/// Where the job with the key stands.
pub(super) async fn state(
    ledger: &PostgresLedger,
    act: &'static str,
    job_key: &str,
) -> Result<Option<JobState>, LedgerError> {
    let row = ledger.one(act, query(sql::BY_KEY).bind(job_key.to_owned())).await?;
    row.map(|row| row::state(row.try_get("state")?)).transpose().map_err(database(act))
}

/// The rows that the filter wants, in order of acceptance.
pub(super) async fn jobs(ledger: &PostgresLedger, filter: &JobFilter) -> Result<Vec<JobRow>, LedgerError> {
    let act = "list its jobs";
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let last = filter.last.map(|last| i64::try_from(last).unwrap_or(i64::MAX));
    let rows = ledger.all(act, query(sql::JOBS).bind(states).bind(last)).await?;
    rows.iter().map(row::job_row).collect::<Result<_, _>>().map_err(database(act))
}

/// The one job whose key is the prefix or begins with it.
pub(super) async fn job(
    ledger: &PostgresLedger,
    prefix: &str,
) -> Result<Option<(JobRow, Vec<AuditEntry>)>, LedgerError> {
    let act = "look up a job";
    let rows = ledger.all(act, query(sql::BY_PREFIX).bind(prefix.to_owned())).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let job = row::job_row(first).map_err(database(act))?;
    if rows.len() > 1 && job.job_key != prefix {
        return Ok(None);
    }
    let entries = entries(ledger, act, &job.job_key).await?;
    Ok(Some((job, entries)))
}

/// What happened to a job, oldest first.
pub(super) async fn entries(
    ledger: &PostgresLedger,
    act: &'static str,
    job_key: &str,
) -> Result<Vec<AuditEntry>, LedgerError> {
    let entries = ledger.all(act, query(sql::AUDIT).bind(job_key.to_owned())).await?;
    entries.iter().map(row::audit_entry).collect::<Result<_, _>>().map_err(database(act))
}

/// Jobs in each state.
pub(super) async fn counts(ledger: &PostgresLedger) -> Result<BTreeMap<JobState, u64>, LedgerError> {
    let act = "count its jobs";
    let rows = ledger.all(act, query(sql::COUNTS)).await?;
    let count = |row: &PgRow| {
        let jobs = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
        Ok((row::state(row.try_get(0)?)?, jobs))
    };
    rows.iter().map(count).collect::<Result<_, _>>().map_err(database(act))
}

/// How long the oldest report that waits for its delivery has been stored.
pub(super) async fn outbox_age(ledger: &PostgresLedger) -> Result<Option<Duration>, LedgerError> {
    let act = "look for the oldest report";
    let row = ledger.one(act, query(sql::OUTBOX_AGE)).await?;
    let age_ms: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0)).map_err(database(act))?;
    Ok(age_ms.map(|age_ms| Duration::from_millis(u64::try_from(age_ms).unwrap_or(0))))
}
