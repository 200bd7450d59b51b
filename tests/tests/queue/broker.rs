//! The broker's topology, what is refused for ever, and messages that others put on its queues.

use std::time::Duration;

use chiasm_tests::rabbitmq::RabbitMq;
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use worker::config::secret::Secret;
use worker::lane::Lane;
use worker::queue::{Disposition, QueueError, RabbitMqQueue, Settled};

use super::{Place, consume, message, next, rabbitmq, soon, until, until_empty};

/// A client of the test's own, as any other program on the broker.
async fn stranger(broker: &RabbitMq) -> (Connection, Channel) {
    let connection = Connection::connect(&broker.full_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_durable_quorum_queues_that_lose_nothing_by_themselves() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    queue.publish(&message(Lane::Stat, 1)).await.unwrap();
    let listed = broker.ctl(&["list_queues", "name", "type", "durable", "arguments"]);
    let ours: Vec<_> =
        listed.lines().filter(|line| line.starts_with(&format!("{}.", place.prefix()))).collect();
    assert_eq!(ours.len(), 11, "{listed}");
    for queue in ours {
        assert!(queue.contains("quorum\ttrue"), "{queue}");
        let is_dead = queue.starts_with(&format!("{}.dead\t", place.prefix()));
        assert_eq!(is_dead, !queue.contains("at-least-once"), "{queue}");
        assert_eq!(is_dead, !queue.contains("reject-publish"), "{queue}");
        assert!(queue.contains("x-delivery-limit"), "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_persistent_and_events_reach_who_listens() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let (_connection, channel) = stranger(broker).await;
    queue.publish(&message(Lane::Stat, "a1")).await.unwrap();
    let work = format!("{}.jobs.stat", place.prefix());
    let got = channel.basic_get(work.into(), BasicGetOptions::default()).await.unwrap().unwrap();
    let properties = &got.delivery.properties;
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "a1");
    got.delivery.ack(BasicAckOptions::default()).await.unwrap();

    let listening =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let ear = channel.queue_declare("".into(), listening, FieldTable::default()).await.unwrap();
    let events = format!("{}.events", place.prefix());
    channel
        .queue_bind(
            ear.name().clone(),
            events.into(),
            "imaging.job.#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let mut heard = channel
        .basic_consume(ear.name().clone(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    queue.announce("imaging.job.reported.v1", "e1", b"{\"state\":\"reported\"}").await.unwrap();
    let event = soon(heard.next()).await.unwrap().unwrap();
    assert_eq!(event.data, b"{\"state\":\"reported\"}");
    assert_eq!(event.routing_key.as_str(), "imaging.job.reported.v1");
    assert!(queue.announce(&"t".repeat(256), "e2", b"{}").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_takes_is_not_confirmed_and_the_next_one_is() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let (_connection, channel) = stranger(broker).await;
    let (work, jobs) = (format!("{}.jobs.stat", place.prefix()), format!("{}.jobs", place.prefix()));
    let unbind = channel.queue_unbind(work.into(), jobs.into(), "stat".into(), FieldTable::default());
    unbind.await.unwrap();
    let refused = queue.publish(&message(Lane::Stat, 1)).await.unwrap_err();
    assert!(matches!(&refused, QueueError::NotConfirmed { answer } if answer == "NO_ROUTE"), "{refused:?}");
    // Everything was declared again for the next one.
    queue.publish(&message(Lane::Stat, 2)).await.unwrap();
    assert_eq!(until(&queue, |now| now.stat == 1).await.routine, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_and_a_deleted_exchange_are_made_anew() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let (_connection, channel) = stranger(broker).await;
    let mut consumer = consume(&queue, 4).await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    let lost = next(&mut consumer).await;
    let work = format!("{}.jobs.routine", place.prefix());
    channel.queue_delete(work.into(), QueueDeleteOptions::default()).await.unwrap();
    let jobs = format!("{}.jobs", place.prefix());
    channel.exchange_delete(jobs.into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
    let publishing = async {
        super::publish_surely(&queue, &message(Lane::Routine, 2)).await;
        next(&mut consumer).await
    };
    let fresh = soon(publishing).await;
    assert_eq!(fresh.body, message(Lane::Routine, 2).body);
    assert_eq!(fresh.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
    // Its queue is gone: whatever the answer is, nothing hangs and the lane goes on.
    soon(lost.receipt.settle(Disposition::Ack)).await.unwrap();
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_never_settled_ends_with_the_dead_letters() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    queue.publish(&message(Lane::Stat, "poison")).await.unwrap();
    let (_connection, channel) = stranger(broker).await;
    let work = format!("{}.jobs.stat", place.prefix());
    let mut consumer = channel
        .basic_consume(work.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let mut deliveries = 0;
    let until_dead = async {
        loop {
            tokio::select! {
                delivery = consumer.next() => {
                    deliveries += 1;
                    let requeue = lapin::options::BasicNackOptions { requeue: true, multiple: false };
                    delivery.unwrap().unwrap().nack(requeue).await.unwrap();
                }
                _ = until(&queue, |now| now.dead == 1) => return,
            }
        }
    };
    soon(until_dead).await;
    assert_eq!(deliveries, 101);
    let letter = queue.dead_letters(5).await.unwrap().remove(0);
    assert_eq!((letter.code.as_str(), letter.lane), ("DeliveryLimit", Some(Lane::Stat)));
    assert_eq!(letter.id.as_deref(), Some("poison"));
}

#[tokio::test(flavor = "multi_thread")]
async fn handing_back_never_adds_up_to_a_dead_letter() {
    let Some(place) = Place::rabbitmq() else { return };
    let queue = place.open().await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    let mut consumer = consume(&queue, 1).await;
    for turn in 0..130 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.retries, delivery.redelivered), (0, turn > 0), "turn {turn}");
        assert_eq!(delivery.receipt.settle(Disposition::HandBack).await.unwrap(), Settled::Done);
    }
    next(&mut consumer).await.receipt.settle(Disposition::Ack).await.unwrap();
    until_empty(&queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_strangers_are_delivered_and_leave_no_header_behind() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let (_connection, channel) = stranger(broker).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("x-chiasm-retries".into(), AMQPValue::LongString("many".into()));
    headers.insert("PatientName".into(), AMQPValue::LongString("Canary^Carla".into()));
    let properties = BasicProperties::default().with_headers(headers).with_user_id("chiasm".into());
    for (key, body) in [("stat", b"not JSON at all".to_vec()), ("stat", vec![0xFF; 2 * 1024 * 1024])] {
        let jobs = format!("{}.jobs", place.prefix());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let written = channel.basic_publish(jobs.into(), key.into(), options, &body, properties.clone());
        written.await.unwrap().await.unwrap();
    }
    let mut consumer = queue.consume(Lane::Stat, 1).await.unwrap();
    for _ in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.retries, &delivery.trace_parent), (0, &None));
        let (code, reason) = ("NotCloudEvents".to_owned(), "it is no JSON object".to_owned());
        delivery.receipt.settle(Disposition::DeadLetter { code, reason }).await.unwrap();
    }
    until(&queue, |now| now.dead == 2).await;
    let letters = queue.dead_letters(10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.bytes).collect::<Vec<_>>(), [15, 2 * 1024 * 1024]);
    let dead = format!("{}.dead", place.prefix());
    for kept in [15, 1024 * 1024] {
        let got = channel.basic_get(dead.clone().into(), BasicGetOptions::default()).await.unwrap().unwrap();
        assert!(!format!("{:?}", got.delivery.properties).contains("Canary"));
        assert_eq!(got.delivery.data.len(), kept, "of a body without bounds only the beginning is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_said_at_once() {
    let Some(broker) = RabbitMq::shared() else { return };
    let refused = |config| async move { RabbitMqQueue::connect(&config).await.unwrap_err().to_string() };
    let mut wrong = rabbitmq(&broker.url());
    wrong.password = Some(Secret::new("wrong-word".into()));
    let said = refused(wrong).await;
    assert!(said.contains("login") && !said.contains("wrong-word"), "{said}");
    let nowhere = broker.url().replace("%2f", "nowhere");
    assert!(refused(rabbitmq(&nowhere)).await.contains("virtual host"));

    let config = rabbitmq(&broker.url());
    let name = format!("{}.jobs.routine", config.prefix);
    let (_connection, channel) = stranger(broker).await;
    channel
        .queue_declare(name.clone().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .unwrap();
    let said = refused(config).await;
    assert!(said.contains(&name) && said.contains("delete it"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_becomes_another_ends_its_consumer_with_a_reason() {
    let Some(broker) = RabbitMq::shared() else { return };
    let place = Place::at(&broker.url());
    let queue = place.open().await;
    let mut consumer = consume(&queue, 1).await;
    queue.publish(&message(Lane::Routine, 1)).await.unwrap();
    next(&mut consumer).await.receipt.settle(Disposition::Ack).await.unwrap();
    let (_connection, channel) = stranger(broker).await;
    let events = format!("{}.events", place.prefix());
    channel
        .exchange_delete(events.clone().into(), lapin::options::ExchangeDeleteOptions::default())
        .await
        .unwrap();
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let other = channel.exchange_declare(events.into(), ExchangeKind::Direct, durable, FieldTable::default());
    other.await.unwrap();
    let work = format!("{}.jobs.routine", place.prefix());
    channel.queue_delete(work.into(), QueueDeleteOptions::default()).await.unwrap();
    let error = soon(consumer.next()).await.unwrap_err();
    assert!(matches!(&error, QueueError::Unusable { reason } if reason.contains(".events")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_waited_for() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let began = std::time::Instant::now();
    let place = Place::at(&format!("amqp://chiasm@{address}/%2f"));
    let queue = place.open().await;
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(!queue.is_reachable().await);
    assert!(matches!(queue.status().await, Err(QueueError::Unavailable { .. })));
}
