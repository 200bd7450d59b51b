//! Storing reports, and giving jobs up in one way or another. Every write is fenced: it counts only for the worker that
//! holds the lease with the same fence.

use rusqlite::{Connection, Result, named_params};

use super::{Lessee, look, note};
use crate::ledger::redelivery;
use crate::ledger::row::{EndedWhy, NewJob, ReportBytes};
use crate::ledger::state::JobState;

/// Which lease a write belongs to.
pub(super) struct Fenced {
    pub(super) job_key: String,
    pub(super) fence: i64,
}

/// Stores what was composed; false when the lease was lost.
pub(super) fn store_report(
    connection: &Connection,
    lease: &Fenced,
    model_output: Option<&str>,
    report: &ReportBytes,
    lessee: &Lessee,
) -> Result<bool> {
    let changed = connection.execute(
        "UPDATE job SET state = 'composed', composed_at_ms = :now, ends = :ends, outcome = :outcome,
            bundle = :bundle, html = :html, sr = :sr, overlay = :overlay, segmentation = :segmentation,
            model_output = coalesce(:model_output, model_output)
         WHERE job_key = :job_key AND fence = :fence AND lease_holder = :holder",
        named_params! {":now": lessee.now_ms, ":ends": report.ends.as_str(), ":outcome": report.outcome,
        ":bundle": report.bundle, ":html": report.html, ":sr": report.sr, ":overlay": report.overlay,
        ":segmentation": report.segmentation, ":model_output": model_output,
        ":job_key": lease.job_key, ":fence": lease.fence, ":holder": lessee.holder},
    )?;
    if changed == 1 {
        note(connection, &lease.job_key, lessee, "composed", &report.digests(model_output))?;
    }
    Ok(changed == 1)
}

/// Holds a job whose report was stored under this lease, and gives it up; false when the lease was lost.
pub(super) fn hold(
    connection: &Connection,
    lease: &Fenced,
    why: &str,
    lasts_ms: i64,
    lessee: &Lessee,
) -> Result<bool> {
    let changed = connection.execute(
        "UPDATE job SET state = 'held', resting = :why, rests_since_ms = :now, rests_until_ms = :now + :lasts,
            lease_holder = NULL, lease_until_ms = NULL
         WHERE job_key = :job_key AND fence = :fence AND lease_holder = :holder",
        named_params! {":why": why, ":now": lessee.now_ms, ":lasts": lasts_ms, ":job_key": lease.job_key,
        ":fence": lease.fence, ":holder": lessee.holder},
    )?;
    if changed == 1 {
        note(connection, &lease.job_key, lessee, "held", why)?;
    }
    Ok(changed == 1)
}

/// The delivery of a held job is due; false when it is not held.
pub(super) fn let_go(connection: &Connection, job_key: &str, lessee: &Lessee) -> Result<bool> {
    let changed = connection.execute(
        "UPDATE job SET state = 'composed', composed_at_ms = ?2, resting = NULL, rests_since_ms = NULL,
            rests_until_ms = NULL
         WHERE job_key = ?1 AND state = 'held'",
        (job_key, lessee.now_ms),
    )?;
    if changed == 1 {
        note(connection, job_key, lessee, "released", "")?;
    }
    Ok(changed == 1)
}

/// Puts the delivery off; false when the lease was lost.
pub(super) fn defer(
    connection: &Connection,
    lease: &Fenced,
    after_ms: i64,
    why: &str,
    lessee: &Lessee,
) -> Result<bool> {
    let changed = connection.execute(
        "UPDATE job SET attempts = attempts - 1, deferrals = deferrals + 1, resting = :why,
            rests_since_ms = :now, rests_until_ms = :now + :after, lease_holder = NULL, lease_until_ms = NULL,
            state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END
         WHERE job_key = :job_key AND fence = :fence AND lease_holder = :holder",
        named_params! {":why": why, ":now": lessee.now_ms, ":after": after_ms, ":job_key": lease.job_key,
        ":fence": lease.fence, ":holder": lessee.holder},
    )?;
    if changed == 1 {
        note(connection, &lease.job_key, lessee, "deferred", why)?;
    }
    Ok(changed == 1)
}

/// Gives the job back as it is, where the lease is not lost anyway.
pub(super) fn release(connection: &Connection, lease: &Fenced, lessee: &Lessee) -> Result<()> {
    connection
        .execute(
            "UPDATE job SET attempts = attempts - 1, lease_holder = NULL, lease_until_ms = NULL,
                state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END
             WHERE job_key = ?1 AND fence = ?2 AND lease_holder = ?3",
            (&lease.job_key, lease.fence, &lessee.holder),
        )
        .map(drop)
}

