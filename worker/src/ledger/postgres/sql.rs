//! The statements. Each is one round trip and commits by itself: what belongs together stands in one statement. Times are
//! the database's.

/// Now, in milliseconds since 1970.
macro_rules! now_ms {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// The sibling versions of `waiting` are not under way.
macro_rules! one_writer {
    () => {
        "NOT EXISTS (SELECT 1 FROM job AS other
                     WHERE other.report_key = waiting.report_key AND other.lease_holder IS NOT NULL)"
    };
}

/// Leases the job that the rest of the statement picks, for the worker $1 and $2 milliseconds.
macro_rules! lease {
    ($($pick:tt)*) => {
        concat!(
            "UPDATE job SET fence = fence + 1, attempts = attempts + 1, lease_holder = $1, leased_at_ms = ",
            now_ms!(),
            ", lease_until_ms = ",
            now_ms!(),
            " + $2, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL,
                state = CASE state WHEN 'composed' THEN 'composed' ELSE 'leased' END
              WHERE sequence = (SELECT sequence FROM job AS waiting
                  WHERE state IN ('accepted', 'composed') AND lease_holder IS NULL AND ",
            one_writer!(),
            $($pick)*
        )
    };
}

/// It does not rest, and comes first. A rest that has not begun yet is over: the clock was set back. Workers that ask at
/// the same time pass over each other's rows.
macro_rules! first {
    () => {
        concat!(
            " AND (resting IS NULL OR NOT int8range(rests_since_ms, rests_until_ms) @> ",
            now_ms!(),
            ") ORDER BY lane DESC, sequence LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
        )
    };
}

/// The next job in turn.
pub(super) const LEASE_NEXT: &str = lease!(first!());

/// The next job in turn whose report is stored.
pub(super) const LEASE_STORED: &str = lease!(" AND state = 'composed'", first!());

/// The job with the key $3, resting or not.
pub(super) const LEASE_KEY: &str = lease!(" AND job_key = $3 FOR UPDATE SKIP LOCKED) RETURNING *");

/// Gives up the leases that ran out and those of workers that are gone: whose lock nobody holds. When the server itself
/// was started again, everybody's lock is gone; for ten seconds that proves nothing of the leases from before.
macro_rules! free_void_leases {
    () => {
        concat!(
            "UPDATE job SET lease_holder = NULL, leased_at_ms = NULL, lease_until_ms = NULL,
                state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END
             WHERE sequence IN (SELECT sequence FROM job WHERE lease_holder IS NOT NULL AND (lease_until_ms <= ",
            now_ms!(),
            " OR (lease_holder NOT IN (
                    SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
                    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
                  AND (to_timestamp(leased_at_ms / 1000.0) >= pg_postmaster_start_time()
                       OR clock_timestamp() >= pg_postmaster_start_time() + interval '10 seconds')))
             FOR UPDATE SKIP LOCKED)"
        )
    };
}

/// Gives up void leases.
pub(super) const FREE_VOID_LEASES: &str = free_void_leases!();

