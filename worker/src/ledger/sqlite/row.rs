//! Rows of the SQLite file as values.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::lane::Lane;
use crate::ledger::hold::Hold;
use crate::ledger::row::{AuditEntry, Job, JobRow, ReportBytes};
use crate::ledger::state::JobState;

pub(crate) fn parse_state(text: &str) -> rusqlite::Result<JobState> {
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// The row as a job that nobody holds.
pub(crate) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let ends: Option<String> = row.get("ends")?;
    let outcome: Option<String> = row.get("outcome")?;
    let html: Option<Vec<u8>> = row.get("html")?;
    let composed = match (ends, outcome, html) {
        (Some(ends), Some(outcome), Some(html)) => Some(ReportBytes {
            ends: parse_state(&ends)?,
            outcome,
            bundle: row.get("bundle")?,
            html,
            sr: row.get("sr")?,
            overlay: row.get("overlay")?,
            segmentation: row.get("segmentation")?,
        }),
        _ => None,
    };
    Ok(Job {
        sequence: row.get("sequence")?,
        fence: row.get("fence")?,
        lane: lane(row)?,
        job_key: row.get("job_key")?,
        report_key: row.get("report_key")?,
        study_uid: row.get("study_uid")?,
        request: row.get("request")?,
        accepted_at: row.get("accepted_at")?,
        attempts: row.get("attempts")?,
        model_output: row.get("model_output")?,
        composed,
        composed_at: time(row, "composed_at_ms")?,
        deferrals: row.get("deferrals")?,
        hold: Hold::default(),
    })
}

pub(crate) fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        job_key: row.get("job_key")?,
        report_key: row.get("report_key")?,
        lane: lane(row)?,
        study_uid: row.get("study_uid")?,
        state: parse_state(&row.get::<_, String>("state")?)?,
        accepted_at: row.get("accepted_at")?,
        attempts: row.get("attempts")?,
        resting: row.get("resting")?,
        rests_until: time(row, "rests_until_ms")?,
        ended_code: row.get("ended_code")?,
        ended_reason: row.get("ended_reason")?,
        outcome: row.get("outcome")?,
    })
}

pub(super) fn audit_entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: row.get("at")?,
        actor: row.get("actor")?,
        event: row.get("event")?,
        detail: row.get("detail")?,
    })
}

fn lane(row: &Row<'_>) -> rusqlite::Result<Lane> {
    let text: String = row.get("lane")?;
    Ok(if text == Lane::Stat.as_str() { Lane::Stat } else { Lane::Routine })
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}
