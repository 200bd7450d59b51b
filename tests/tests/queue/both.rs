//! What both queues promise.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use worker::lane::Lane;
use worker::queue::{DeadAction, DeadSelection, Disposition, Settled};

use super::{Place, consume, message, next, routine, soon, until, until_empty};

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let Some(place) = super::Place::embedded() else { return };
                super::$test(place).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let Some(place) = super::Place::rabbitmq() else { return };
                super::$test(place).await;
            })*
        }
    };
}

on_both!(
    what_is_published_is_delivered_once_and_gone,
    what_is_not_settled_is_delivered_again,
    a_dropped_receipt_gives_its_delivery_back,
    a_retry_comes_back_after_its_pause,
    who_waits_comes_back_and_no_attempt_is_counted,
    a_dead_letter_says_why_and_can_be_requeued_or_dropped,
    what_is_handed_back_goes_to_anybody,
    closing_hands_back_what_was_fetched_ahead_and_receipts_stay_good,
    two_consumers_share_without_doubles,
    no_more_than_the_prefetch_is_out,
    one_lane_does_not_hold_up_the_other,
    two_thousand_messages_are_exactly_two_thousand,
    a_wait_that_is_given_up_loses_nothing,
    large_and_empty_bodies_survive,
);

async fn what_is_published_is_delivered_once_and_gone(place: Place) {
    let queue = place.open().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut sent = message(Lane::Stat, "a1");
    sent.trace_parent = Some(trace.into());
    queue.publish(&sent).await.unwrap();
    assert_eq!(until(&queue, |now| now.stat == 1).await.routine, 0);
    let mut stat = queue.consume(Lane::Stat, 2).await.unwrap();
    let delivery = next(&mut stat).await;
    assert_eq!(delivery.body, sent.body);
    assert_eq!((delivery.lane, delivery.retries, delivery.redelivered), (Lane::Stat, 0, false));
    assert_eq!(delivery.trace_parent.as_deref(), Some(trace));
    assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    stat.close().await;
    until_empty(&queue).await;
    queue.announce("imaging.job.reported.v1", "e1", b"{}").await.unwrap();
    assert!(queue.is_reachable().await);
}

async fn what_is_not_settled_is_delivered_again(place: Place) {
    let dying = place.open().await;
    dying.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut consumer = consume(&dying, 4).await;
    let taken = next(&mut consumer).await;
    drop((taken, consumer, dying));
    let queue = place.open().await;
    let mut consumer = consume(&queue, 4).await;
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    assert_eq!(again.retries, 0);
    again.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&queue).await;
}

async fn a_dropped_receipt_gives_its_delivery_back(place: Place) {
    let queue = place.open().await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut consumer = consume(&queue, 1).await;
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert!(again.redelivered);
    again.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&queue).await;
}

async fn a_retry_comes_back_after_its_pause(place: Place) {
    let queue = place.open().await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut consumer = consume(&queue, 1).await;
    for retries in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.retries, delivery.redelivered), (retries, false));
        let began = Instant::now();
        let after = Duration::from_millis(900);
        assert_eq!(delivery.receipt.settle(Disposition::Retry { after }).await.unwrap(), Settled::Done);
        let other = next(&mut consumer).await;
        assert!(began.elapsed() >= after, "{:?}", began.elapsed());
        assert_eq!(other.retries, retries + 1);
        other.receipt.settle(Disposition::HandBack).await.unwrap();
        let handed_back = next(&mut consumer).await;
        assert_eq!((handed_back.retries, handed_back.redelivered), (retries + 1, true));
        handed_back.receipt.settle(Disposition::Ack).await.unwrap();
        queue.publish(&message(Lane::Routine, 2)).await.unwrap();
        if retries == 0 {
            // A second round from the first rung on: attempts are counted a message.
            let fresh = next(&mut consumer).await;
            assert_eq!(fresh.retries, 0);
            fresh.receipt.settle(Disposition::Retry { after }).await.unwrap();
        }
    }
    let last = next(&mut consumer).await;
    assert_eq!(last.retries, 0);
    last.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&queue).await;
}

async fn who_waits_comes_back_and_no_attempt_is_counted(place: Place) {
    let queue = place.open().await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut consumer = consume(&queue, 1).await;
    let after = Duration::from_millis(900);
    let mut delivery = next(&mut consumer).await;
    for (waits, retries) in [(true, 0), (false, 1), (true, 1)] {
        let disposition = if waits { Disposition::Wait { after } } else { Disposition::Retry { after } };
        let began = Instant::now();
        assert_eq!(delivery.receipt.settle(disposition).await.unwrap(), Settled::Done);
        delivery = next(&mut consumer).await;
        assert!(began.elapsed() >= after, "{:?}", began.elapsed());
        assert_eq!(delivery.retries, retries);
    }
    assert_eq!(delivery.body, message(Lane::Routine, 1).body);
    delivery.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&queue).await;
}

