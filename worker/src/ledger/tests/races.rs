//! Many workers at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::site::{LONG, Site, job, report, states};
use crate::ledger::{Accepted, JobState, Ledger};

/// Tasks that race.
const TASKS: usize = 8;

/// Some workers of one site, as many tasks as race, a few on each.
async fn workers(site: &Site) -> Vec<Arc<dyn Ledger>> {
    let mut workers = Vec::new();
    for _worker in 0..TASKS / 2 {
        let worker = site.worker(LONG).await;
        workers.extend([Arc::clone(&worker), worker]);
    }
    workers
}

pub(super) async fn same_job(site: Site) {
    let mut tasks = JoinSet::new();
    for worker in workers(&site).await {
        tasks.spawn(async move {
            let mut new = Vec::new();
            for round in 0..10 {
                let key = format!("job-{round}");
                if worker.accept(&job(&key, &key)).await.unwrap() == Accepted::New {
                    new.push(key);
                }
            }
            new
        });
    }
    let mut new: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    new.sort();
    assert_eq!(new, (0..10).map(|round| format!("job-{round}")).collect::<Vec<_>>());
}

pub(super) async fn each_once(site: Site) {
    const JOBS: usize = 40;
    let workers = workers(&site).await;
    for number in 0..JOBS {
        let key = format!("job-{number}");
        workers[0].accept(&job(&key, &key)).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for worker in workers.clone() {
        tasks.spawn(async move {
            let mut carried = Vec::new();
            while let Some(leased) = worker.lease_next().await.unwrap() {
                worker.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
                worker.settle(&leased, JobState::Reported, None).await.unwrap();
                carried.push(leased.job_key);
            }
            carried
        });
    }
    let mut times = BTreeMap::new();
    for key in tasks.join_all().await.into_iter().flatten() {
        *times.entry(key).or_insert(0) += 1;
    }
    assert_eq!(times.len(), JOBS);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert_eq!(states(&workers[0]).await, [JobState::Reported; JOBS]);
}

pub(super) async fn versions(site: Site) {
    let workers = workers(&site).await;
    for number in 0..TASKS {
        workers[0].accept(&job(&format!("version-{number}"), "r")).await.unwrap();
    }
    for _round in 0..5 {
        let mut tasks = JoinSet::new();
        for (number, worker) in workers.iter().cloned().enumerate() {
            tasks.spawn(async move {
                let leased = match number % 2 {
                    0 => worker.lease_next().await.unwrap(),
                    _ => worker.lease_key(&format!("version-{number}")).await.unwrap(),
                };
                leased.map(|leased| (worker, leased))
            });
        }
        let mut under_way: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        let (worker, leased) = under_way.pop().expect("one of them is first");
        assert!(under_way.is_empty(), "a report has one writer");
        worker.release(&leased).await.unwrap();
    }
}
