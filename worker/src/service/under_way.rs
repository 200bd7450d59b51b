//! What a worker has under lease at this moment: what it gives back when it stops.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ledger::Job;

/// The jobs that a worker has under lease at this moment, each by its key and its fence: one that was lost and leased anew is
/// there for each lease.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<BTreeMap<(String, i64), Job>>);

impl UnderWay {
    /// From its lease on.
    pub(super) fn add(&self, job: &Job) {
        self.lock().insert((job.job_key.clone(), job.fence), job.clone());
    }

    /// It is not in hand any more.
    pub(super) fn remove(&self, job: &Job) {
        self.lock().remove(&(job.job_key.clone(), job.fence));
    }

    /// Takes all of them out.
    pub fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, i64), Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
