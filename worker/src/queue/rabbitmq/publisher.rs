//! Publishing with confirms: what returns `Ok` is on a majority of the broker's disks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::fault::{self, unavailable};
use super::link::{ANSWER_TIMEOUT, Line, Link, while_up};
use super::topology::{self, Names};
use crate::queue::QueueError;

/// Time for one message to be confirmed, over all attempts.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a body that make it worth a second more.
const BYTES_A_SECOND: usize = 1024 * 1024;

/// A connection that confirmed nothing for so long is given up when a message times out on it.
const SILENCE: Duration = Duration::from_secs(5);

/// How often a blocked connection is looked at.
const BLOCKED_POLL: Duration = Duration::from_millis(50);

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: &'a [u8],
    /// Whether a queue must take it.
    pub(super) mandatory: bool,
}

/// Publishes over a connection of its own: the broker may block that one while consuming goes on.
#[derive(Debug)]
pub(super) struct Publisher {
    line: Line,
    names: Names,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

/// A channel in confirm mode.
#[derive(Debug)]
struct Session {
    link: Arc<Link>,
    channel: Channel,
    began: Instant,
    /// Milliseconds from `began` to the last confirm.
    confirmed_ms: AtomicU64,
}

impl Session {
    fn is_good(&self) -> bool {
        self.link.is_connected() && self.channel.status().connected()
    }

    fn heard(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.confirmed_ms.fetch_max(since, Ordering::Relaxed);
    }

    fn is_silent(&self) -> bool {
        let last = Duration::from_millis(self.confirmed_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last) >= SILENCE
    }
}

/// Why an attempt did not end in a confirmation.
enum Missed {
    /// Another attempt may do.
    Again(QueueError),
    /// None will.
    Final(QueueError),
}

impl Publisher {
    pub(super) fn new(line: Line, names: Names) -> Self {
        Self { line, names, session: tokio::sync::Mutex::default() }
    }

    /// Publishes until it is confirmed, for a bounded time. A message that was under way when its connection broke is
    /// published again, so it may be there twice.
    pub(super) async fn publish(&self, outgoing: &Outgoing<'_>) -> Result<(), QueueError> {
        let more = u64::try_from(outgoing.body.len() / BYTES_A_SECOND).unwrap_or(u64::MAX);
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(more);
        let mut backoff = Backoff::new();
        let used = Mutex::new(None);
        let mut last = None;
        loop {
            match tokio::time::timeout_at(deadline, self.attempt(outgoing, &used)).await {
                Ok(Ok(Confirmation::Ack(None))) => return Ok(()),
                Ok(Ok(answer)) => return Err(self.not_confirmed(answer).await),
                Ok(Err(Missed::Final(error))) => return Err(error),
                Ok(Err(Missed::Again(error))) => last = Some(error),
                Err(elapsed) => {
                    let used = used.lock().unwrap_or_else(PoisonError::into_inner).take();
                    return Err(self
                        .give_up(
                            used,
                            last.unwrap_or_else(|| unavailable("get a message confirmed in time", elapsed)),
                        )
                        .await);
                }
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + backoff.pause())).await;
        }
    }

    /// Connects and declares what is missing.
    pub(super) async fn prepare(&self) -> Result<(), QueueError> {
        self.session().await.map(drop)
    }

    async fn attempt(
        &self,
        outgoing: &Outgoing<'_>,
        used: &Mutex<Option<Arc<Session>>>,
    ) -> Result<Confirmation, Missed> {
        let session = self.session().await.map_err(|error| match error {
            QueueError::Unusable { .. } => Missed::Final(error),
            _ => Missed::Again(error),
        })?;
        *used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        // What is handed to a blocked connection would only pile up in memory.
        while session.link.is_blocked() {
            tokio::time::sleep(BLOCKED_POLL).await;
        }
        let failed = |error| Missed::Again(unavailable("publish a message", error));
        let options = BasicPublishOptions { mandatory: outgoing.mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (outgoing.exchange.clone(), outgoing.key.clone());
        let properties = outgoing.properties.clone();
        let publishing = async {
            let written =
                session.channel.basic_publish(exchange, key, options, outgoing.body, properties).await?;
            written.await
        };
        let Some(confirmation) = while_up(|| session.is_good(), publishing).await else {
            return Err(Missed::Again(unavailable("publish a message", "the connection was lost")));
        };
        session.heard();
        confirmation.map_err(failed)
    }

    /// The channel; made now, in one attempt, if there is none.
    async fn session(&self) -> Result<Arc<Session>, QueueError> {
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| session.is_good()) {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let link = self.line.link().await?;
        let channel = link.channel().await?;
        let opening = async {
            topology::declare(&channel, &self.names).await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default()).await;
            confirms.map_err(|error| unavailable("turn on confirms", error))
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, opening).await {
            Ok(opened) => opened?,
            Err(elapsed) => {
                link.abort();
                return Err(unavailable("declare its exchanges and queues", elapsed));
            }
        }
        let began = Instant::now();
        let session = Arc::new(Session { link, channel, began, confirmed_ms: AtomicU64::new(0) });
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The broker refused a message or had no queue for it. Somebody may have deleted the queue: the next message
    /// finds everything declared again.
    async fn not_confirmed(&self, answer: Confirmation) -> QueueError {
        *self.session.lock().await = None;
        let answer = match answer {
            Confirmation::Ack(returned) | Confirmation::Nack(returned) => {
                returned.map_or_else(|| "refused".to_owned(), |returned| returned.reply_text.to_string())
            }
            Confirmation::NotRequested => "confirms are off".to_owned(),
        };
        QueueError::NotConfirmed { answer }
    }

    /// Time is over. A connection that is neither blocked nor answers is ended, so that the next message takes another.
    async fn give_up(&self, used: Option<Arc<Session>>, error: QueueError) -> QueueError {
        let Some(used) = used else { return error };
        if used.link.is_blocked() {
            let why = "it is short of memory or disk and takes no messages now";
            return unavailable("publish to the broker", why);
        }
        if used.is_good() && used.is_silent() {
            tracing::warn!("the broker confirms nothing; its connection is given up");
            used.link.abort();
            let mut current = self.session.lock().await;
            current.take_if(|session| Arc::ptr_eq(session, &used));
        }
        tracing::debug!(error = fault::chain(&error), "a message was not confirmed in time");
        error
    }
}
