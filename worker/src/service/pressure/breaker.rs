//! A circuit breaker of one target: after some transient failures in a row nothing is sent until a probe succeeds.
//!
//! Pure: time comes from the caller, and the jitter from a seed.

use std::time::{Duration, Instant};

use crate::deliver::{DeliverError, TerminalCode, TransientCode};

/// Transient failures in a row that open it.
const FAILURES: u32 = 5;

/// Rest before the first probe; it doubles with each probe that fails.
const FIRST_REST: Duration = Duration::from_secs(1);

/// Longest rest between two probes.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// Whether a target is sent to.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// Spreads the probes of many workers over time.
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Deliveries go out.
    Closed { failures: u32 },
    /// None goes out before a probe succeeded, and no probe before this time.
    Open { code: &'static str, probes: u32, next_probe: Instant },
    /// A probe succeeded; the next delivery decides.
    Trial { probes: u32 },
}

impl Breaker {
    /// A report that meets an open breaker rests at least so long: until a probe had time to answer.
    pub const SHORTEST_REST: Duration = Duration::from_secs(1);

    /// A closed one.
    pub const fn new(seed: u64) -> Self {
        Self { state: State::Closed { failures: 0 }, seed }
    }

    /// Why nothing is sent: the code of the failure that opened it. `None` where deliveries go out.
    pub const fn open(&self) -> Option<&'static str> {
        match self.state {
            State::Open { code, .. } => Some(code),
            State::Closed { .. } | State::Trial { .. } => None,
        }
    }

    /// How long until the next probe; `None` where deliveries go out.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { next_probe, .. } => Some(next_probe.saturating_duration_since(now)),
            State::Closed { .. } | State::Trial { .. } => None,
        }
    }

    /// Takes note of a delivery. One that was sent before the breaker opened and succeeds closes it.
    pub fn delivered(&mut self, result: Result<(), &DeliverError>, now: Instant) {
        let Some((code, retry_after)) = result.err().and_then(hindrance) else {
            self.state = State::Closed { failures: 0 };
            return;
        };
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => self.opened(code, 0, retry_after, now),
            State::Trial { probes } => self.opened(code, probes, retry_after, now),
            open @ State::Open { .. } => open,
        };
    }

    /// Takes note of the probe at the worker's start. A target that is away then may come, and a few deliveries find out; one
    /// that is not what the configuration says is sent nothing from the first on.
    pub fn started(&mut self, result: Result<(), &DeliverError>, now: Instant) {
        if let (State::Closed { .. }, Err(error)) = (self.state, result)
            && is_misfit(error)
        {
            self.state = self.opened(error.code(), 0, None, now);
        }
    }

    /// Takes note of a probe.
    pub fn probed(&mut self, result: Result<(), &DeliverError>, now: Instant) {
        let State::Open { probes, .. } = self.state else { return };
        let probes = probes.saturating_add(1);
        self.state = match result {
            Ok(()) => State::Trial { probes },
            Err(error) => {
                let rest = hindrance(error).and_then(|(_, rest)| rest);
                self.opened(error.code(), probes, rest, now)
            }
        };
    }

    /// Open until the rest is over: the longer one of the target's wish and ours.
    fn opened(&self, code: &'static str, probes: u32, wish: Option<Duration>, now: Instant) -> State {
        let full = FIRST_REST.saturating_mul(2_u32.saturating_pow(probes)).min(LONGEST_REST);
        let half = full / 2;
        let spread = mixed(self.seed.wrapping_add(u64::from(probes))) % 1000;
        let jittered = half + half.mul_f64(spread as f64 / 1000.0);
        let rest = jittered.max(wish.unwrap_or_default());
        State::Open { code, probes, next_probe: now + rest }
    }
}

/// What speaks about the target and not about the report: its code, and how long it asks to be left alone.
const fn hindrance(error: &DeliverError) -> Option<(&'static str, Option<Duration>)> {
    match error {
        DeliverError::Transient { code, retry_after, .. } => Some((code.as_str(), *retry_after)),
        DeliverError::Terminal { code, .. } => match code {
            TerminalCode::RedirectRefused => Some((code.as_str(), None)),
            TerminalCode::NoBundle
            | TerminalCode::BundleUnusable
            | TerminalCode::StructuredReportUnusable
            | TerminalCode::OverlayUnusable
            | TerminalCode::SegmentationUnusable
            | TerminalCode::StudyUidUnusable
            | TerminalCode::Rejected
            | TerminalCode::Conflict
            | TerminalCode::AlreadySigned
            | TerminalCode::SeveralReports
            | TerminalCode::TransactionBroken
            | TerminalCode::PatientNotStated
            | TerminalCode::PatientNotFound
            | TerminalCode::SeveralPatients
            | TerminalCode::PatientNotCurrent
            | TerminalCode::PatientConflict
            | TerminalCode::PatientUnconfirmed
            | TerminalCode::PatientIsAnother => None,
        },
    }
}

