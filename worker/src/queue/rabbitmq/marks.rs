//! What travels with a message beside its body: attempts, times and trace, in headers of our own.
//!
//! Headers of others are not carried on: a message that comes back has only what stands here, and nothing in it can
//! name a patient but the body itself.

use std::time::{SystemTime, UNIX_EPOCH};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::lane::Lane;
use crate::queue::{DeadLetter, Message};

/// How often the message was retried by us. The broker's own count begins anew in each queue.
const RETRIES: &str = "x-chiasm-retries";
/// When it was published first, in milliseconds since 1970: for the age of a queue.
const PUBLISHED: &str = "x-chiasm-published-ms";
/// Set when it was handed to a worker before that gave it back.
const REDELIVERED: &str = "x-chiasm-redelivered";
/// Why it is dead.
const CODE: &str = "x-chiasm-code";
const REASON: &str = "x-chiasm-reason";
/// The lane a dead letter came from.
const LANE: &str = "x-chiasm-lane";
/// The length of its body before it was cut.
const BYTES: &str = "x-chiasm-bytes";
/// W3C trace context.
const TRACE: &str = "traceparent";

/// The longest trace context that is carried on; version 00 has 55 characters.
const MAX_TRACE: usize = 128;
/// The longest reason of a dead letter, in bytes.
const MAX_REASON: usize = 1_000;
/// The content type of every message.
const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Delivery mode of a message that is written to disk.
const PERSISTENT: u8 = 2;

/// What travels with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    /// CloudEvents `id`, where it is known.
    pub(super) id: Option<ShortString>,
    pub(super) retries: u32,
    pub(super) published_ms: u64,
    pub(super) trace_parent: Option<String>,
    pub(super) redelivered: bool,
}

impl Marks {
    /// Those of a new message.
    pub(super) fn new(message: &Message) -> Self {
        let trace_parent = message.trace_parent.clone().filter(|trace| trace.len() <= MAX_TRACE);
        Self { id: short(&message.id), retries: 0, published_ms: now_ms(), trace_parent, redelivered: false }
    }

    /// Those of a status event.
    pub(super) fn of_event(id: &str) -> Self {
        Self { id: short(id), retries: 0, published_ms: now_ms(), trace_parent: None, redelivered: false }
    }

    /// Reads those of a delivered message; what is not there or is not ours counts as none.
    pub(super) fn read(properties: &BasicProperties) -> Self {
        let headers = properties.headers().as_ref();
        let seconds = properties.timestamp().map(|seconds| seconds.saturating_mul(1_000));
        let trace_parent = headers.and_then(|headers| text(headers, TRACE));
        Self {
            id: properties.message_id().clone(),
            retries: headers
                .and_then(|headers| number(headers, RETRIES))
                .map_or(0, |retries| u32::try_from(retries).unwrap_or(u32::MAX)),
            published_ms: headers
                .and_then(|headers| number(headers, PUBLISHED))
                .or(seconds)
                .unwrap_or_else(now_ms),
            trace_parent: trace_parent.filter(|trace| trace.len() <= MAX_TRACE),
            redelivered: headers.is_some_and(|headers| headers.inner().contains_key(REDELIVERED)),
        }
    }

    /// As properties of a message to publish.
    pub(super) fn properties(&self) -> BasicProperties {
        self.with(FieldTable::default())
    }

    /// As properties of a dead letter whose body had `bytes` bytes.
    pub(super) fn dead(&self, lane: Lane, code: &str, reason: &str, bytes: usize) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(CODE.into(), long(cut(code, MAX_REASON)));
        headers.insert(REASON.into(), long(cut(reason, MAX_REASON)));
        headers.insert(LANE.into(), long(lane.as_str()));
        headers.insert(BYTES.into(), AMQPValue::LongLongInt(i64::try_from(bytes).unwrap_or(i64::MAX)));
        self.with(headers)
    }

    fn with(&self, mut headers: FieldTable) -> BasicProperties {
        headers.insert(RETRIES.into(), AMQPValue::LongLongInt(i64::from(self.retries)));
        let published = i64::try_from(self.published_ms).unwrap_or(i64::MAX);
        headers.insert(PUBLISHED.into(), AMQPValue::LongLongInt(published));
        if let Some(trace) = &self.trace_parent {
            headers.insert(TRACE.into(), long(trace));
        }
        if self.redelivered {
            headers.insert(REDELIVERED.into(), AMQPValue::Boolean(true));
        }
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        match &self.id {
            Some(id) => properties.with_message_id(id.clone()),
            None => properties,
        }
    }
}

/// How often the broker says that a message was delivered and returned before. It says so from the second delivery on.
pub(super) fn deliveries(properties: &BasicProperties) -> u64 {
    properties.headers().as_ref().and_then(|headers| number(headers, "x-delivery-count")).unwrap_or(0)
}

