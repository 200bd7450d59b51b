//! The structure of a data set, as ranges into the bytes it was read from: no value is copied before it is
//! asked for. Built by `parse`, read through [`View`].

use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use crate::charset::CharacterSet;
use crate::code::Code;

/// Order of the bytes of binary values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// A data set or an item of a sequence: elements in ascending order of tags, no tag twice.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) elements: Vec<Element>,
    pub(crate) order: ByteOrder,
}

/// One data element.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) tag: Tag,
    pub(crate) vr: VR,
    pub(crate) value: Value,
}

/// What an element holds.
#[derive(Debug)]
pub(crate) enum Value {
    /// Plain bytes.
    Bytes(Range<usize>),
    /// The items of a sequence.
    Items(Vec<Dataset>),
    /// Encapsulated pixel data (PS3.5 A.4): the basic offset table first, then the fragments.
    Fragments(Vec<Range<usize>>),
}

/// The value representation that the standard gives a public tag.
pub(crate) fn standard_vr(tag: Tag) -> Option<VirtualVr> {
    StandardDataDictionary.by_tag(tag).map(DataDictionaryEntry::vr)
}

/// A data set with the bytes and the character set its values are read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) dataset: &'a Dataset,
    pub(crate) charset: CharacterSet,
}

impl<'a> View<'a> {
    /// The element of a tag.
    pub(crate) fn element(&self, tag: Tag) -> Option<&'a Element> {
        let elements = &self.dataset.elements;
        elements.binary_search_by_key(&tag, |element| element.tag).ok().map(|index| &elements[index])
    }

    /// Whether the tag is there, empty or not.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.element(tag).is_some()
    }

    /// The value's bytes as they stand, `None` when absent or empty.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match &self.element(tag)?.value {
            Value::Bytes(range) => self.body.get(range.clone()).filter(|bytes| !bytes.is_empty()),
            Value::Items(_) | Value::Fragments(_) => None,
        }
    }

    /// The value's bytes without padding, `None` when absent or only padding.
    pub(crate) fn trimmed(&self, tag: Tag) -> Option<&'a [u8]> {
        Some(trimmed(self.bytes(tag)?)).filter(|bytes| !bytes.is_empty())
    }

    /// The items of a sequence; none when it is absent. An item may have a character set of its own.
    pub(crate) fn items(&self, tag: Tag) -> impl Iterator<Item = View<'a>> + use<'a> {
        let items: &[Dataset] = match self.element(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        };
        let View { body, charset, .. } = *self;
        items.iter().map(move |dataset| View { body, dataset, charset }.with_own_charset())
    }

    /// One item of a sequence, without a look at those before it.
    pub(crate) fn item_at(&self, tag: Tag, index: usize) -> Option<View<'a>> {
        match &self.element(tag)?.value {
            Value::Items(items) => Some(View { dataset: items.get(index)?, ..*self }.with_own_charset()),
            Value::Bytes(_) | Value::Fragments(_) => None,
        }
    }

    fn with_own_charset(self) -> Self {
        let terms = self.texts(tags::SPECIFIC_CHARACTER_SET);
        let own = (!terms.is_empty()).then(|| CharacterSet::from_terms(&terms));
        View { charset: own.unwrap_or(self.charset), ..self }
    }

    /// The first item of a sequence.
    pub(crate) fn item(&self, tag: Tag) -> Option<View<'a>> {
        self.item_at(tag, 0)
    }

    /// The decoded text of a value, all its values with their backslashes, without padding. `Err` when the
    /// character set does not allow to decode it: the lossy text for display.
    pub(crate) fn decoded(&self, tag: Tag) -> Option<Result<String, String>> {
        let bytes = self.bytes(tag)?;
        let decoded = self.charset.decode(bytes);
        let trim = |text: String| text.trim_matches([' ', '\0']).to_owned();
        let decoded = decoded.map(trim).map_err(trim);
        let (Ok(text) | Err(text)) = &decoded;
        if text.is_empty() { None } else { Some(decoded) }
    }

    /// The text of a value, lossy where the character set fails, for display and searching.
    pub(crate) fn text(&self, tag: Tag) -> Option<String> {
        self.decoded(tag).map(|decoded| decoded.unwrap_or_else(|lossy| lossy))
    }

    /// The first of the text values, `None` when empty.
    pub(crate) fn first(&self, tag: Tag) -> Option<String> {
        self.texts(tag).into_iter().next().filter(|text| !text.is_empty())
    }

    /// All text values of a multi-valued element.
    pub(crate) fn texts(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        if text.is_empty() {
            return Vec::new();
        }
        text.split('\\').map(|value| value.trim_matches([' ', '\0']).to_owned()).collect()
    }

    /// All numbers of a value, whatever its representation; empty when absent or not numeric. A text that is
    /// no number makes the whole value unusable.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<f64> {
        let (Some(element), Some(bytes)) = (self.element(tag), self.bytes(tag)) else { return Vec::new() };
        let big = self.dataset.order == ByteOrder::Big;
        match numeric_vr(element) {
            VR::US | VR::OW => chunks(bytes, big, |raw| f64::from(u16::from_le_bytes(raw))),
            VR::SS => chunks(bytes, big, |raw| f64::from(i16::from_le_bytes(raw))),
            VR::UL => chunks(bytes, big, |raw| f64::from(u32::from_le_bytes(raw))),
            VR::SL => chunks(bytes, big, |raw| f64::from(i32::from_le_bytes(raw))),
            VR::FL | VR::OF => chunks(bytes, big, |raw| f64::from(f32::from_le_bytes(raw))),
            VR::FD | VR::OD => chunks(bytes, big, f64::from_le_bytes),
            VR::OB => bytes.iter().map(|byte| f64::from(*byte)).collect(),
            VR::DS | VR::IS => {
                let values = self.texts(tag);
                values.iter().map(|text| text.parse().ok()).collect::<Option<_>>().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The first number of a value, when it is finite.
    pub(crate) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied().filter(|number| number.is_finite())
    }

    /// The first number of a value as an unsigned integer, when it is one.
    pub(crate) fn unsigned(&self, tag: Tag) -> Option<u32> {
        let number = self.number(tag)?;
        let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked in the line above"
        )]
        whole.then_some(number as u32)
    }

    /// The sixteen-bit words of a value whose bytes are words whatever its representation says (LUT Data,
    /// PS3.3 C.11.1.1.1).
    pub(crate) fn words(&self, tag: Tag) -> Vec<u16> {
        let big = self.dataset.order == ByteOrder::Big;
        self.bytes(tag).map(|bytes| chunks(bytes, big, u16::from_le_bytes)).unwrap_or_default()
    }

    /// The codes of a code sequence (PS3.3 section 8).
    pub(crate) fn codes(&self, tag: Tag) -> Vec<Code> {
        self.items(tag).filter_map(|item| Code::read(&item)).collect()
    }
}

/// The bytes of a text without the blanks and zeros around it.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = bytes.iter().position(|byte| !padding(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !padding(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// The representation by which the value's bytes are numbers: the file's own, or the standard's where the file
/// says UN (PS3.5 6.2.2).
fn numeric_vr(element: &Element) -> VR {
    match (element.vr, standard_vr(element.tag)) {
        (VR::UN, Some(standard)) => standard.relaxed(),
        (vr, _) => vr,
    }
}

/// Splits bytes into values of `N` bytes, each handed over in little endian order; a rest is dropped.
fn chunks<const N: usize, T>(bytes: &[u8], big: bool, read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (values, _rest) = bytes.as_chunks::<N>();
    values
        .iter()
        .map(|value| {
            let mut raw = *value;
            if big {
                raw.reverse();
            }
            read(raw)
        })
        .collect()
}
