//! Consuming a lane, over every kind of failure.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, message};
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::fault::{self, unavailable};
use super::link::{ANSWER_TIMEOUT, Line, Link};
use super::marks::Marks;
use super::receipt::{Desk, RabbitMqReceipt};
use super::topology;
use crate::lane::Lane;
use crate::queue::{Consumer, Delivery, Disposition, QueueError};

/// How often a channel without deliveries is looked at: after an error its stream can be silent for ever.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A channel with the connection that it lives on. Receipts keep it.
#[derive(Debug)]
pub(super) struct Stage {
    channel: Channel,
    link: Arc<Link>,
}

impl Stage {
    /// Whether it is up, as far as is known.
    pub(super) fn is_good(&self) -> bool {
        self.link.is_connected() && self.channel.status().connected()
    }

    /// Ends its connection at once: the broker does not answer.
    pub(super) fn abort(&self) {
        self.link.abort();
    }
}

/// A stage with its stream of deliveries.
struct Intake {
    stage: Arc<Stage>,
    deliveries: lapin::Consumer,
}

/// Consumes one lane.
pub(super) struct RabbitMqConsumer {
    lane: Lane,
    prefetch: u16,
    line: Arc<Line>,
    desk: Arc<Desk>,
    intake: Option<Intake>,
    /// A subscription under way. Left half way it would hold deliveries that nobody sees, so it is always ended.
    subscribing: Option<JoinHandle<Result<Intake, Unsubscribed>>>,
    backoff: Backoff,
}

impl RabbitMqConsumer {
    pub(super) fn new(lane: Lane, prefetch: u16, line: Arc<Line>, desk: Arc<Desk>) -> Self {
        // The broker takes 0 for no bound.
        let prefetch = prefetch.max(1);
        let (intake, subscribing) = (None, None);
        Self { lane, prefetch, line, desk, intake, subscribing, backoff: Backoff::new() }
    }

    /// One attempt to subscribe. May be cancelled: the attempt goes on.
    async fn attempt(&mut self) -> Result<Intake, Unsubscribed> {
        let (lane, prefetch) = (self.lane, self.prefetch);
        let (line, desk) = (&self.line, &self.desk);
        let attempt = self.subscribing.get_or_insert_with(|| {
            tokio::spawn(subscribe(Arc::clone(line), Arc::clone(desk), lane, prefetch))
        });
        let ended = attempt.await;
        self.subscribing = None;
        ended.unwrap_or_else(|error| Err(Unsubscribed::Now(unavailable("subscribe to a queue", error))))
    }

    /// Subscribes, however long it takes.
    async fn subscribed(&mut self) -> Result<&mut Intake, QueueError> {
        while self.intake.is_none() {
            match self.attempt().await {
                Ok(intake) => self.intake = Some(intake),
                Err(Unsubscribed::ForEver(error)) => return Err(error),
                Err(Unsubscribed::Now(error)) => {
                    let pause = self.backoff.pause();
                    let (error, pause_ms) = (fault::chain(&error), pause.as_millis());
                    tracing::warn!(lane = %self.lane, error, %pause_ms, "the queue cannot be reached");
                    tokio::time::sleep(pause).await;
                }
            }
        }
        let missing = || unavailable("subscribe to a queue", "there is no subscription");
        self.intake.as_mut().ok_or_else(missing)
    }

    fn hand_over(&self, stage: &Arc<Stage>, mut delivery: message::Delivery) -> Delivery {
        let marks = Marks::read(&delivery.properties);
        let (desk, stage) = (Arc::clone(&self.desk), Arc::clone(stage));
        let receipt = RabbitMqReceipt::new(desk, stage, self.lane, marks.clone(), &delivery);
        Delivery {
            lane: self.lane,
            body: std::mem::take(&mut delivery.data),
            retries: marks.retries,
            redelivered: delivery.redelivered || marks.redelivered,
            trace_parent: marks.trace_parent,
            receipt: Box::new(receipt),
        }
    }
}

/// Connects, declares and subscribes, in one attempt.
async fn subscribe(
    line: Arc<Line>,
    desk: Arc<Desk>,
    lane: Lane,
    prefetch: u16,
) -> Result<Intake, Unsubscribed> {
    let link = line.link().await.map_err(Unsubscribed::Now)?;
    let channel = link.channel().await.map_err(Unsubscribed::Now)?;
    let subscribing = async {
        topology::declare(&channel, &desk.names).await.map_err(|error| match error {
            QueueError::Unusable { .. } => Unsubscribed::ForEver(error),
            _ => Unsubscribed::Now(error),
        })?;
        let failed = |error| Unsubscribed::Now(unavailable("subscribe to a queue", error));
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(failed)?;
        let (queue, options) = (desk.names.work(lane), BasicConsumeOptions::default());
        channel.basic_consume(queue, "".into(), options, FieldTable::default()).await.map_err(failed)
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, subscribing).await {
        Ok(deliveries) => Ok(Intake { deliveries: deliveries?, stage: Arc::new(Stage { channel, link }) }),
        Err(elapsed) => {
            link.abort();
            Err(Unsubscribed::Now(unavailable("subscribe to a queue", elapsed)))
        }
    }
}

/// Why there is no subscription.
enum Unsubscribed {
    /// It can pass.
    Now(QueueError),
    /// It cannot.
    ForEver(QueueError),
}

#[async_trait]
impl Consumer for RabbitMqConsumer {
    async fn next(&mut self) -> Result<Delivery, QueueError> {
        loop {
            let Intake { stage, deliveries } = self.subscribed().await?;
            let why = tokio::select! {
                delivery = deliveries.next() => match delivery {
                    Some(Ok(delivery)) => {
                        let stage = Arc::clone(stage);
                        self.backoff.reset();
                        return Ok(self.hand_over(&stage, delivery));
                    }
                    Some(Err(error)) => fault::chain(&error),
                    None => "the broker ended the subscription".to_owned(),
                },
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if stage.is_good() {
                        continue;
                    }
                    "the channel is gone".to_owned()
                }
            };
            tracing::warn!(lane = %self.lane, why, "subscribing again");
            self.intake = None;
            tokio::time::sleep(self.backoff.pause()).await;
        }
    }

    async fn close(mut self: Box<Self>) {
        // A subscription under way ends by itself, unused.
        self.subscribing = None;
        let Some(mut intake) = self.intake.take() else { return };
        let tag = intake.deliveries.tag();
        let cancelling = intake.stage.channel.basic_cancel(tag, BasicCancelOptions::default());
        if !matches!(tokio::time::timeout(ANSWER_TIMEOUT, cancelling).await, Ok(Ok(()))) {
            // The channel is gone or silent. When it ends, the broker delivers again what it sent.
            return;
        }
        while let Ok(Some(Ok(delivery))) = tokio::time::timeout(LOOK_EVERY, intake.deliveries.next()).await {
            let delivery = self.hand_over(&intake.stage, delivery);
            // It cannot fail: what is lost is delivered again.
            drop(delivery.receipt.settle(Disposition::HandBack).await);
        }
    }
}
