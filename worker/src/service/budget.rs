//! Bytes of studies under way: taken before a study is fetched, given back when its job is done.

use std::collections::VecDeque;
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
    /// Who waits, in the order of their coming.
    stat: VecDeque<u64>,
    routine: VecDeque<u64>,
    next_ticket: u64,
}

/// Bytes that were taken; they are free again when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

/// A job's place among those of its lane that wait; it is left when this is dropped.
struct Waiting<'a> {
    budget: &'a Budget,
    lane: Lane,
    ticket: u64,
}

impl State {
    fn queue(&mut self, lane: Lane) -> &mut VecDeque<u64> {
        match lane {
            Lane::Stat => &mut self.stat,
            Lane::Routine => &mut self.routine,
        }
    }

    /// Whether it is this one's turn: the first of its lane, and of the routine lane only while no STAT job waits.
    fn is_turn(&self, lane: Lane, ticket: u64) -> bool {
        match lane {
            Lane::Stat => self.stat.front() == Some(&ticket),
            Lane::Routine => self.stat.is_empty() && self.routine.front() == Some(&ticket),
        }
    }
}

impl Share {
    /// How many they are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Budget {
    /// So many bytes in all.
    pub fn new(bytes: u64) -> Arc<Self> {
        let state = State { free: bytes, stat: VecDeque::new(), routine: VecDeque::new(), next_ticket: 0 };
        Arc::new(Self { whole: bytes, state: Mutex::new(state), changed: Notify::new() })
    }

    /// Waits until `bytes` are free; a study larger than the whole budget takes all of it, alone. Jobs of a lane are let in
    /// as they came, so that a large study is not passed by small ones for ever; while a STAT job waits, no routine job is let
    /// in. Who takes nothing waits for nobody.
    pub async fn take(self: &Arc<Self>, bytes: u64, lane: Lane) -> Share {
        let bytes = bytes.min(self.whole);
        if bytes == 0 {
            return Share { budget: Arc::clone(self), bytes };
        }
        let waiting = self.wait(lane);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change between look and wait is missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.free >= bytes && state.is_turn(lane, waiting.ticket) {
                    state.free -= bytes;
                    return Share { budget: Arc::clone(self), bytes };
                }
            }
            changed.await;
        }
    }

    fn wait(&self, lane: Lane) -> Waiting<'_> {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue(lane).push_back(ticket);
        Waiting { budget: self, lane, ticket }
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
        self.budget.lock().queue(self.lane).retain(|ticket| *ticket != self.ticket);
        self.budget.changed.notify_waiters();
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
    async fn a_large_study_is_not_passed_by_small_ones_that_come_later() {
        let budget = Budget::new(100);
        let running = [budget.take(50, Lane::Routine).await, budget.take(50, Lane::Routine).await];
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let wait = |bytes| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                let share = budget.take(bytes, Lane::Routine).await;
                order.lock().unwrap().push(bytes);
                drop(share);
            })
        };
        let given_up = wait(70);
        tokio::task::yield_now().await;
        let large = wait(100);
        tokio::task::yield_now().await;
        let small = [wait(10), wait(10)];
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.is_err(), "who gives up leaves the place to the next");
        for share in running {
            drop(share);
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
        large.await.unwrap();
        for small in small {
            small.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [100, 10, 10]);
        let whole = budget.take(100, Lane::Routine).await;
        drop(budget.take(0, Lane::Routine).await);
        drop(whole);
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