/// The delivery of held jobs that `$which` picks is due; noted for the actor `$actor`. The rest of the statement follows.
macro_rules! let_go {
    ($actor:literal, $($which:tt)*) => {
        concat!(
            "WITH gone AS (
                UPDATE job SET state = 'composed', composed_at_ms = ",
            now_ms!(),
            ", resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL
                WHERE state = 'held' AND ",
            $($which)*,
            " RETURNING job_key),
             noted AS (INSERT INTO audit (job_key, actor, event, detail)
                SELECT job_key, ",
            $actor,
            ", 'released', '' FROM gone) "
        )
    };
}

/// The delivery of the held job $1 is due, for the actor $2. Gives one row when it was held.
pub(super) const LET_GO: &str = concat!(let_go!("$2", "job_key = $1"), "SELECT job_key FROM gone");

/// What is done before the next job is leased, and before a job is not to be had: the delivery of what was held for long enough is due, for the actor $1, and void leases are
/// given up. A hold that has not begun yet is over: the clock was set back.
pub(super) const TIDY: &str = concat!(
    let_go!("$1", concat!("NOT (rests_since_ms <= ", now_ms!(), " AND ", now_ms!(), " < rests_until_ms)")),
    free_void_leases!()
);

/// Extends the leases of the keys $1 with the fences $2 of the worker $3 by $4 milliseconds.
pub(super) const RENEW: &str = concat!(
    "UPDATE job SET leased_at_ms = ",
    now_ms!(),
    ", lease_until_ms = ",
    now_ms!(),
    " + $4 FROM unnest($1::text[], $2::bigint[]) AS mine (job_key, fence)
     WHERE job.job_key = mine.job_key AND job.fence = mine.fence AND job.lease_holder = $3"
);

/// Counts one more start of $1.
pub(super) const BEGIN: &str = concat!(
    "INSERT INTO arrival (digest, starts, first_seen_ms) VALUES ($1, 1, ",
    now_ms!(),
    ") ON CONFLICT (digest) DO UPDATE SET starts = arrival.starts + 1 RETURNING starts"
);

/// Forgets the starts of $1, and those that are older than thirty days.
pub(super) const FORGET: &str = concat!(
    "DELETE FROM arrival WHERE digest = $1 OR first_seen_ms < ",
    now_ms!(),
    " - 30::bigint * 24 * 3600 * 1000"
);

/// True when the stored report is delivered as it is.
macro_rules! kept {
    () => {
        "(job.html IS NOT NULL AND (job.state = 'superseded' OR job.ends <> 'failed'))"
    };
}

/// What becomes of a failed or superseded row that starts anew. Where its report is stored and was only not delivered, or
/// where it was superseded, the same bytes are delivered; where it failed before, it is analysed again.
macro_rules! again {
    () => {
        concat!(
            "attempts = 0, deferrals = 0, ended_code = NULL, ended_reason = NULL, lease_holder = NULL,
             leased_at_ms = NULL, lease_until_ms = NULL, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL,
             state = CASE WHEN ",
            kept!(),
            " THEN 'composed' ELSE 'accepted' END, composed_at_ms = CASE WHEN ",
            kept!(),
            " THEN ",
            now_ms!(),
            " END, ends = CASE WHEN ",
            kept!(),
            " THEN job.ends END, outcome = CASE WHEN ",
            kept!(),
            " THEN job.outcome END, bundle = CASE WHEN ",
            kept!(),
            " THEN job.bundle END, html = CASE WHEN ",
            kept!(),
            " THEN job.html END, sr = CASE WHEN ",
            kept!(),
            " THEN job.sr END, overlay = CASE WHEN ",
            kept!(),
            " THEN job.overlay END, segmentation = CASE WHEN ",
            kept!(),
            " THEN job.segmentation END"
        )
    };
}

/// Accepts key $1, report $2, lane $3, study $4, request $5, time $6, for the actor $7, once; or anew, where it failed or
/// was superseded; that one becomes the newest version. What has the withdrawal $8 is not. Gives one row when it did.
pub(super) const ACCEPT: &str = concat!(
    "WITH taken AS (
        INSERT INTO job (job_key, report_key, lane, study_uid, request, accepted_at, state)
        VALUES ($1, $2, $3, $4, $5, $6, 'accepted')
        ON CONFLICT (job_key) DO UPDATE SET request = excluded.request, lane = excluded.lane,
            sequence = CASE job.state WHEN 'superseded' THEN excluded.sequence ELSE job.sequence END, ",
    again!(),
    "   WHERE job.state IN ('failed', 'superseded')
            AND NOT EXISTS (SELECT 1 FROM job AS withdrawal WHERE withdrawal.job_key = $8)
        RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $7, 'accepted', $3 FROM taken)
     SELECT job_key FROM taken"
);

