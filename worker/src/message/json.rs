//! Reads untrusted JSON into a tree that is bounded by construction: so many bytes, so deep, no key twice.
//!
//! What serde does with a derived type (a key that stands twice, an error text that repeats the value) is not good enough
//! for bytes that anybody on the network may have written.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{MAX_BYTES, MessageRefusal, refusal};

/// How deep objects and lists may stand in each other.
pub(super) const MAX_DEPTH: usize = 16;

/// The greatest whole number that every JSON reader gives back unchanged.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool,
    /// A whole number that is not negative, however it is written: `100`, `100.0`, `1e2`.
    Integer(u64),
    /// Any other number: no field of a message takes one.
    Number,
    Text(String),
    List(Vec<Json>),
    /// The members in the order in which they stand.
    Object(Vec<(String, Json)>),
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    TooDeep,
    Duplicate,
}

/// Reads a whole body.
pub(super) fn parse(body: &[u8]) -> Result<Json, MessageRefusal> {
    if body.len() > MAX_BYTES {
        return Err(refusal(
            "MessageTooLarge",
            format!("the message has {} bytes; at most {MAX_BYTES} are read", body.len()),
        ));
    }
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Seed { left: MAX_DEPTH, fault: &fault }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match fault.get() {
        Some(Fault::TooDeep) => refusal(
            "MessageTooDeep",
            format!("the message has objects or lists in each other deeper than {MAX_DEPTH}"),
        ),
        Some(Fault::Duplicate) => refusal(
            "DuplicateField",
            format!("an object has the same field twice, before column {}", error.column()),
        ),
        None => refusal(
            "NotJson",
            format!("the message is no JSON text: line {}, column {}", error.line(), error.column()),
        ),
    })
}

#[derive(Clone, Copy)]
struct Seed<'f> {
    left: usize,
    fault: &'f Cell<Option<Fault>>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.fail(Fault::TooDeep)),
        }
    }

    fn fail<E: serde::de::Error>(self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Integer(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        let whole = number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number);
        Ok(if whole { Json::Integer(number as u64) } else { Json::Number })
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut seen = BTreeSet::new();
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(self.fail(Fault::Duplicate));
            }
            members.push((name, map.next_value_seed(inner)?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &[u8]) -> &'static str {
        parse(body).map_or_else(|refusal| refusal.code, |_| "ok")
    }

    #[test]
    fn size_depth_and_repeated_keys_are_bounded_before_anything_is_meant() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
        assert_eq!(code(&nested(MAX_DEPTH)), "ok");
        assert_eq!(code(&nested(MAX_DEPTH + 1)), "MessageTooDeep");
        assert_eq!(code(&"[".repeat(60_000).into_bytes()), "MessageTooDeep");
        assert_eq!(code(&"{\"a\":".repeat(12_000).into_bytes()), "MessageTooDeep");
        assert_eq!(code(&"[".repeat(100_000).into_bytes()), "MessageTooLarge");
        assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), "MessageTooLarge");
        assert_eq!(code(br#"{"a":1,"b":{"c":1,"c":2}}"#), "DuplicateField");
        assert_eq!(code(br#"{"a":1,"\u0061":2}"#), "DuplicateField");
    }

    #[test]
    fn what_is_no_json_text_is_not_repeated() {
        for body in [
            &b""[..],
            b"\xff\xfe",
            b"{",
            b"1 2",
            b"nul",
            b"\xef\xbb\xbf{}",
            b"1e999",
            br#""\ud800""#,
            b"[1,]",
        ] {
            let refusal = parse(body).unwrap_err();
            assert_eq!(refusal.code, "NotJson", "{body:?}");
        }
        assert!(!parse(b"{\"Canary\": Canary}").unwrap_err().reason.contains("Canary"));
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        for body in ["100", "100.0", "1e2", "1E+2"] {
            assert_eq!(parse(body.as_bytes()).unwrap(), Json::Integer(100));
        }
        assert_eq!(parse(b"-0").unwrap(), Json::Integer(0));
        for body in ["-1", "1.5", "1e300", "-1e5"] {
            assert_eq!(parse(body.as_bytes()).unwrap(), Json::Number, "{body}");
        }
    }
}