/// A letter of the dead-letter queue, for people; `true` when its body was cut.
pub(super) fn dead_letter(properties: &BasicProperties, key: &str, body: &[u8]) -> (DeadLetter, bool) {
    let none = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&none);
    let (by_broker, said) = given_up(headers);
    let bytes = number(headers, BYTES).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(body.len());
    let lane = text(headers, LANE).unwrap_or_else(|| key.to_owned());
    let letter = DeadLetter {
        code: text(headers, CODE).unwrap_or(by_broker),
        reason: text(headers, REASON).unwrap_or(said),
        lane: Lane::ALL.into_iter().find(|known| known.as_str() == lane),
        id: properties.message_id().as_ref().map(ToString::to_string),
        bytes,
    };
    (letter, bytes > body.len())
}

/// Code and reason of a letter that the broker itself made, from the newest entry of its `x-death` header.
fn given_up(headers: &FieldTable) -> (String, String) {
    let newest = match headers.inner().get("x-death") {
        Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().first(),
        _ => None,
    };
    let why = match newest {
        Some(AMQPValue::FieldTable(death)) => text(death, "reason"),
        _ => None,
    };
    let (code, reason) = match why.as_deref() {
        Some("delivery_limit") => {
            ("DeliveryLimit", "the broker gave it up: it was delivered too often without being settled")
        }
        Some("rejected") => ("Rejected", "a consumer other than chiasm rejected it"),
        Some("expired") => ("Expired", "it waited longer than a policy of the broker allows"),
        _ => ("Unknown", "it was put here by somebody else"),
    };
    (code.to_owned(), reason.to_owned())
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A short string holds 255 bytes; what is longer is no identifier.
pub(super) fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok().filter(|text| !text.as_str().is_empty())
}

/// The beginning of a text, at most `bytes` long.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn text(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn number(headers: &FieldTable, name: &str) -> Option<u64> {
    match *headers.inner().get(name)? {
        AMQPValue::ShortShortInt(number) => u64::try_from(number).ok(),
        AMQPValue::ShortShortUInt(number) => Some(u64::from(number)),
        AMQPValue::ShortInt(number) => u64::try_from(number).ok(),
        AMQPValue::ShortUInt(number) => Some(u64::from(number)),
        AMQPValue::LongInt(number) => u64::try_from(number).ok(),
        AMQPValue::LongUInt(number) => Some(u64::from(number)),
        AMQPValue::LongLongInt(number) => u64::try_from(number).ok(),
        AMQPValue::Timestamp(number) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;
    use lapin::types::{AMQPValue, FieldTable};

    use super::{Marks, dead_letter};
    use crate::lane::Lane;
    use crate::queue::Message;

    #[test]
    fn marks_survive_the_way_through_a_queue() {
        let message = Message {
            lane: Lane::Stat,
            id: "a1".into(),
            body: b"{}".to_vec(),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        };
        let marks = Marks { retries: 3, redelivered: true, ..Marks::new(&message) };
        assert_eq!(Marks::read(&marks.properties()), marks);
        assert_eq!(*marks.properties().delivery_mode(), Some(2));
    }

    #[test]
    fn forged_headers_are_taken_for_none() {
        let mut headers = FieldTable::default();
        headers.insert("x-chiasm-retries".into(), AMQPValue::LongLongInt(-5));
        headers.insert("traceparent".into(), AMQPValue::LongString("x".repeat(5_000).into()));
        headers.insert("patient".into(), AMQPValue::LongString("Canary^Carla".into()));
        let marks = Marks::read(&BasicProperties::default().with_headers(headers.clone()));
        assert_eq!((marks.retries, &marks.trace_parent, &marks.id), (0, &None, &None));
        assert!(!format!("{:?}", marks.dead(Lane::Stat, "Code", "reason", 2)).contains("Canary"));
        headers.insert("x-chiasm-retries".into(), AMQPValue::LongLongInt(i64::MAX));
        assert_eq!(Marks::read(&BasicProperties::default().with_headers(headers)).retries, u32::MAX);
    }

    #[test]
    fn an_identifier_that_is_too_long_is_left_out() {
        assert_eq!(Marks::of_event(&"i".repeat(256)).id, None);
        assert!(Marks::of_event(&"i".repeat(255)).id.is_some());
    }

    #[test]
    fn a_dead_letter_tells_code_reason_and_the_whole_length() {
        let marks = Marks::of_event("a1");
        let properties = marks.dead(Lane::Routine, "MessageTooLarge", &"é".repeat(900), 70_000);
        let (letter, is_cut) = dead_letter(&properties, "stat", b"{}");
        assert_eq!((letter.code.as_str(), letter.lane), ("MessageTooLarge", Some(Lane::Routine)));
        assert_eq!((letter.reason.len(), letter.bytes, is_cut), (1_000, 70_000, true));
        let (unknown, _) = dead_letter(&BasicProperties::default(), "stat", b"{}");
        assert_eq!((unknown.code.as_str(), unknown.lane, unknown.bytes), ("Unknown", Some(Lane::Stat), 2));
    }
}
