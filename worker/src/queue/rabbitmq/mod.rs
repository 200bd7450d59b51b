//! RabbitMQ: quorum queues for any number of workers.
//!
//! Publishing and consuming have a connection each, because the broker blocks publishers when it is short of memory or
//! disk. The client's own recovery is not used: after an error of a channel it waits for ever. Each part here looks
//! whether its connection and channel are up, and makes them anew when they are not.

mod address;
mod backoff;
mod consumer;
mod dead;
mod fault;
mod link;
mod marks;
mod publisher;
mod receipt;
mod topology;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};

use self::address::Address;
use self::backoff::Backoff;
use self::consumer::RabbitMqConsumer;
use self::fault::unavailable;
use self::link::Line;
use self::marks::Marks;
use self::publisher::{Outgoing, Publisher};
use self::receipt::Desk;
use self::topology::{Names, Rest};
use super::{Consumer, DeadAction, DeadLetter, DeadSelection, Message, Queue, QueueError, QueueStatus};
use crate::config::site::RabbitMqConfig;
use crate::lane::Lane;

/// How long a broker that is just starting is waited for.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages that wait for their confirm at the same time.
const UNCONFIRMED: usize = 512;

/// Time for the counts of all queues, and for looking at dead letters.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for an answer about being there.
const REACH_TIMEOUT: Duration = Duration::from_millis(900);

/// A broker's queues.
#[derive(Debug)]
pub struct RabbitMqQueue {
    names: Names,
    consuming: Arc<Line>,
    desk: Arc<Desk>,
}

impl RabbitMqQueue {
    /// Connects and declares exchanges and queues. A broker that cannot be reached within ten seconds is no error, it
    /// is waited for by whoever needs it; a login, certificate file or queue that does not fit is.
    pub async fn connect(config: &RabbitMqConfig) -> Result<Self, QueueError> {
        let address = Arc::new(Address::of(config)?);
        let names = Names::new(config.prefix.clone());
        let publishing = Line::new(Arc::clone(&address), "publishing");
        let publisher = Arc::new(Publisher::new(publishing, names.clone()));
        let queue = Self {
            consuming: Arc::new(Line::new(Arc::clone(&address), "consuming")),
            desk: Arc::new(Desk { names: names.clone(), publisher }),
            names,
        };
        let mut backoff = Backoff::new();
        let reaching = async {
            loop {
                match queue.desk.publisher.prepare().await {
                    Err(error @ QueueError::Unusable { .. }) => return Err(error),
                    Err(error) => {
                        tracing::warn!(
                            ?address,
                            error = fault::chain(&error),
                            "the broker cannot be reached"
                        );
                    }
                    Ok(()) => return Ok(()),
                }
                tokio::time::sleep(backoff.pause()).await;
            }
        };
        tokio::time::timeout(FIRST_TIMEOUT, reaching).await.unwrap_or(Ok(()))?;
        Ok(queue)
    }

    async fn publish_one(&self, message: &Message) -> Result<(), QueueError> {
        let outgoing = Outgoing {
            exchange: self.names.jobs(),
            key: message.lane.as_str().into(),
            properties: Marks::new(message).properties(),
            body: &message.body,
            mandatory: true,
        };
        self.desk.publisher.publish(&outgoing).await
    }

    /// A channel for questions.
    async fn ask(&self) -> Result<Channel, QueueError> {
        self.consuming.link().await?.channel().await
    }

    /// Messages that wait in a queue; 0 when it is not there, which ends the channel.
    async fn waiting(&self, channel: &mut Channel, queue: ShortString) -> Result<u64, QueueError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue, options, FieldTable::default()).await {
            Ok(queue) => Ok(u64::from(queue.message_count())),
            Err(error) if fault::is_missing(&error) => {
                *channel = self.ask().await?;
                Ok(0)
            }
            Err(error) => Err(unavailable("count its messages", error)),
        }
    }

    async fn counts(&self) -> Result<QueueStatus, QueueError> {
        let mut channel = self.ask().await?;
        let stat = self.waiting(&mut channel, self.names.work(Lane::Stat)).await?;
        let routine = self.waiting(&mut channel, self.names.work(Lane::Routine)).await?;
        let dead = self.waiting(&mut channel, self.names.dead()).await?;
        let mut resting = 0;
        for rest in Rest::all() {
            resting += self.waiting(&mut channel, self.names.resting(rest)).await?;
        }
        Ok(QueueStatus { kind: "rabbitmq", stat, routine, unsettled: None, resting, dead, oldest_s: None })
    }
}

#[async_trait]
impl Queue for RabbitMqQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        self.publish_one(message).await
    }

    async fn publish_all(&self, messages: &[Message]) -> Result<(), QueueError> {
        let publishing = stream::iter(0..messages.len()).map(|index| self.publish_one(&messages[index]));
        publishing.buffer_unordered(UNCONFIRMED).try_collect().await
    }

    async fn bury(&self, message: &Message, code: &str, reason: &str) -> Result<(), QueueError> {
        let outgoing = Outgoing {
            exchange: self.names.dead(),
            key: message.lane.as_str().into(),
            properties: Marks::new(message).dead(message.lane, code, reason, message.body.len()),
            body: &message.body,
            mandatory: true,
        };
        self.desk.publisher.publish(&outgoing).await
    }

    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        let (line, desk) = (Arc::clone(&self.consuming), Arc::clone(&self.desk));
        Ok(Box::new(RabbitMqConsumer::new(lane, prefetch, line, desk)))
    }

    async fn announce(&self, event_type: &str, id: &str, body: &[u8]) -> Result<(), QueueError> {
        let Some(key) = marks::short(event_type) else {
            return Err(QueueError::Unusable { reason: "the type of an event has 1 to 255 bytes".into() });
        };
        let outgoing = Outgoing {
            exchange: self.names.events(),
            key,
            properties: Marks::of_event(id).properties(),
            body,
            mandatory: false,
        };
        self.desk.publisher.publish(&outgoing).await
    }

    async fn status(&self) -> Result<QueueStatus, QueueError> {
        within(LOOK_TIMEOUT, "count its messages", self.counts()).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let looking = async { dead::look(&self.ask().await?, &self.names, limit).await };
        within(LOOK_TIMEOUT, "read the dead-letter queue", looking).await
    }

    async fn settle_dead(&self, which: &DeadSelection, action: DeadAction) -> Result<u64, QueueError> {
        dead::settle(&self.ask().await?, &self.names, &self.desk.publisher, which, action).await
    }

    async fn is_reachable(&self) -> bool {
        let asking = async {
            let mut channel = self.ask().await?;
            self.waiting(&mut channel, self.names.dead()).await
        };
        matches!(tokio::time::timeout(REACH_TIMEOUT, asking).await, Ok(Ok(_)))
    }
}

async fn within<T>(
    time: Duration,
    act: &'static str,
    asking: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    tokio::time::timeout(time, asking).await.unwrap_or_else(|elapsed| Err(unavailable(act, elapsed)))
}
