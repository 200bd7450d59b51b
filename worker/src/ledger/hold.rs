//! Which leases of this worker are still wanted.
//!
//! A lease is renewed for as long as somebody in this process has the job in hand. A task that was dropped, that
//! panicked or that gave up because the ledger failed has it no longer: its lease runs out, and the job is taken up
//! again, by this worker or another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Keeps the lease of a job renewed for as long as a copy of it exists.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold(#[expect(dead_code, reason = "only its life counts")] Arc<()>);

/// The holds that were given out, by job key.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<BTreeMap<String, (i64, Weak<()>)>>);

impl Holds {
    /// Begins to hold the lease of a job with this fence.
    pub(super) fn add(&self, job_key: &str, fence: i64) -> Hold {
        let life = Arc::new(());
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holds.insert(job_key.to_owned(), (fence, Arc::downgrade(&life)));
        Hold(life)
    }

    /// Keys and fences of the leases that are still wanted.
    pub(super) fn wanted(&self) -> (Vec<String>, Vec<i64>) {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holds.retain(|_, (_, life)| life.strong_count() > 0);
        holds.iter().map(|(job_key, (fence, _))| (job_key.clone(), *fence)).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::Holds;

    #[test]
    fn a_lease_is_wanted_until_the_last_copy_of_its_job_is_gone() {
        let holds = Holds::default();
        let job = holds.add("j", 3);
        let copy = job.clone();
        drop(job);
        assert_eq!(holds.wanted(), (vec!["j".to_owned()], vec![3]));
        drop(copy);
        assert_eq!(holds.wanted(), (vec![], vec![]));
    }
}
