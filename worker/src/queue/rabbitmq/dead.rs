//! The dead-letter queue, as people look at it and empty it.

use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Acker, Channel};

use super::fault::unavailable;
use super::marks::{Marks, dead_letter};
use super::publisher::{Outgoing, Publisher};
use super::topology::Names;
use crate::lane::Lane;
use crate::queue::{DeadAction, DeadLetter, DeadSelection, QueueError};

/// Looks at up to `limit` letters and puts them back in their order.
pub(super) async fn look(
    channel: &Channel,
    names: &Names,
    limit: usize,
) -> Result<Vec<DeadLetter>, QueueError> {
    let (mut letters, mut taken) = (Vec::new(), Vec::new());
    while letters.len() < limit {
        let Some(message) = take(channel, names).await? else { break };
        letters.push(read(&message).0);
        taken.push(message.delivery.acker);
    }
    put_back(taken).await?;
    Ok(letters)
}

/// Settles those of the letters that lie there now and are meant; the others are put back in their order.
pub(super) async fn settle(
    channel: &Channel,
    names: &Names,
    publisher: &Publisher,
    which: &DeadSelection,
    action: DeadAction,
) -> Result<u64, QueueError> {
    let (mut others, mut settled, mut left) = (Vec::new(), 0, None);
    // What comes meanwhile is behind those that lie there now.
    while left != Some(0) {
        let Some(message) = take(channel, names).await? else { break };
        left = Some(left.map_or(message.message_count, |left: u32| left - 1));
        let (letter, is_cut) = read(&message);
        let is_meant = match which {
            DeadSelection::All => true,
            DeadSelection::WithId(id) => letter.id.as_deref() == Some(id),
        };
        if !is_meant || (is_cut && action == DeadAction::Requeue) {
            others.push(message.delivery.acker);
            continue;
        }
        if action == DeadAction::Requeue {
            requeue(publisher, names, &letter, &message).await?;
        }
        let taken = message.delivery.acker.ack(BasicAckOptions::default()).await;
        if !taken.map_err(|error| unavailable("take a dead letter off its queue", error))? {
            return Err(unavailable("take a dead letter off its queue", "the connection was lost"));
        }
        settled += 1;
    }
    put_back(others).await?;
    Ok(settled)
}

async fn requeue(
    publisher: &Publisher,
    names: &Names,
    letter: &DeadLetter,
    message: &BasicGetMessage,
) -> Result<(), QueueError> {
    let marks = Marks { retries: 0, redelivered: false, ..Marks::read(&message.delivery.properties) };
    let outgoing = Outgoing {
        exchange: names.jobs(),
        key: letter.lane.unwrap_or(Lane::Routine).as_str().into(),
        properties: marks.properties(),
        body: &message.delivery.data,
        mandatory: true,
    };
    publisher.publish(&outgoing).await
}

async fn take(channel: &Channel, names: &Names) -> Result<Option<BasicGetMessage>, QueueError> {
    let got = channel.basic_get(names.dead(), BasicGetOptions::default()).await;
    got.map_err(|error| unavailable("read the dead-letter queue", error))
}

fn read(message: &BasicGetMessage) -> (DeadLetter, bool) {
    let delivery = &message.delivery;
    dead_letter(&delivery.properties, delivery.routing_key.as_str(), &delivery.data)
}

async fn put_back(taken: Vec<Acker>) -> Result<(), QueueError> {
    for acker in taken {
        let options = BasicNackOptions { requeue: true, multiple: false };
        let put = acker.nack(options).await;
        put.map_err(|error| unavailable("put a dead letter back", error))?;
    }
    Ok(())
}
