//! The FHIR R4 data types that the bundle uses, written by hand (<http://hl7.org/fhir/R4/datatypes.html>).
//!
//! A field that has nothing to say is left out, as FHIR demands; text is cleaned by its type, so that no
//! resource can carry a character that FHIR forbids.

use base64_simd::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sha1::{Digest as _, Sha1};

use super::terms;
use crate::report::document;
use crate::report::language::Language;
use crate::report::text::visible;

/// Says which values are left out of the JSON.
pub(super) trait Absent {
    fn absent(&self) -> bool;
}

impl<T> Absent for Option<T> {
    fn absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Absent for Vec<T> {
    fn absent(&self) -> bool {
        self.is_empty()
    }
}

/// Defines structs of FHIR elements: camel case names, absent fields left out.
macro_rules! elements {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[allow(clippy::struct_field_names, reason = "the names are the standard's")]
        #[derive(Clone, Default, ::serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub(in crate::report::fhir) struct $name {
            $(
                #[serde(skip_serializing_if = "crate::report::fhir::datatypes::Absent::absent")]
                pub(in crate::report::fhir) $field: $type,
            )*
        }
    )*};
}
pub(super) use elements;

/// A FHIR `string`, `markdown` or `code`: never empty of meaning, free of characters that FHIR forbids.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Text(String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(visible(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Absent for Text {
    fn absent(&self) -> bool {
        self.0.is_empty()
    }
}

/// A FHIR `uri`, `url`, `code` or `id`: as text, without any white space.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Token(String);

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        let text = visible(text);
        Self(if text.contains(' ') { text.replace(' ', "%20") } else { text })
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl Absent for Token {
    fn absent(&self) -> bool {
        self.0.is_empty()
    }
}

/// A FHIR `instant` or `dateTime`, in UTC.
#[derive(Clone, Copy)]
pub(super) struct Instant(pub(super) Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A FHIR `decimal`, kept exactly as written.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Decimal(Box<RawValue>);

impl Decimal {
    /// Writes a probability of 0 to 1 as percent with four decimals, trailing zeros cut: `0.123` is `12.3`.
    ///
    /// This is the one place where a probability becomes percent. `None` for what is no probability.
    pub(super) fn percent(probability: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&probability) {
            return None;
        }
        let text = format!("{:.4}", probability * 100.0);
        let text = text.trim_end_matches('0');
        let text = if text.ends_with('.') { format!("{text}0") } else { text.to_owned() };
        RawValue::from_string(text).ok().map(Self)
    }
}

/// A FHIR `base64Binary`: nearly all bytes of a bundle. It is JSON already, so that no serializer looks for what is to be
/// escaped in it.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Base64(Box<RawValue>);

impl Base64 {
    /// `None` never, as what base64 writes is a JSON string between quotes.
    fn of(data: &[u8]) -> Option<Self> {
        let mut text = String::with_capacity(data.len().div_ceil(3) * 4 + 2);
        text.push('"');
        STANDARD.encode_append(data, &mut text);
        text.push('"');
        RawValue::from_string(text).ok().map(Self)
    }
}

impl Decimal {
    /// A number as it is written: digits, with a sign, a point and more digits or without.
    fn written(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number =
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let is_number = is_number && text.parse::<f64>().is_ok_and(f64::is_finite) && !text.ends_with('.');
        is_number.then(|| RawValue::from_string(text.to_owned()).ok().map(Self)).flatten()
    }
}

impl Reference {
    /// Whether it says that it is of one of these types, or says nothing.
    pub(super) fn may_be_of(&self, types: &[&str]) -> bool {
        self.r#type.0.is_empty() || types.contains(&self.r#type.0.as_str())
    }
}