/// Ends the job; false when the lease was lost.
pub(super) fn settle(
    connection: &Connection,
    lease: &Fenced,
    ends: JobState,
    why: Option<EndedWhy<'_>>,
    lessee: &Lessee,
) -> Result<bool> {
    let code = why.map(|why| why.code);
    let changed = connection.execute(
        "UPDATE job SET state = :ends, ended_code = :code, ended_reason = :reason, lease_holder = NULL,
            lease_until_ms = NULL
         WHERE job_key = :job_key AND fence = :fence AND lease_holder = :holder",
        named_params! {":ends": ends.as_str(), ":code": code, ":reason": why.map(|why| why.reason),
        ":job_key": lease.job_key, ":fence": lease.fence, ":holder": lessee.holder},
    )?;
    if changed == 0 {
        return Ok(false);
    }
    note(connection, &lease.job_key, lessee, "settled", &ends.because(why))?;
    if ends.supersedes(code) {
        let older: Vec<String> = connection
            .prepare_cached(
                "UPDATE job SET state = 'superseded', resting = NULL, rests_since_ms = NULL,
                    rests_until_ms = NULL
                 FROM (SELECT report_key, sequence FROM job WHERE job_key = ?1) AS newer
                 WHERE job.report_key = newer.report_key AND job.sequence < newer.sequence
                 AND job.state IN ('held', 'reported', 'refused', 'failed') RETURNING job_key",
            )?
            .query_map([&lease.job_key], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for job_key in older {
            note(connection, &job_key, lessee, "superseded", &format!("by {}", lease.job_key))?;
        }
    }
    Ok(true)
}

/// Stores the withdrawal of a version that is still the newest; false where it is not, or was withdrawn before.
pub(super) fn withdraw(
    connection: &Connection,
    of: &str,
    withdrawal: &NewJob,
    report: &ReportBytes,
    lessee: &Lessee,
) -> Result<bool> {
    let changed = connection.execute(
        "INSERT INTO job (job_key, report_key, lane, study_uid, request, accepted_at, state, composed_at_ms, ends,
                          outcome, bundle, html, sr, overlay, segmentation)
         SELECT :job_key, report_key, :lane, :study_uid, :request, :accepted_at, 'composed', :now, :ends, :outcome,
                :bundle, :html, :sr, :overlay, :segmentation
         FROM job AS this WHERE this.job_key = :of AND this.html IS NOT NULL AND this.state <> 'superseded'
             AND NOT EXISTS (SELECT 1 FROM job AS newer WHERE newer.report_key = this.report_key
                 AND newer.sequence > this.sequence AND newer.state <> 'superseded'
                 AND NOT (newer.state = 'failed' AND newer.ended_code IS NOT NULL))
         ON CONFLICT (job_key) DO NOTHING",
        named_params! {":job_key": withdrawal.job_key, ":lane": withdrawal.lane.as_str(),
        ":study_uid": withdrawal.study_uid, ":request": withdrawal.request, ":accepted_at": withdrawal.accepted_at,
        ":now": lessee.now_ms, ":ends": report.ends.as_str(), ":outcome": report.outcome, ":bundle": report.bundle,
        ":html": report.html, ":sr": report.sr, ":overlay": report.overlay, ":segmentation": report.segmentation,
        ":of": of},
    )?;
    if changed == 1 {
        note(connection, &withdrawal.job_key, lessee, "composed", &report.digests(None))?;
        note(connection, of, lessee, "withdrawn", &format!("by {}", withdrawal.job_key))?;
    }
    Ok(changed == 1)
}

/// Ends a job that waits; false when it does not wait. A delivered report that was to go to more places stays where it is.
pub(super) fn cancel(connection: &Connection, job_key: &str, lessee: &Lessee) -> Result<bool> {
    if let Some((state, request)) = undone(connection, job_key)? {
        let changed = connection.execute(
            "UPDATE job SET state = ?2, request = ?3, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL
             WHERE job_key = ?1 AND state = 'composed' AND lease_holder IS NULL",
            (job_key, state.as_str(), request),
        )?;
        if changed == 1 {
            note(connection, job_key, lessee, "cancelled", state.as_str())?;
        }
        return Ok(changed == 1);
    }
    let changed = connection.execute(
        "UPDATE job SET state = 'failed', ended_code = 'Cancelled', ended_reason = NULL, resting = NULL, rests_since_ms = NULL,
            rests_until_ms = NULL
         WHERE job_key = ?1 AND state IN ('accepted', 'composed', 'held') AND lease_holder IS NULL",
        [job_key],
    )?;
    if changed == 1 {
        note(connection, job_key, lessee, "cancelled", "")?;
    }
    Ok(changed == 1)
}

/// Where a job whose delivered report is to go to more places stood before, and what it asked for.
fn undone(connection: &Connection, job_key: &str) -> Result<Option<(JobState, String)>> {
    let Some(job) = look::by_key(connection, job_key)?.filter(|job| job.composed.is_some()) else {
        return Ok(None);
    };
    Ok(redelivery::undone(&look::entries(connection, job_key)?, &job.request))
}
