//! Opening the SQLite file that ledger and embedded queue share.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::migrations::MIGRATIONS;
use crate::ledger::LedgerError;

/// How long a write waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Folder of the living workers' locks, inside the folder of the file.
pub(crate) const WORKERS: &str = "workers";

/// A connection to the file in `folder`, which is made where it is missing and brought to the newest schema. What is
/// committed is on the disk.
pub(crate) fn connect(folder: &Path) -> Result<Connection, LedgerError> {
    let fail = |source| LedgerError::Open { folder: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(fail)?;
    // Two processes that make the same file at once would both begin with its first migration.
    let turn = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("ledger.opening"))
        .map_err(fail)?;
    turn.lock().map_err(fail)?;
    let database = |source| LedgerError::Database { act: "open its file", source: Box::new(source) };
    let mut connection = Connection::open(folder.join("ledger.sqlite")).map_err(database)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(database)?;
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        .map_err(database)?;
    MIGRATIONS.to_latest(&mut connection).map_err(|error| LedgerError::Schema(Box::new(error)))?;
    Ok(connection)
}
