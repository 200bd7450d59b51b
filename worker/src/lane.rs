//! The two lanes of every queue. A returned message keeps its lane, which a broker's message priority would lose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two queues a job waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Somebody waits for it: it overtakes.
    Stat,
    /// Everything else.
    Routine,
}

impl Lane {
    /// Both lanes, the urgent one first.
    pub const ALL: [Self; 2] = [Self::Stat, Self::Routine];

    /// Requests with at least this priority (0 to 255, as in the ACR inference interface) are STAT.
    pub const STAT_FROM: u8 = 200;

    /// The lane of a request with this priority.
    pub const fn of_priority(priority: u8) -> Self {
        if priority >= Self::STAT_FROM { Self::Stat } else { Self::Routine }
    }

    /// The word in queue names, rows and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Routine => "routine",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
