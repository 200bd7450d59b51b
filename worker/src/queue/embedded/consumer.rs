//! Consuming a lane of the file.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::table::{Change, LONGEST_REST, Leased};
use super::{Store, millis, now_ms, unavailable};
use crate::lane::Lane;
use crate::queue::{Consumer, Delivery, Disposition, QueueError, Receipt, Settled};

/// How often the file is looked at for messages of other processes, and for rests that are over.
const POLL: Duration = Duration::from_millis(200);

/// Pause after the file could not be read or written.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Consumes one lane. It leases nothing ahead.
pub(super) struct EmbeddedConsumer {
    store: Arc<Store>,
    lane: Lane,
    places: Arc<Semaphore>,
}

impl EmbeddedConsumer {
    pub(super) fn new(store: Arc<Store>, lane: Lane, prefetch: u16) -> Self {
        Self { store, lane, places: Arc::new(Semaphore::new(usize::from(prefetch.max(1)))) }
    }

    /// Leases one message. The receipt is made on the thread that leased: where nobody waits for it any more, it is
    /// dropped there, which frees the message.
    async fn lease(
        &self,
        place: OwnedSemaphorePermit,
    ) -> Result<Result<Delivery, OwnedSemaphorePermit>, QueueError> {
        let (holding, lane) = (Arc::clone(&self.store), self.lane);
        self.store
            .on("lease a message", move |store| {
                Ok(match store.lease(lane)? {
                    Some(leased) => Ok(EmbeddedReceipt::deliver(holding, lane, leased, place)),
                    None => Err(place),
                })
            })
            .await
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, QueueError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|closed| unavailable("deliver more", closed))
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        let mut place = self.place().await?;
        loop {
            let woken = self.store.woken(self.lane).notified();
            tokio::pin!(woken);
            // From here on nothing is missed that is published while the file is looked at.
            woken.as_mut().enable();
            match self.lease(place).await {
                Ok(Ok(delivery)) => return Ok(delivery),
                Ok(Err(unused)) => {
                    place = unused;
                    // Either way, it is time to look.
                    drop(tokio::time::timeout(POLL, woken).await);
                }
                Err(error) => {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(%error, cause, lane = %self.lane, "the embedded queue failed");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    place = self.place().await?;
                }
            }
        }
    }

    async fn close(self: Box<Self>) {}
}

/// One leased message.
struct EmbeddedReceipt {
    store: Arc<Store>,
    lane: Lane,
    id: i64,
    fence: i64,
    is_settled: bool,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for EmbeddedReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedReceipt")
            .field("lane", &self.lane)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl EmbeddedReceipt {
    fn deliver(store: Arc<Store>, lane: Lane, leased: Leased, place: OwnedSemaphorePermit) -> Delivery {
        let redelivered = leased.is_redelivered();
        let Leased { id, fence, body, retries, trace_parent } = leased;
        let receipt = Box::new(Self { store, lane, id, fence, is_settled: false, _place: place });
        Delivery { lane, body, retries, redelivered, trace_parent, receipt }
    }
}

#[async_trait]
impl Receipt for EmbeddedReceipt {
    async fn settle(mut self: Box<Self>, disposition: Disposition) -> Result<Settled, QueueError> {
        let change = match disposition {
            Disposition::Ack => Change::Delete,
            Disposition::HandBack => Change::Free,
            Disposition::Retry { after } => {
                Change::Rest { until_ms: now_ms() + millis(after.min(LONGEST_REST)), is_retry: true }
            }
            Disposition::Wait { after } => {
                Change::Rest { until_ms: now_ms() + millis(after.min(LONGEST_REST)), is_retry: false }
            }
            Disposition::DeadLetter { code, reason } => Change::Bury { code, reason },
        };
        let (lane, id, fence) = (self.lane, self.id, self.fence);
        let settled =
            self.store.on("settle a message", move |store| store.settle(lane, id, fence, &change)).await;
        self.is_settled = settled.is_ok();
        settled
    }
}

impl Drop for EmbeddedReceipt {
    /// What nobody settles is free again.
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (store, lane, id, fence) = (Arc::clone(&self.store), self.lane, self.id, self.fence);
        // If it fails, the lease runs out with this process.
        let free = move || drop(store.settle(lane, id, fence, &Change::Free));
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(free)),
            Err(_) => free(),
        }
    }
}