elements! {
    /// <http://hl7.org/fhir/R4/datatypes.html#Coding>
    Coding { system: Token, code: Token, display: Text, }
    /// <http://hl7.org/fhir/R4/datatypes.html#CodeableConcept>
    CodeableConcept { coding: Vec<Coding>, text: Text, }
    /// <http://hl7.org/fhir/R4/datatypes.html#Identifier>
    Identifier { r#type: Option<CodeableConcept>, system: Token, value: Text, assigner: Option<Box<Reference>>, }
    /// <http://hl7.org/fhir/R4/references.html>
    Reference {
        extension: Vec<Extension>, reference: Token, r#type: Token, identifier: Option<Identifier>, display: Text,
    }
    /// <http://hl7.org/fhir/R4/datatypes.html#Quantity>
    Quantity { value: Option<Decimal>, unit: Text, system: Token, code: Token, }
    /// <http://hl7.org/fhir/R4/datatypes.html#Range>
    Range { low: Option<Quantity>, high: Option<Quantity>, }
    /// <http://hl7.org/fhir/R4/datatypes.html#ContactPoint>
    ContactPoint { system: Token, value: Text, }
    /// <http://hl7.org/fhir/R4/datatypes.html#Annotation>
    Annotation { text: Text, }
    /// <http://hl7.org/fhir/R4/resource.html#Meta>
    Meta { security: Vec<Coding>, tag: Vec<Coding>, }
    /// <http://hl7.org/fhir/R4/narrative.html>
    Narrative { status: Token, div: Option<String>, }
    /// <http://hl7.org/fhir/R4/extensibility.html#Extension>
    Extension {
        url: Token, value_code: Token, value_codeable_concept: Option<CodeableConcept>,
        value_reference: Option<Box<Reference>>, value_range: Option<Box<Range>>,
    }
    /// <http://hl7.org/fhir/R4/datatypes.html#Attachment>
    Attachment {
        content_type: Token, language: Token, data: Option<Base64>, size: Option<usize>, hash: Option<String>,
        title: Text, creation: Option<Instant>,
    }
}

impl Coding {
    pub(super) fn new(system: &str, code: &str, display: &str) -> Self {
        Self { system: system.into(), code: code.into(), display: display.into() }
    }
}

impl From<&document::Coding> for Coding {
    fn from(coding: &document::Coding) -> Self {
        Self::new(&coding.system, &coding.code, &coding.display)
    }
}

impl CodeableConcept {
    pub(super) fn coded(system: &str, code: &str, display: &str) -> Self {
        Self { coding: vec![Coding::new(system, code, display)], text: Text::default() }
    }

    pub(super) fn text(text: &str) -> Self {
        Self { coding: Vec::new(), text: text.into() }
    }

    pub(super) fn with_text(mut self, text: &str) -> Self {
        self.text = text.into();
        self
    }
}

impl Identifier {
    pub(super) fn new(system: &str, value: &str) -> Self {
        Self { system: system.into(), value: value.into(), ..Self::default() }
    }
}

impl Quantity {
    /// Years in UCUM; `None` where that is no number.
    fn years(years: f64) -> Option<Self> {
        let value =
            years.is_finite().then(|| RawValue::from_string(format!("{years}")).ok().map(Decimal)).flatten();
        value.map(|value| Self {
            value: Some(value),
            unit: "a".into(),
            system: terms::UCUM.into(),
            code: "a".into(),
        })
    }

    /// A number as it is written, in a unit of UCUM; `None` for what is no number.
    pub(super) fn of(written: &str, unit: &str) -> Option<Self> {
        Decimal::written(written).map(|value| Self {
            value: Some(value),
            unit: unit.into(),
            system: terms::UCUM.into(),
            code: unit.into(),
        })
    }

    /// A percentage in UCUM, as ras-1 asks for; `None` for what is no probability.
    pub(super) fn percent(probability: f64) -> Option<Self> {
        Decimal::percent(probability).map(|value| Self {
            value: Some(value),
            unit: "%".into(),
            system: terms::UCUM.into(),
            code: "%".into(),
        })
    }
}

impl Range {
    /// From and to in percent; `None` where neither is a probability.
    pub(super) fn percent(low: f64, high: f64) -> Option<Self> {
        let range = Self { low: Quantity::percent(low), high: Quantity::percent(high) };
        (range.low.is_some() || range.high.is_some()).then_some(range)
    }

    /// From and to in years, at most three digits each.
    pub(super) fn years(low: f64, high: f64) -> Self {
        Self { low: Quantity::years(low), high: Quantity::years(high) }
    }
}

impl ContactPoint {
    /// How somebody is reached: a telephone, a mailbox or a page, by the scheme of the URL.
    pub(super) fn of(url: &str) -> Self {
        let (system, value) = match url.split_once(':') {
            Some(("tel", number)) => ("phone", number),
            Some(("mailto", address)) => ("email", address),
            _ => ("url", url),
        };
        Self { system: system.into(), value: value.into() }
    }
}

impl Annotation {
    /// Notes, one for each text that says something.
    pub(super) fn all(texts: Vec<String>) -> Vec<Self> {
        texts.into_iter().map(|text| Self { text: text.into() }).filter(|note| !note.text.absent()).collect()
    }
}

impl Meta {
    /// The label of what an artificial intelligence asserted.
    pub(super) fn ai_asserted() -> Self {
        Self { security: vec![terms::ai_asserted()], tag: Vec::new() }
    }

    /// The tag of what is cited: no assertion of this program, and no news to whoever reads the record.
    pub(super) fn cited() -> Self {
        Self { security: Vec::new(), tag: vec![terms::cited()] }
    }

    /// Both: what an artificial intelligence measured on its own outline, which is no measurement of a person's record.
    pub(super) fn outlined() -> Self {
        Self { tag: vec![terms::cited()], ..Self::ai_asserted() }
    }
}

impl Narrative {
    /// Paragraphs, escaped, in a language: the narrative's own attributes say it too (<http://hl7.org/fhir/R4/languages.html>).
    pub(super) fn paragraphs(language: Language, paragraphs: &[String]) -> Option<Self> {
        let tag = language.tag();
        let div = maud::html! {
            div xmlns="http://www.w3.org/1999/xhtml" lang=(tag) xml:lang=(tag) {
                @for paragraph in paragraphs { p { (visible(paragraph)) } }
            }
        };
        (!paragraphs.is_empty()).then(|| Self { status: "generated".into(), div: Some(div.into_string()) })
    }
}

impl Extension {
    pub(super) fn code(url: &str, code: &str) -> Self {
        Self { url: url.into(), value_code: code.into(), ..Self::default() }
    }

    pub(super) fn concept(url: &str, concept: CodeableConcept) -> Self {
        Self { url: url.into(), value_codeable_concept: Some(concept), ..Self::default() }
    }

    pub(super) fn range(url: &str, range: Range) -> Self {
        Self { url: url.into(), value_range: Some(Box::new(range)), ..Self::default() }
    }

    pub(super) fn reference(url: &str, reference: Reference) -> Self {
        Self { url: url.into(), value_reference: Some(Box::new(reference)), ..Self::default() }
    }
}

impl Attachment {
    /// Inline data; size and hash are of the data before base64, the hash is SHA-1 as R4 says.
    pub(super) fn inline(content_type: &str, language: Language, data: &[u8], title: &str) -> Self {
        Self {
            content_type: content_type.into(),
            language: language.tag().into(),
            data: Base64::of(data),
            size: Some(data.len()),
            hash: Some(STANDARD.encode_to_string(Sha1::digest(data))),
            title: title.into(),
            creation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_becomes_percent() {
        let cases = [(0.123, "12.3"), (0.0, "0.0"), (1.0, "100.0"), (0.07, "7.0"), (0.000_123, "0.0123")];
        for (probability, text) in cases {
            let json = serde_json::to_string(&Decimal::percent(probability)).expect("a decimal");
            assert_eq!(json, text);
        }
        for no_probability in [f64::NAN, f64::INFINITY, -0.1, 1.1, 12.3] {
            assert!(Decimal::percent(no_probability).is_none());
        }
    }
}