async fn a_dead_letter_says_why_and_can_be_requeued_or_dropped(place: Place) {
    let queue = place.open().await;
    for id in ["a1", "a2", "a3"] {
        queue.publish(&message(Lane::Stat, id)).await.unwrap();
    }
    let mut stat = queue.consume(Lane::Stat, 1).await.unwrap();
    for number in 1..=3 {
        let (code, reason) = ("MessageTooOld".to_owned(), format!("number {number}: grüße"));
        let delivery = next(&mut stat).await;
        let settled = delivery.receipt.settle(Disposition::DeadLetter { code, reason }).await;
        assert_eq!(settled.unwrap(), Settled::Done);
    }
    let now = until(&queue, |now| now.dead == 3).await;
    assert_eq!((now.stat, now.unsettled.unwrap_or(0)), (0, 0));
    for _ in 0..2 {
        let letters = queue.dead_letters(2).await.unwrap();
        assert_eq!(letters.len(), 2);
        assert_eq!(letters[0].reason, "number 1: grüße");
        assert_eq!((letters[1].code.as_str(), letters[1].lane), ("MessageTooOld", Some(Lane::Stat)));
        assert_eq!(letters[1].id.as_deref(), Some("a2"));
        assert_eq!(letters[1].bytes, message(Lane::Stat, "a2").body.len());
        until(&queue, |now| now.dead == 3).await;
    }
    let second = DeadSelection::WithId("a2".into());
    assert_eq!(queue.settle_dead(&second, DeadAction::Requeue).await.unwrap(), 1);
    assert_eq!(queue.settle_dead(&second, DeadAction::Requeue).await.unwrap(), 0);
    let again = next(&mut stat).await;
    assert_eq!((again.body, again.retries), (message(Lane::Stat, "a2").body, 0));
    again.receipt.settle(Disposition::Ack).await.unwrap();
    let left = queue.dead_letters(10).await.unwrap();
    assert_eq!(left.iter().filter_map(|letter| letter.id.as_deref()).collect::<Vec<_>>(), ["a1", "a3"]);
    assert_eq!(queue.settle_dead(&DeadSelection::All, DeadAction::Drop).await.unwrap(), 2);
    until_empty(&queue).await;
}

async fn what_is_handed_back_goes_to_anybody(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
    first.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut stopping = consume(&first, 1).await;
    let delivery = next(&mut stopping).await;
    stopping.close().await;
    assert_eq!(delivery.receipt.settle(Disposition::HandBack).await.unwrap(), Settled::Done);
    let mut consumer = consume(&second, 1).await;
    let again = next(&mut consumer).await;
    assert_eq!((again.retries, again.redelivered), (0, true));
    again.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&second).await;
}

async fn closing_hands_back_what_was_fetched_ahead_and_receipts_stay_good(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
    for message in routine(6) {
        first.publish(&message).await.unwrap();
    }
    let mut stopping = consume(&first, 6).await;
    let kept = next(&mut stopping).await;
    stopping.close().await;
    let mut consumer = consume(&second, 1).await;
    for id in 1..6 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.body, message(Lane::Routine, id).body, "the order is kept");
        delivery.receipt.settle(Disposition::Ack).await.unwrap();
    }
    assert_eq!(kept.body, message(Lane::Routine, 0).body);
    assert_eq!(kept.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    until_empty(&second).await;
}

