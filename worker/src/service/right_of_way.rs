//! The right of way of STAT: while a STAT job is under way, others hold back, and never for long.

use std::time::{Duration, Instant};

/// The STAT jobs under way, and until when the latest of them has the right of way. It may wait for a slow source, so each
/// holds others up for a bounded time only.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RightOfWay {
    jobs: usize,
    until: Option<Instant>,
}

impl RightOfWay {
    /// A STAT job begins, which others are held up for until then at most.
    pub(super) fn begins(&mut self, until: Instant) {
        self.jobs += 1;
        self.until = Some(until);
    }

    /// A STAT job ends.
    pub(super) fn ends(&mut self) {
        self.jobs = self.jobs.saturating_sub(1);
    }

    /// How much longer others are held up; `None` when they may go on.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (self.jobs > 0 && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_held_up_until_the_last_stat_job_ends_and_never_for_long() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let mut way = RightOfWay::default();
        assert_eq!(way.left(now), None, "none ever was");
        way.begins(now + ms(100));
        way.begins(now + ms(500));
        assert_eq!(way.left(now), Some(ms(500)));
        assert_eq!(way.left(now + ms(500)), None, "it waits for something slow");
        way.ends();
        assert_eq!(way.left(now), Some(ms(500)), "the other is under way");
        way.ends();
        assert_eq!(way.left(now), None, "no STAT job is under way any more");
    }
}
