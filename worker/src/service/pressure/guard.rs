//! A breaker between the worker and each of its targets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;

use super::Breaker;
use crate::deliver::{DeliverError, Parcel, Receipts, Target, Targets};
use crate::message::Name;

/// Targets with their breakers.
#[derive(Debug, Clone)]
pub(super) struct Guards(BTreeMap<Name, Arc<Guard>>);

/// A target behind its breaker.
struct Guard {
    name: Name,
    target: Arc<dyn Target>,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    is_probed: bool,
}

impl Guards {
    pub(super) fn new(targets: &Targets, seed: u64) -> Self {
        let guard = |(name, target): (&Name, &Arc<dyn Target>)| {
            let state = State { breaker: Breaker::new(seed), is_probed: false };
            let guard = Guard { name: name.clone(), target: Arc::clone(target), state: Mutex::new(state) };
            (name.clone(), Arc::new(guard))
        };
        Self(targets.iter().map(guard).collect())
    }

    /// The targets, each behind its breaker.
    pub(super) fn targets(&self) -> Targets {
        self.0.iter().map(|(name, guard)| (name.clone(), Arc::clone(guard) as Arc<dyn Target>)).collect()
    }

    /// Targets that nothing is sent to, with the code of what hinders them.
    pub(super) fn away(&self) -> Vec<(Name, &'static str)> {
        let away = |(name, guard): (&Name, &Arc<Guard>)| Some((name.clone(), guard.lock().breaker.open()?));
        self.0.iter().filter_map(away).collect()
    }

    /// Begins the probes that are due. They run beside the caller: a target that is away answers late.
    pub(super) fn probe(&self, now: Instant) {
        for guard in self.0.values() {
            let mut state = guard.lock();
            let is_due = state.breaker.rest(now).is_some_and(|rest| rest.is_zero());
            if !is_due || std::mem::replace(&mut state.is_probed, true) {
                continue;
            }
            let guard = Arc::clone(guard);
            tokio::spawn(async move {
                let result = guard.target.probe().await;
                let mut state = guard.lock();
                state.is_probed = false;
                state.breaker.probed(result.as_ref().map(|&()| ()), Instant::now());
            });
        }
    }
}

impl Guard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.target).finish()
    }
}

#[async_trait]
impl Target for Guard {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        if let Some(rest) = self.lock().breaker.rest(Instant::now()) {
            return Err(DeliverError::paused(&self.name, rest.max(Breaker::SHORTEST_REST)));
        }
        let delivered = self.target.deliver(parcel).await;
        self.lock().breaker.delivered(delivered.as_ref().map(|_| ()), Instant::now());
        delivered
    }

    fn confirms_patient(&self) -> bool {
        self.target.confirms_patient()
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        self.target.probe().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::site::TargetConfig;
    use crate::ledger::{JobState, ReportBytes};

    /// Later than any probe is due.
    const LATER: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn a_target_that_is_away_is_left_alone_until_a_probe_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mount");
        let name: Name = "reports".parse().unwrap();
        let config = BTreeMap::from([(name.clone(), TargetConfig::Folder { path: path.clone() })]);
        let guards = Guards::new(&crate::deliver::open(&config, None).unwrap(), 7);
        let targets = guards.targets();
        let target = targets.get(&name).unwrap();
        let report = ReportBytes {
            ends: JobState::Reported,
            outcome: "{}".into(),
            bundle: None,
            html: b"<p>".to_vec(),
            sr: None,
            overlay: None,
            segmentation: None,
        };
        let parcel =
            Parcel { study_uid: "1.2", job_key: "j", report_key: "r", report: &report, sent_before: false };

        let mut codes = Vec::new();
        for _ in 0..6 {
            codes.push(target.deliver(&parcel).await.unwrap_err().code());
        }
        assert_eq!(codes[..5], ["TargetMissing"; 5]);
        assert_eq!(codes[5], "TargetPaused");
        assert_eq!(guards.away(), [(name.clone(), "TargetMissing")]);

        // the folder is there again, and nobody knows before a probe
        std::fs::create_dir(&path).unwrap();
        let paused = target.deliver(&parcel).await.unwrap_err();
        let DeliverError::Transient { retry_after: Some(rest), .. } = paused else { panic!("{paused}") };
        assert!(rest >= Breaker::SHORTEST_REST && rest <= Duration::from_mins(1), "{rest:?}");
        guards.probe(Instant::now() + LATER);
        until(|| guards.away().is_empty()).await;
        target.deliver(&parcel).await.unwrap();
        assert_eq!(std::fs::read(path.join("1.2/report.html")).unwrap(), report.html);
    }

    async fn until(holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "it never holds");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
