//! A queue that remembers, for tests of what publishes.

use std::sync::Mutex;

use async_trait::async_trait;

use crate::lane::Lane;
use crate::queue::{
    Consumer, DeadAction, DeadLetter, DeadSelection, Message, Queue, QueueError, QueueStatus,
};

/// Remembers what was published; refuses while `away`.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    published: Mutex<Vec<Message>>,
    away: Mutex<bool>,
    room: Mutex<Option<usize>>,
}

impl Remembering {
    /// What was confirmed.
    pub(crate) fn published(&self) -> Vec<Message> {
        self.published.lock().unwrap().clone()
    }

    /// The ids of what was confirmed.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.published().into_iter().map(|message| message.id).collect()
    }

    /// Confirms nothing from now on, or everything again.
    pub(crate) fn go_away(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }

    /// Confirms groups as long as so many messages are there at most.
    pub(crate) fn with_room(messages: usize) -> Self {
        Self { room: Mutex::new(Some(messages)), ..Self::default() }
    }
}

#[async_trait]
impl Queue for Remembering {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        self.publish_all(std::slice::from_ref(message)).await
    }

    async fn publish_all(&self, messages: &[Message]) -> Result<(), QueueError> {
        let room = self.room.lock().unwrap().unwrap_or(usize::MAX);
        if *self.away.lock().unwrap() || self.published.lock().unwrap().len() + messages.len() > room {
            return Err(QueueError::NotConfirmed { answer: "away".into() });
        }
        self.published.lock().unwrap().extend_from_slice(messages);
        Ok(())
    }

    async fn bury(&self, _: &Message, _: &str, _: &str) -> Result<(), QueueError> {
        Ok(())
    }

    async fn consume(&self, _: Lane, _: u16) -> Result<Box<dyn Consumer>, QueueError> {
        Err(QueueError::Unusable { reason: "nobody consumes here".into() })
    }

    async fn announce(&self, _: &str, _: &str, _: &[u8]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn status(&self) -> Result<QueueStatus, QueueError> {
        Err(QueueError::Unusable { reason: "nobody asks here".into() })
    }

    async fn dead_letters(&self, _: usize) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(Vec::new())
    }

    async fn settle_dead(&self, _which: &DeadSelection, _action: DeadAction) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn is_reachable(&self) -> bool {
        !*self.away.lock().unwrap()
    }
}
