//! Tolerant reading of foreign FHIR JSON: a field of the wrong type reads as absent, never as an error.

use serde_json::Value;

use super::fact::{Coding, Concept, Identifier, Quantity, QuantityComparator};
use crate::phi::Phi;
use crate::time::Moment;

/// Longest text that is kept of one field, in bytes; longer ones read as absent.
const MAX_TEXT_BYTES: usize = 4096;

/// Most elements that are read of one list.
const MAX_LIST: usize = 1000;

/// A text field.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty() && text.len() <= MAX_TEXT_BYTES).then_some(text)
}

/// A text field, owned.
pub(crate) fn owned(value: &Value, key: &str) -> Option<String> {
    text(value, key).map(str::to_owned)
}

/// The elements of a list field; a single object counts as a list of one.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let field = value.get(key);
    let many = field.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = field.filter(|field| field.is_object());
    many.iter().chain(one).take(MAX_LIST)
}

/// A date or time field.
pub(crate) fn moment(value: &Value, key: &str) -> Option<Moment> {
    Moment::parse(text(value, key)?)
}

/// A CodeableConcept.
pub(crate) fn concept(value: &Value) -> Concept {
    Concept { codings: list(value, "coding").map(coding).collect(), text: owned(value, "text") }
}

/// A CodeableConcept field; empty where it is absent.
pub(crate) fn concept_at(value: &Value, key: &str) -> Concept {
    value.get(key).map(concept).unwrap_or_default()
}

/// The first code of a CodeableConcept field, whatever its system: for FHIR's own status lists.
pub(crate) fn status_code(value: &Value, key: &str) -> Option<String> {
    let field = value.get(key)?;
    if let Some(code) = field.as_str() {
        return Some(code.to_owned()); // DSTU2 wrote the code as it is
    }
    list(field, "coding").find_map(|coding| owned(coding, "code"))
}

/// A Coding.
pub(crate) fn coding(value: &Value) -> Coding {
    Coding { system: owned(value, "system"), code: owned(value, "code"), display: owned(value, "display") }
}

/// An Identifier with a value.
pub(crate) fn identifier(value: &Value) -> Option<Identifier> {
    let number = owned(value, "value")?;
    let type_code =
        value.get("type").and_then(|kind| list(kind, "coding").find_map(|coding| owned(coding, "code")));
    let assigner = value.get("assigner");
    Some(Identifier {
        system: owned(value, "system"),
        value: Phi::new(number),
        type_code,
        assigner: assigner.and_then(|assigner| owned(assigner, "display")),
        usage: owned(value, "use"),
    })
}

/// A Quantity with a numeric value.
pub(crate) fn quantity(value: &Value) -> Option<Quantity> {
    let number = value.get("value")?;
    let parsed = number.as_f64().filter(|number| number.is_finite())?;
    let comparator = match text(value, "comparator") {
        None => None,
        Some("<") => Some(QuantityComparator::Less),
        Some("<=") => Some(QuantityComparator::LessOrEqual),
        Some(">") => Some(QuantityComparator::Greater),
        Some(">=") => Some(QuantityComparator::GreaterOrEqual),
        Some(_) => return None, // an unknown comparator may turn the meaning round
    };
    Some(Quantity {
        value: parsed,
        written: number.to_string(),
        comparator,
        unit: owned(value, "unit"),
        system: owned(value, "system"),
        code: owned(value, "code"),
    })
}
