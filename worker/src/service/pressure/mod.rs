//! Whether the worker takes in studies: intake pauses while there is no room for a report or no way out for it.
//! Messages stay on the queue then; nothing is handed back again and again.
//!
//! [`decide`] is pure. [`Pressure`] looks at disks, outbox and targets and asks it; between the worker and each target
//! stands a [`Breaker`].

mod breaker;
pub(crate) mod disk;
mod guard;
mod look;

use std::fmt;
use std::time::Duration;

use crate::config::site::WorkerConfig;
use crate::deliver::next_step;
use crate::message::Name;

pub use breaker::Breaker;
pub use look::Pressure;

/// Where intake has its limits.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes that each disk has free at least.
    pub min_free_disk_bytes: u64,
    /// Reports that wait for delivery at most.
    pub max_undelivered: u64,
}

impl Bounds {
    /// The bounds that a site configured.
    pub const fn of(worker: &WorkerConfig) -> Self {
        Self { min_free_disk_bytes: worker.min_free_disk_bytes, max_undelivered: worker.max_undelivered }
    }
}

/// What is seen at one moment.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Free bytes of each disk by the place that lies on it; `None` where it cannot be read.
    pub disks: Vec<(String, Option<u64>)>,
    /// Reports that wait for delivery; `None` while the ledger does not answer.
    pub undelivered: Option<u64>,
    /// How long the oldest of them has waited. It is told and decides nothing: one report that a target does not take
    /// must not stop the others.
    pub oldest: Option<Duration>,
    /// Targets that nothing is sent to, with the code of what hinders them.
    pub away: Vec<(Name, &'static str)>,
}

/// Why intake pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A disk is nearly full.
    DiskLow {
        /// What lies on it.
        place: String,
        /// Free, in MiB.
        free_mib: u64,
        /// Needed to go on, in MiB.
        needed_mib: u64,
    },
    /// A disk cannot be looked at.
    DiskUnreadable {
        /// What should lie on it.
        place: String,
    },
    /// Too many reports wait.
    OutboxFull {
        /// How many.
        undelivered: u64,
        /// How long the oldest has waited, in minutes.
        oldest_min: u64,
    },
    /// The ledger does not answer.
    LedgerAway,
    /// A target cannot be reached.
    TargetAway {
        /// The target.
        target: Name,
        /// What hinders it.
        code: &'static str,
    },
}

impl Reason {
    /// The stable code, for metrics and alerts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DiskLow { .. } => "DiskLow",
            Self::DiskUnreadable { .. } => "DiskUnreadable",
            Self::OutboxFull { .. } => "OutboxFull",
            Self::LedgerAway => "LedgerAway",
            Self::TargetAway { .. } => "TargetAway",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskLow { place, free_mib, needed_mib } => {
                write!(
                    f,
                    "the disk of `{place}` has {free_mib} MiB free and {needed_mib} MiB are needed; free some"
                )
            }
            Self::DiskUnreadable { place } => {
                write!(f, "the disk of `{place}` cannot be looked at; check that it is there")
            }
            Self::OutboxFull { undelivered, oldest_min } => {
                write!(
                    f,
                    "{undelivered} reports wait for delivery, the oldest for {oldest_min} minutes; check the targets"
                )
            }
            Self::LedgerAway => write!(f, "the ledger does not answer; check its database or disk"),
            Self::TargetAway { target, code } => {
                write!(f, "target `{target}` takes no report ({code}); it is probed until it does")?;
                next_step(code).map_or(Ok(()), |step| write!(f, ": {step}"))
            }
        }
    }
}

/// Whether studies are taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are.
    Open,
    /// They stay on the queue, for these reasons; never none.
    Paused(Vec<Reason>),
}

impl Verdict {
    /// True while studies are taken in.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    fn paused_by(&self, is_it: impl Fn(&Reason) -> bool) -> bool {
        match self {
            Self::Open => false,
            Self::Paused(reasons) => reasons.iter().any(is_it),
        }
    }
}

/// Decides from what is seen now and what held `before`: a pause for room ends only once there is a tenth more than what
/// began it, so that intake does not flutter.
pub fn decide(gauges: &Gauges, bounds: &Bounds, before: &Verdict) -> Verdict {
    let mut reasons = Vec::new();
    for (place, free) in &gauges.disks {
        let was_low =
            before.paused_by(|reason| matches!(reason, Reason::DiskLow { place: low, .. } if low == place));
        reasons.extend(disk(place, *free, bounds.min_free_disk_bytes, was_low));
    }
    let was_full = before.paused_by(|reason| matches!(reason, Reason::OutboxFull { .. }));
    reasons.extend(outbox(gauges, bounds, was_full));
    reasons
        .extend(gauges.away.iter().map(|(target, code)| Reason::TargetAway { target: target.clone(), code }));
    if reasons.is_empty() { Verdict::Open } else { Verdict::Paused(reasons) }
}

