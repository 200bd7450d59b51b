//! The device on a thread of its own. Pictures of several studies are scored together; STAT pictures go first.
//!
//! A device that fails is opened anew and asked once more; what fails twice ends its job. The thread is the only
//! place of the worker that calls the networks.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use models::{Bundle, Device, GreyImage, ScoreError, Scorer, Scores};

use crate::cli::DeviceArg;
use crate::ending::Ending;
use crate::lane::Lane;
use crate::pipeline::scoring::{self, Scoring};
use crate::telemetry::metrics::Metrics;

/// STAT requests that are served before a waiting routine request is.
const STAT_IN_A_ROW: u32 = 4;

/// How long at most the device is kept free for a STAT job that is under way and asks nothing at this moment: it reads,
/// or comes back for its map. Routine pictures that wait for longer are scored.
const KEPT_FREE: Duration = Duration::from_millis(100);

/// Failures of the device one after another that make the worker not ready.
const FAILURES_UNTIL_NOT_READY: u32 = 3;

/// How many pictures are scored together, and how long the first of them waits.
#[derive(Debug, Clone, Copy)]
pub struct Batching {
    /// Pictures; 1 on a CPU, where a batch gains nothing.
    pub max: usize,
    /// The first picture's wait for others.
    pub wait: Duration,
}

/// What the device was last seen to do.
#[derive(Debug, Clone, Default)]
pub struct DeviceHealth {
    /// The device in words; empty until it was opened.
    pub description: String,
    /// When it last gave numbers.
    pub last_success: Option<Instant>,
    /// Failures since then.
    pub failures: u32,
}

impl DeviceHealth {
    /// Whether jobs can be scored now.
    pub fn is_ready(&self) -> bool {
        self.last_success.is_some() && self.failures < FAILURES_UNTIL_NOT_READY
    }
}

enum Ask {
    Score(Arc<GreyImage>, SyncSender<Result<Scores, Ending>>),
    Saliency(Arc<GreyImage>, String, SyncSender<Result<GreyImage, Ending>>),
}

