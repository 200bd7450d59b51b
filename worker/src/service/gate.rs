//! A few places for many jobs: STAT goes first, and after every fourth STAT one routine job, so that neither starves.
//!
//! A STAT job has the right of way from its delivery to its settling: while one is under way, routine jobs begin nothing
//! that costs processor time. That bound is doubled, so that routine work goes on whatever STAT does: a STAT job holds
//! others up for `kept_free` (it may wait for a slow source), and a routine job gives way for `longest_wait` each time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::right_of_way::RightOfWay;
use crate::lane::Lane;
use crate::pipeline::scoring::Turns;

/// STAT jobs that pass before a waiting routine job does.
const STAT_IN_A_ROW: u32 = 4;

/// How long a STAT job may hold others up.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// How long at most one STAT job has the right of way.
    kept_free: Duration,
    /// How long at most a routine job gives way at one place.
    longest_wait: Duration,
}

impl Bounds {
    const USUAL: Self =
        Self { kept_free: Duration::from_millis(500), longest_wait: Duration::from_millis(250) };
}

/// How much longer a routine job gives way that may do so until `at_most`; `None` when it may go on.
fn held_up(urgent: RightOfWay, at_most: Instant) -> Option<Duration> {
    let now = Instant::now();
    let left = urgent.left(now)?.min(at_most.saturating_duration_since(now));
    (!left.is_zero()).then_some(left)
}

/// Places that jobs take one by one.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    urgent: watch::Sender<RightOfWay>,
    bounds: Bounds,
}

/// A STAT job under way; nothing for a routine one.
#[derive(Debug)]
pub struct UnderWay<'a>(Option<&'a Gate>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            gate.urgent.send_modify(RightOfWay::ends);
            // Whoever looked before the change waits by now.
            gate.wake(&gate.lock());
        }
    }
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: [usize; 2],
    /// Routine jobs that give way to a STAT job.
    giving_way: usize,
    stat_in_a_row: u32,
}

impl State {
    /// Whether a job of this lane may pass now.
    fn lets(&self, lane: Lane) -> bool {
        let [stat, routine] = self.waiting;
        let routine_due = self.stat_in_a_row >= STAT_IN_A_ROW && routine > 0;
        self.free > 0
            && match lane {
                Lane::Stat => !routine_due,
                Lane::Routine => stat == 0 || routine_due,
            }
    }
}

/// A place that was taken; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place<'a>(&'a Gate);

impl Gate {
    /// `places` at once; at least one.
    pub fn new(places: usize) -> Self {
        Self::with(places, Bounds::USUAL)
    }

    fn with(places: usize, bounds: Bounds) -> Self {
        let state = State { free: places.max(1), waiting: [0, 0], giving_way: 0, stat_in_a_row: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), urgent: watch::Sender::default(), bounds }
    }

    /// A job of this lane is under way until the value is dropped.
    pub fn begins(&self, lane: Lane) -> UnderWay<'_> {
        if lane == Lane::Routine {
            return UnderWay(None);
        }
        self.urgent.send_modify(|urgent| urgent.begins(Instant::now() + self.bounds.kept_free));
        UnderWay(Some(self))
    }

    /// Waits while a STAT job has the right of way over one of this lane.
    pub async fn give_way(&self, lane: Lane) {
        if lane == Lane::Stat {
            return;
        }
        let (at_most, mut urgent) = (Instant::now() + self.bounds.longest_wait, self.urgent.subscribe());
        loop {
            let Some(left) = held_up(*urgent.borrow_and_update(), at_most) else { return };
            // Changed, or waited for long enough: either way it is looked at again.
            drop(tokio::time::timeout(left, urgent.changed()).await);
        }
    }

    /// Waits, blocking the thread, for a place.
    pub fn enter(&self, lane: Lane) -> Place<'_> {
        let index = usize::from(lane == Lane::Routine);
        let at_most = Instant::now() + self.bounds.longest_wait;
        let mut state = self.lock();
        if lane == Lane::Routine {
            // Who gives way does not wait for a place yet: a STAT job that is to let it pass would wait for it in turn.
            state.giving_way += 1;
            while let Some(left) = self.held_up(at_most) {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            state.giving_way -= 1;
        }
        state.waiting[index] += 1;
        while !state.lets(lane) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting[index] -= 1;
        state.free -= 1;
        state.stat_in_a_row = match lane {
            Lane::Stat => state.stat_in_a_row.saturating_add(1),
            Lane::Routine => 0,
        };
        self.wake(&state);
        drop(state);
        Place(self)
    }

    /// [`held_up`] now. A function of its own, so that nobody waits while he looks: who ends a STAT job would wait for him.
    fn held_up(&self, at_most: Instant) -> Option<Duration> {
        held_up(*self.urgent.borrow(), at_most)
    }

    /// Wakes whoever waits; most often that is nobody, and a call to the system for nothing.
    fn wake(&self, state: &State) {
        if state.waiting != [0, 0] || state.giving_way > 0 {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        self.0.wake(&state);
    }
}

