//! Random sequences of operations by two workers, against what must hold after each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::site::{LONG, Site, job, report, stat};
use crate::ledger::{Accepted, Job, JobFilter, JobState, Ledger, LedgerError};

/// Two versions of each of two reports.
const KEYS: [(&str, &str); 4] = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")];

#[derive(Debug, Clone)]
enum Operation {
    Accept { worker: usize, key: usize, urgent: bool },
    LeaseNext { worker: usize },
    LeaseKey { worker: usize, key: usize },
    Write { worker: usize, key: usize, write: Write },
    Widen { worker: usize, key: usize },
    Retry { worker: usize, key: usize },
    Cancel { worker: usize, key: usize },
    LetGo { worker: usize, key: usize },
    Renew { worker: usize },
    Kill { worker: usize },
}

/// What the holder of a lease writes.
#[derive(Debug, Clone, Copy)]
enum Write {
    Store,
    Hold,
    Settle(JobState),
    Defer(Duration),
    Release,
}

fn operation() -> impl Strategy<Value = Operation> {
    let (worker, key) = (0..2_usize, 0..KEYS.len());
    let ends = [JobState::Reported, JobState::Refused, JobState::Failed, JobState::Superseded];
    let write = prop_oneof![
        6 => Just(Write::Store),
        2 => Just(Write::Hold),
        6 => proptest::sample::select(ends.to_vec()).prop_map(Write::Settle),
        2 => proptest::sample::select(vec![Duration::ZERO, LONG]).prop_map(Write::Defer),
        1 => Just(Write::Release),
    ];
    let both = || (worker.clone(), key.clone());
    prop_oneof![
        4 => (both(), any::<bool>()).prop_map(|((worker, key), urgent)| Operation::Accept { worker, key, urgent }),
        5 => worker.clone().prop_map(|worker| Operation::LeaseNext { worker }),
        3 => both().prop_map(|(worker, key)| Operation::LeaseKey { worker, key }),
        15 => (both(), write).prop_map(|((worker, key), write)| Operation::Write { worker, key, write }),
        2 => both().prop_map(|(worker, key)| Operation::Widen { worker, key }),
        1 => both().prop_map(|(worker, key)| Operation::Retry { worker, key }),
        1 => both().prop_map(|(worker, key)| Operation::Cancel { worker, key }),
        2 => both().prop_map(|(worker, key)| Operation::LetGo { worker, key }),
        1 => worker.clone().prop_map(|worker| Operation::Renew { worker }),
        1 => worker.clone().prop_map(|worker| Operation::Kill { worker }),
    ]
}

/// Runs so many sequences, the same ones each time, each on the empty ledger of the site.
pub(super) fn run(cases: u32, site: impl Future<Output = Option<Site>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(site) = runtime.block_on(site) else { return };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sequences = proptest::collection::vec(operation(), 20..60);
    let result = runner.run(&sequences, |operations| {
        runtime.block_on(async {
            let mut machine = Machine::new(&site).await;
            site.execute("DELETE FROM job").await;
            for operation in operations {
                machine.step(operation).await;
            }
            for worker in machine.workers.into_iter().flatten() {
                site.kill(worker).await;
            }
        });
        Ok(())
    });
    result.unwrap();
}

/// The ledger and what is known of it.
struct Machine<'a> {
    site: &'a Site,
    workers: [Option<Arc<dyn Ledger>>; 2],
    /// What each worker believes to hold: the last lease of each key, lost or not.
    hands: [BTreeMap<usize, Job>; 2],
    /// The worker that holds a report, and by which key.
    holders: BTreeMap<&'static str, (usize, usize)>,
    fences: [i64; KEYS.len()],
    states: BTreeMap<String, JobState>,
}

impl<'a> Machine<'a> {
    async fn new(site: &'a Site) -> Self {
        let workers = [Some(site.worker(LONG).await), Some(site.worker(LONG).await)];
        Self {
            site,
            workers,
            hands: Default::default(),
            holders: BTreeMap::new(),
            fences: [0; KEYS.len()],
            states: BTreeMap::new(),
        }
    }

    async fn step(&mut self, operation: Operation) {
        let reopened = self.act(&operation).await;
        let settled = match operation {
            Operation::Write { key, write: Write::Settle(_), .. } => Some(KEYS[key].1),
            _ => None,
        };
        let ledger = self.workers[0].as_ref().unwrap();
        let rows = ledger.jobs(&JobFilter::default()).await.unwrap();
        for row in rows {
            let before = self.states.insert(row.job_key.clone(), row.state);
            let Some(before) = before.filter(|before| before.is_terminal() && *before != row.state) else {
                continue;
            };
            let overtaken = row.state == JobState::Superseded && settled == Some(row.report_key.as_str());
            let asked_again = reopened.is_some_and(|key| KEYS[key].0 == row.job_key);
            assert!(overtaken || asked_again, "{before} became {} by {operation:?}", row.state);
        }
    }

