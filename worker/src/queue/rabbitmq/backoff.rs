//! Pauses between attempts: they double, and no two workers come at the same moment.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The pause before the next attempt.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Begins with 100 ms.
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// Half of the pause is fixed, half is drawn; the next one is twice as long, up to 5 s.
    pub(super) fn pause(&mut self) -> Duration {
        let half = self.next / 2;
        self.next = (self.next * 2).min(LONGEST);
        let drawn = RandomState::new().build_hasher().finish() % 1_000;
        half + half.mul_f64(drawn as f64 / 1_000.0)
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::new();
        let mut bound = FIRST;
        for _ in 0..20 {
            let pause = backoff.pause();
            assert!(pause >= bound / 2 && pause <= bound, "{pause:?} of {bound:?}");
            bound = (bound * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
