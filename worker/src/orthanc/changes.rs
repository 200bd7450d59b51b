//! Polls Orthanc's change log for stable studies: the durable way.
//!
//! How far the log was read is stored only after the queue has confirmed what was read. After a crash between the two the
//! same requests are published again, with the same ids and times, and the ledger sees that it knows their jobs. "Stable"
//! is Orthanc's word for "nothing came for a while": a later instance makes the study stable again, and a request anew.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::client::{Change, Client, Named, OrthancError};
use super::position::{Position, PositionError, PositionFile};
use super::{ORIGIN, client};
use crate::config::site::{Begin, OrthancConfig};
use crate::message::adapters::orthanc::{OrthancId, OrthancStudy, orthanc_time};
use crate::message::{JobRequest, Name, envelope, plausible_or_now};
use crate::queue::{Message, Queue, QueueError};

/// Changes asked for at once.
pub(super) const PAGE: usize = 500;

/// The change of a study to which nothing was added for a while.
const STABLE_STUDY: &str = "StableStudy";

/// Why a poll stopped; what was published until then is on the queue, and the next poll goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// Orthanc gave no answer.
    #[error(transparent)]
    Orthanc(#[from] OrthancError),
    /// The requests were not confirmed.
    #[error("stable studies of Orthanc are not on the queue yet")]
    Queue(#[from] QueueError),
    /// The position could not be kept.
    #[error(transparent)]
    Position(#[from] PositionError),
}

/// Polls one Orthanc.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    queue: Arc<dyn Queue>,
    source: Name,
    pause: std::time::Duration,
    file: PositionFile,
    begin: Begin,
}

impl Poller {
    /// Prepares to poll; `state` is the folder in which the position is kept.
    pub fn new(config: &OrthancConfig, queue: Arc<dyn Queue>, state: &Path) -> Result<Self, OrthancError> {
        Ok(Self {
            client: Client::new(config)?,
            queue,
            source: config.source.clone(),
            pause: config.poll,
            file: PositionFile::of(state, &config.url),
            begin: config.begin,
        })
    }

    /// Polls until told to stop. Whatever fails is tried again at the next poll; nothing is passed over for it.
    pub async fn run(self, stopping: CancellationToken) {
        let mut failing = false;
        loop {
            let polled = tokio::select! {
                // Dropping a poll is as good as a crash: see the module's word on it.
                () = stopping.cancelled() => return,
                polled = self.poll() => polled,
            };
            match polled {
                Ok(requests) => {
                    if failing {
                        tracing::info!("Orthanc is polled again");
                    }
                    failing = false;
                    if requests > 0 {
                        tracing::info!(requests, "stable studies of Orthanc are on the queue");
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!("{:#}; it is tried again every poll", anyhow::Error::from(error));
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(self.pause) => {}
            }
        }
    }

    /// Reads the change log to its end once and publishes a request for each stable study; gives their number.
    pub async fn poll(&self) -> Result<usize, PollError> {
        let mut requests = 0;
        let mut position = match self.file.load()? {
            Some(position) => position,
            None => self.first().await?,
        };
        loop {
            // The last change that is known is asked for again, to see that it is still the same.
            let page = self.client.changes(position.last.saturating_sub(1), PAGE).await?;
            if is_another_log(&position, &page) {
                tracing::warn!("Orthanc's change log begins anew; it is read from its start");
                position = Position::START;
                self.file.store(&position)?;
                continue;
            }
            let fresh = page.changes.iter().filter(|change| change.sequence > position.last);
            let (read, messages, stopped) = self.requests(fresh).await;
            self.queue.publish_all(&messages).await?;
            requests += messages.len();
            if let Some(change) = read {
                position = Position::after(change);
                self.file.store(&position)?;
            }
            if let Some(error) = stopped {
                return Err(error.into());
            }
            if page.done || read.is_none() {
                return Ok(requests);
            }
        }
    }

    async fn first(&self) -> Result<Position, PollError> {
        let position = match self.begin {
            Begin::Oldest => Position::START,
            Begin::Now => {
                let newest = self.client.newest_change().await?;
                newest.changes.last().map_or(Position { last: newest.last, mark: None }, Position::after)
            }
        };
        self.file.store(&position)?;
        Ok(position)
    }

    /// The requests of changes up to the first that cannot be read now; with the last change that was read.
    async fn requests<'c>(
        &self,
        changes: impl Iterator<Item = &'c Change>,
    ) -> (Option<&'c Change>, Vec<Message>, Option<OrthancError>) {
        let (mut read, mut messages) = (None, Vec::new());
        for change in changes {
            if change.kind == STABLE_STUDY {
                match self.request(change).await {
                    Ok(Some(request)) => messages.push(envelope::message(&request, ORIGIN, None)),
                    Ok(None) => {}
                    Err(error) => return (read, messages, Some(error)),
                }
            }
            read = Some(change);
        }
        (read, messages, None)
    }

    /// The request of a stable study; `None` where there is nothing that could be asked for.
    async fn request(&self, change: &Change) -> Result<Option<JobRequest>, OrthancError> {
        let sequence = change.sequence;
        let Ok(study) = change.resource.parse::<OrthancId>() else {
            tracing::error!(sequence, "a change of Orthanc names no resource; it is passed over");
            return Ok(None);
        };
        let named = match self.client.study(&study).await {
            Ok(named) => named,
            Err(error) if error.is_final() => {
                tracing::error!(sequence, %error, "a stable study of Orthanc is passed over; submit it by its UID");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let now = Timestamp::now();
        let time = orthanc_time(&change.date).unwrap_or(now);
        let event = OrthancStudy {
            id: format!("orthanc-{sequence}-{study}"),
            // A request of Orthanc's clock must not be refused for it.
            time: plausible_or_now(time, now),
            study,
        };
        Ok(request_of(event, named, Some(self.source.clone())))
    }
}

/// The request of a study that Orthanc has named; `None` where it cannot be asked for.
pub(super) fn request_of(event: OrthancStudy, named: Named, source: Option<Name>) -> Option<JobRequest> {
    match named {
        Named::Study { uid, instances } => {
            let expected = instances.and_then(envelope::instances);
            Some(event.request(uid, expected, source))
        }
        Named::Gone => {
            tracing::info!(id = event.id, "a stable study was deleted from Orthanc before it was asked for");
            None
        }
        Named::BadUid => {
            tracing::error!(
                id = event.id,
                "a stable study of Orthanc has no valid StudyInstanceUID; it cannot be read"
            );
            None
        }
    }
}

/// Whether the log is not the one that was read before: shorter, or with another change under the last number.
fn is_another_log(position: &Position, page: &client::Page) -> bool {
    page.last < position.last || page.changes.iter().any(|change| position.is_contradicted_by(change))
}
