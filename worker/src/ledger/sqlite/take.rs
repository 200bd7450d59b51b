//! Accepting jobs and leasing them.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Result, ToSql, named_params};

use super::end;
use super::holder;
use super::row::{self, parse_state};
use super::{Lessee, note};

use crate::ledger::Turn;
use crate::ledger::redelivery;
use crate::ledger::row::{Accepted, Job, NewJob};
use crate::ledger::state::JobState;

/// Starts of messages that were never settled here are forgotten after thirty days.
const KEEP_STARTS_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// A job starts anew. Where its report is stored and was only not delivered, or where it was superseded, the same bytes
/// are delivered; where it failed before, it is analysed again. What was superseded becomes the newest version.
const AGAIN: &str = "UPDATE job SET
        request = coalesce(:request, request), lane = coalesce(:lane, lane),
        sequence = CASE state WHEN 'superseded' THEN (SELECT max(sequence) + 1 FROM job) ELSE sequence END,
        state = CASE WHEN html IS NOT NULL AND (state = 'superseded' OR ends <> 'failed')
                THEN 'composed' ELSE 'accepted' END,
        composed_at_ms = :now, attempts = 0, deferrals = 0, ended_code = NULL, ended_reason = NULL,
        lease_holder = NULL, lease_until_ms = NULL, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL
     WHERE job_key = :job_key AND state IN ('failed', 'superseded')";

/// What is analysed again has no report yet.
const CLEAR_REPORT: &str =
    "UPDATE job SET composed_at_ms = NULL, ends = NULL, outcome = NULL, bundle = NULL, html = NULL,
        sr = NULL, overlay = NULL, segmentation = NULL
     WHERE job_key = :job_key AND state = 'accepted'";

/// The report is to go to more places: what waits goes there in its turn, what is held stays so until
/// it goes there, what ended with a report is delivered again.
const WIDEN: &str =
    "UPDATE job SET request = :wide, attempts = 0, deferrals = 0, ended_code = NULL, ended_reason = NULL,
        resting = CASE state WHEN 'held' THEN resting END,
        rests_since_ms = CASE state WHEN 'held' THEN rests_since_ms END,
        rests_until_ms = CASE state WHEN 'held' THEN rests_until_ms END,
        composed_at_ms = CASE WHEN state IN ('reported', 'refused') THEN :now ELSE composed_at_ms END,
        state = CASE WHEN state IN ('reported', 'refused') THEN 'composed' ELSE state END
     WHERE job_key = :job_key AND request = :before AND lease_holder IS NULL
       AND (state IN ('accepted', 'composed', 'held') OR state IN ('reported', 'refused') AND html IS NOT NULL)";

/// The rest of `SELECT .. WHERE`: nobody holds the job or another version of its report.
macro_rules! free {
    () => {
        "lease_holder IS NULL AND state IN ('accepted', 'composed')
         AND NOT EXISTS (SELECT 1 FROM job AS other
                         WHERE other.report_key = waiting.report_key AND other.lease_holder IS NOT NULL)"
    };
}

/// It does not rest, and comes first. A rest that has not begun yet is over: the clock was set back.
macro_rules! first {
    () => {
        " AND NOT (resting IS NOT NULL AND rests_since_ms <= :now AND :now < rests_until_ms)
         ORDER BY lane DESC, sequence LIMIT 1"
    };
}

/// The next job in turn.
const NEXT: &str =
    concat!("SELECT sequence FROM job AS waiting INDEXED BY job_by_turn WHERE ", free!(), first!());

/// The next job in turn whose report is stored.
const NEXT_STORED: &str = concat!(
    "SELECT sequence FROM job AS waiting INDEXED BY job_by_delivery WHERE state = 'composed' AND ",
    free!(),
    first!()
);

/// The job with the key, resting or not.
const THIS: &str = concat!("SELECT sequence FROM job AS waiting WHERE job_key = :job_key AND ", free!());

const LEASE: &str = "UPDATE job SET fence = fence + 1, attempts = attempts + 1, lease_holder = :holder,
        lease_until_ms = :until, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL,
        state = CASE state WHEN 'composed' THEN 'composed' ELSE 'leased' END
     WHERE sequence = :sequence RETURNING *";

/// Counts one more start.
pub(super) fn begin(connection: &Connection, arrival: &str, now_ms: i64) -> Result<u32> {
    connection.query_row(
        "INSERT INTO arrival (digest, starts, first_seen_ms) VALUES (?1, 1, ?2)
         ON CONFLICT (digest) DO UPDATE SET starts = starts + 1 RETURNING starts",
        (arrival, now_ms),
        |row| row.get(0),
    )
}

/// Forgets the starts of a message, and those that are too old to matter.
pub(super) fn forget(connection: &Connection, arrival: &str, now_ms: i64) -> Result<()> {
    connection
        .execute(
            "DELETE FROM arrival WHERE digest = ?1 OR first_seen_ms < ?2",
            (arrival, now_ms - KEEP_STARTS_MS),
        )
        .map(drop)
}

