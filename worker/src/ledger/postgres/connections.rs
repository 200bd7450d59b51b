//! The connections that the ledger's statements go over.
//!
//! sqlx's own pool asks the server whether a connection lives before a statement and again after it: three ways to the
//! server and back for one statement, which was a tenth of the worker's own processor time. Here a connection is asked
//! only when it has rested for a while. One that fails in between costs its statement an error, as it does when it breaks
//! during the statement; everybody who uses the ledger tries again after such an error.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::timeout;

use super::connect::{CONNECT_WITHIN, connect};

/// The most time one statement may take, the way to the server and back included.
const STATEMENT_WITHIN: Duration = Duration::from_secs(35);

/// A connection that rested longer than this is asked first whether it still lives.
const RESTED: Duration = Duration::from_secs(2);

/// How long it may take to answer that.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A statement with its arguments.
pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// At most so many connections with the same settings, opened when they are needed.
pub(super) struct Connections {
    options: PgConnectOptions,
    places: Semaphore,
    /// The one that was used last is taken first.
    resting: Mutex<Vec<(PgConnection, Instant)>>,
}

impl Connections {
    /// At most `most` connections, at least one; the first is opened at once.
    pub(super) async fn open(options: PgConnectOptions, most: u32) -> Result<Self, sqlx::Error> {
        let first = connect(&options).await?;
        Ok(Self {
            options,
            places: Semaphore::new(usize::try_from(most.max(1)).unwrap_or(1)),
            resting: Mutex::new(vec![(first, Instant::now())]),
        })
    }

    /// The rows that a statement gives. Nothing is known of the statement's effect when this fails in between.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                let place = timeout(CONNECT_WITHIN, self.places.acquire()).await;
                place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?
            }
        };
        let mut connection = self.connection().await?;
        // Whoever stops waiting drops the connection with what it was doing: it never comes back half used.
        let rows = timeout(STATEMENT_WITHIN, statement.fetch_all(&mut connection)).await;
        match rows {
            Ok(Err(error)) if !matches!(error, sqlx::Error::Database(_)) => {
                self.forget();
                Err(error)
            }
            Ok(rows) => {
                self.lock().push((connection, Instant::now()));
                rows
            }
            // Nobody knows what this connection still does.
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Closes those that rest: what broke one connection to the server broke the others too.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// One that rests and lives, or a new one.
    async fn connection(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            let Some((mut connection, since)) = self.take() else { return connect(&self.options).await };
            let lives = since.elapsed() < RESTED
                || timeout(ANSWER_WITHIN, connection.ping()).await.is_ok_and(|answer| answer.is_ok());
            if lives {
                return Ok(connection);
            }
        }
    }

    fn take(&self) -> Option<(PgConnection, Instant)> {
        self.lock().pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("resting", &self.lock().len()).finish_non_exhaustive()
    }
}
