//! Coded entries (PS3.3 section 8.8).

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;

/// A coded concept: value, scheme and meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Code {
    /// Code Value, Long Code Value or URN Code Value, e.g. `51185008`.
    pub value: String,
    /// Coding Scheme Designator, e.g. `SCT`; empty for a URN.
    pub scheme: String,
    /// Code Meaning, for people.
    pub meaning: String,
}

impl Code {
    /// A code of its parts.
    pub fn new(scheme: &str, value: &str, meaning: &str) -> Self {
        Self { value: value.to_owned(), scheme: scheme.to_owned(), meaning: meaning.to_owned() }
    }

    /// Reads an item of a code sequence; `None` when it holds no code.
    pub(crate) fn read(item: &View<'_>) -> Option<Self> {
        let value_tags = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];
        Some(Self {
            value: value_tags.into_iter().find_map(|tag| item.first(tag))?,
            scheme: item.first(tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default(),
            meaning: item.first(tags::CODE_MEANING).unwrap_or_default(),
        })
    }

    /// Whether the code is `value` of `scheme`, the meaning aside. `SCT` is SNOMED CT; the retired designators
    /// `SRT`, `SNM3` and `99SDM` name other values of it (PS3.16 table 8-1) and are compared as written.
    pub fn is(&self, scheme: &str, value: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme) && self.value == value
    }
}
