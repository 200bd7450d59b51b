//! Queues behind one trait: RabbitMQ for many workers, a table of the ledger's SQLite file for one machine.
//!
//! Delivery is at least once. A delivery is settled exactly once by its [`Receipt`], as the last step of its job; what
//! is not settled, because a worker died or a connection broke, is delivered again. The queue knows bytes, lanes and
//! attempts; what a message means is [`crate::message`]'s.

mod embedded;
mod rabbitmq;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::site::QueueConfig;
use crate::lane::Lane;

pub use embedded::EmbeddedQueue;
pub use rabbitmq::RabbitMqQueue;

/// Why a queue could not do what was asked. No text holds a secret or patient data.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker or the file cannot be reached now; trying again later can help.
    #[error("the queue could not {act}")]
    Unavailable {
        /// What was tried.
        act: &'static str,
        /// What the broker or database said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker did not confirm a message: it is not accepted.
    #[error("the broker did not confirm the message ({answer}); it is not accepted, submit it again")]
    NotConfirmed {
        /// What it answered instead.
        answer: String,
    },
    /// The configuration or the broker's state does not fit; trying again does not help.
    #[error("the queue cannot be used: {reason}")]
    Unusable {
        /// What is wrong and what to do.
        reason: String,
    },
}

/// One message to put on a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it waits.
    pub lane: Lane,
    /// CloudEvents `id` of the request: for tracing and for a queue that can see repeats, never the job's key.
    pub id: String,
    /// The CloudEvents envelope as JSON.
    pub body: Vec<u8>,
    /// W3C trace context of who asked (`traceparent`), if any.
    pub trace_parent: Option<String>,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// The job is in a terminal state, or the ledger owns it from here.
    Ack,
    /// Deliver it again after this time; counts as an attempt.
    Retry {
        /// How long it rests.
        after: Duration,
    },
    /// Deliver it again after this time; does not count: nothing is wrong with it, and something else has to end first.
    Wait {
        /// How long it rests.
        after: Duration,
    },
    /// Deliver it again at once, to any worker; does not count: it was not started.
    HandBack,
    /// Nobody can do anything with it: to the dead-letter queue.
    DeadLetter {
        /// Stable code.
        code: String,
        /// One sentence without patient data.
        reason: String,
    },
}

/// Whether settling had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The queue took it.
    Done,
    /// The delivery was lost to this worker before; the queue delivers it again. No failure of the job.
    Lost,
}

/// A message as the queue hands it over.
#[derive(Debug)]
pub struct Delivery {
    /// The lane it came from.
    pub lane: Lane,
    /// The bytes, untrusted.
    pub body: Vec<u8>,
    /// How often it was retried by [`Disposition::Retry`]; 0 on the first delivery.
    pub retries: u32,
    /// Whether it may have been handed to a worker before that did not settle it; false only where that is certain.
    pub redelivered: bool,
    /// W3C trace context of who asked, if any; untrusted.
    pub trace_parent: Option<String>,
    /// Settles it.
    pub receipt: Box<dyn Receipt>,
}

/// Settles one delivery. Dropping a receipt unsettled leaves the delivery to be delivered again.
#[async_trait]
pub trait Receipt: Send + Sync + fmt::Debug {
    /// Tells the queue what becomes of the delivery. For [`Disposition::Retry`], [`Disposition::Wait`] and
    /// [`Disposition::DeadLetter`] the message is durable in its new place before it leaves the old one.
    async fn settle(self: Box<Self>, disposition: Disposition) -> Result<Settled, QueueError>;
}

/// Takes deliveries of one lane. It repairs its own connection for as long as it lives.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for the next delivery. Cancel-safe: a delivery is never lost by dropping the future. An error is final
    /// ([`QueueError::Unusable`]); everything that can pass is waited out here.
    async fn next(&mut self) -> Result<Delivery, QueueError>;

    /// Takes no more, and hands back what was fetched ahead. Receipts that are out stay good.
    async fn close(self: Box<Self>);
}

/// How many messages wait where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct QueueStatus {
    /// `embedded` or `rabbitmq`.
    pub kind: &'static str,
    /// STAT messages that wait.
    pub stat: u64,
    /// Routine messages that wait.
    pub routine: u64,
    /// Messages under delivery at some worker, where the queue can tell.
    pub unsettled: Option<u64>,
    /// Messages that rest before another attempt.
    pub resting: u64,
    /// Messages on the dead-letter queue.
    pub dead: u64,
    /// Seconds that the oldest waiting message has waited, where the queue can tell.
    pub oldest_s: Option<u64>,
}

/// A dead letter, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    /// Stable code.
    pub code: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The lane it came from, where it is known.
    pub lane: Option<Lane>,
    /// CloudEvents `id`, where it is known.
    pub id: Option<String>,
    /// Length of the body in bytes.
    pub bytes: usize,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadSelection {
    /// All that lie there now.
    All,
    /// Those with this CloudEvents `id`.
    WithId(String),
}

/// What a person does with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadAction {
    /// Puts them on their lane again, as if they were new.
    Requeue,
    /// Throws them away.
    Drop,
}

/// A queue.
#[async_trait]
pub trait Queue: Send + Sync + fmt::Debug {
    /// Puts a message on its lane. It is durable when this returns `Ok`.
    async fn publish(&self, message: &Message) -> Result<(), QueueError>;

    /// Puts many messages on their lanes, pipelined: as fast as the queue confirms. All are durable on `Ok`; on `Err`
    /// some may be, and publishing all again is safe, because the job's key sees repeats.
    async fn publish_all(&self, messages: &[Message]) -> Result<(), QueueError>;

    /// Puts a message on the dead-letter queue that lies on no lane any more: its job was the ledger's, and stopped its
    /// worker there.
    async fn bury(&self, message: &Message, code: &str, reason: &str) -> Result<(), QueueError>;

    /// Begins to consume a lane with at most `prefetch` unsettled deliveries.
    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError>;

    /// Publishes a status event (`imaging.job.*.v1`) for whoever listens; nobody listening is no error.
    async fn announce(&self, event_type: &str, id: &str, body: &[u8]) -> Result<(), QueueError>;

    /// Depths, for `chiasm queue status` and metrics.
    async fn status(&self) -> Result<QueueStatus, QueueError>;

    /// Looks at up to `limit` dead letters without taking them.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError>;

    /// Requeues or drops dead letters and gives their number. A letter that was cut because it was too large to keep
    /// cannot be requeued; it stays. Safe to repeat: what is requeued is durable on its lane before it leaves.
    async fn settle_dead(&self, which: &DeadSelection, action: DeadAction) -> Result<u64, QueueError>;

    /// Whether the queue can be reached now, for readiness. Never blocks longer than a second.
    async fn is_reachable(&self) -> bool;
}

/// Opens the configured queue; the embedded one lies in the folder `state`.
pub async fn open(config: &QueueConfig, state: &Path) -> Result<Arc<dyn Queue>, QueueError> {
    Ok(match config {
        QueueConfig::Embedded => Arc::new(EmbeddedQueue::open(state).await?),
        QueueConfig::RabbitMq(config) => Arc::new(RabbitMqQueue::connect(config).await?),
    })
}
