//! How long are messages on the embedded queue: a publish that is on the disk, many at once, and a delivery until it is settled?

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;
use worker::lane::Lane;
use worker::queue::{Disposition, EmbeddedQueue, Message, Queue, Settled};

/// Messages that are published together.
const TOGETHER: usize = 100;

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = crate::group(criterion, "queue");
    let (folder, queue) = empty(&runtime);
    let mut number = 0;
    group.throughput(Throughput::Elements(1));
    group.bench_function("publish", |bench| {
        bench.iter(|| {
            number += 1;
            runtime.block_on(queue.publish(&message(number))).expect("a durable message");
        });
    });
    group.throughput(Throughput::Elements(TOGETHER as u64));
    group.bench_function("publish 100 at once", |bench| {
        bench.iter(|| {
            number += TOGETHER;
            let messages: Vec<Message> = (number - TOGETHER..number).map(message).collect();
            runtime.block_on(queue.publish_all(&messages)).expect("durable messages");
        });
    });
    drop((queue, folder));
    let (folder, queue) = empty(&runtime);
    let mut consumer = runtime.block_on(queue.consume(Lane::Routine, 1)).expect("a consumer");
    group.throughput(Throughput::Elements(1));
    group.bench_function("publish, deliver and settle", |bench| {
        bench.iter(|| {
            number += 1;
            runtime.block_on(async {
                queue.publish(&message(number)).await.expect("a durable message");
                let delivery = consumer.next().await.expect("a delivery");
                let settled = delivery.receipt.settle(Disposition::Ack).await.expect("an answer");
                assert_eq!(settled, Settled::Done);
            });
        });
    });
    group.finish();
    runtime.block_on(consumer.close());
    drop((queue, folder));
}

fn empty(runtime: &Runtime) -> (tempfile::TempDir, Arc<EmbeddedQueue>) {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &Path| runtime.block_on(EmbeddedQueue::open(path)).expect("a queue");
    let queue = Arc::new(open(folder.path()));
    (folder, queue)
}

/// As large as a request is.
fn message(number: usize) -> Message {
    let body = format!(r#"{{"specversion":"1.0","id":"{number}","data":"{}"}}"#, "x".repeat(900));
    Message { lane: Lane::Routine, id: number.to_string(), body: body.into_bytes(), trace_parent: None }
}
