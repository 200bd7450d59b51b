//! The queues: one set of tests for both, and the broker's own under its faults.

mod both;
mod broker;
mod faults;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chiasm_tests::rabbitmq::RabbitMq;
use tempfile::TempDir;
use worker::config::secret::Secret;
use worker::config::site::{QueueConfig, RabbitMqConfig, TlsConfig};
use worker::lane::Lane;
use worker::queue::{Consumer, Delivery, Message, Queue, QueueError, QueueStatus};

/// Longer than anything here takes that does not hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// A queue that can be opened any number of times, as by several processes.
struct Place {
    config: QueueConfig,
    state: PathBuf,
    _folder: TempDir,
}

impl Place {
    fn embedded() -> Option<Self> {
        Some(Self::of(QueueConfig::Embedded))
    }

    fn rabbitmq() -> Option<Self> {
        Some(Self::at(&RabbitMq::shared()?.url()))
    }

    /// A site of its own on a broker.
    fn at(url: &str) -> Self {
        Self::of(QueueConfig::RabbitMq(rabbitmq(url)))
    }

    fn of(config: QueueConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { config, state: folder.path().join("state"), _folder: folder }
    }

    async fn open(&self) -> Arc<dyn Queue> {
        worker::queue::open(&self.config, &self.state).await.unwrap()
    }

    /// The beginning of the names of its queues.
    fn prefix(&self) -> &str {
        match &self.config {
            QueueConfig::RabbitMq(config) => config.prefix.as_str(),
            QueueConfig::Embedded => panic!("no broker"),
        }
    }
}

fn rabbitmq(url: &str) -> RabbitMqConfig {
    static SITES: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("site{}", SITES.fetch_add(1, Ordering::Relaxed));
    RabbitMqConfig {
        url: url.to_owned(),
        password: Some(Secret::new("secret".into())),
        tls: TlsConfig::default(),
        prefix: prefix.parse().unwrap(),
    }
}

fn message(lane: Lane, id: impl ToString) -> Message {
    let id = id.to_string();
    Message { lane, body: format!("{{\"id\":\"{id}\"}}").into_bytes(), id, trace_parent: None }
}

fn routine(count: usize) -> Vec<Message> {
    (0..count).map(|id| message(Lane::Routine, id)).collect()
}

/// Waits for something that comes.
async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.expect("it takes too long")
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    soon(consumer.next()).await.unwrap()
}

async fn consume(queue: &Arc<dyn Queue>, prefetch: u16) -> Box<dyn Consumer> {
    queue.consume(Lane::Routine, prefetch).await.unwrap()
}

/// Publishes as a caller does that does not give up.
async fn publish_surely(queue: &Arc<dyn Queue>, message: &Message) {
    let until = Instant::now() + PATIENCE;
    while let Err(error) = queue.publish(message).await {
        assert!(!matches!(error, QueueError::Unusable { .. }), "{error}");
        assert!(Instant::now() < until, "{error}");
    }
}

/// Waits until the counts are as they should be.
async fn until(queue: &Arc<dyn Queue>, is_so: impl Fn(&QueueStatus) -> bool) -> QueueStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = queue.status().await;
        match &status {
            Ok(status) if is_so(status) => return status.clone(),
            status => assert!(Instant::now() < until, "{status:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_empty(queue: &Arc<dyn Queue>) {
    until(queue, |now| now.stat + now.routine + now.resting + now.dead + now.unsettled.unwrap_or(0) == 0)
        .await;
}
