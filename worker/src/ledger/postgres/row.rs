//! Rows of the database as values.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use crate::lane::Lane;
use crate::ledger::hold::Hold;
use crate::ledger::row::{AuditEntry, Job, JobRow, ReportBytes, Standing};
use crate::ledger::state::JobState;

pub(super) fn state(text: &str) -> Result<JobState, Error> {
    text.parse().map_err(|error| Error::Decode(Box::new(error)))
}

/// The row as a job that nobody holds.
pub(super) fn job(row: &PgRow) -> Result<Job, Error> {
    let ends: Option<String> = row.try_get("ends")?;
    let outcome: Option<String> = row.try_get("outcome")?;
    let html: Option<Vec<u8>> = row.try_get("html")?;
    let composed = match (ends, outcome, html) {
        (Some(ends), Some(outcome), Some(html)) => Some(ReportBytes {
            ends: state(&ends)?,
            outcome,
            bundle: row.try_get("bundle")?,
            html,
            sr: row.try_get("sr")?,
            overlay: row.try_get("overlay")?,
            segmentation: row.try_get("segmentation")?,
        }),
        _ => None,
    };
    Ok(Job {
        sequence: row.try_get("sequence")?,
        fence: row.try_get("fence")?,
        lane: lane(row)?,
        job_key: row.try_get("job_key")?,
        report_key: row.try_get("report_key")?,
        study_uid: row.try_get("study_uid")?,
        request: row.try_get("request")?,
        accepted_at: row.try_get("accepted_at")?,
        attempts: count(row, "attempts")?,
        model_output: row.try_get("model_output")?,
        composed,
        composed_at: time(row, "composed_at_ms")?,
        deferrals: count(row, "deferrals")?,
        hold: Hold::default(),
    })
}

/// What [`super::sql::STANDING`] says.
pub(super) fn standing(row: &PgRow) -> Result<Standing, Error> {
    Ok(Standing { is_superseded: row.try_get(0)?, has_earlier: row.try_get(1)? })
}

pub(super) fn job_row(row: &PgRow) -> Result<JobRow, Error> {
    Ok(JobRow {
        job_key: row.try_get("job_key")?,
        report_key: row.try_get("report_key")?,
        lane: lane(row)?,
        study_uid: row.try_get("study_uid")?,
        state: state(row.try_get("state")?)?,
        accepted_at: row.try_get("accepted_at")?,
        attempts: count(row, "attempts")?,
        resting: row.try_get("resting")?,
        rests_until: time(row, "rests_until_ms")?,
        ended_code: row.try_get("ended_code")?,
        ended_reason: row.try_get("ended_reason")?,
        outcome: row.try_get("outcome")?,
    })
}

pub(super) fn audit_entry(row: &PgRow) -> Result<AuditEntry, Error> {
    Ok(AuditEntry {
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        event: row.try_get("event")?,
        detail: row.try_get("detail")?,
    })
}

fn lane(row: &PgRow) -> Result<Lane, Error> {
    let text: &str = row.try_get("lane")?;
    Ok(if text == Lane::Stat.as_str() { Lane::Stat } else { Lane::Routine })
}

fn count(row: &PgRow, column: &str) -> Result<u32, Error> {
    Ok(u32::try_from(row.try_get::<i32, _>(column)?).unwrap_or(0))
}

fn time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, Error> {
    let ms: Option<i64> = row.try_get(column)?;
    Ok(ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
}