fn disk(place: &str, free: Option<u64>, least: u64, was_low: bool) -> Option<Reason> {
    const MIB: u64 = 1024 * 1024;
    let place = place.to_owned();
    let Some(free) = free else { return Some(Reason::DiskUnreadable { place }) };
    let needed = if was_low { least.saturating_add(least / 10) } else { least };
    (free < needed).then(|| Reason::DiskLow { place, free_mib: free / MIB, needed_mib: needed.div_ceil(MIB) })
}

fn outbox(gauges: &Gauges, bounds: &Bounds, was_full: bool) -> Option<Reason> {
    let Some(undelivered) = gauges.undelivered else { return Some(Reason::LedgerAway) };
    let most = bounds.max_undelivered;
    let most = if was_full { most - most / 10 } else { most };
    let oldest_min = gauges.oldest.unwrap_or_default().as_secs() / 60;
    (undelivered > most).then_some(Reason::OutboxFull { undelivered, oldest_min })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    const BOUNDS: Bounds = Bounds { min_free_disk_bytes: 1000 * MIB, max_undelivered: 100 };

    fn well() -> Gauges {
        let disks = vec![("state".to_owned(), Some(1000 * MIB)), ("reports".to_owned(), Some(u64::MAX))];
        Gauges { disks, undelivered: Some(100), oldest: Some(Duration::from_hours(1)), ..Gauges::default() }
    }

    fn codes(intake: &Verdict) -> Vec<&'static str> {
        match intake {
            Verdict::Open => Vec::new(),
            Verdict::Paused(reasons) => reasons.iter().map(Reason::code).collect(),
        }
    }

    fn after(intake: &Verdict, gauges: &Gauges) -> Vec<&'static str> {
        codes(&decide(gauges, &BOUNDS, intake))
    }

    type Change = fn(&mut Gauges);

    #[test]
    fn each_gauge_pauses_by_itself() {
        let cases: [(Change, &[&str]); 8] = [
            (|_| {}, &[]),
            (|g| g.disks[0].1 = Some(1000 * MIB - 1), &["DiskLow"]),
            (|g| g.disks[1].1 = Some(0), &["DiskLow"]),
            (|g| g.disks[0].1 = None, &["DiskUnreadable"]),
            (|g| g.undelivered = Some(101), &["OutboxFull"]),
            (|g| g.undelivered = None, &["LedgerAway"]),
            (|g| g.oldest = Some(Duration::from_hours(7)), &[]),
            (|g| g.away = vec![("ehr".parse().unwrap(), "Unreachable")], &["TargetAway"]),
        ];
        for (change, expected) in cases {
            let mut gauges = well();
            change(&mut gauges);
            assert_eq!(after(&Verdict::Open, &gauges), expected, "{gauges:?}");
        }
    }

    #[test]
    fn all_reasons_are_named_together() {
        let gauges = Gauges {
            disks: vec![("state".into(), Some(0)), ("reports".into(), None)],
            undelivered: Some(500),
            away: vec![("ehr".parse().unwrap(), "TimedOut"), ("archive".parse().unwrap(), "TargetFull")],
            ..Gauges::default()
        };
        let expected = ["DiskLow", "DiskUnreadable", "OutboxFull", "TargetAway", "TargetAway"];
        assert_eq!(after(&Verdict::Open, &gauges), expected);
    }

    #[test]
    fn a_pause_for_room_ends_with_some_room_to_spare() {
        let with = |free: u64, undelivered: u64| Gauges {
            disks: vec![("state".into(), Some(free * MIB))],
            undelivered: Some(undelivered),
            ..Gauges::default()
        };
        let low = decide(&with(999, 0), &BOUNDS, &Verdict::Open);
        for (free, paused) in [(1000, true), (1099, true), (1100, false)] {
            assert_eq!(!decide(&with(free, 0), &BOUNDS, &low).is_open(), paused, "{free} MiB");
        }
        let full = decide(&with(2000, 101), &BOUNDS, &Verdict::Open);
        for (undelivered, paused) in [(100, true), (91, true), (90, false)] {
            assert_eq!(!decide(&with(2000, undelivered), &BOUNDS, &full).is_open(), paused, "{undelivered}");
        }
        // one pause does not hold another up
        assert!(decide(&with(1000, 95), &BOUNDS, &Verdict::Open).is_open());
        assert!(decide(&with(1000, 95), &BOUNDS, &low).paused_by(|reason| reason.code() == "DiskLow"));
        assert!(!decide(&with(1000, 95), &BOUNDS, &low).paused_by(|reason| reason.code() == "OutboxFull"));
    }

    #[test]
    fn reasons_say_what_to_do() {
        let reasons = [
            Reason::DiskLow { place: "state".into(), free_mib: 1, needed_mib: 2 },
            Reason::DiskUnreadable { place: "state".into() },
            Reason::OutboxFull { undelivered: 1, oldest_min: 1 },
            Reason::LedgerAway,
            Reason::TargetAway { target: "ehr".parse().unwrap(), code: "TimedOut" },
        ];
        for reason in reasons {
            assert!(reason.to_string().contains(';'), "{reason}");
        }
        let misfit = Reason::TargetAway { target: "ehr".parse().unwrap(), code: "FhirVersionUnsupported" };
        assert!(misfit.to_string().contains("set the target's `fhir_version`"), "{misfit}");
    }
}
