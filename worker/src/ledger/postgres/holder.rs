//! Whether a worker still lives, for all who share the database.
//!
//! Every worker has a random number and keeps a shared advisory lock on it, on a connection of its own. When the worker
//! is killed its connection breaks, the server lets go of the lock, and the worker's leases are void at once. A worker
//! that is cut off without a broken connection loses its leases when they run out. The lock is shared, so that a worker
//! that comes back over a new connection need not wait for the old one to be noticed as dead. Session-level locks need a
//! session: a pooler in transaction mode cannot stand in between.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connect::{CONNECT_WITHIN, connect};

/// How long the connection may take to answer before another one is tried.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// One living worker's claim to its leases.
pub(super) struct Holder {
    id: i64,
    options: PgConnectOptions,
    connection: Mutex<PgConnection>,
}

impl Holder {
    /// Registers this worker under a number that no other worker has, over a connection that is only for this.
    pub(super) async fn register(
        options: PgConnectOptions,
        mut connection: PgConnection,
    ) -> Result<Self, sqlx::Error> {
        // The standard library's hash keys are random, and differ from call to call.
        let id = i64::from_ne_bytes(RandomState::new().build_hasher().finish().to_ne_bytes()) & i64::MAX;
        lock(&mut connection, id).await?;
        Ok(Self { id, options, connection: Mutex::new(connection) })
    }

    /// The number this worker writes into its leases.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// Sees to it that the lock is held: over the connection that is there, or over a new one. Says whether it is a new one.
    pub(super) async fn keep(&self) -> Result<bool, sqlx::Error> {
        let mut connection = self.connection.lock().await;
        if timeout(ANSWER_WITHIN, connection.ping()).await.is_ok_and(|answer| answer.is_ok()) {
            return Ok(false);
        }
        // The old connection goes last: where it only answers late, the lock is never let go.
        let mut another = connect(&self.options).await?;
        lock(&mut another, self.id).await?;
        *connection = another;
        Ok(true)
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").field("id", &self.id).finish_non_exhaustive()
    }
}

async fn lock(connection: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    let locking = sqlx::query("SELECT pg_advisory_lock_shared($1)").bind(id).execute(connection);
    timeout(CONNECT_WITHIN, locking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(drop)
}
