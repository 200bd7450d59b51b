//! What a reader of images assigned on a scale: PI-RADS, uptake on PET. The highest of the latest examination.
//!
//! A RadLex code that means a value of the scale is enough. Otherwise the Observation's code must ask for the scale, by
//! its text or the display of a code, and the answer is the number, or a word of the schema.

use super::schema::{Scale, ScaleValue, Schema};
use super::view::{Known, feature, missing};
use super::{Feature, FeatureValue, MissingReason, View};
use crate::nodule::has_radlex;
use crate::record::{Concept, Observation, ObservedValue};

/// Statements within this time of each other belong to one examination, in days.
const SAME_EXAM_DAYS: f64 = 1.0;

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.extend(view.schema.scales.iter().map(|scale| highest(view, scale)));
}

fn highest(view: &View<'_>, scale: &Scale) -> Feature {
    let mut stated: Vec<(Known<'_, Observation>, u32)> = Vec::new();
    let mut unmapped = false;
    for known in &view.observations.known {
        match value(scale, known.fact) {
            Answer::Value(value) => stated.push((*known, value)),
            Answer::Unmapped => unmapped = true,
            Answer::Other => {}
        }
    }
    let Some((latest, _)) = stated.last() else {
        let reason = if unmapped { MissingReason::Unmapped } else { MissingReason::NotRecorded };
        return missing(&scale.id, &scale.label, scale.group, reason);
    };
    let newest = view.age_days(latest.effective);
    let exam = stated.iter().filter(|(known, _)| view.age_days(known.effective) - newest <= SAME_EXAM_DAYS);
    let Some((known, value)) = exam.clone().max_by_key(|(_, value)| *value) else {
        return missing(&scale.id, &scale.label, scale.group, MissingReason::NotRecorded);
    };
    let fresh = newest < scale.max_age_days;
    let value = if fresh {
        FeatureValue::Number(f64::from(*value))
    } else {
        FeatureValue::Missing { reason: MissingReason::Stale }
    };
    let fact = known.fact;
    let times = (known.available, known.effective);
    let mut found = feature(&scale.id, &scale.label, scale.group, value).stated_by(
        view,
        &fact.origin,
        fact.effective.as_ref().or(fact.issued.as_ref()),
        times,
    );
    let others = exam.filter_map(|(other, _)| other.fact.origin.reference.clone());
    found.other_sources = others.filter(|other| Some(other) != found.source.as_ref()).collect();
    found.unit = Some("1".to_owned());
    found
}

/// The value of the scale `id` that a resource assigns.
pub(crate) fn assigned(schema: &Schema, id: &str, fact: &Observation) -> Option<u32> {
    let scale = schema.scales.iter().find(|scale| scale.id == id)?;
    if let Answer::Value(value) = value(scale, fact) { Some(value) } else { None }
}

enum Answer {
    Value(u32),
    /// The scale is asked for, the answer is none of its values.
    Unmapped,
    /// The Observation is about something else.
    Other,
}

fn value(scale: &Scale, fact: &Observation) -> Answer {
    let coded = |concept: &Concept| {
        scale.values.iter().find(|one| one.radlex.iter().any(|code| has_radlex(concept, code)))
    };
    if let ObservedValue::Concept(concept) = &fact.value
        && let Some(found) = coded(concept)
    {
        return Answer::Value(found.value);
    }
    if !asks(scale, &fact.code) {
        return Answer::Other;
    }
    let by_word = |text: &str| {
        let text = text.trim().to_lowercase();
        scale.values.iter().find(|one| one.words.contains(&text))
    };
    let number = |number: f64| scale.values.iter().find(|one| (f64::from(one.value) - number).abs() < 1e-9);
    let found: Option<&ScaleValue> = match &fact.value {
        ObservedValue::Integer(value) => number(*value as f64),
        ObservedValue::Quantity(quantity) if quantity.comparator.is_none() => number(quantity.value),
        ObservedValue::Text(text) => by_word(text),
        ObservedValue::Concept(concept) => {
            let displays = concept.codings.iter().filter_map(|coding| coding.display.as_deref());
            concept.text.as_deref().into_iter().chain(displays).find_map(by_word)
        }
        _ => None,
    };
    found.map_or(Answer::Unmapped, |found| Answer::Value(found.value))
}

/// Whether the code asks for the scale.
fn asks(scale: &Scale, code: &Concept) -> bool {
    let displays = code.codings.iter().filter_map(|coding| coding.display.as_deref());
    code.text.as_deref().into_iter().chain(displays).any(|text| {
        let text = text.trim();
        scale.texts.iter().any(|known| text.eq_ignore_ascii_case(known))
    })
}
