//! What only looks.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Result, named_params};

use super::row::{self, parse_state};
use crate::ledger::row::{AuditEntry, Job, JobFilter, JobRow, Standing};
use crate::ledger::state::JobState;

/// Whether a newer version's report is stored or was delivered, and whether an older one's may lie somewhere.
pub(super) fn standing(connection: &Connection, job_key: &str) -> Result<Standing> {
    let mut statement = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM job AS newer WHERE newer.report_key = this.report_key
                    AND newer.sequence > this.sequence
                    AND (newer.state IN ('composed', 'reported', 'refused')
                         OR (newer.state = 'failed' AND newer.ended_code IS NULL))),
                EXISTS (SELECT 1 FROM job AS older WHERE older.report_key = this.report_key
                    AND older.sequence < this.sequence AND older.outcome IS NOT NULL AND older.state <> 'held')
         FROM job AS this WHERE this.job_key = ?1",
    )?;
    let standing = statement
        .query_row([job_key], |row| Ok(Standing { is_superseded: row.get(0)?, has_earlier: row.get(1)? }))
        .optional()?;
    Ok(standing.unwrap_or_default())
}

/// The newest version whose report is stored or was delivered.
pub(super) fn newest(connection: &Connection, report_key: &str) -> Result<Option<Job>> {
    connection
        .query_row(
            "SELECT * FROM job WHERE report_key = ?1 AND html IS NOT NULL
             AND (state IN ('composed', 'reported', 'refused') OR (state = 'failed' AND ended_code IS NULL))
             ORDER BY sequence DESC LIMIT 1",
            [report_key],
            row::job,
        )
        .optional()
}

/// All versions of a report, in order of acceptance.
pub(super) fn versions(connection: &Connection, report_key: &str) -> Result<Vec<JobRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, job_key, report_key, lane, study_uid, state, accepted_at, attempts, resting,
                rests_until_ms, ended_code, ended_reason, outcome
         FROM job WHERE report_key = ?1 ORDER BY sequence",
    )?;
    statement.query_map([report_key], row::job_row)?.collect()
}

/// The job with the key, held by nobody here.
pub(super) fn by_key(connection: &Connection, job_key: &str) -> Result<Option<Job>> {
    connection.query_row("SELECT * FROM job WHERE job_key = ?1", [job_key], row::job).optional()
}

/// Where the job with the key stands.
pub(super) fn state(connection: &Connection, job_key: &str) -> Result<Option<JobState>> {
    connection
        .query_row("SELECT state FROM job WHERE job_key = ?1", [job_key], |row| {
            parse_state(&row.get::<_, String>(0)?)
        })
        .optional()
}

/// The rows that the filter wants, in order of acceptance.
pub(super) fn jobs(connection: &Connection, filter: &JobFilter) -> Result<Vec<JobRow>> {
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let states = serde_json::json!(states).to_string();
    let last = filter.last.map_or(-1, |last| i64::try_from(last).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(
        "SELECT * FROM (
             SELECT sequence, job_key, report_key, lane, study_uid, state, accepted_at, attempts, resting,
                    rests_until_ms, ended_code, ended_reason, outcome
             FROM job WHERE :states = '[]' OR state IN (SELECT value FROM json_each(:states))
             ORDER BY sequence DESC LIMIT :last)
         ORDER BY sequence",
    )?;
    statement.query_map(named_params! {":states": states, ":last": last}, row::job_row)?.collect()
}

/// The one job whose key is the prefix or begins with it.
pub(super) fn job(connection: &Connection, prefix: &str) -> Result<Option<(JobRow, Vec<AuditEntry>)>> {
    let mut found: Vec<JobRow> = connection
        .prepare_cached(
            "SELECT * FROM job WHERE job_key >= ?1 AND job_key < ?1 || char(1114111) ORDER BY job_key LIMIT 2",
        )?
        .query_map([prefix], row::job_row)?
        .collect::<Result<_>>()?;
    if found.is_empty() || (found.len() > 1 && found[0].job_key != prefix) {
        return Ok(None);
    }
    let row = found.swap_remove(0);
    let entries = entries(connection, &row.job_key)?;
    Ok(Some((row, entries)))
}

/// What happened to a job, oldest first.
pub(super) fn entries(connection: &Connection, job_key: &str) -> Result<Vec<AuditEntry>> {
    connection
        .prepare_cached("SELECT at, actor, event, detail FROM audit WHERE job_key = ?1 ORDER BY id")?
        .query_map([job_key], row::audit_entry)?
        .collect()
}

/// Jobs in each state.
pub(super) fn counts(connection: &Connection) -> Result<BTreeMap<JobState, u64>> {
    connection
        .prepare_cached("SELECT state, count(*) FROM job GROUP BY state")?
        .query_map([], |row| {
            let jobs: i64 = row.get(1)?;
            Ok((parse_state(&row.get::<_, String>(0)?)?, u64::try_from(jobs).unwrap_or(0)))
        })?
        .collect()
}

/// When the oldest report that waits for its delivery was stored.
pub(super) fn oldest_composed_ms(connection: &Connection) -> Result<Option<i64>> {
    connection.query_row("SELECT min(composed_at_ms) FROM job WHERE state = 'composed'", [], |row| row.get(0))
}
