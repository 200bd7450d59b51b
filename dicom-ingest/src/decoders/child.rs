//! One process that reads files, from the outside. What it answers is read in `answers`.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use super::Fault;
use super::answers::{Awaited, Pixels};
use super::confine::{Bounds, Confinement};
use super::link::{Deadline, Link, connection};
use super::threads;
use super::wire::{self, Answered, Asked, Framed, Gap, invalid};
use crate::decode::Decoded;
use crate::deidentify::{Deidentified, Options};
use crate::file::FileBytes;
use crate::limits::Limits;
use crate::reader::Header;
use crate::refusal::Refusal;
use crate::sr::SrReport;

/// How long a process may take to start, on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// What is sent of a file before anything is known: its header, but for that of few.
const FIRST_HEAD: usize = 16 << 10;
/// What is sent beyond the end of the last header: those of a series are almost as long.
const MORE_HEAD: usize = 1 << 10;
/// What is sent of the end of a file: the elements behind the pixels, where there are some.
const TAIL: usize = 512;
/// The least that is worth leaving out.
const LEAST_GAP: usize = 16 << 10;

/// A running process, bounded and ready.
pub(super) struct Child {
    process: Process,
    link: UnixStream,
    number: u64,
    /// Bytes of the beginning of the next file that should be enough, since its pixels are expected to be plain values;
    /// `None` where the last file's were none.
    head: Option<usize>,
    /// How long it has been at work in all.
    pub(super) worked: Duration,
}

impl Child {
    /// Starts a process that decodes a picture on so many threads, and says its bounds.
    pub(super) fn start(
        command: &mut Command,
        limits: &Limits,
        bounds: Bounds,
        threads: usize,
    ) -> io::Result<(Self, Confinement)> {
        let (link, theirs) = UnixStream::pair()?;
        let process = command
            .envs(threads::environment(threads))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // A file that it may not write to would end it.
            .stderr(Stdio::null())
            .spawn()?;
        // The command holds the other end still; only the process may, so that its end is seen.
        command.stdin(Stdio::null());
        let mut child = Self { process, link, number: 0, head: Some(FIRST_HEAD), worked: Duration::ZERO };
        let begin = Asked::Begin { limits: limits.clone(), bounds };
        let mut link = connection(&child.link, Deadline::after(STARTS_WITHIN));
        wire::write(link.get_mut(), 0, &begin, [&[], &[]])?;
        match wire::read_head(&mut link)? {
            Some(Framed { number: 0, head: Answered::Ready(confinement), body: 0 }) => {
                Ok((child, confinement))
            }
            Some(_) => Err(invalid("the process says something else than that it is ready")),
            None => Err(io::Error::other(format!("the process ended: {}", child.end()))),
        }
    }

    /// The number that the system knows it by.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Header facts: of the ends of the file, if they are enough, else of all of it.
    pub(super) fn header(&mut self, file: &FileBytes<'_>, timeout: Duration) -> Result<Header, Fault> {
        let sent = Sent { file, deadline: Deadline::after(timeout) };
        loop {
            let gap = self.gap(file.bytes());
            let answered = self.ask(&Asked::Header(gap), gap, &sent, |awaited, link| awaited.header(link))?;
            self.learn(answered.as_ref().and_then(|(_, at)| *at));
            if let Some((header, _)) = answered {
                return Ok(header);
            }
        }
    }

