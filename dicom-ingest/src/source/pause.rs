//! Pauses between tries of one request: bounded, growing, and spread so that many workers do not come back together.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::SourceError;

/// Tries of one request before its error is told.
pub(crate) const TRIES: u32 = 4;

/// The first pause at most; it doubles.
const FIRST: Duration = Duration::from_millis(100);

/// Waits before the next try, the `tries`th having failed; false when it was the last, or when another is of no use.
pub(crate) async fn before_next(tries: u32, error: &SourceError) -> bool {
    if tries >= TRIES || !error.is_passing() {
        return false;
    }
    tokio::time::sleep(spread(FIRST.saturating_mul(1 << tries.min(6)))).await;
    true
}

/// Between half of the pause and all of it.
fn spread(pause: Duration) -> Duration {
    // The standard library's hashers are seeded at random: that is all the randomness that is needed here.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    pause / 2 + (pause / 2).mul_f64((random % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_over_their_second_half() {
        let pauses: Vec<_> = (0..50).map(|_| spread(Duration::from_secs(1)).as_millis()).collect();
        assert!(pauses.iter().all(|pause| (500..=1000).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
