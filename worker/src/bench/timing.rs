//! The clock around a piece of work.
//!
//! A piece of work ends when its result is there: on a device, when it was read back or the device was waited for, never
//! when it was asked for. Before anything counts, the work is warmed up (drivers compile kernels at the first run and
//! choose among them at the next ones). What is compared is measured in turns, round by round, so that a slow minute of
//! the machine meets all of it.

use std::time::{Duration, Instant};

/// Runs before anything counts.
pub const WARM_UP: usize = 3;
/// The most samples of one round.
const MAX_SAMPLES: usize = 2000;
/// The fewest samples of one round.
const MIN_SAMPLES: usize = 3;

/// How long a piece of work is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds.
    pub rounds: usize,
    /// How long a piece of work is repeated in a round; three times at least, however long that takes.
    pub round: Duration,
}

impl Plan {
    /// So many rounds of `seconds` together.
    pub fn new(rounds: u32, seconds: f64) -> Self {
        let rounds = rounds.max(1);
        Self {
            rounds: rounds as usize,
            round: Duration::from_secs_f64(seconds.clamp(0.0, 3600.0) / f64::from(rounds)),
        }
    }
}

/// Seconds that one call takes.
pub fn once<E>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// Seconds of each warming run.
pub fn warm_up<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<Vec<f64>, E> {
    (0..WARM_UP).map(|_| once(&mut work)).collect()
}

/// Seconds of each call in one round.
pub fn round<E>(plan: Plan, mut work: impl FnMut() -> Result<(), E>) -> Result<Vec<f64>, E> {
    let began = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < MAX_SAMPLES && (samples.len() < MIN_SAMPLES || began.elapsed() < plan.round) {
        samples.push(once(&mut work)?);
    }
    Ok(samples)
}

/// Warms one piece of work up and measures it in all rounds.
pub fn rounds<E>(plan: Plan, mut work: impl FnMut() -> Result<(), E>) -> Result<Vec<Vec<f64>>, E> {
    warm_up(&mut work)?;
    (0..plan.rounds).map(|_| round(plan, &mut work)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn each_round_has_its_least_samples_and_warm_runs_do_not_count() {
        let mut calls = 0;
        let plan = Plan::new(4, 0.0);
        let samples = rounds(plan, || {
            calls += 1;
            Ok::<(), Infallible>(())
        });
        assert_eq!(samples.unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [3; 4]);
        assert_eq!(calls, WARM_UP + 12);
    }

    #[test]
    fn work_that_fails_ends_the_measurement() {
        let failed = rounds(Plan::new(2, 1.0), || Err::<(), &str>("lost"));
        assert_eq!(failed, Err("lost"));
    }
}