    /// Does it, and gives the key that was accepted anew by it, if any.
    async fn act(&mut self, operation: &Operation) -> Option<usize> {
        match *operation {
            Operation::Accept { worker, key, urgent } => {
                let (job_key, report_key) = KEYS[key];
                let new = if urgent { stat(job_key, report_key) } else { job(job_key, report_key) };
                let before = self.states.get(job_key).copied();
                let accepted = self.ledger(worker).accept(&new).await.unwrap();
                let expected = match before {
                    None | Some(JobState::Failed | JobState::Superseded) => Accepted::New,
                    Some(state) => Accepted::Before(state),
                };
                assert_eq!(accepted, expected);
                return (accepted == Accepted::New).then_some(key);
            }
            Operation::LeaseNext { worker } => {
                let leased = self.ledger(worker).lease_next().await.unwrap();
                self.leased(worker, leased);
            }
            Operation::LeaseKey { worker, key } => {
                let leased = self.ledger(worker).lease_key(KEYS[key].0).await.unwrap();
                let free = !self.holders.contains_key(KEYS[key].1);
                let state = self.states.get(KEYS[key].0);
                let waits = state.is_some_and(|state| !state.is_terminal() && *state != JobState::Held);
                assert_eq!(leased.is_some(), free && waits, "what waits and is free is to be had");
                self.leased(worker, leased);
            }
            Operation::Write { worker, key, write } => self.write(worker, key, write).await,
            Operation::Widen { worker, key } => {
                let (job_key, report_key) = KEYS[key];
                let held = self.holders.get(report_key).is_some_and(|(_, by)| *by == key);
                let state = self.states.get(job_key).copied();
                let widened = self.ledger(worker).widen(job_key, "{}", "{}").await.unwrap();
                assert!(!widened || !held, "nobody's work is changed in his hands");
                let waits = state.is_some_and(|state| !state.is_terminal());
                assert!(widened || held || !waits, "what waits goes where it is asked for");
                assert!(!widened || !matches!(state, None | Some(JobState::Failed | JobState::Superseded)));
                return widened.then_some(key);
            }
            Operation::Retry { worker, key } => {
                let failed = self.states.get(KEYS[key].0) == Some(&JobState::Failed);
                let retried = self.ledger(worker).retry(KEYS[key].0).await;
                assert_eq!(retried.is_ok(), failed);
                return failed.then_some(key);
            }
            Operation::Cancel { worker, key } => {
                let (job_key, report_key) = KEYS[key];
                let held = self.holders.get(report_key).is_some_and(|(_, by)| *by == key);
                let waits = self.states.get(job_key).is_some_and(|state| !state.is_terminal()) && !held;
                assert_eq!(self.ledger(worker).cancel(job_key).await.is_ok(), waits);
            }
            Operation::LetGo { worker, key } => {
                let held = self.states.get(KEYS[key].0) == Some(&JobState::Held);
                assert_eq!(self.ledger(worker).let_go(KEYS[key].0).await.is_ok(), held);
            }
            Operation::Renew { worker } => self.ledger(worker).renew_leases().await.unwrap(),
            Operation::Kill { worker } => {
                let killed = self.workers[worker].take().unwrap();
                self.site.kill(killed).await;
                self.hands[worker].clear();
                self.holders.retain(|_, (holder, _)| *holder != worker);
                self.workers[worker] = Some(self.site.worker(LONG).await);
            }
        }
        None
    }

    /// A write counts for the worker that holds the job, and for no other.
    async fn write(&mut self, worker: usize, key: usize, write: Write) {
        let Some(job) = self.hands[worker].get(&key) else { return };
        let ledger = self.ledger(worker);
        let written = match write {
            Write::Store => {
                ledger.store_report(job, Some("output"), &report(JobState::Reported)).await.map(drop)
            }
            Write::Hold => {
                ledger.store_held(job, None, &report(JobState::Refused), "SexConflict", LONG).await
            }
            Write::Settle(ends) => ledger.settle(job, ends, None).await,
            Write::Defer(pause) => ledger.defer(job, pause, "TargetUnreachable").await,
            Write::Release => ledger.release(job).await,
        };
        if !self.holds(worker, key) {
            let lost = matches!(written, Err(LedgerError::LeaseLost { .. }));
            assert!(lost || matches!(write, Write::Release), "{write:?}: {written:?}");
            return;
        }
        written.unwrap();
        if !matches!(write, Write::Store) {
            self.holders.remove(KEYS[key].1);
        }
    }

    fn ledger(&self, worker: usize) -> Arc<dyn Ledger> {
        Arc::clone(self.workers[worker].as_ref().unwrap())
    }

    fn holds(&self, worker: usize, key: usize) -> bool {
        let current = self.hands[worker].get(&key).is_some_and(|job| job.fence == self.fences[key]);
        current && self.holders.get(KEYS[key].1) == Some(&(worker, key))
    }

    fn leased(&mut self, worker: usize, leased: Option<Job>) {
        let Some(leased) = leased else { return };
        let key = KEYS.iter().position(|(key, _)| *key == leased.job_key).unwrap();
        assert!(leased.fence > self.fences[key], "a fence only grows");
        let before = self.holders.insert(KEYS[key].1, (worker, key));
        assert_eq!(before, None, "a report has one writer");
        self.fences[key] = leased.fence;
        self.hands[worker].insert(key, leased);
    }
}