/// Where the job $1 stands. Where it is asked for urgently ($2) now, it overtakes from here on.
pub(super) const ACCEPTED_BEFORE: &str = "
    WITH raised AS (
        UPDATE job SET lane = $2 WHERE job_key = $1 AND lane < $2
            AND state IN ('accepted', 'leased', 'composed', 'held'))
    SELECT state FROM job WHERE job_key = $1";

/// The report of job $1, whose request is $2, is to go to more places: its request becomes $3, for the actor $4. What waits
/// goes there in its turn, what ended with a report is delivered again; not what has the withdrawal $5. The
/// audit trail says $6. Gives one row when it did.
pub(super) const WIDEN: &str = concat!(
    "WITH widened AS (
        UPDATE job SET request = $3, attempts = 0, deferrals = 0, ended_code = NULL, ended_reason = NULL,
            resting = CASE state WHEN 'held' THEN resting END,
            rests_since_ms = CASE state WHEN 'held' THEN rests_since_ms END,
            rests_until_ms = CASE state WHEN 'held' THEN rests_until_ms END,
            composed_at_ms = CASE WHEN state IN ('reported', 'refused') THEN ",
    now_ms!(),
    " ELSE composed_at_ms END,
            state = CASE WHEN state IN ('reported', 'refused') THEN 'composed' ELSE state END
        WHERE job_key = $1 AND request = $2 AND lease_holder IS NULL
          AND (state IN ('accepted', 'composed', 'held') OR state IN ('reported', 'refused') AND html IS NOT NULL)
          AND NOT EXISTS (SELECT 1 FROM job AS withdrawal WHERE withdrawal.job_key = $5)
        RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $4, 'widened', $6 FROM widened)
     SELECT job_key FROM widened"
);

/// Starts the failed job $1 anew, for the actor $2. Gives one row when it did.
pub(super) const RETRY: &str = concat!(
    "WITH retried AS (UPDATE job SET ",
    again!(),
    " WHERE job_key = $1 AND state = 'failed' RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $2, 'retried', '' FROM retried)
     SELECT job_key FROM retried"
);

/// The job $1, whose delivered report is to go to more places as its request $3 says, ends again in the state $4 with the request
/// $5, for the actor $2. Gives one row when it did.
pub(super) const CANCEL_REDELIVERY: &str = "
    WITH cancelled AS (
        UPDATE job SET state = $4, request = $5, resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL
        WHERE job_key = $1 AND request = $3 AND state = 'composed' AND lease_holder IS NULL RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $2, 'cancelled', $4 FROM cancelled)
     SELECT job_key FROM cancelled";

/// Ends the job $1, which waits with the request $3, for the actor $2. Gives one row when it did.
pub(super) const CANCEL: &str = "
    WITH cancelled AS (
        UPDATE job SET state = 'failed', ended_code = 'Cancelled', ended_reason = NULL, resting = NULL,
            rests_since_ms = NULL, rests_until_ms = NULL
        WHERE job_key = $1 AND request = $3 AND state IN ('accepted', 'composed', 'held') AND lease_holder IS NULL
        RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $2, 'cancelled', '' FROM cancelled)
     SELECT job_key FROM cancelled";

/// Whether a newer version than `this` has its report stored or delivered, and whether an older one's may lie somewhere.
macro_rules! standing {
    () => {
        "EXISTS (SELECT 1 FROM job AS newer WHERE newer.report_key = this.report_key
               AND newer.sequence > this.sequence
               AND (newer.state IN ('composed', 'reported', 'refused')
                    OR (newer.state = 'failed' AND newer.ended_code IS NULL))),
         EXISTS (SELECT 1 FROM job AS older WHERE older.report_key = this.report_key
               AND older.sequence < this.sequence AND older.outcome IS NOT NULL AND older.state <> 'held')"
    };
}

