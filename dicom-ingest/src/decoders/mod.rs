//! Files read in processes of their own: a file that can kill, stop or capture its reader costs that process.
//!
//! A [`Pool`] starts processes of a command that is given to it, whose `main` calls [`serve_standard_input`]. Each gives up
//! what it does not need before it sees a file ([`confine`]), answers one ask after the other, and is replaced when it ends, gives
//! no answer in time, or says what cannot be. Of files that are read one after the other it has the next one before it has
//! answered; where it is lost, that one is asked of its successor as if it had never been sent. Decoded pixels come back frame by frame; of those that lie in a file as plain
//! values, only where. What a process says is looked at again on this side, and the digest of a file is made here.

mod answers;
mod check;
mod child;
mod confine;
mod facts;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inside;
mod link;
mod outgoing;
mod place;
mod threads;
mod wire;

use std::fmt;
use std::io;
use std::process::Command;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::decode::Decoded;
use crate::deidentify::{self, Deidentified};
use crate::file::FileBytes;
use crate::limits::Limits;
use crate::reader::{Header, Reader, TakeDecoded};
use crate::refusal::{Refusal, RefusalCode};
use crate::sr::SrReport;
use crate::uid::Home;

use child::Child;

pub use confine::{Bounds, Confinement, confine};
pub use inside::{serve, serve_standard_input};
pub use link::{Deadline, Timed};

/// Processes that may end over one file. One that was idle may have been ended by somebody else meanwhile, and so may, once,
/// the next: two deaths in a row on fresh processes are the file's doing.
const MOST_DEATHS: usize = 3;
/// A process that has been at work for so long is replaced: what a file may have done to it ends with it.
const RETIRES_AFTER: Duration = Duration::from_mins(10);
/// Between two tries to start a process where the system has no room for one.
const BETWEEN_STARTS: Duration = Duration::from_millis(300);

/// How a pool is run.
pub struct PoolOptions {
    /// Makes the command of a process.
    pub command: Box<dyn Fn() -> io::Result<Command> + Send + Sync>,
    /// Processes at most, at least one.
    pub processes: usize,
    /// Threads that decode one picture of JPEG 2000. The process that is taken first has as many, the second half as many, the
    /// third a third, each 1 to 8.
    pub threads: usize,
    /// Bounds of what is read from a file.
    pub limits: Limits,
    /// Address space of a process, in bytes.
    pub memory_bytes: u64,
    /// How long one answer may take.
    pub timeout: Duration,
    /// Is told what becomes of processes, for a log.
    pub heard: Box<dyn Fn(&Event) + Send + Sync>,
}

/// What became of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was started.
    Started {
        /// Its number.
        process: u32,
        /// What the system holds it to.
        confinement: Confinement,
    },
    /// It could not be started.
    NotStarted {
        /// What was seen; no patient data.
        reason: String,
    },
    /// It was lost over a file, and is replaced.
    Lost {
        /// Its number.
        process: u32,
        /// What was seen; no patient data.
        reason: String,
    },
}

