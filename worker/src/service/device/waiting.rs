//! What waits for the device: a queue a lane, and how batches form from it as late as possible.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use models::{GreyImage, Scores};

use super::engine::Facts;
use super::{Batching, DeviceHealth};
use crate::ending::Ending;
use crate::lane::Lane;

/// STAT requests that are served before a waiting routine request is.
pub(super) const STAT_IN_A_ROW: u32 = 4;

/// How long at most the device is kept free for a STAT job that is under way and asks nothing at this moment: it reads,
/// or comes back for its map. Routine pictures that wait for longer are scored.
pub(super) const KEPT_FREE: Duration = Duration::from_millis(100);

/// What a job asks, and where it waits for the answer.
pub(super) enum Ask {
    Score(Arc<GreyImage>, SyncSender<Result<Scores, Ending>>),
    Saliency(Arc<GreyImage>, String, SyncSender<Result<GreyImage, Ending>>),
}

/// All that waits, what was last seen of the device, and whether it is to stop.
#[derive(Default)]
pub(super) struct Waiting {
    lanes: [VecDeque<Ask>; 2],
    pub(super) stat_in_a_row: u32,
    pub(super) stat_under_way: usize,
    pub(super) kept_free_until: Option<Instant>,
    pub(super) health: DeviceHealth,
    pub(super) stopped: bool,
}

/// [`Waiting`] between the jobs and the device's thread.
#[derive(Default)]
pub(super) struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self, lane: Lane, ask: Ask) {
        self.lock().lanes[usize::from(lane == Lane::Routine)].push_back(ask);
        self.changed.notify_all();
    }

    /// A STAT job is under way from here on.
    pub(super) fn stat_begins(&self) {
        let mut waiting = self.lock();
        waiting.stat_under_way += 1;
        waiting.kept_free_until = Some(Instant::now() + KEPT_FREE);
    }

    pub(super) fn stat_ends(&self) {
        let mut waiting = self.lock();
        waiting.stat_under_way = waiting.stat_under_way.saturating_sub(1);
        drop(waiting);
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    pub(super) fn succeeded(&self, facts: &Facts) {
        let health = &mut self.lock().health;
        facts.description.clone_into(&mut health.description);
        health.last_success = Some(Instant::now());
        health.failures = 0;
    }

    pub(super) fn failed(&self) {
        let health = &mut self.lock().health;
        health.failures = health.failures.saturating_add(1);
    }

    /// The next thing to do: one saliency map, or pictures to score together. `None` when the worker stops.
    pub(super) fn next(&self, batching: Batching) -> Option<Vec<Ask>> {
        let mut waiting = self.lock();
        let first = loop {
            if waiting.stopped {
                return None;
            }
            let now = Instant::now();
            if let Some(ask) = waiting.pop(now) {
                break ask;
            }
            waiting = match waiting.kept_free_for(now) {
                Some(left) => {
                    self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        };
        let mut batch = vec![first];
        if matches!(batch[0], Ask::Saliency(..)) || batching.max <= 1 {
            return Some(batch);
        }
        let until = Instant::now() + batching.wait;
        loop {
            while batch.len() < batching.max
                && let Some(ask) = waiting.pop_score()
            {
                batch.push(ask);
            }
            let left = until.saturating_duration_since(Instant::now());
            if batch.len() >= batching.max || left.is_zero() || waiting.stopped {
                return Some(batch);
            }
            waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Waiting {
    /// How long the device is still kept free for a STAT job, if it is: never longer than four of its asks in a row.
    fn kept_free_for(&self, now: Instant) -> Option<Duration> {
        let left = self.kept_free_until?.saturating_duration_since(now);
        let keeps = self.stat_under_way > 0 && self.stat_in_a_row < STAT_IN_A_ROW && !left.is_zero();
        keeps.then_some(left)
    }

    pub(super) fn lane(&self, now: Instant) -> Option<usize> {
        let [stat, routine] = &self.lanes;
        match (stat.is_empty(), routine.is_empty()) {
            (true, true) => None,
            (true, false) if self.kept_free_for(now).is_some() => None,
            (true, false) => Some(1),
            (false, false) if self.stat_in_a_row >= STAT_IN_A_ROW => Some(1),
            (false, _) => Some(0),
        }
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Ask> {
        let lane = self.lane(now)?;
        self.stat_in_a_row = if lane == 0 { self.stat_in_a_row.saturating_add(1) } else { 0 };
        self.lanes[lane].pop_front()
    }

    /// The next picture to score, passing over saliency maps.
    fn pop_score(&mut self) -> Option<Ask> {
        self.lanes.iter_mut().find_map(|lane| {
            let index = lane.iter().position(|ask| matches!(ask, Ask::Score(..)))?;
            lane.remove(index)
        })
    }
}
