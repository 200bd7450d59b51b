//! Why a feature has no value: as it is stored, and for a reader.

use serde::{Deserialize, Serialize};

/// Why a feature has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingReason {
    /// The record says nothing about it. That is not the same as "no".
    NotRecorded,
    /// The record says it, but only after t0.
    OnlyAfterT0,
    /// The record said something by t0, but holds only a version that was corrected after t0.
    CorrectedAfterT0,
    /// The record says it, but not since when it was known.
    Undated,
    /// Only entries that are preliminary, cancelled or entered in error.
    Status,
    /// The unit is missing or does not fit the code.
    Unit,
    /// Outside the range that is possible in a living person.
    Implausible,
    /// The value is not of the type that the code asks for.
    NotNumeric,
    /// The last value is older than the feature's longest window.
    Stale,
    /// The record states a code that this feature set does not map.
    Unmapped,
    /// The record contradicts itself.
    Ambiguous,
}

impl MissingReason {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotRecorded => "not-recorded",
            Self::OnlyAfterT0 => "only-after-t0",
            Self::CorrectedAfterT0 => "corrected-after-t0",
            Self::Undated => "undated",
            Self::Status => "status",
            Self::Unit => "unit",
            Self::Implausible => "implausible",
            Self::NotNumeric => "not-numeric",
            Self::Stale => "stale",
            Self::Unmapped => "unmapped",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// For a reader.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotRecorded => "not in the record",
            Self::OnlyAfterT0 => "known only after the study",
            Self::CorrectedAfterT0 => "corrected after the study, and no earlier version is there",
            Self::Undated => "the record states no time for it",
            Self::Status => "only preliminary, cancelled or erroneous entries",
            Self::Unit => "the unit is missing or does not fit",
            Self::Implausible => "the value is outside the possible range",
            Self::NotNumeric => "the value is not a number",
            Self::Stale => "the last value is too old",
            Self::Unmapped => "the code is not known here",
            Self::Ambiguous => "the record contradicts itself",
        }
    }
}
