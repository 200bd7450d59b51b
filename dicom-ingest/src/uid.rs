//! Unique identifiers (PS3.5 9.1 and 6.2, VR UI).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::refusal::{Refusal, RefusalCode};

/// Greatest length of a UID in characters (PS3.5 9.1).
const MAX_CHARS: usize = 64;

/// A valid UID: at most 64 characters, components of digits, no leading zero in a component. It is safe in a
/// file name, though files are better named by their digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

impl Uid {
    /// The text of the UID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let component = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        if text.len() <= MAX_CHARS && text.split('.').all(component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::new(
                RefusalCode::BadUid,
                "a UID holds at most 64 characters: numbers without leading zero, separated by dots",
            ))
        }
    }
}

impl TryFrom<String> for Uid {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

/// The study and series that a file names, as far as that can be told of one that is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Study Instance UID (0020,000D).
    pub study_uid: Option<Uid>,
    /// Series Instance UID (0020,000E).
    pub series_uid: Option<Uid>,
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_standard_allows_and_nothing_else() {
        let longest = format!("1.{}", "2".repeat(62));
        for good in ["1.2.840.10008.1.2", "2.25.0", "0", longest.as_str()] {
            assert_eq!(good.parse::<Uid>().unwrap().as_str(), good);
        }
        let long = format!("1.{}", "2".repeat(63));
        for bad in ["", ".", "1.", "1..2", "1.02", "1.2 ", "1.2\0", "../1", "1.a", "1.２", long.as_str()] {
            assert_eq!(bad.parse::<Uid>().unwrap_err().code, RefusalCode::BadUid, "{bad:?}");
        }
    }
}