/// No process could be started.
#[derive(Debug, thiserror::Error)]
#[error("no process that reads files could be started")]
pub struct PoolError(#[source] pub io::Error);

/// Why a process gave no answer.
enum Fault {
    Died(String),
    Hung,
}

/// Processes that read files.
pub struct Pool {
    options: PoolOptions,
    seats: Mutex<Seats>,
    free: Condvar,
}

/// Who comes first has a seat first.
struct Seats {
    /// One a process. The first that is free is taken: it has the most threads.
    states: Vec<State>,
    /// Who came for a seat, and who of them has had one.
    came: u64,
    seated: u64,
}

impl Seats {
    /// The first that is free, with the process that sat there.
    fn take(&mut self) -> Option<(usize, Option<Child>)> {
        let mut each = self.states.iter_mut().enumerate();
        each.find_map(|(index, seat)| match std::mem::replace(seat, State::Taken) {
            State::Free(child) => Some((index, child)),
            State::Taken => None,
        })
    }
}

/// Of a seat.
enum State {
    /// With the process that sat there last, if it can go on.
    Free(Option<Child>),
    Taken,
}

impl Pool {
    /// Starts the first process, so that a site learns at its start what will not work.
    pub fn open(options: PoolOptions) -> Result<Self, PoolError> {
        let states = (0..options.processes.max(1)).map(|_| State::Free(None)).collect();
        let seats = Mutex::new(Seats { states, came: 0, seated: 0 });
        let pool = Self { options, seats, free: Condvar::new() };
        let mut first = pool.seat();
        first.child = Some(pool.start(first.index).map_err(PoolError)?);
        drop(first);
        Ok(pool)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process of the seat with this index.
    fn start(&self, index: usize) -> io::Result<Child> {
        let PoolOptions { command, limits, memory_bytes, timeout, heard, .. } = &self.options;
        let threads = threads::share(self.options.threads, index);
        // Threads that it starts use CPU time beside each other; a decoder of JPEG frames has some of its own.
        let cpu_seconds = threads.max(2) as u64 * (RETIRES_AFTER + *timeout).as_secs();
        let bounds = Bounds { memory_bytes: *memory_bytes, cpu_seconds };
        let started = command().and_then(|mut command| Child::start(&mut command, limits, bounds, threads));
        match started {
            Ok((child, confinement)) => {
                heard(&Event::Started { process: child.id(), confinement });
                Ok(child)
            }
            Err(error) => {
                heard(&Event::NotStarted { reason: error.to_string() });
                Err(error)
            }
        }
    }

    /// Waits for the first free seat, behind those who came before.
    fn seat(&self) -> Seat<'_> {
        let mut seats = self.seats();
        let own = seats.came;
        seats.came += 1;
        loop {
            if seats.seated == own
                && let Some((index, child)) = seats.take()
            {
                seats.seated += 1;
                // There may be another one for the next.
                self.free.notify_all();
                return Seat { pool: self, index, child };
            }
            seats = self.free.wait(seats).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether somebody waits for a seat.
    fn is_wanted(&self) -> bool {
        let seats = self.seats();
        seats.seated < seats.came
    }

    fn ask<T>(&self, ask: impl Fn(&mut Child) -> Result<T, Fault>) -> Result<T, Refusal> {
        self.ask_in(&mut self.seat(), ask)
    }

    /// Asks the process in a seat, or the next ones where that is lost.
    fn ask_in<T>(
        &self,
        seat: &mut Seat<'_>,
        ask: impl Fn(&mut Child) -> Result<T, Fault>,
    ) -> Result<T, Refusal> {
        let mut refusal = None;
        for attempt in 0..MOST_DEATHS {
            let Ok(mut child) = seat.child.take().map_or_else(|| self.start(seat.index), Ok) else {
                // Whether an earlier death was the file's doing cannot be told without another process.
                refusal = Some(unavailable());
                if attempt + 1 < MOST_DEATHS {
                    std::thread::sleep(BETWEEN_STARTS);
                }
                continue;
            };
            let process = child.id();
            match ask(&mut child) {
                Ok(answer) => {
                    seat.child = (child.worked < RETIRES_AFTER).then_some(child);
                    return Ok(answer);
                }
                Err(Fault::Hung) => {
                    let seconds = self.options.timeout.as_secs_f32();
                    let reason = format!("it gave no answer within {seconds} s");
                    (self.options.heard)(&Event::Lost { process, reason });
                    let message = format!("the process that read it gave no answer within {seconds} s");
                    return Err(Refusal::new(RefusalCode::DecoderHung, message));
                }
                Err(Fault::Died(reason)) => {
                    let message =
                        format!("the process that read it was lost each time; the last time, {reason}");
                    (self.options.heard)(&Event::Lost { process, reason });
                    refusal = Some(Refusal::new(RefusalCode::DecoderDied, message));
                }
            }
        }
        Err(refusal.unwrap_or_else(unavailable))
    }
}

fn unavailable() -> Refusal {
    Refusal::new(RefusalCode::DecoderUnavailable, "no process could be started to read it")
}

impl Reader for Pool {
    fn limits(&self) -> &Limits {
        &self.options.limits
    }

    fn header(&self, file: &FileBytes<'_>) -> Header {
        match self.bounded(file) {
            Ok(()) => self
                .ask(|child| child.header(file, self.options.timeout))
                .unwrap_or_else(|refusal| Header::Refused(Home::default(), refusal)),
            Err(refusal) => Header::Refused(Home::default(), refusal),
        }
    }

    fn decode(&self, file: &FileBytes<'_>) -> Result<Decoded, Refusal> {
        self.bounded(file)?;
        let PoolOptions { limits, timeout, .. } = &self.options;
        self.ask(|child| child.decode(file, None, limits, *timeout)).flatten()
    }

    /// One process decodes them, and has each next file while this side reads what it says of the last. Who waits for a process
    /// is let in between two files.
    fn decode_each(&self, files: &mut dyn Iterator<Item = FileBytes<'_>>, take: &mut TakeDecoded<'_>) {
        let PoolOptions { limits, timeout, .. } = &self.options;
        let mut seat = None;
        let mut next = files.next();
        while let Some(file) = next {
            next = files.next();
            let decoded = self.bounded(&file).and_then(|()| {
                let behind = next.as_ref().filter(|next| self.bounded(next).is_ok());
                let behind = behind.filter(|_| !self.is_wanted());
                let own = seat.get_or_insert_with(|| self.seat());
                let decoded = self.ask_in(own, |child| child.decode(&file, behind, limits, *timeout));
                if behind.is_none() {
                    seat = None;
                }
                decoded.flatten()
            });
            if take(decoded).is_break() {
                return;
            }
        }
    }

    fn report(&self, file: &FileBytes<'_>) -> Result<SrReport, Refusal> {
        self.bounded(file)?;
        self.ask(|child| child.report(file, self.options.timeout)).flatten()
    }

    fn deidentify(
        &self,
        file: &FileBytes<'_>,
        options: &deidentify::Options,
    ) -> Result<Deidentified, Refusal> {
        self.bounded(file)?;
        let PoolOptions { limits, timeout, .. } = &self.options;
        self.ask(|child| child.deidentify(file, options, limits, *timeout)).flatten()
    }
}

impl Pool {
    /// A file beyond the limit is refused here, in the words of the scan.
    fn bounded(&self, file: &FileBytes<'_>) -> Result<(), Refusal> {
        let (length, limit) = (file.bytes().len() as u64, self.options.limits.max_file_bytes);
        if length <= limit {
            return Ok(());
        }
        let message = format!("the file has {length} bytes, the limit is {limit}");
        Err(Refusal::new(RefusalCode::TooLarge, message))
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("processes", &self.options.processes).finish_non_exhaustive()
    }
}

/// A seat that is taken, with the process that sat there idle.
struct Seat<'a> {
    pool: &'a Pool,
    index: usize,
    child: Option<Child>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.pool.seats().states.get_mut(self.index) {
            // One that was handed a file that nobody waits for any more is ended.
            *seat = State::Free(self.child.take().filter(Child::is_idle));
        }
        self.pool.free.notify_all();
    }
}
