//! The languages of a report: its own words from catalogues of messages, numbers and dates in the language's form.
//!
//! What the program says itself is a `Message`. What models, formulas and schemas say of themselves is English where it
//! is made; [`translated`] puts it into the report's language before anything is rendered. Codes, their displays, units
//! and identifiers stay as they are.

mod form;
mod message;
mod phrase;
mod translate;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) use message::Message;
pub use translate::translated;

/// A language that reports are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Language {
    /// English; the language of the texts that models and formulas bring.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

/// A language that there is no catalogue of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no messages in this language; `en` and `de` are known")]
pub struct UnknownLanguage;

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag of RFC 5646, as HTML's `lang` and FHIR's `language` have it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language's English name, as the meaning of its tag in DICOM (CID 5000).
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "German",
        }
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|language| language.tag() == text).ok_or(UnknownLanguage)
    }
}