/// Stores what was composed under the lease of job $1, fence $2, worker $3: ends $4, outcome $5, bundle $6, page $7, model
/// output $8, for the actor $9 with the digests $10, structured report $11, overlay $12, segmentation $13. Gives one row when
/// the lease was kept: what [`STANDING`] gives. Nobody else has another version under way, so nothing of that changes meanwhile.
pub(super) const STORE_REPORT: &str = concat!(
    "WITH stored AS (
        UPDATE job SET state = 'composed', composed_at_ms = ",
    now_ms!(),
    ", ends = $4, outcome = $5, bundle = $6, html = $7, sr = $11, overlay = $12, segmentation = $13,
            model_output = coalesce($8, model_output)
        WHERE job_key = $1 AND fence = $2 AND lease_holder = $3 RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $9, 'composed', $10 FROM stored)
     SELECT ",
    standing!(),
    " FROM job AS this JOIN stored ON this.job_key = stored.job_key"
);

/// The same, and the job is held: because of $14, for $15 milliseconds at most. Its lease is given up.
pub(super) const STORE_HELD: &str = concat!(
    "WITH stored AS (
        UPDATE job SET state = 'held', composed_at_ms = ",
    now_ms!(),
    ", ends = $4, outcome = $5, bundle = $6, html = $7, sr = $11, overlay = $12, segmentation = $13,
            model_output = coalesce($8, model_output), resting = $14, rests_since_ms = ",
    now_ms!(),
    ", rests_until_ms = ",
    now_ms!(),
    " + $15, lease_holder = NULL, leased_at_ms = NULL, lease_until_ms = NULL
        WHERE job_key = $1 AND fence = $2 AND lease_holder = $3 RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail)
        SELECT job_key, $9, event, detail FROM stored, (VALUES (1, 'composed', $10), (2, 'held', $14)) AS what (n, event, detail)
        ORDER BY n)
     SELECT job_key FROM stored"
);

/// Stores the withdrawal $1 of the version $11, which is still the newest: lane $2, study $3, request $4, time $5, ends $6,
/// outcome $7, bundle $8, page $9, structured report $10, overlay $14, segmentation $15, for the actor $12 with the digests $13.
/// Gives one row when it did.
pub(super) const WITHDRAW: &str = concat!(
    "WITH withdrawn AS (
        INSERT INTO job (job_key, report_key, lane, study_uid, request, accepted_at, state, composed_at_ms, ends, outcome,
                         bundle, html, sr, overlay, segmentation)
        SELECT $1::text, report_key, $2::text, $3::text, $4::text, $5::text, 'composed', ",
    now_ms!(),
    ", $6::text, $7::text, $8::bytea, $9::bytea, $10::bytea, $14::bytea, $15::bytea
        FROM job AS this WHERE this.job_key = $11 AND this.html IS NOT NULL AND this.state <> 'superseded'
            AND NOT EXISTS (SELECT 1 FROM job AS newer WHERE newer.report_key = this.report_key
                AND newer.sequence > this.sequence AND newer.state <> 'superseded'
                AND NOT (newer.state = 'failed' AND newer.ended_code IS NOT NULL))
        ON CONFLICT (job_key) DO NOTHING RETURNING job_key),
     noted AS (
        INSERT INTO audit (job_key, actor, event, detail)
        SELECT job_key, $12, 'composed', $13 FROM withdrawn
        UNION ALL SELECT $11, $12, 'withdrawn', 'by ' || job_key FROM withdrawn)
     SELECT job_key FROM withdrawn"
);

/// Puts the delivery of job $1, fence $2, worker $3 off by $4 milliseconds because of $5, for the actor $6. Gives one row
/// when the lease was kept.
pub(super) const DEFER: &str = concat!(
    "WITH deferred AS (
        UPDATE job SET attempts = attempts - 1, deferrals = deferrals + 1, resting = $5, rests_since_ms = ",
    now_ms!(),
    ", rests_until_ms = ",
    now_ms!(),
    " + $4, lease_holder = NULL, leased_at_ms = NULL, lease_until_ms = NULL,
            state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END
        WHERE job_key = $1 AND fence = $2 AND lease_holder = $3 RETURNING job_key),
     noted AS (INSERT INTO audit (job_key, actor, event, detail) SELECT job_key, $6, 'deferred', $5 FROM deferred)
     SELECT job_key FROM deferred"
);

