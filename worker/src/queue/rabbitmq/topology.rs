//! Exchanges and queues: names, arguments, and how they are declared.
//!
//! All queues are durable quorum queues. What leaves a queue by itself (an attempt too many, the end of a rest) is
//! dead-lettered at least once, which needs `reject-publish` as the overflow. The priority of a message would be lost
//! when it is returned, so each lane is a queue.

use std::time::Duration;

use futures_util::future::{try_join_all, try_join3};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::fault;
use crate::lane::Lane;
use crate::message::Name;
use crate::queue::QueueError;

/// Pauses before another attempt, in seconds. A queue's time to live is one for all its messages: one with a time of
/// its own would wait behind others that rest longer.
pub(super) const RUNGS_S: [u32; 4] = [1, 10, 60, 600];

/// Deliveries without a settlement after which the broker itself gives a message up. The last resort only: messages
/// that stop their worker are counted by the ledger, which gives up much earlier.
pub(super) const DELIVERY_LIMIT: u32 = 100;

/// Where a message is looked at by people, any number of times. Since RabbitMQ 4.0 a queue without a limit of its own
/// drops what was returned twenty times.
const NO_DELIVERY_LIMIT: u32 = 1_000_000_000;

/// The names of a site's exchanges and queues.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: Name,
}

impl Names {
    pub(super) fn new(prefix: Name) -> Self {
        Self { prefix }
    }

    /// The direct exchange of the work queues; the routing key is the lane.
    pub(super) fn jobs(&self) -> ShortString {
        self.named("jobs")
    }

    /// The work queue of a lane.
    pub(super) fn work(&self, lane: Lane) -> ShortString {
        self.named(&format!("jobs.{lane}"))
    }

    /// The direct exchange of the queues in which messages rest; the routing key is [`Rest::key`].
    pub(super) fn retry(&self) -> ShortString {
        self.named("retry")
    }

    /// The queue in which messages rest.
    pub(super) fn resting(&self, rest: Rest) -> ShortString {
        self.named(&format!("retry.{}.{}", rest.lane, rest.seconds))
    }

    /// The fanout exchange and the queue of dead letters.
    pub(super) fn dead(&self) -> ShortString {
        self.named("dead")
    }

    /// The topic exchange of status events.
    pub(super) fn events(&self) -> ShortString {
        self.named("events")
    }

    fn named(&self, rest: &str) -> ShortString {
        format!("{}.{rest}", self.prefix).into()
    }
}

/// A rest before another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    lane: Lane,
    seconds: u32,
}

impl Rest {
    /// The shortest rest of the ladder that is at least `pause`, else the longest.
    pub(super) fn of(lane: Lane, pause: Duration) -> Self {
        let fits = |seconds: &u32| Duration::from_secs(u64::from(*seconds)) >= pause;
        let seconds = RUNGS_S.into_iter().find(fits).unwrap_or(RUNGS_S[RUNGS_S.len() - 1]);
        Self { lane, seconds }
    }

    /// Every rest there is.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Lane::ALL.into_iter().flat_map(|lane| RUNGS_S.map(|seconds| Self { lane, seconds }))
    }

    /// Its routing key.
    pub(super) fn key(self) -> ShortString {
        format!("{}.{}", self.lane, self.seconds).into()
    }
}

/// Declares everything; what is there already stays as it is. All is asked for at once, and done in this order.
pub(super) async fn declare(channel: &Channel, names: &Names) -> Result<(), QueueError> {
    let kinds = [
        (names.jobs(), ExchangeKind::Direct),
        (names.retry(), ExchangeKind::Direct),
        (names.dead(), ExchangeKind::Fanout),
        (names.events(), ExchangeKind::Topic),
    ];
    let exchanges = kinds.map(|(name, kind)| {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(name, kind, options, FieldTable::default())
    });
    let bound = queues(names);
    let queues = bound.iter().map(|queue| async {
        let (name, arguments) = (queue.name.clone(), queue.arguments.clone());
        channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await.map(drop)
    });
    let bindings = bound.iter().map(|queue| {
        let (name, exchange, key) = (queue.name.clone(), queue.exchange.clone(), queue.key.clone());
        channel.queue_bind(name, exchange, key, QueueBindOptions::default(), FieldTable::default())
    });
    let answers = try_join3(try_join_all(exchanges), try_join_all(queues), try_join_all(bindings)).await;
    answers.map(drop).map_err(|error| fault::declaring(names.prefix.as_str(), error))
}

/// A queue as it is declared and bound.
struct Bound {
    name: ShortString,
    arguments: FieldTable,
    exchange: ShortString,
    key: ShortString,
}

fn queues(names: &Names) -> Vec<Bound> {
    let dead = Bound {
        name: names.dead(),
        arguments: quorum(vec![("x-delivery-limit", AMQPValue::LongUInt(NO_DELIVERY_LIMIT))]),
        exchange: names.dead(),
        key: "".into(),
    };
    let work = Lane::ALL.into_iter().map(|lane| {
        let mut arguments = dead_lettering(&names.dead());
        arguments.push(("x-delivery-limit", AMQPValue::LongUInt(DELIVERY_LIMIT)));
        let (exchange, key) = (names.jobs(), lane.as_str().into());
        Bound { name: names.work(lane), arguments: quorum(arguments), exchange, key }
    });
    let resting = Rest::all().map(|rest| {
        let mut arguments = dead_lettering(&names.jobs());
        arguments.push(("x-dead-letter-routing-key", text(rest.lane.as_str())));
        arguments.push(("x-message-ttl", AMQPValue::LongUInt(rest.seconds * 1_000)));
        arguments.push(("x-delivery-limit", AMQPValue::LongUInt(NO_DELIVERY_LIMIT)));
        let (exchange, key) = (names.retry(), rest.key());
        Bound { name: names.resting(rest), arguments: quorum(arguments), exchange, key }
    });
    std::iter::once(dead).chain(work).chain(resting).collect()
}

fn quorum(arguments: Vec<(&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    for (argument, value) in arguments {
        table.insert(argument.into(), value);
    }
    table
}

fn dead_lettering(to: &ShortString) -> Vec<(&'static str, AMQPValue)> {
    vec![
        ("x-dead-letter-exchange", AMQPValue::LongString(to.as_str().into())),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Names, Rest};
    use crate::lane::Lane;

    #[test]
    fn a_pause_is_rounded_up_to_a_rung() {
        for (pause_ms, seconds) in [
            (0, 1),
            (1, 1),
            (1_000, 1),
            (1_001, 10),
            (10_000, 10),
            (20_000, 60),
            (61_000, 600),
            (9_999_999, 600),
        ] {
            let rest = Rest::of(Lane::Stat, Duration::from_millis(pause_ms));
            assert_eq!(rest.seconds, seconds, "{pause_ms} ms");
        }
    }

    #[test]
    fn names_begin_with_the_prefix() {
        let names = Names::new("north".parse().unwrap());
        assert_eq!(names.work(Lane::Stat).as_str(), "north.jobs.stat");
        let rest = Rest::of(Lane::Routine, Duration::from_secs(5));
        assert_eq!(names.resting(rest).as_str(), "north.retry.routine.10");
        assert_eq!(rest.key().as_str(), "routine.10");
        assert_eq!(Rest::all().count(), 8);
    }
}
