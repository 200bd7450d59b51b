//! The queue of one machine: a table of the ledger's SQLite file, for workers without any server.
//!
//! A message is on the disk before publishing returns. Deliveries are leases: those of a worker that was killed are free
//! at once, because the lock on its file went with it; those of a worker that hangs are free when the lease runs out.

mod consumer;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::Notify;

use self::consumer::EmbeddedConsumer;
use self::table::{Change, Leased};
use super::{
    Consumer, DeadAction, DeadLetter, DeadSelection, Message, Queue, QueueError, QueueStatus, Settled,
};
use crate::lane::Lane;
use crate::ledger::LedgerError;
use crate::ledger::sqlite::file;
use crate::ledger::sqlite::holder::{self, Holder};

/// How long a lease is good for when its worker lives but does not renew it.
const LEASE: Duration = Duration::from_mins(1);

/// Leases are renewed so often in their time.
const RENEWALS: u32 = 4;

/// Time for an answer about being there.
const REACH_TIMEOUT: Duration = Duration::from_millis(900);

/// The queue in the ledger's file.
#[derive(Debug)]
pub struct EmbeddedQueue {
    store: Arc<Store>,
}

/// The file, and this process's claim to leases. Receipts keep it.
#[derive(Debug)]
struct Store {
    connection: Mutex<Connection>,
    workers: PathBuf,
    holder: Holder,
    lease: Duration,
    /// Something new may be on the STAT lane, on the routine lane.
    woken: [Notify; 2],
}

impl EmbeddedQueue {
    /// Opens, and where needed makes, the file in the folder `state`.
    pub async fn open(state: &Path) -> Result<Self, QueueError> {
        Self::with_lease(state, LEASE).await
    }

    async fn with_lease(state: &Path, lease: Duration) -> Result<Self, QueueError> {
        let folder = state.to_owned();
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, lease)).await;
        let store = Arc::new(opened.map_err(|error| unavailable("open its file", error))??);
        let renewed = Arc::downgrade(&store);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(lease / RENEWALS).await;
                let Some(store) = renewed.upgrade() else { return };
                if let Err(error) = store.on("renew leases", Store::renew).await {
                    tracing::warn!(%error, "leases of messages not renewed");
                }
            }
        });
        Ok(Self { store })
    }
}

impl Store {
    fn open(folder: &Path, lease: Duration) -> Result<Self, QueueError> {
        let connection = file::connect(folder).map_err(|error| match error {
            LedgerError::Database { .. } => unavailable("open its file", error),
            error => QueueError::Unusable { reason: error.to_string() },
        })?;
        let workers = folder.join(file::WORKERS);
        let holder =
            Holder::register(&workers).map_err(|error| unavailable("register this worker", error))?;
        Ok(Self { connection: Mutex::new(connection), workers, holder, lease, woken: Default::default() })
    }

    /// Works on a thread that may block.
    async fn on<T: Send + 'static>(
        self: &Arc<Self>,
        act: &'static str,
        work: impl FnOnce(&Self) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let store = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|error| unavailable(act, error))?.map_err(|error| unavailable(act, error))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lease(&self, lane: Lane) -> rusqlite::Result<Option<Leased>> {
        let alive = |holder: &str| holder::is_alive(&self.workers, holder);
        self.with(|connection| {
            let now_ms = now_ms();
            table::lease(connection, lane, self.holder.token(), now_ms, now_ms + millis(self.lease), alive)
        })
    }

    fn renew(&self) -> rusqlite::Result<()> {
        self.with(|connection| table::renew(connection, self.holder.token(), now_ms() + millis(self.lease)))
    }

    fn settle(&self, lane: Lane, id: i64, fence: i64, change: &Change) -> rusqlite::Result<Settled> {
        let holder = self.holder.token();
        let kept = self.with(|connection| table::settle(connection, id, holder, fence, change))?;
        if matches!(change, Change::Free) {
            self.wake(lane);
        }
        Ok(if kept { Settled::Done } else { Settled::Lost })
    }

    fn woken(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Stat => &self.woken[0],
            Lane::Routine => &self.woken[1],
        }
    }

    fn wake(&self, lane: Lane) {
        self.woken(lane).notify_waiters();
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        self.publish_all(std::slice::from_ref(message)).await
    }

    async fn publish_all(&self, messages: &[Message]) -> Result<(), QueueError> {
        let messages = messages.to_vec();
        self.store
            .on("store messages", move |store| {
                store.with(|connection| table::insert(connection, &messages, now_ms()))?;
                for message in &messages {
                    store.wake(message.lane);
                }
                Ok(())
            })
            .await
    }

    async fn bury(&self, message: &Message, code: &str, reason: &str) -> Result<(), QueueError> {
        let (message, code, reason) = (message.clone(), code.to_owned(), reason.to_owned());
        self.store
            .on("store a dead letter", move |store| {
                store.with(|connection| table::bury(connection, &message, &code, &reason, now_ms()))
            })
            .await
    }

    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        Ok(Box::new(EmbeddedConsumer::new(Arc::clone(&self.store), lane, prefetch)))
    }

    /// Nobody can listen to a file.
    async fn announce(&self, _event_type: &str, _id: &str, _body: &[u8]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn status(&self) -> Result<QueueStatus, QueueError> {
        let counting = |store: &Store| store.with(|connection| table::counts(connection, now_ms()));
        self.store.on("count its messages", counting).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError> {
        self.store
            .on("read its dead letters", move |store| {
                store.with(|connection| table::dead_letters(connection, limit))
            })
            .await
    }

    async fn settle_dead(&self, which: &DeadSelection, action: DeadAction) -> Result<u64, QueueError> {
        let which = which.clone();
        let settled = self
            .store
            .on("settle its dead letters", move |store| {
                let settled =
                    store.with(|connection| table::settle_dead(connection, &which, action, now_ms()))?;
                for lane in Lane::ALL {
                    store.wake(lane);
                }
                Ok(settled)
            })
            .await?;
        Ok(u64::try_from(settled).unwrap_or(u64::MAX))
    }

    async fn is_reachable(&self) -> bool {
        let looking = self.store.on("answer", |store| {
            store.with(|connection| {
                connection.query_row("SELECT count(*) FROM (SELECT 1 FROM message LIMIT 1)", [], |_| Ok(()))
            })
        });
        matches!(tokio::time::timeout(REACH_TIMEOUT, looking).await, Ok(Ok(())))
    }
}

fn unavailable(act: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> QueueError {
    QueueError::Unavailable { act, source: source.into() }
}

fn now_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
