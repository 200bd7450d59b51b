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
    /// Whether a probe is under way.
    is_probed: bool,
    /// Whether the target is to be probed because the worker starts.
    starts: bool,
}

impl Guards {
    pub(super) fn new(targets: &Targets, seed: u64) -> Self {
        let guard = |(name, target): (&Name, &Arc<dyn Target>)| {
            let starts = target.says_what_it_can();
            let state = State { breaker: Breaker::new(seed), is_probed: false, starts };
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

    /// Begins the probes that are due, and at the first call those of targets that can say what they are able to do. They run beside the caller: a target that is away answers late.
    pub(super) fn probe(&self, now: Instant) {
        for guard in self.0.values() {
            let mut state = guard.lock();
            let is_due = state.starts || state.breaker.rest(now).is_some_and(|rest| rest.is_zero());
            if !is_due || std::mem::replace(&mut state.is_probed, true) {
                continue;
            }
            let starts = std::mem::take(&mut state.starts);
            let guard = Arc::clone(guard);
            tokio::spawn(async move {
                let result = guard.target.probe().await;
                let mut state = guard.lock();
                state.is_probed = false;
                let (said, now) = (result.as_ref().map(|&()| ()), Instant::now());
                if starts {
                    state.breaker.started(said, now);
                } else {
                    state.breaker.probed(said, now);
                }
                if let (true, Err(error)) = (starts, &result) {
                    tracing::warn!(target_name = %guard.name, code = error.code(), "{error}");
                }
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

    fn says_what_it_can(&self) -> bool {
        self.target.says_what_it_can()
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
    use crate::deliver::{TransientCode, sample};

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
        let report = sample::report();
        let parcel = sample::parcel(&report);

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

    /// A server that is none of what is configured.
    #[derive(Debug)]
    struct Misfit(Name);

    #[async_trait]
    impl Target for Misfit {
        async fn deliver(&self, _: &Parcel<'_>) -> Result<Receipts, DeliverError> {
            panic!("nothing is sent to it");
        }

        fn says_what_it_can(&self) -> bool {
            true
        }

        async fn probe(&self) -> Result<(), DeliverError> {
            let code = TransientCode::FhirVersionUnsupported;
            Err(DeliverError::Transient { target: self.0.clone(), code, retry_after: None, source: None })
        }
    }

    #[tokio::test]
    async fn a_target_that_is_another_than_configured_is_known_before_anything_is_sent() {
        let name: Name = "ehr".parse().unwrap();
        let target: Arc<dyn Target> = Arc::new(Misfit(name.clone()));
        let guards = Guards::new(&[(name.clone(), target)].into_iter().collect(), 7);
        assert!(guards.away().is_empty());
        guards.probe(Instant::now());
        until(|| !guards.away().is_empty()).await;
        assert_eq!(guards.away(), [(name.clone(), "FhirVersionUnsupported")]);
        let report = sample::report();
        let parcel = sample::parcel(&report);
        let paused = guards.targets().get(&name).unwrap().deliver(&parcel).await.unwrap_err();
        assert_eq!(paused.code(), "TargetPaused");
    }

    async fn until(holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "it never holds");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