/// Accepts a job, or accepts it anew.
pub(super) fn accept(connection: &Connection, job: &NewJob, lessee: &Lessee) -> Result<Accepted> {
    let before: Option<String> = connection
        .query_row("SELECT state FROM job WHERE job_key = ?1", [&job.job_key], |row| row.get(0))
        .optional()?;
    let lane = job.lane.as_str();
    match before.map(|state| parse_state(&state)).transpose()? {
        None => {
            connection.execute(
                "INSERT INTO job (job_key, report_key, lane, study_uid, request, accepted_at, state)
                 VALUES (:job_key, :report_key, :lane, :study_uid, :request, :accepted_at, 'accepted')",
                named_params! {":job_key": job.job_key, ":report_key": job.report_key, ":lane": lane,
                ":study_uid": job.study_uid, ":request": job.request, ":accepted_at": job.accepted_at},
            )?;
        }
        Some(state @ (JobState::Failed | JobState::Superseded)) => {
            if is_withdrawn(connection, &job.job_key)? {
                return Ok(Accepted::Before(state));
            }
            again(connection, &job.job_key, Some((&job.request, lane)), lessee.now_ms)?;
            note(connection, &job.job_key, lessee, "accepted", &format!("again, after it was {state}"))?;
            return Ok(Accepted::New);
        }
        Some(state) => {
            // It is asked for urgently now: it overtakes from here on.
            connection.execute(
                "UPDATE job SET lane = ?2 WHERE job_key = ?1 AND lane < ?2
                 AND state IN ('accepted', 'leased', 'composed', 'held')",
                (&job.job_key, lane),
            )?;
            return Ok(Accepted::Before(state));
        }
    }
    note(connection, &job.job_key, lessee, "accepted", lane)?;
    Ok(Accepted::New)
}

/// Gives a job another request; false where it does not stand as it has to.
pub(super) fn widen(
    connection: &Connection,
    job_key: &str,
    (before, wide): (&str, &str),
    lessee: &Lessee,
) -> Result<bool> {
    if is_withdrawn(connection, job_key)? {
        return Ok(false);
    }
    let changed = connection.execute(
        WIDEN,
        named_params! {":job_key": job_key, ":before": before, ":wide": wide, ":now": lessee.now_ms},
    )?;
    if changed == 1 {
        note(connection, job_key, lessee, "widened", &redelivery::before(before, wide))?;
    }
    Ok(changed == 1)
}

/// Whether the version was taken back.
fn is_withdrawn(connection: &Connection, job_key: &str) -> Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM job WHERE job_key = ?1)",
        [crate::job::withdrawal_key(job_key)],
        |row| row.get(0),
    )
}

/// Starts a failed or superseded job anew; true when there was one.
pub(super) fn again(
    connection: &Connection,
    job_key: &str,
    asked: Option<(&str, &str)>,
    now_ms: i64,
) -> Result<bool> {
    let (request, lane) = asked.unzip();
    let changed = connection.execute(
        AGAIN,
        named_params! {":job_key": job_key, ":request": request, ":lane": lane, ":now": now_ms},
    )?;
    if changed == 1 {
        connection.execute(CLEAR_REPORT, named_params! {":job_key": job_key})?;
    }
    Ok(changed == 1)
}

/// Leases the job whose turn it is.
pub(super) fn lease(
    connection: &Connection,
    turn: &Turn,
    workers: &Path,
    lessee: &Lessee,
) -> Result<Option<Job>> {
    free_void_leases(connection, workers, lessee)?;
    end_holds(connection, lessee)?;
    let (sql, parameter): (_, (&str, &dyn ToSql)) = match turn {
        Turn::Next => (NEXT, (":now", &lessee.now_ms)),
        Turn::Stored => (NEXT_STORED, (":now", &lessee.now_ms)),
        Turn::Key(job_key) => (THIS, (":job_key", job_key)),
    };
    let sequence: Option<i64> =
        connection.prepare_cached(sql)?.query_row(&[parameter], |row| row.get(0)).optional()?;
    let Some(sequence) = sequence else { return Ok(None) };
    connection
        .prepare_cached(LEASE)?
        .query_row(
            named_params! {":holder": lessee.holder, ":until": lessee.until_ms(), ":sequence": sequence},
            row::job,
        )
        .map(Some)
}

/// Extends the leases of these keys and fences, as far as they are still ours.
pub(super) fn renew(
    connection: &Connection,
    job_keys: &[String],
    fences: &[i64],
    lessee: &Lessee,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE job SET lease_until_ms = ?1 WHERE job_key = ?2 AND fence = ?3 AND lease_holder = ?4",
    )?;
    for (job_key, fence) in job_keys.iter().zip(fences) {
        statement.execute((lessee.until_ms(), job_key, fence, &lessee.holder))?;
    }
    Ok(())
}

/// The delivery of what was held for long enough is due. A hold that has not begun yet is over: the clock was set back.
fn end_holds(connection: &Connection, lessee: &Lessee) -> Result<()> {
    let over: Vec<String> = connection
        .prepare_cached(
            "SELECT job_key FROM job WHERE state = 'held' AND NOT (rests_since_ms <= ?1 AND ?1 < rests_until_ms)",
        )?
        .query_map([lessee.now_ms], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for job_key in over {
        end::let_go(connection, &job_key, lessee)?;
    }
    Ok(())
}

/// Gives up the leases that ran out and those of workers that are gone.
pub(super) fn free_void_leases(connection: &Connection, workers: &Path, lessee: &Lessee) -> Result<()> {
    let leases: Vec<(i64, String, Option<i64>)> = connection
        .prepare_cached(
            "SELECT sequence, lease_holder, lease_until_ms FROM job WHERE lease_holder IS NOT NULL",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_>>()?;
    let mut alive = BTreeMap::from([(lessee.holder.clone(), true)]);
    for (sequence, holder, until_ms) in leases {
        let lives = *alive.entry(holder).or_insert_with_key(|holder| holder::is_alive(workers, holder));
        if !lives || until_ms.is_none_or(|until_ms| until_ms <= lessee.now_ms) {
            connection.execute(
                "UPDATE job SET lease_holder = NULL, lease_until_ms = NULL,
                 state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END WHERE sequence = ?1",
                [sequence],
            )?;
        }
    }
    Ok(())
}