/// Gives job $1, fence $2, worker $3 back as it is.
pub(super) const RELEASE: &str = "
    UPDATE job SET attempts = attempts - 1, lease_holder = NULL, leased_at_ms = NULL, lease_until_ms = NULL,
        state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END
    WHERE job_key = $1 AND fence = $2 AND lease_holder = $3";

/// Ends job $1, fence $2, worker $3 in the state $4 with the code $5, and marks older versions where $6, for the actor $7
/// with the text $8; $9 says why in a sentence. Gives one row when the lease was kept.
pub(super) const SETTLE: &str = "
    WITH settled AS (
        UPDATE job SET state = $4, ended_code = $5, ended_reason = $9, lease_holder = NULL, leased_at_ms = NULL,
            lease_until_ms = NULL
        WHERE job_key = $1 AND fence = $2 AND lease_holder = $3 RETURNING job_key, report_key, sequence),
     older AS (
        UPDATE job SET state = 'superseded', resting = NULL, rests_since_ms = NULL, rests_until_ms = NULL FROM settled
        WHERE $6 AND job.report_key = settled.report_key AND job.sequence < settled.sequence
          AND job.state IN ('held', 'reported', 'refused', 'failed') RETURNING job.job_key, settled.job_key AS newer),
     noted AS (
        INSERT INTO audit (job_key, actor, event, detail)
        SELECT job_key, $7, 'settled', $8 FROM settled
        UNION ALL SELECT job_key, $7, 'superseded', 'by ' || newer FROM older)
    SELECT job_key FROM settled";

/// Whether a newer version than job $1 has its report stored or delivered, and whether an older one's may lie somewhere.
pub(super) const STANDING: &str =
    concat!("SELECT ", standing!(), " FROM job AS this WHERE this.job_key = $1");

/// The newest version of report $1 that is stored or delivered.
pub(super) const NEWEST: &str = "
    SELECT * FROM job WHERE report_key = $1 AND html IS NOT NULL
        AND (state IN ('composed', 'reported', 'refused') OR (state = 'failed' AND ended_code IS NULL))
    ORDER BY sequence DESC LIMIT 1";

/// All versions of report $1, in order of acceptance.
pub(super) const VERSIONS: &str = "
    SELECT sequence, job_key, report_key, lane, study_uid, state, accepted_at, attempts, resting, rests_until_ms,
           ended_code, ended_reason, outcome
    FROM job WHERE report_key = $1 ORDER BY sequence";

/// The job $1.
pub(super) const BY_KEY: &str = "SELECT * FROM job WHERE job_key = $1";

/// The newest $2 jobs in the states $1, or in any where there are none, in order of acceptance.
pub(super) const JOBS: &str = "
    SELECT * FROM (
        SELECT sequence, job_key, report_key, lane, study_uid, state, accepted_at, attempts, resting, rests_until_ms,
               ended_code, ended_reason, outcome
        FROM job WHERE cardinality($1::text[]) = 0 OR state = ANY ($1) ORDER BY sequence DESC LIMIT $2) AS newest
    ORDER BY sequence";

/// Up to two jobs whose keys begin with $1.
pub(super) const BY_PREFIX: &str =
    "SELECT * FROM job WHERE starts_with(job_key, $1) ORDER BY job_key LIMIT 2";

/// The audit trail of job $1, oldest entry first.
pub(super) const AUDIT: &str = r#"
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, actor, event, detail
    FROM audit WHERE job_key = $1 ORDER BY id"#;

/// Jobs in each state.
pub(super) const COUNTS: &str = "SELECT state, count(*) FROM job GROUP BY state";

/// Milliseconds that the oldest stored report has waited for its delivery.
pub(super) const OUTBOX_AGE: &str =
    concat!("SELECT ", now_ms!(), " - min(composed_at_ms) FROM job WHERE state = 'composed'");