/// Whether the target is another than the configuration says, and stays so until one of the two is changed.
const fn is_misfit(error: &DeliverError) -> bool {
    use TransientCode::{FhirVersionUnsupported, TransactionUnsupported};
    match error {
        DeliverError::Transient { code, .. } => {
            matches!(code, FhirVersionUnsupported | TransactionUnsupported)
        }
        DeliverError::Terminal { code, .. } => matches!(code, TerminalCode::RedirectRefused),
    }
}

/// SplitMix64.
const fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(retry_after: Option<Duration>) -> DeliverError {
        let (target, code) = ("ehr".parse().unwrap(), TransientCode::Unreachable);
        DeliverError::Transient { target, code, retry_after, source: None }
    }

    fn refused(code: TerminalCode) -> DeliverError {
        DeliverError::Terminal { target: "ehr".parse().unwrap(), code, reason: String::new() }
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(7);
        for _ in 0..FAILURES {
            breaker.delivered(Err(&away(None)), now);
        }
        assert_eq!(breaker.open(), Some("Unreachable"));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(7);
        for _ in 0..10 {
            for _ in 1..FAILURES {
                breaker.delivered(Err(&away(None)), now);
            }
            breaker.delivered(Ok(()), now);
        }
        assert_eq!((breaker.open(), breaker.rest(now)), (None, None));
        opened(now);
    }

    #[test]
    fn a_refused_report_is_an_answer_and_a_redirect_is_a_target_gone_astray() {
        let now = Instant::now();
        for (code, opens) in [
            (TerminalCode::Rejected, false),
            (TerminalCode::Conflict, false),
            (TerminalCode::NoBundle, false),
            (TerminalCode::RedirectRefused, true),
        ] {
            let mut breaker = Breaker::new(7);
            for _ in 0..FAILURES {
                breaker.delivered(Err(&refused(code)), now);
            }
            assert_eq!(breaker.open().is_some(), opens, "{code}");
        }
    }

    #[test]
    fn rests_grow_to_a_minute_and_are_spread() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let mut rests = Vec::new();
        for _ in 0..10 {
            rests.push(breaker.rest(now).unwrap().as_millis());
            breaker.probed(Err(&away(None)), now);
        }
        for (number, rest) in rests.iter().enumerate() {
            let full = (1000 << number).min(60_000);
            assert!((full / 2..=full).contains(rest), "{rests:?}");
        }
        let mut other = Breaker::new(8);
        for _ in 0..FAILURES {
            other.delivered(Err(&away(None)), now);
        }
        assert_ne!(other.rest(now), opened(now).rest(now));
    }

    #[test]
    fn the_targets_own_wish_is_kept() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let wish = Duration::from_mins(5);
        breaker.probed(Err(&away(Some(wish))), now);
        assert_eq!(breaker.rest(now), Some(wish));
        assert_eq!(breaker.rest(now + wish + wish), Some(Duration::ZERO));
    }

    #[test]
    fn a_probe_lets_one_delivery_decide() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.probed(Ok(()), now);
        assert_eq!(breaker.open(), None);
        breaker.delivered(Err(&away(None)), now);
        assert_eq!(breaker.open(), Some("Unreachable"), "one failure is enough");
        assert!(breaker.rest(now).unwrap() >= Duration::from_secs(1), "and the rest goes on growing");
        breaker.probed(Ok(()), now);
        breaker.delivered(Ok(()), now);
        breaker.delivered(Err(&away(None)), now);
        assert_eq!(breaker.open(), None, "closed again: one failure is none");
    }

    #[test]
    fn a_target_that_is_another_is_found_out_at_the_start_and_one_that_is_away_is_not() {
        let now = Instant::now();
        let misfit = |code| DeliverError::Transient {
            target: "ehr".parse().unwrap(),
            code,
            retry_after: None,
            source: None,
        };
        for (error, opens) in [
            (misfit(TransientCode::FhirVersionUnsupported), true),
            (misfit(TransientCode::TransactionUnsupported), true),
            (refused(TerminalCode::RedirectRefused), true),
            (away(None), false),
        ] {
            let mut breaker = Breaker::new(7);
            breaker.started(Err(&error), now);
            assert_eq!(breaker.open(), opens.then(|| error.code()), "{error}");
            breaker.probed(Ok(()), now);
            assert_eq!(breaker.open(), None, "it was mended");
            breaker.started(Ok(()), now);
            assert_eq!(breaker.open(), None);
        }
    }

    #[test]
    fn what_was_under_way_neither_lengthens_the_rest_nor_is_lost() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let rest = breaker.rest(now);
        breaker.delivered(Err(&away(None)), now);
        assert_eq!(breaker.rest(now), rest);
        breaker.delivered(Ok(()), now);
        assert_eq!(breaker.open(), None);
        breaker.probed(Err(&away(None)), now);
        assert_eq!(breaker.open(), None, "a late probe says nothing about a closed one");
    }
}
