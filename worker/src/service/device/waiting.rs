//! What waits for the device: a queue a lane, in which order it is served, and how batches form as late as possible.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use models::{GreyImage, Scores};

use super::super::right_of_way::RightOfWay;
use super::engine::Facts;
use super::{Batching, DeviceHealth};
use crate::ending::Ending;
use crate::lane::Lane;
use crate::model::ModelNumber;

/// STAT requests that are served before a waiting routine request is.
pub(super) const STAT_IN_A_ROW: u32 = 4;

/// How long at most the device is kept free for a STAT job that is under way and asks nothing at this moment: it reads,
/// or comes back for its map. Routine pictures that wait for longer are scored.
pub(super) const KEPT_FREE: Duration = Duration::from_millis(100);

/// Batches of resident models that are served before a routine ask whose model would have to be loaded first. More is not
/// put off: with asks for two models under a budget for one, each is loaded once in so many batches, and none starves.
pub(super) const OVERTAKEN_AT_MOST: u32 = 8;

/// Values of the pictures that are scored together, where they are more than one: 128 MiB. What a classifier reads comes at
/// its full size.
pub(super) const BATCH_VALUES: usize = 32 << 20;

/// What a job asks, and where it waits for the answer.
pub(super) enum Ask {
    Score(Arc<GreyImage>, SyncSender<Result<Scores, Ending>>),
    Saliency(Arc<GreyImage>, String, SyncSender<Result<GreyImage, Ending>>),
    Load(SyncSender<Result<(), Ending>>),
}

/// An ask for a model, and how often one for another model was served before it though it came later.
pub(super) struct Asked {
    model: ModelNumber,
    ask: Ask,
    overtaken: u32,
}

/// What is served together: pictures to score, or one of the other asks, all for one model.
pub(super) struct Batch {
    pub(super) model: ModelNumber,
    pub(super) asks: Vec<Ask>,
}

/// All that waits, what was last seen of the device, and whether it is to stop.
#[derive(Default)]
pub(super) struct Waiting {
    lanes: [VecDeque<Asked>; 2],
    pub(super) stat_in_a_row: u32,
    pub(super) urgent: RightOfWay,
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

    pub(super) fn ask(&self, lane: Lane, model: ModelNumber, ask: Ask) {
        let asked = Asked { model, ask, overtaken: 0 };
        self.lock().lanes[usize::from(lane == Lane::Routine)].push_back(asked);
        self.changed.notify_all();
    }

    /// A STAT job is under way from here on.
    pub(super) fn stat_begins(&self) {
        self.lock().urgent.begins(Instant::now() + KEPT_FREE);
    }

    pub(super) fn stat_ends(&self) {
        self.lock().urgent.ends();
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    pub(super) fn succeeded(&self, facts: &Facts) {
        let health = &mut self.lock().health;
        facts.description.clone_into(&mut health.description);
        health.models.clone_from(&facts.models);
        health.last_success = Some(Instant::now());
        health.failures = 0;
    }

    pub(super) fn failed(&self) {
        let health = &mut self.lock().health;
        health.failures = health.failures.saturating_add(1);
        health.models.iter_mut().for_each(|model| model.is_resident = false);
    }

    /// The next thing to do: one saliency map, one load, or pictures to score together. `None` when the worker stops.
    pub(super) fn next(&self, batching: Batching) -> Option<Batch> {
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
        let alone = !matches!(first.ask, Ask::Score(..)) || batching.max <= 1;
        let mut batch = Batch { model: first.model, asks: vec![first.ask] };
        if alone {
            return Some(batch);
        }
        let until = Instant::now() + batching.wait;
        loop {
            waiting.fill(&mut batch, batching.max);
            let left = until.saturating_duration_since(Instant::now());
            if batch.asks.len() >= batching.max || left.is_zero() || waiting.stopped {
                return Some(batch);
            }
            waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next batch, where it is of this model, in its turn and full without waiting. One that is not full gains more by
    /// what comes while the device is busy than by being begun now.
    pub(super) fn next_full(&self, model: ModelNumber, batching: Batching) -> Option<Batch> {
        let mut waiting = self.lock();
        let now = Instant::now();
        let (lane, place) = waiting.place(now)?;
        let first = waiting.lanes[lane].get(place)?;
        let is_scored = |asked: &Asked| asked.model == model && matches!(asked.ask, Ask::Score(..));
        let scored = waiting.lanes.iter().flatten().filter(|asked| is_scored(asked)).count();
        if waiting.stopped || !is_scored(first) || scored < batching.max {
            return None;
        }
        let first = waiting.pop(now)?;
        let mut batch = Batch { model, asks: vec![first.ask] };
        waiting.fill(&mut batch, batching.max);
        Some(batch)
    }
}

impl Waiting {
    /// How long the device is still kept free for a STAT job, if it is: never longer than four of its asks in a row.
    fn kept_free_for(&self, now: Instant) -> Option<Duration> {
        self.urgent.left(now).filter(|_| self.stat_in_a_row < STAT_IN_A_ROW)
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

    /// The next ask. STAT asks go in their order, whatever has to be loaded for them; a routine ask whose model would have
    /// to be loaded lets asks for resident ones pass, so many batches at most.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Asked> {
        let (lane, place) = self.place(now)?;
        self.stat_in_a_row = if lane == 0 { self.stat_in_a_row.saturating_add(1) } else { 0 };
        if place > 0
            && let Some(overtaken) = self.lanes[lane].front_mut()
        {
            overtaken.overtaken += 1;
        }
        self.lanes[lane].remove(place)
    }

    /// Where the next ask waits: its lane, and how many wait before it.
    fn place(&self, now: Instant) -> Option<(usize, usize)> {
        let lane = self.lane(now)?;
        let resident =
            |asked: &Asked| self.health.models.get(asked.model.0).is_some_and(|model| model.is_resident);
        let waits = self.lanes[lane].front()?;
        let passes = if lane == 0 || resident(waits) || waits.overtaken >= OVERTAKEN_AT_MOST {
            0
        } else {
            self.lanes[lane].iter().position(resident).unwrap_or(0)
        };
        Some((lane, passes))
    }

    /// Pictures of the batch's model from both lanes, until it has `max` of them or no room for what waits.
    fn fill(&mut self, batch: &mut Batch, max: usize) {
        let mut room = BATCH_VALUES.saturating_sub(batch.asks.iter().map(values).sum());
        while batch.asks.len() < max
            && let Some(ask) = self.pop_score(batch.model, room)
        {
            room -= values(&ask);
            batch.asks.push(ask);
        }
    }

    /// The next picture to score by this model that has no more values than there is room for, passing over all else.
    fn pop_score(&mut self, model: ModelNumber, room: usize) -> Option<Ask> {
        self.lanes.iter_mut().find_map(|lane| {
            let scored = |asked: &Asked| {
                asked.model == model && matches!(asked.ask, Ask::Score(..)) && values(&asked.ask) <= room
            };
            let index = lane.iter().position(scored)?;
            lane.remove(index).map(|asked| asked.ask)
        })
    }
}

/// Values of the picture that is to be scored.
fn values(ask: &Ask) -> usize {
    if let Ask::Score(picture, _) = ask { picture.pixels().len() } else { 0 }
}
