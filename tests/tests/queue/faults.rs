//! The broker under its faults, and the network under ours: nothing is lost, and everything goes on by itself.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chiasm_tests::proxy::{Fault, Proxy};
use chiasm_tests::rabbitmq::RabbitMq;
use tokio::sync::{Mutex, MutexGuard};
use worker::lane::Lane;
use worker::queue::{Consumer, Disposition, Queue, QueueError, Settled};

use super::{PATIENCE, Place, consume, message, next, publish_surely, routine, soon, until_empty};

/// A broker that may be broken, for one test at a time.
async fn breakable() -> Option<MutexGuard<'static, RabbitMq>> {
    static BROKER: OnceLock<Option<Mutex<RabbitMq>>> = OnceLock::new();
    Some(BROKER.get_or_init(|| RabbitMq::start("").map(Mutex::new)).as_ref()?.lock().await)
}

/// A queue behind a proxy; its heartbeat is short, so that silence is noticed soon.
fn behind_proxy() -> Option<(Proxy, Place)> {
    let proxy = Proxy::start(RabbitMq::shared()?.address());
    let place = Place::at(&format!("amqp://chiasm@{}/%2f?heartbeat=2", proxy.address()));
    Some((proxy, place))
}

/// A message goes through, whatever happened before. Repeats of others may come too.
async fn goes_on(queue: &Arc<dyn Queue>, consumer: &mut Box<dyn Consumer>, id: &str) {
    let sent = message(Lane::Routine, id);
    publish_surely(queue, &sent).await;
    loop {
        let delivery = next(consumer).await;
        let is_it = delivery.body == sent.body;
        let settled = delivery.receipt.settle(Disposition::Ack).await.unwrap();
        if is_it && settled == Settled::Done {
            return;
        }
    }
}