/// The turns of one job at a gate.
#[derive(Debug, Clone, Copy)]
pub struct LaneTurns<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// The job's lane.
    pub lane: Lane,
}

impl Turns for LaneTurns<'_> {
    fn take(&self) -> Box<dyn Send + '_> {
        Box::new(self.gate.enter(self.lane))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use super::{Bounds, Gate, STAT_IN_A_ROW, State};
    use crate::lane::Lane;

    fn state(free: usize, stat: usize, routine: usize, stat_in_a_row: u32) -> State {
        State { free, waiting: [stat, routine], giving_way: 0, stat_in_a_row }
    }

    #[test]
    fn stat_goes_first_and_every_fifth_place_is_routines() {
        assert!(state(1, 1, 1, 0).lets(Lane::Stat));
        assert!(!state(1, 1, 1, 3).lets(Lane::Routine));
        assert!(!state(1, 1, 1, 4).lets(Lane::Stat), "a routine job is due");
        assert!(state(1, 1, 1, 4).lets(Lane::Routine));
        assert!(state(1, 1, 0, 9).lets(Lane::Stat), "nobody else waits");
        assert!(!state(0, 1, 0, 0).lets(Lane::Stat), "no place");
    }

    /// Nothing but the end of STAT jobs lets a routine one go on.
    const LONG: Bounds = Bounds { kept_free: Duration::from_hours(1), longest_wait: Duration::from_hours(1) };

    #[test]
    fn a_routine_job_gives_way_no_longer_than_it_may() {
        let gate = Gate::with(1, LONG);
        let _urgent = gate.begins(Lane::Stat);
        assert!(gate.held_up(Instant::now() + LONG.longest_wait).is_some());
        assert!(gate.held_up(Instant::now()).is_none(), "it waited for long enough");
    }

    #[tokio::test]
    async fn who_gives_way_goes_on_when_the_last_stat_job_ends() {
        let gate = Gate::with(1, LONG);
        gate.give_way(Lane::Routine).await;
        let (one, other) = (gate.begins(Lane::Stat), gate.begins(Lane::Stat));
        gate.give_way(Lane::Stat).await;
        let mut routine = pin!(gate.give_way(Lane::Routine));
        let mut look = || routine.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(look().is_pending());
        drop(one);
        assert!(look().is_pending(), "the other is under way");
        drop(other);
        assert!(look().is_ready());
    }

    #[test]
    fn a_place_is_for_stat_while_a_stat_job_is_under_way() {
        let gate = Gate::with(1, LONG);
        let order = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let urgent = gate.begins(Lane::Stat);
            scope.spawn(|| {
                let _place = gate.enter(Lane::Routine);
                order.lock().unwrap().push(Lane::Routine);
            });
            // more often than STAT jobs may pass one that waits: who gives way is not waited for
            for _turn in 0..2 * STAT_IN_A_ROW {
                let _place = gate.enter(Lane::Stat);
                order.lock().unwrap().push(Lane::Stat);
            }
            // the routine job gives way by now, and does not stand in the way of who ends
            while gate.lock().giving_way == 0 {
                std::thread::yield_now();
            }
            drop(urgent);
        });
        let order = order.into_inner().unwrap();
        assert_eq!((order.len(), order.last()), (9, Some(&Lane::Routine)));
    }

    #[test]
    fn many_jobs_pass_and_never_more_at_once_than_there_are_places() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (gate, inside, most, passed) =
            (Gate::new(2), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for job in 0..8 {
                let lane = if job % 2 == 0 { Lane::Stat } else { Lane::Routine };
                let (gate, inside, most, passed) = (&gate, &inside, &most, &passed);
                scope.spawn(move || {
                    for _round in 0..200 {
                        let place = gate.enter(lane);
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        passed.fetch_add(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert_eq!(passed.load(Ordering::SeqCst), 1_600);
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