    /// Header facts and frames: of the ends of the file and what stands between here, if the pixels are plain values, else by
    /// the process alone.
    pub(super) fn decode(
        &mut self,
        file: &FileBytes<'_>,
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Decoded, Refusal>, Fault> {
        let sent = Sent { file, deadline: Deadline::after(timeout) };
        loop {
            let gap = self.gap(file.bytes());
            let pixels =
                self.ask(&Asked::Decode(gap), gap, &sent, |awaited, link| awaited.pixels(link, limits))?;
            self.learn(pixels.at());
            match pixels {
                Pixels::Missing => {}
                Pixels::Placed(placed) => return Ok(placed.decode(file.bytes())),
                Pixels::Decoded(decoded) => return Ok(Ok(decoded)),
                Pixels::Refused(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    /// What of a file is not sent at first.
    fn gap(&self, file: &[u8]) -> Option<Gap> {
        left_out(self.head?, file.len())
    }

    /// Takes the place of a file's pixels, if they are plain values, for that of the next.
    fn learn(&mut self, at: Option<u64>) {
        self.head = at.and_then(|at| usize::try_from(at).ok()?.checked_add(MORE_HEAD));
    }

    pub(super) fn report(
        &mut self,
        file: &FileBytes<'_>,
        timeout: Duration,
    ) -> Result<Result<SrReport, Refusal>, Fault> {
        let sent = Sent { file, deadline: Deadline::after(timeout) };
        self.ask(&Asked::Report, None, &sent, |awaited, link| awaited.report(link))
    }

    pub(super) fn deidentify(
        &mut self,
        file: &FileBytes<'_>,
        options: &Options,
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Deidentified, Refusal>, Fault> {
        let asked = Asked::Deidentify(Box::new(options.clone()));
        let sent = Sent { file, deadline: Deadline::after(timeout) };
        self.ask(&asked, None, &sent, |awaited, link| awaited.deidentified(link, limits))
    }

    /// Sends a file, but for the gap, and takes the answer. After a fault nothing more is asked of the process.
    fn ask<T>(
        &mut self,
        asked: &Asked,
        gap: Option<Gap>,
        sent: &Sent<'_>,
        take: impl FnOnce(&Awaited<'_>, &mut Link<'_>) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        self.number += 1;
        let mut link = connection(&self.link, sent.deadline);
        let taken = wire::write(link.get_mut(), self.number, asked, sent.without(gap)).and_then(|()| {
            // The digest is made here, while the process reads, unless it was made before: what a file is known by is no word of
            // the process.
            let (file, digest) = (sent.file.bytes(), sent.file.sha256());
            let awaited = Awaited { number: self.number, file, digest, is_whole: gap.is_none() };
            let taken = take(&awaited, &mut link)?;
            if link.buffer().is_empty() { Ok(taken) } else { Err(invalid("more than was asked for")) }
        });
        self.worked += began.elapsed();
        taken.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                self.end();
                Fault::Hung
            }
            io::ErrorKind::InvalidData => {
                self.end();
                Fault::Died(format!("what it answered cannot be: {error}"))
            }
            _ => Fault::Died(format!("it ended: {}", self.end())),
        })
    }

    /// Ends the process, if it has not ended itself, and says how it did.
    fn end(&mut self) -> String {
        // One that has ended by itself is asked for its status first: that says why.
        match self.process.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) | Err(_) => drop(self.process.kill()),
        }
        self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

/// What is left out of a file of so many bytes, whose first `head` and last bytes are sent. The head is what the process said of
/// another file, which may be anything.
fn left_out(head: usize, length: usize) -> Option<Gap> {
    let between = length.checked_sub(head.checked_add(TAIL)?).filter(|length| *length >= LEAST_GAP)?;
    Some(Gap { at: head as u64, length: between as u64 })
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// A file that is asked about.
struct Sent<'a> {
    file: &'a FileBytes<'a>,
    /// When the last answer has to be there.
    deadline: Deadline,
}

impl Sent<'_> {
    /// The bytes before and behind the gap.
    fn without(&self, gap: Option<Gap>) -> [&[u8]; 2] {
        let file = self.file.bytes();
        let parts = gap.and_then(|gap| {
            let at = usize::try_from(gap.at).ok()?;
            let behind = at.checked_add(usize::try_from(gap.length).ok()?)?;
            Some([file.get(..at)?, file.get(behind..)?])
        });
        parts.unwrap_or([file, &[]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_a_process_made_up_leaves_nothing_out() {
        let gap = left_out(1024, 1024 + LEAST_GAP + TAIL).map(|gap| (gap.at, gap.length));
        assert_eq!(gap, Some((1024, LEAST_GAP as u64)));
        for head in [1025, usize::MAX - TAIL, usize::MAX] {
            assert!(left_out(head, 1024 + LEAST_GAP + TAIL).is_none(), "{head}");
        }
    }
}