/// Publishes and consumes while `disturb` happens: what was confirmed is delivered, what was acknowledged is gone.
async fn nothing_is_lost(
    queue: &Arc<dyn Queue>,
    other: &Arc<dyn Queue>,
    disturb: impl Future<Output = ()> + Send,
) {
    const MESSAGES: usize = 400;
    let progress = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let step = |of: usize| {
        let progress = Arc::clone(&progress);
        move || {
            progress[of].fetch_add(1, Ordering::SeqCst);
        }
    };
    let (published, delivered, settled) = (step(0), step(1), step(2));
    let publishing = {
        let queue = Arc::clone(other);
        tokio::spawn(async move {
            for message in routine(MESSAGES) {
                publish_surely(&queue, &message).await;
                published();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    let consuming = {
        let queue = Arc::clone(queue);
        tokio::spawn(async move {
            let mut consumer = consume(&queue, 16).await;
            let mut bodies = BTreeSet::new();
            while bodies.len() < MESSAGES {
                let delivery = next(&mut consumer).await;
                delivered();
                bodies.insert(delivery.body);
                delivery.receipt.settle(Disposition::Ack).await.unwrap();
                settled();
            }
            // Repeats of what was confirmed late, or acknowledged too late.
            while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), consumer.next()).await {
                let delivery = delivery.unwrap();
                assert!(!bodies.insert(delivery.body), "a message that nobody sent");
                delivery.receipt.settle(Disposition::Ack).await.unwrap();
            }
            consumer.close().await;
        })
    };
    disturb.await;
    let both = async {
        publishing.await.unwrap();
        consuming.await.unwrap();
    };
    let ended = tokio::time::timeout(PATIENCE, both).await;
    ended.unwrap_or_else(|_| panic!("published, delivered, settled: {progress:?}"));
    until_empty(other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_and_starts_loses_nothing() {
    let Some(broker) = breakable().await else { return };
    let place = Place::at(&broker.url());
    let (queue, other) = (place.open().await, place.open().await);
    nothing_is_lost(&queue, &other, async {
        tokio::task::block_in_place(|| {
            broker.stop();
            broker.restart();
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_loses_nothing() {
    let Some(broker) = breakable().await else { return };
    let place = Place::at(&broker.url());
    let (queue, other) = (place.open().await, place.open().await);
    nothing_is_lost(&queue, &other, async {
        tokio::task::block_in_place(|| {
            broker.kill();
            broker.restart();
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_broker_closes_are_made_again() {
    let Some(broker) = breakable().await else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let mut consumer = consume(&queue, 4).await;
    queue.publish_all(&routine(3)).await.unwrap();
    let held = next(&mut consumer).await;
    tokio::task::block_in_place(|| broker.ctl(&["close_all_connections", "maintenance"]));
    goes_on(&queue, &mut consumer, "after").await;
    assert_eq!(held.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Lost);
    // What was held and what was fetched ahead came again before it.
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_broker_closes_for_slowness_is_opened_again() {
    let Some(broker) = breakable().await else { return };
    let set = |timeout: &str, tick: &str| {
        let each = [("consumer_timeout", timeout), ("channel_tick_interval", tick)];
        let calls = each.map(|(key, value)| format!("application:set_env(rabbit, {key}, {value})"));
        tokio::task::block_in_place(|| broker.ctl(&["eval", &format!("{}.", calls.join(", "))]));
    };
    set("500", "200");
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let mut consumer = consume(&queue, 1).await;
    queue.publish(&message(Lane::Routine, "slow")).await.unwrap();
    let slow = next(&mut consumer).await;
    // The broker waits no longer for it, with 406 on the channel; it is delivered again on a new one.
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    assert_eq!(again.body, slow.body);
    assert_eq!(slow.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Lost);
    assert_eq!(again.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    set("1800000", "60000");
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory_takes_nothing_and_gives_on() {
    let Some(broker) = breakable().await else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    queue.publish_all(&routine(3)).await.unwrap();
    let watermark = |value: &str| {
        tokio::task::block_in_place(|| broker.ctl(&["set_vm_memory_high_watermark", value]));
    };
    watermark("0.00001");
    let refused = queue.publish(&message(Lane::Routine, "late")).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable { .. }), "{refused:?}");
    let mut consumer = consume(&queue, 1).await;
    for _ in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    }
    assert!(queue.is_reachable().await, "it is there, though it takes nothing");
    watermark("0.4");
    goes_on(&queue, &mut consumer, "after").await;
    consumer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_again_and_again_loses_nothing() {
    let Some((proxy, place)) = behind_proxy() else { return };
    let (queue, other) = (place.open().await, place.open().await);
    nothing_is_lost(&queue, &other, async {
        for turn in 0..6 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            if turn % 2 == 0 { proxy.cut() } else { proxy.half_close() }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_is_noticed_and_left() {
    swallowed(Fault::Blackhole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_one_byte_a_second_is_noticed_and_left() {
    swallowed(Fault::Slow(1)).await;
}

async fn swallowed(fault: Fault) {
    let Some((proxy, place)) = behind_proxy() else { return };
    let queue = place.open().await;
    let mut consumer = consume(&queue, 4).await;
    goes_on(&queue, &mut consumer, "before").await;
    let waiting = tokio::spawn(async move {
        goes_back(&mut consumer).await;
        consumer
    });
    proxy.set(fault);
    let began = Instant::now();
    let refused = queue.publish(&message(Lane::Routine, "swallowed")).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable { .. }), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "publishing takes a bounded time");
    assert!(!queue.is_reachable().await);
    proxy.set(Fault::Pass);
    publish_surely(&queue, &message(Lane::Routine, "back")).await;
    let mut consumer = soon(waiting).await.unwrap();
    goes_on(&queue, &mut consumer, "after").await;
    consumer.close().await;
    until_empty(&queue).await;
}

/// Consumes until the network is back.
async fn goes_back(consumer: &mut Box<dyn Consumer>) {
    loop {
        let delivery = next(consumer).await;
        let is_back = delivery.body == message(Lane::Routine, "back").body;
        let settled = delivery.receipt.settle(Disposition::Ack).await.unwrap();
        if is_back && settled == Settled::Done {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_network_is_only_late() {
    let Some((proxy, place)) = behind_proxy() else { return };
    let queue = place.open().await;
    let mut consumer = consume(&queue, 4).await;
    proxy.set(Fault::Late(Duration::from_millis(200)));
    queue.publish_all(&routine(20)).await.unwrap();
    for _ in 0..20 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    }
    assert!(queue.is_reachable().await || proxy.connections() > 0);
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_over_a_lost_connection_is_lost_to_its_receipt() {
    let Some((proxy, place)) = behind_proxy() else { return };
    let queue = place.open().await;
    let dispositions = [
        Disposition::Ack,
        Disposition::HandBack,
        Disposition::Retry { after: Duration::from_secs(1) },
        Disposition::DeadLetter { code: "Code".into(), reason: "reason".into() },
    ];
    queue.publish_all(&routine(dispositions.len())).await.unwrap();
    let mut consumer = consume(&queue, 4).await;
    let mut held = Vec::new();
    for _ in &dispositions {
        held.push(next(&mut consumer).await);
    }
    proxy.cut();
    for _ in &dispositions {
        // They come again: from here on, the first deliveries are nobody's.
        let again = next(&mut consumer).await;
        assert!(again.redelivered);
        assert_eq!(again.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    }
    for (delivery, disposition) in held.into_iter().zip(dispositions) {
        assert_eq!(delivery.receipt.settle(disposition).await.unwrap(), Settled::Lost);
    }
    // No copy was left on the way to another queue.
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_is_left_without_threads_piling_up() {
    let Some(broker) = breakable().await else { return };
    let place = Place::at(&format!("{}?heartbeat=2", broker.url()));
    let queue = place.open().await;
    let mut consumer = consume(&queue, 4).await;
    goes_on(&queue, &mut consumer, "before").await;
    tokio::task::block_in_place(|| broker.freeze(true));
    assert!(!queue.is_reachable().await);
    let refused = queue.publish(&message(Lane::Routine, "frozen")).await.unwrap_err();
    assert!(matches!(refused, QueueError::Unavailable { .. }), "{refused:?}");
    tokio::task::block_in_place(|| broker.freeze(false));
    goes_on(&queue, &mut consumer, "after").await;
    consumer.close().await;
}
