//! Files read in processes of their own: a file that can kill, stop or capture its reader costs that process.
//!
//! A [`Pool`] starts processes of a command that is given to it, whose `main` calls [`serve_standard_input`]. Each gives up
//! what it does not need before it sees a file ([`confine`]), answers one ask at a time, and is replaced when it ends, gives
//! no answer in time, or says what cannot be. Decoded pixels come back frame by frame; of those that lie in a file as plain
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
use crate::reader::{Header, Reader};
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
    /// One a process. The first that is free is taken: it has the most threads.
    seats: Mutex<Vec<State>>,
    free: Condvar,
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
        let seats = (0..options.processes.max(1)).map(|_| State::Free(None)).collect();
        let pool = Self { options, seats: Mutex::new(seats), free: Condvar::new() };
        let mut first = pool.seat();
        first.child = Some(pool.start(first.index).map_err(PoolError)?);
        drop(first);
        Ok(pool)
    }

    fn seats(&self) -> MutexGuard<'_, Vec<State>> {
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

    /// Waits for the first free seat.
    fn seat(&self) -> Seat<'_> {
        let mut seats = self.seats();
        loop {
            let mut each = seats.iter_mut().enumerate();
            let first = each.find_map(|(index, seat)| match std::mem::replace(seat, State::Taken) {
                State::Free(child) => Some((index, child)),
                State::Taken => None,
            });
            if let Some((index, child)) = first {
                return Seat { pool: self, index, child };
            }
            seats = self.free.wait(seats).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ask<T>(&self, ask: impl Fn(&mut Child) -> Result<T, Fault>) -> Result<T, Refusal> {
        let mut seat = self.seat();
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
        self.ask(|child| child.decode(file, limits, *timeout)).flatten()
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
        if let Some(seat) = self.pool.seats().get_mut(self.index) {
            *seat = State::Free(self.child.take());
        }
        self.pool.free.notify_one();
    }
}
