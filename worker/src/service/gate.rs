//! A few places for many jobs: STAT goes first, and after every fourth STAT one routine job, so that neither starves.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::lane::Lane;
use crate::pipeline::scoring::Turns;

/// STAT jobs that pass before a waiting routine job does.
const STAT_IN_A_ROW: u32 = 4;

/// Places that jobs take one by one.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: [usize; 2],
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
        let state = State { free: places.max(1), waiting: [0, 0], stat_in_a_row: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits, blocking the thread, for a place.
    pub fn enter(&self, lane: Lane) -> Place<'_> {
        let index = usize::from(lane == Lane::Routine);
        let mut state = self.lock();
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
        drop(state);
        self.changed.notify_all();
        Place(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
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
    use super::{Gate, State};
    use crate::lane::Lane;

    fn state(free: usize, stat: usize, routine: usize, stat_in_a_row: u32) -> State {
        State { free, waiting: [stat, routine], stat_in_a_row }
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
