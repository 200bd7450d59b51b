//! Settling a delivery of the broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::runtime::Handle;

use super::consumer::Stage;
use super::fault;
use super::link::{ANSWER_TIMEOUT, while_up};
use super::marks::Marks;
use super::publisher::{Outgoing, Publisher};
use super::topology::{DELIVERY_LIMIT, Names, Rest};
use crate::lane::Lane;
use crate::queue::{Disposition, QueueError, Receipt, Settled};

/// A body up to this length is kept whole, to be retried or dead-lettered; of a longer one only the beginning is. No
/// request is nearly so long.
const KEPT_BYTES: usize = 1024 * 1024;

/// The least time that a delivery rests here when it could not be moved to a queue to rest in.
const LEAST_HOLD: Duration = Duration::from_secs(30);

/// What settling needs beside the delivery.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) names: Names,
    pub(super) publisher: Arc<Publisher>,
}

/// One delivery that is not settled yet. It keeps its channel.
pub(super) struct RabbitMqReceipt {
    desk: Arc<Desk>,
    stage: Arc<Stage>,
    acker: Acker,
    lane: Lane,
    marks: Marks,
    /// How often the broker counts that it was returned.
    returned: u64,
    /// The body, or its beginning.
    body: Vec<u8>,
    bytes: usize,
    /// Set when somebody else sees to the delivery.
    is_held: bool,
}

impl fmt::Debug for RabbitMqReceipt {
    /// Without the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqReceipt").field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl RabbitMqReceipt {
    pub(super) fn new(
        desk: Arc<Desk>,
        stage: Arc<Stage>,
        lane: Lane,
        marks: Marks,
        delivery: &lapin::message::Delivery,
    ) -> Self {
        let bytes = delivery.data.len();
        Self {
            desk,
            stage,
            acker: delivery.acker.clone(),
            lane,
            marks,
            returned: super::marks::deliveries(&delivery.properties),
            body: delivery.data[..bytes.min(KEPT_BYTES)].to_vec(),
            bytes,
            is_held: false,
        }
    }

    /// Publishes to the new place, and only then takes the delivery off its old one.
    async fn carry_over(&self, outgoing: Outgoing<'_>) -> Result<Settled, QueueError> {
        self.desk.publisher.publish(&outgoing).await?;
        Ok(self.acknowledge().await)
    }

    async fn acknowledge(&self) -> Settled {
        self.told(self.acker.ack(BasicAckOptions::default())).await
    }

    /// Puts the message off, with so many retries counted.
    async fn rest(&mut self, after: Duration, retries: u32) -> Result<Settled, QueueError> {
        if self.bytes > self.body.len() {
            // Too long to be published again: it rests here.
            self.hold(after);
            return Ok(Settled::Done);
        }
        let marks = Marks { retries, redelivered: false, ..self.marks.clone() };
        let moved = self
            .carry_over(Outgoing {
                exchange: self.desk.names.retry(),
                key: Rest::of(self.lane, after).key(),
                properties: marks.properties(),
                body: &self.body,
                mandatory: true,
            })
            .await;
        if moved.is_err() {
            self.hold(after);
        }
        moved
    }

    async fn bury(&mut self, code: &str, reason: &str) -> Result<Settled, QueueError> {
        let moved = self
            .carry_over(Outgoing {
                exchange: self.desk.names.dead(),
                key: self.lane.as_str().into(),
                properties: self.marks.dead(self.lane, code, reason, self.bytes),
                body: &self.body,
                mandatory: true,
            })
            .await;
        if moved.is_err() {
            self.hold(LEAST_HOLD);
        }
        moved
    }

    /// Gives the delivery back. The broker counts that, and would give up after many times what nobody ever started:
    /// half way to its limit the message is put on its lane anew instead.
    async fn hand_back(&self) -> Settled {
        if self.returned >= u64::from(DELIVERY_LIMIT / 2) && self.bytes == self.body.len() {
            let marks = Marks { redelivered: true, ..self.marks.clone() };
            let moved = self
                .carry_over(Outgoing {
                    exchange: self.desk.names.jobs(),
                    key: self.lane.as_str().into(),
                    properties: marks.properties(),
                    body: &self.body,
                    mandatory: true,
                })
                .await;
            match moved {
                Ok(settled) => return settled,
                Err(error) => tracing::debug!(error = fault::chain(&error), "a message stays in its place"),
            }
        }
        self.told(self.acker.nack(BasicNackOptions { requeue: true, multiple: false })).await
    }

    /// Tells the broker. The client answers `false` for a delivery of a channel that is gone.
    async fn told(&self, telling: impl Future<Output = lapin::Result<bool>>) -> Settled {
        let telling = while_up(|| self.stage.is_good(), telling);
        match tokio::time::timeout(ANSWER_TIMEOUT, telling).await {
            Ok(Some(Ok(true))) => Settled::Done,
            Ok(_) => Settled::Lost,
            Err(_) => {
                self.stage.abort();
                Settled::Lost
            }
        }
    }

    /// Keeps the delivery for a while and gives it back then: its new place cannot take it now. The broker still has
    /// it, and delivers it again if this process ends.
    fn hold(&mut self, pause: Duration) {
        self.is_held = true;
        let (acker, stage) = (self.acker.clone(), Arc::clone(&self.stage));
        tokio::spawn(async move {
            tokio::time::sleep(pause.max(LEAST_HOLD)).await;
            // `false` says that it was lost meanwhile.
            drop(acker.nack(BasicNackOptions { requeue: true, multiple: false }).await);
            drop(stage);
        });
    }
}

#[async_trait]
impl Receipt for RabbitMqReceipt {
    async fn settle(mut self: Box<Self>, disposition: Disposition) -> Result<Settled, QueueError> {
        if !self.stage.is_good() || !self.acker.usable() {
            return Ok(Settled::Lost);
        }
        match disposition {
            Disposition::Ack => Ok(self.acknowledge().await),
            Disposition::HandBack => Ok(self.hand_back().await),
            Disposition::Retry { after } => self.rest(after, self.marks.retries.saturating_add(1)).await,
            Disposition::Wait { after } => self.rest(after, self.marks.retries).await,
            Disposition::DeadLetter { code, reason } => self.bury(&code, &reason).await,
        }
    }
}

impl Drop for RabbitMqReceipt {
    /// What nobody settles is given back: the channel may live on, and the delivery would stay with it.
    fn drop(&mut self) {
        if self.is_held || !self.acker.usable() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let acker = self.acker.clone();
            drop(runtime.spawn(async move {
                drop(acker.nack(BasicNackOptions { requeue: true, multiple: false }).await);
            }));
        }
    }
}
