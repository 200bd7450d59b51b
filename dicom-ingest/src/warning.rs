//! What is odd about an instance but harmless: it is read, and the report says so. A stable code and a sentence for people
//! (`docs/codes.md`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The stable code of a warning. Codes are never renamed; new ones may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WarningCode {
    /// The file has no preamble.
    NoPreamble,
    /// The preamble is another kind of file: an executable, an archive or a page (CVE-2019-11687).
    SuspiciousPreamble,
    /// An element has an odd length.
    OddLength,
    /// Elements are not in ascending order.
    UnsortedElements,
    /// Zeros follow the last element.
    TrailingZeros,
    /// Bytes follow the pixels.
    BytesAfterPixels,
    /// Pixel Representation is absent.
    SignUnstated,
    /// The sign of a codestream is not that of Pixel Representation, which was followed.
    CodestreamSign,
    /// No window is stated.
    NoWindow,
    /// The patient's name does not decode with the stated character set.
    NameUndecoded,
    /// The patient's name holds control characters, or letters that turn the direction of reading.
    OddName,
}

impl WarningCode {
    /// Every code, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::NoPreamble,
        Self::SuspiciousPreamble,
        Self::OddLength,
        Self::UnsortedElements,
        Self::TrailingZeros,
        Self::BytesAfterPixels,
        Self::SignUnstated,
        Self::CodestreamSign,
        Self::NoWindow,
        Self::NameUndecoded,
        Self::OddName,
    ];

    /// The stable text of the code, the same in JSON, logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPreamble => "NoPreamble",
            Self::SuspiciousPreamble => "SuspiciousPreamble",
            Self::OddLength => "OddLength",
            Self::UnsortedElements => "UnsortedElements",
            Self::TrailingZeros => "TrailingZeros",
            Self::BytesAfterPixels => "BytesAfterPixels",
            Self::SignUnstated => "SignUnstated",
            Self::CodestreamSign => "CodestreamSign",
            Self::NoWindow => "NoWindow",
            Self::NameUndecoded => "NameUndecoded",
            Self::OddName => "OddName",
        }
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A warning. The message never holds a value of the file that could identify a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The stable code.
    pub code: WarningCode,
    /// What was found, in one sentence.
    pub message: String,
}

impl Warning {
    /// A warning with its sentence.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_same_text_everywhere_and_the_document_lists_it() {
        let codes = include_str!("../../docs/codes.md");
        let (_, section) = codes.split_once("## Warnings of images").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        for code in WarningCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
            assert!(section.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
