//! One study that is not released: what is known of it, and whether it is due.

use std::time::{Duration, Instant};

use super::archive::Answer;

/// How long a study stays open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// So long after its last instance.
    pub(super) quiet: Duration,
    /// So much longer where the archive states more than is here.
    pub(super) patience: Duration,
    /// So long after its first instance, whatever still comes.
    pub(super) longest: Duration,
}

/// Why a study is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// All that the archive states is here.
    Whole,
    /// Nothing came for the quiet time.
    Quiet,
    /// The archive states more, and nothing came for the quiet time and the patience.
    Patience,
    /// Its first instance came the longest time ago.
    Longest,
}

impl Due {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Quiet => "quiet",
            Self::Patience => "patience",
            Self::Longest => "longest",
        }
    }
}

/// An open study.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// When its first instance came.
    pub(super) first: Instant,
    /// When its last instance came.
    pub(super) last: Instant,
    /// Not released before.
    pub(super) rests_until: Instant,
    /// Instances that are being stored at this moment.
    pub(super) arriving: u32,
    /// The archive is not asked before.
    pub(super) asks_from: Instant,
    /// What the archive said last.
    pub(super) answer: Option<Answer>,
    /// The archive said twice that as much as is here is all, and nothing came since the first time.
    pub(super) is_whole: bool,
}

impl Open {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            first: now,
            last: now,
            rests_until: now,
            arriving: 0,
            asks_from: now,
            answer: None,
            is_whole: false,
        }
    }

    /// An instance begins to be stored: whether it was all is asked anew.
    pub(super) fn arrives(&mut self) {
        self.arriving += 1;
        self.is_whole = false;
        if matches!(self.answer, Some(Answer::Whole(_))) {
            self.answer = None;
        }
    }

    pub(super) fn is_old(&self, now: Instant, waits: &Waits) -> bool {
        now.saturating_duration_since(self.first) >= waits.longest
    }

    pub(super) fn due(&self, now: Instant, waits: &Waits) -> Option<Due> {
        if self.arriving > 0 || now < self.rests_until {
            return None;
        }
        let (quiet, because) = match self.answer {
            Some(Answer::More) => (waits.quiet.saturating_add(waits.patience), Due::Patience),
            _ => (waits.quiet, Due::Quiet),
        };
        if self.is_whole {
            Some(Due::Whole)
        } else if now.saturating_duration_since(self.last) >= quiet {
            Some(because)
        } else {
            self.is_old(now, waits).then_some(Due::Longest)
        }
    }
}
