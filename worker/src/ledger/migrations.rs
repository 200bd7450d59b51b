//! The ledger's schema, one migration a version. Migrations are only ever appended.

use rusqlite_migration::{M, Migrations};

/// Every migration from an empty file to the newest schema, in order.
pub(super) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

const STEPS: &[M<'static>] = &[M::up(
    "CREATE TABLE job (
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
    CREATE INDEX job_by_report ON job (report_key, sequence);",
)];

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn the_migrations_apply_to_an_empty_file() {
        assert!(MIGRATIONS.validate().is_ok());
    }
}
