//! A [`DeliverError`] before it knows its target: what the protocols of servers give.

use std::time::Duration;

use super::{DeliverError, TerminalCode, TransientCode};
use crate::message::Name;

#[derive(Debug)]
pub(crate) enum Trouble {
    Now {
        code: TransientCode,
        retry_after: Option<Duration>,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    Good {
        code: TerminalCode,
        reason: String,
    },
}

impl Trouble {
    pub(super) const fn now(code: TransientCode) -> Self {
        Self::Now { code, retry_after: None, source: None }
    }

    pub(super) fn good(code: TerminalCode, reason: impl Into<String>) -> Self {
        Self::Good { code, reason: reason.into() }
    }

    /// The error of this target.
    pub(super) fn at(self, target: &Name) -> DeliverError {
        let target = target.clone();
        match self {
            Self::Now { code, retry_after, source } => {
                DeliverError::Transient { target, code, retry_after, source }
            }
            Self::Good { code, reason } => DeliverError::Terminal { target, code, reason },
        }
    }
}
