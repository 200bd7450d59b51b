//! The states of a job and which of them are final.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::row::EndedWhy;

/// Where a job stands. A job ends in exactly one of the terminal states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Durable in the ledger, waiting for a worker.
    Accepted,
    /// A worker holds it under a lease.
    Leased,
    /// Model output and report bytes are stored; the report has still to be delivered.
    Composed,
    /// A person has to look before the report of a refusal, which is stored, goes out. It takes nobody's turn; a person lets it
    /// go, a newer version takes its place, or its time runs out.
    Held,
    /// Terminal: the report of an analysis is delivered.
    Reported,
    /// Terminal: the study was refused for a typed reason; the report of the refusal is delivered.
    Refused,
    /// Terminal: a human is needed.
    Failed,
    /// Terminal: a newer version of the same report took its place.
    Superseded,
}

impl JobState {
    /// The word stored in the ledger and shown to people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Leased => "leased",
            Self::Composed => "composed",
            Self::Held => "held",
            Self::Reported => "reported",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// True for a state that no worker leaves again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Reported | Self::Refused | Self::Failed | Self::Superseded)
    }

    /// True when a job that ends so, with this code of its end, leaves its report at the targets.
    pub(super) const fn supersedes(self, ended_code: Option<&str>) -> bool {
        match self {
            Self::Reported | Self::Refused => true,
            Self::Failed => ended_code.is_none(),
            Self::Accepted | Self::Leased | Self::Composed | Self::Held | Self::Superseded => false,
        }
    }

    /// The state and why the job ended so, in one line for the audit trail.
    pub(super) fn because(self, why: Option<EndedWhy<'_>>) -> String {
        match why {
            None => self.to_string(),
            Some(EndedWhy { code, reason: "" }) => format!("{self} {code}"),
            Some(EndedWhy { code, reason }) => format!("{self} {code}: {reason}"),
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not one of the job states.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown job state `{0}`; a job is accepted, leased, composed, held, reported, refused, failed or superseded"
)]
pub struct UnknownState(String);

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Accepted,
            Self::Leased,
            Self::Composed,
            Self::Held,
            Self::Reported,
            Self::Refused,
            Self::Failed,
            Self::Superseded,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| UnknownState(text.to_owned()))
    }
}
