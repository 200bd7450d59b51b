//! Looks at disks, outbox and targets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::guard::Guards;
use super::{Bounds, Gauges, Verdict, decide};
use crate::config::Config;
use crate::config::site::{LedgerConfig, QueueConfig, TargetConfig};
use crate::deliver::Targets;
use crate::ledger::{JobState, Ledger};

/// How often the outbox is counted.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// A ledger that does not count for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What presses on a worker.
#[derive(Debug)]
pub struct Pressure {
    bounds: Bounds,
    disks: Vec<Disk>,
    guards: Guards,
    last: Mutex<Last>,
}

/// The last look.
#[derive(Debug)]
struct Last {
    verdict: Verdict,
    counted: Option<Instant>,
    undelivered: Option<u64>,
    oldest: Option<Duration>,
}

impl Pressure {
    /// Looks at the disks of the state folder, where it is used, and of every folder target, at the ledger's outbox, and at these targets.
    pub fn new(config: &Config, targets: &Targets) -> Self {
        let folders = config.places.targets.iter().filter_map(|(name, target)| match target {
            TargetConfig::Folder { path } => Some(Disk::new(name.as_str(), path)),
            TargetConfig::Fhir(..)
            | TargetConfig::S3(_)
            | TargetConfig::DicomWeb(_)
            | TargetConfig::Dicom(_) => None,
        });
        // With RabbitMQ and PostgreSQL and studies of this machine nothing is written there, and the folder need not exist.
        let is_used = matches!(config.queue, QueueConfig::Embedded)
            || matches!(config.ledger, LedgerConfig::Sqlite)
            || config.places.fetch_from_afar();
        let state = is_used.then(|| Disk::new("state", &config.state));
        // Two workers of one machine have other numbers, and so have two machines nearly always.
        let seed = u64::from(std::process::id());
        Self {
            bounds: Bounds::of(&config.worker),
            disks: state.into_iter().chain(folders).collect(),
            guards: Guards::new(targets, seed),
            last: Mutex::new(Last {
                verdict: Verdict::Open,
                counted: None,
                undelivered: Some(0),
                oldest: None,
            }),
        }
    }

    /// The targets, each behind a breaker that this pressure knows: what is delivered through them is what it judges.
    pub fn targets(&self) -> Arc<Targets> {
        Arc::new(self.guards.targets())
    }

    /// One look: begins the probes that are due, and decides. It never waits for a target, and for a disk or the ledger
    /// only some seconds.
    pub async fn look(&self, ledger: &dyn Ledger) -> Verdict {
        self.guards.probe(Instant::now());
        self.count(ledger).await;
        let mut gauges = Gauges { away: self.guards.away(), ..Gauges::default() };
        for disk in &self.disks {
            gauges.disks.push((disk.place.clone(), disk.free().await));
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        gauges.undelivered = last.undelivered;
        gauges.oldest = last.oldest;
        last.verdict = decide(&gauges, &self.bounds, &last.verdict);
        last.verdict.clone()
    }

    /// Counts the outbox, now and then.
    async fn count(&self, ledger: &dyn Ledger) {
        let counted = self.last.lock().unwrap_or_else(PoisonError::into_inner).counted;
        if counted.is_some_and(|counted| counted.elapsed() < COUNT_EVERY) {
            return;
        }
        let outbox = tokio::time::timeout(PATIENCE, outbox(ledger)).await.ok().flatten();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.counted = Some(Instant::now());
        last.undelivered = outbox.map(|(undelivered, _)| undelivered);
        last.oldest = outbox.and_then(|(_, oldest)| oldest);
    }
}

/// How many reports wait, and the oldest's age. Jobs are counted only where one waits at all.
async fn outbox(ledger: &dyn Ledger) -> Option<(u64, Option<Duration>)> {
    let Some(oldest) = ledger.outbox_age().await.ok()? else { return Some((0, None)) };
    let counts = ledger.counts().await.ok()?;
    Some((counts.get(&JobState::Composed).copied().unwrap_or_default(), Some(oldest)))
}
