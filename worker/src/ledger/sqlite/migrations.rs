//! The schema of the SQLite file, one migration a version. Migrations are only ever appended.

use rusqlite_migration::{M, Migrations};

/// Every migration from an empty file to the newest schema, in order.
pub(crate) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// The schema as released with version 0.1.0.
pub(super) const VERSION_1: &str = "CREATE TABLE job (
        sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
        job_key       TEXT NOT NULL UNIQUE,
        report_key    TEXT NOT NULL,
        study_uid     TEXT NOT NULL,
        request       TEXT NOT NULL,
        accepted_at   TEXT NOT NULL,
        state         TEXT NOT NULL CHECK (state IN
                        ('accepted', 'leased', 'composed', 'reported', 'refused', 'failed', 'superseded')),
        attempts      INTEGER NOT NULL DEFAULT 0,
        lease_holder  TEXT,
        lease_until   INTEGER,
        model_output  TEXT,
        ends          TEXT,
        outcome       TEXT,
        bundle        BLOB,
        html          BLOB
    ) STRICT;
    CREATE INDEX job_by_state ON job (state, sequence);
    CREATE INDEX job_by_report ON job (report_key, sequence);";

/// Lanes, fences, rests, starts, the audit trail, and the embedded queue. Times are milliseconds since 1970. No worker of
/// version 0.1.0 goes on with a file of this version, so that its leases are void; a report that waits for its delivery
/// waits from now on, because how long it waited before is not known. `job_one_writer`: no two versions of a report are
/// under way at once, and so none is delivered over a newer one.
const VERSION_2: &str =
    "ALTER TABLE job ADD COLUMN lane TEXT NOT NULL DEFAULT 'routine' CHECK (lane IN ('stat', 'routine'));
    ALTER TABLE job ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN resting TEXT;
    ALTER TABLE job ADD COLUMN rests_since_ms INTEGER;
    ALTER TABLE job ADD COLUMN rests_until_ms INTEGER;
    ALTER TABLE job ADD COLUMN deferrals INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN composed_at_ms INTEGER;
    ALTER TABLE job ADD COLUMN ended_code TEXT;
    ALTER TABLE job RENAME COLUMN lease_until TO lease_until_ms;
    UPDATE job SET fence = attempts, lease_holder = NULL, lease_until_ms = NULL,
        state = CASE state WHEN 'leased' THEN 'accepted' ELSE state END,
        composed_at_ms = CASE WHEN html IS NOT NULL THEN CAST(unixepoch('subsec') * 1000 AS INTEGER) END;
    CREATE INDEX job_by_turn ON job (lane DESC, sequence) WHERE state IN ('accepted', 'composed');
    CREATE INDEX job_by_delivery ON job (lane DESC, sequence) WHERE state = 'composed';
    CREATE UNIQUE INDEX job_one_writer ON job (report_key) WHERE lease_holder IS NOT NULL;
    CREATE TABLE arrival (
        digest         TEXT PRIMARY KEY,
        starts         INTEGER NOT NULL,
        first_seen_ms  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE audit (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        job_key  TEXT NOT NULL,
        at       TEXT NOT NULL,
        actor    TEXT NOT NULL,
        event    TEXT NOT NULL,
        detail   TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_job ON audit (job_key, id);
    CREATE TABLE message (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        lane             TEXT NOT NULL CHECK (lane IN ('stat', 'routine')),
        message_id       TEXT NOT NULL,
        body             BLOB NOT NULL,
        trace_parent     TEXT,
        published_at_ms  INTEGER NOT NULL,
        run_at_ms        INTEGER NOT NULL,
        retries          INTEGER NOT NULL DEFAULT 0,
        lease_holder     TEXT,
        lease_until_ms   INTEGER,
        fence            INTEGER NOT NULL DEFAULT 0,
        dead_code        TEXT,
        dead_reason      TEXT
    ) STRICT;
    CREATE INDEX message_by_turn ON message (lane, id) WHERE dead_code IS NULL;
    CREATE INDEX message_by_holder ON message (lease_holder) WHERE lease_holder IS NOT NULL;";

/// The DICOM structured report beside bundle and page. A report that is stored already has none and gets none.
const VERSION_3: &str = "ALTER TABLE job ADD COLUMN sr BLOB;";

/// The overlay as a DICOM image beside the structured report. A report that is stored already has none and gets none.
const VERSION_4: &str = "ALTER TABLE job ADD COLUMN overlay BLOB;";

/// What a model outlines, as a DICOM segmentation beside the structured report. A report that is stored already has none.
const VERSION_5: &str = "ALTER TABLE job ADD COLUMN segmentation BLOB;";

/// The state `held`. A check cannot be changed in place: the table is written anew, with everything that belongs to it.
const VERSION_6: &str = "CREATE TABLE job_with_held (
        sequence        INTEGER PRIMARY KEY AUTOINCREMENT,
        job_key         TEXT NOT NULL UNIQUE,
        report_key      TEXT NOT NULL,
        study_uid       TEXT NOT NULL,
        request         TEXT NOT NULL,
        accepted_at     TEXT NOT NULL,
        state           TEXT NOT NULL CHECK (state IN ('accepted', 'leased', 'composed', 'held', 'reported', 'refused',
                          'failed', 'superseded')),
        attempts        INTEGER NOT NULL DEFAULT 0,
        lease_holder    TEXT,
        lease_until_ms  INTEGER,
        model_output    TEXT,
        ends            TEXT,
        outcome         TEXT,
        bundle          BLOB,
        html            BLOB,
        lane            TEXT NOT NULL DEFAULT 'routine' CHECK (lane IN ('stat', 'routine')),
        fence           INTEGER NOT NULL DEFAULT 0,
        resting         TEXT,
        rests_since_ms  INTEGER,
        rests_until_ms  INTEGER,
        deferrals       INTEGER NOT NULL DEFAULT 0,
        composed_at_ms  INTEGER,
        ended_code      TEXT,
        sr              BLOB,
        overlay         BLOB,
        segmentation    BLOB
    ) STRICT;
    INSERT INTO job_with_held (sequence, job_key, report_key, study_uid, request, accepted_at, state, attempts, lease_holder,
            lease_until_ms, model_output, ends, outcome, bundle, html, lane, fence, resting, rests_since_ms,
            rests_until_ms, deferrals, composed_at_ms, ended_code, sr, overlay, segmentation)
        SELECT sequence, job_key, report_key, study_uid, request, accepted_at, state, attempts, lease_holder,
            lease_until_ms, model_output, ends, outcome, bundle, html, lane, fence, resting, rests_since_ms,
            rests_until_ms, deferrals, composed_at_ms, ended_code, sr, overlay, segmentation
        FROM job;
    DROP TABLE job;
    ALTER TABLE job_with_held RENAME TO job;
    CREATE INDEX job_by_state ON job (state, sequence);
    CREATE INDEX job_by_report ON job (report_key, sequence);
    CREATE INDEX job_by_turn ON job (lane DESC, sequence) WHERE state IN ('accepted', 'composed');
    CREATE INDEX job_by_delivery ON job (lane DESC, sequence) WHERE state = 'composed';
    CREATE UNIQUE INDEX job_one_writer ON job (report_key) WHERE lease_holder IS NOT NULL;";

/// Why a job ended otherwise than its report says, in a sentence. What ended before has none.
const VERSION_7: &str = "ALTER TABLE job ADD COLUMN ended_reason TEXT;";

const STEPS: &[M<'static>] = &[
    M::up(VERSION_1),
    M::up(VERSION_2),
    M::up(VERSION_3),
    M::up(VERSION_4),
    M::up(VERSION_5),
    M::up(VERSION_6),
    M::up(VERSION_7),
];

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn the_migrations_apply_to_an_empty_file() {
        assert!(MIGRATIONS.validate().is_ok());
    }
}