#[derive(Default)]
struct Waiting {
    lanes: [VecDeque<Ask>; 2],
    stat_in_a_row: u32,
    stat_under_way: usize,
    kept_free_until: Option<Instant>,
    health: DeviceHealth,
    stopped: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The thread, and how to ask it.
pub struct DeviceThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Opens the device, loads the networks and runs their self-test on the new thread; returns when that is done.
    pub fn start(
        bundle: Arc<Bundle>,
        device: DeviceArg,
        batching: Batching,
        metrics: Metrics,
    ) -> Result<Self, Ending> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() });
        let (opened, when_opened) = sync_channel(1);
        let inside = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("device".into()).spawn(move || {
            match scoring::open(&bundle, device) {
                Ok((device_opened, scorer)) => {
                    let batching =
                        if device_opened.is_gpu() { batching } else { Batching { max: 1, ..batching } };
                    inside.succeeded(device_opened.description());
                    drop(opened.send(Ok(())));
                    Serving {
                        bundle,
                        asked: device,
                        scorer: Some((device_opened, scorer)),
                        batching,
                        metrics,
                    }
                    .serve(&inside);
                }
                Err(ending) => drop(opened.send(Err(ending))),
            }
        });
        let thread = thread.map_err(|error| {
            Ending::failed(
                "DeviceThread",
                format!("no thread for the device: {error}"),
                "Free memory and start again.",
            )
        })?;
        when_opened.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The same device for the jobs of one lane.
    pub fn lane(&self, lane: Lane) -> LaneScoring<'_> {
        if lane == Lane::Stat {
            let mut waiting = self.shared.lock();
            waiting.stat_under_way += 1;
            waiting.kept_free_until = Some(Instant::now() + KEPT_FREE);
        }
        LaneScoring { shared: &self.shared, lane }
    }

    /// What it was last seen to do.
    pub fn health(&self) -> DeviceHealth {
        self.shared.lock().health.clone()
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, lane: Lane, ask: Ask) {
        self.lock().lanes[usize::from(lane == Lane::Routine)].push_back(ask);
        self.changed.notify_all();
    }

    fn succeeded(&self, description: &str) {
        let health = &mut self.lock().health;
        description.clone_into(&mut health.description);
        health.last_success = Some(Instant::now());
        health.failures = 0;
    }

    fn failed(&self) {
        let health = &mut self.lock().health;
        health.failures = health.failures.saturating_add(1);
    }

    /// The next thing to do: one saliency map, or pictures to score together. `None` when the worker stops.
    fn next(&self, batching: Batching) -> Option<Vec<Ask>> {
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

    fn lane(&self, now: Instant) -> Option<usize> {
        let [stat, routine] = &self.lanes;
        match (stat.is_empty(), routine.is_empty()) {
            (true, true) => None,
            (true, false) if self.kept_free_for(now).is_some() => None,
            (true, false) => Some(1),
            (false, false) if self.stat_in_a_row >= STAT_IN_A_ROW => Some(1),
            (false, _) => Some(0),
        }
    }

    fn pop(&mut self, now: Instant) -> Option<Ask> {
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

/// The inside of the thread.
struct Serving {
    bundle: Arc<Bundle>,
    asked: DeviceArg,
    scorer: Option<(Device, Scorer)>,
    batching: Batching,
    metrics: Metrics,
}

impl Serving {
    fn serve(mut self, shared: &Shared) {
        while let Some(batch) = shared.next(self.batching) {
            let mut images = Vec::new();
            let mut replies = Vec::new();
            for ask in batch {
                match ask {
                    Ask::Score(image, reply) => {
                        images.push(image);
                        replies.push(reply);
                    }
                    Ask::Saliency(image, label, reply) => {
                        let made = self.attempt(shared, |scorer| scorer.saliency(&image, &label));
                        drop(reply.send(made));
                    }
                }
            }
            if !images.is_empty() {
                self.metrics.record_batch(images.len(), self.batching.max);
                self.score(shared, &images, replies);
            }
        }
    }

    /// Scores pictures together; where that fails, each by itself, so that one picture cannot fail its neighbours.
    fn score(
        &mut self,
        shared: &Shared,
        images: &[Arc<GreyImage>],
        replies: Vec<SyncSender<Result<Scores, Ending>>>,
    ) {
        match self.attempt(shared, |scorer| scorer.score(images)) {
            Ok(scores) if scores.len() == replies.len() => {
                replies.into_iter().zip(scores).for_each(|(reply, scores)| drop(reply.send(Ok(scores))));
            }
            Err(ending) if images.len() == 1 => {
                for reply in replies {
                    drop(reply.send(Err(ending.clone())));
                }
            }
            Ok(_) | Err(_) => {
                for (image, reply) in images.iter().zip(replies) {
                    let alone = self.attempt(shared, |scorer| scorer.score(std::slice::from_ref(image)));
                    drop(reply.send(
                        alone.and_then(|scores| scores.into_iter().next().ok_or_else(scoring::no_score)),
                    ));
                }
            }
        }
    }

    /// Asks the networks; where the device fails or panics, opens it anew and asks once more.
    fn attempt<T>(
        &mut self,
        shared: &Shared,
        ask: impl Fn(&Scorer) -> Result<T, ScoreError>,
    ) -> Result<T, Ending> {
        let first = self.once(shared, &ask);
        match first {
            Err(ScoreError::Device { reason }) => {
                tracing::error!("the device failed and is opened anew");
                self.metrics.record_device_error();
                self.scorer = None;
                drop(reason);
                self.scorer = Some(scoring::open(&self.bundle, self.asked)?);
                self.once(shared, &ask).map_err(|error| scoring::broken(&error))
            }
            other => other.map_err(|error| scoring::broken(&error)),
        }
    }

    fn once<T>(
        &self,
        shared: &Shared,
        ask: impl Fn(&Scorer) -> Result<T, ScoreError>,
    ) -> Result<T, ScoreError> {
        let lost = || ScoreError::Device { reason: "it is not open".into() };
        let (device, scorer) = self.scorer.as_ref().ok_or_else(lost)?;
        let result = catch_unwind(AssertUnwindSafe(|| ask(scorer)))
            .unwrap_or_else(|_| Err(ScoreError::Device { reason: "the device's library panicked".into() }));
        if let Err(ScoreError::Device { .. }) = &result {
            shared.failed();
        } else {
            shared.succeeded(device.description());
            self.metrics.record_device_success();
        }
        result
    }
}

/// The device as the jobs of one lane see it.
pub struct LaneScoring<'a> {
    shared: &'a Shared,
    lane: Lane,
}

impl Scoring for LaneScoring<'_> {
    fn device(&self) -> Result<String, Ending> {
        Ok(self.shared.lock().health.description.clone())
    }

    fn score(&self, image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        let (reply, answer) = sync_channel(1);
        self.shared.ask(self.lane, Ask::Score(Arc::clone(image), reply));
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    fn saliency(&self, image: &Arc<GreyImage>, label: &str) -> Result<GreyImage, Ending> {
        let (reply, answer) = sync_channel(1);
        self.shared.ask(self.lane, Ask::Saliency(Arc::clone(image), label.to_owned(), reply));
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for LaneScoring<'_> {
    fn drop(&mut self) {
        if self.lane == Lane::Stat {
            let mut waiting = self.shared.lock();
            waiting.stat_under_way = waiting.stat_under_way.saturating_sub(1);
            drop(waiting);
            self.shared.changed.notify_all();
        }
    }
}

fn gone() -> Ending {
    Ending::failed("DeviceThread", "the thread of the device ended", "Start the worker again.")
}

#[cfg(test)]
mod tests;
