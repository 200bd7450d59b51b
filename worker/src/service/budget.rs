//! Bytes of studies under way: taken before a study is fetched, given back when its job is done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::lane::Lane;

/// A bounded number of bytes.
#[derive(Debug)]
pub struct Budget {
    whole: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    free: u64,
    stat_waiting: usize,
}

/// Bytes that were taken; they are free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

/// A STAT job's place among those that wait.
struct Waiting<'a>(&'a Budget);

impl Budget {
    /// So many bytes in all.
    pub fn new(bytes: u64) -> Arc<Self> {
        let state = State { free: bytes, stat_waiting: 0 };
        Arc::new(Self { whole: bytes, state: Mutex::new(state), changed: Notify::new() })
    }

    /// Waits until `bytes` are free; a study larger than the whole budget takes all of it, alone. While a STAT job waits,
    /// no routine job is let in.
    pub async fn take(self: &Arc<Self>, bytes: u64, lane: Lane) -> Share {
        let bytes = bytes.min(self.whole);
        let _waiting = (lane == Lane::Stat).then(|| {
            self.lock().stat_waiting += 1;
            Waiting(self)
        });
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change between look and wait is missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.free >= bytes && (lane == Lane::Stat || state.stat_waiting == 0) {
                    state.free -= bytes;
                    return Share { budget: Arc::clone(self), bytes };
                }
            }
            changed.await;
        }
    }

    /// Bytes under way, and bytes in all.
    pub fn used(&self) -> (u64, u64) {
        (self.whole - self.lock().free, self.whole)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().stat_waiting -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.lock().free += self.bytes;
        self.budget.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Budget;
    use crate::lane::Lane;

    #[tokio::test]
    async fn a_stat_job_is_let_in_before_a_routine_one_that_waited_longer() {
        let budget = Budget::new(100);
        let first = budget.take(80, Lane::Routine).await;
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let wait = |lane| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                let share = budget.take(80, lane).await;
                order.lock().unwrap().push(lane);
                drop(share);
            })
        };
        let routine = wait(Lane::Routine);
        tokio::task::yield_now().await;
        let stat = wait(Lane::Stat);
        tokio::task::yield_now().await;
        drop(first);
        stat.await.unwrap();
        routine.await.unwrap();
        assert_eq!(*order.lock().unwrap(), [Lane::Stat, Lane::Routine]);
        assert_eq!(budget.used(), (0, 100));
    }

    #[tokio::test]
    async fn a_study_larger_than_the_budget_runs_alone() {
        let budget = Budget::new(10);
        let share = budget.take(1_000, Lane::Routine).await;
        assert_eq!(budget.used(), (10, 10));
        drop(share);
        assert_eq!(budget.used(), (0, 10));
    }
}