async fn two_consumers_share_without_doubles(place: Place) {
    const MESSAGES: usize = 300;
    let queue = place.open().await;
    queue.publish_all(&routine(MESSAGES)).await.unwrap();
    let (sender, mut taken) = tokio::sync::mpsc::channel(MESSAGES);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (place, sender) = (place.open().await, sender.clone());
        workers.spawn(async move {
            let mut consumer = consume(&place, 8).await;
            while let Ok(delivery) = consumer.next().await {
                delivery.receipt.settle(Disposition::Ack).await.unwrap();
                if sender.send(delivery.body).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut bodies = BTreeSet::new();
    for _ in 0..MESSAGES {
        assert!(bodies.insert(soon(taken.recv()).await.unwrap()), "a message came twice");
    }
    until_empty(&queue).await;
    assert!(taken.try_recv().is_err());
    workers.shutdown().await;
}

async fn no_more_than_the_prefetch_is_out(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
    first.publish_all(&routine(10)).await.unwrap();
    let mut narrow = consume(&first, 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut narrow).await);
    }
    // Whoever comes second gets all the others.
    let mut wide = consume(&second, 20).await;
    let mut rest = Vec::new();
    for _ in 0..7 {
        rest.push(next(&mut wide).await);
    }
    for delivery in rest.into_iter().chain(held) {
        assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    }
    until_empty(&first).await;
}

async fn one_lane_does_not_hold_up_the_other(place: Place) {
    let queue = place.open().await;
    queue.publish_all(&routine(50)).await.unwrap();
    queue.publish(&message(Lane::Stat, "urgent")).await.unwrap();
    let mut stat = queue.consume(Lane::Stat, 1).await.unwrap();
    let urgent = next(&mut stat).await;
    assert_eq!((urgent.lane, urgent.body), (Lane::Stat, message(Lane::Stat, "urgent").body));
    urgent.receipt.settle(Disposition::Ack).await.unwrap();
    let now = until(&queue, |now| now.stat == 0 && now.routine == 50).await;
    assert_eq!((now.resting, now.dead), (0, 0));
}

async fn two_thousand_messages_are_exactly_two_thousand(place: Place) {
    const MESSAGES: usize = 2_000;
    const SINGLE: usize = 100;
    let queue = place.open().await;
    let messages = routine(MESSAGES);
    let began = Instant::now();
    for message in &messages[..SINGLE] {
        queue.publish(message).await.unwrap();
    }
    let single = began.elapsed();
    let began = Instant::now();
    queue.publish_all(&messages[SINGLE..]).await.unwrap();
    let pipelined = began.elapsed();
    let mut consumer = consume(&queue, 64).await;
    let mut bodies = Vec::new();
    let mut settling = tokio::task::JoinSet::new();
    let began = Instant::now();
    for _ in 0..MESSAGES {
        let delivery = next(&mut consumer).await;
        bodies.push(delivery.body);
        settling.spawn(async move { delivery.receipt.settle(Disposition::Ack).await.unwrap() });
    }
    let settled = settling.join_all().await;
    let consumed = began.elapsed();
    assert!(settled.iter().all(|settled| *settled == Settled::Done));
    let expected: Vec<_> = messages.into_iter().map(|message| message.body).collect();
    assert!(bodies.starts_with(&expected[..SINGLE]), "one by one they keep their order");
    let each: BTreeSet<_> = bodies.iter().collect();
    assert_eq!((bodies.len(), each.len()), (MESSAGES, MESSAGES));
    assert!(expected.iter().all(|body| each.contains(body)), "all of them, once");
    until_empty(&queue).await;
    let rate = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
    eprintln!(
        "{}: {:.0}/s published one by one, {:.0}/s together, {:.0}/s consumed",
        queue.status().await.unwrap().kind,
        rate(SINGLE, single),
        rate(MESSAGES - SINGLE, pipelined),
        rate(MESSAGES, consumed)
    );
}

async fn a_wait_that_is_given_up_loses_nothing(place: Place) {
    const MESSAGES: usize = 40;
    let queue = place.open().await;
    let publishing = {
        let queue = place.open().await;
        tokio::spawn(async move {
            for message in routine(MESSAGES) {
                queue.publish(&message).await.unwrap();
            }
        })
    };
    let mut consumer = consume(&queue, 4).await;
    let mut bodies = BTreeSet::new();
    let until = Instant::now() + super::PATIENCE;
    let mut wait_us = 50;
    while bodies.len() < MESSAGES {
        assert!(Instant::now() < until, "{} of {MESSAGES}", bodies.len());
        wait_us = wait_us * 2 % 65_537;
        let Ok(delivery) = tokio::time::timeout(Duration::from_micros(wait_us), consumer.next()).await else {
            continue;
        };
        let delivery = delivery.unwrap();
        assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
        assert!(bodies.insert(delivery.body));
    }
    publishing.await.unwrap();
    until_empty(&queue).await;
}

async fn large_and_empty_bodies_survive(place: Place) {
    let queue = place.open().await;
    let mut large = message(Lane::Routine, "large");
    large.body = vec![0xA5; 3 * 1024 * 1024];
    let mut empty = message(Lane::Routine, "i".repeat(300));
    empty.body = Vec::new();
    queue.publish_all(&[large.clone()]).await.unwrap();
    queue.publish(&empty).await.unwrap();
    let mut consumer = consume(&queue, 1).await;
    let delivery = next(&mut consumer).await;
    assert!(delivery.body == large.body);
    let (code, reason) = ("MessageTooLarge".to_owned(), "it is too large".to_owned());
    delivery.receipt.settle(Disposition::DeadLetter { code, reason }).await.unwrap();
    let delivery = next(&mut consumer).await;
    assert!(delivery.body.is_empty());
    delivery.receipt.settle(Disposition::Ack).await.unwrap();
    until(&queue, |now| now.dead == 1).await;
    assert_eq!(queue.dead_letters(1).await.unwrap()[0].bytes, large.body.len());
    queue.settle_dead(&DeadSelection::All, DeadAction::Drop).await.unwrap();
    until_empty(&queue).await;
}
