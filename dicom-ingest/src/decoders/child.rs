//! One process that reads files, from the outside.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use super::confine::{Bounds, Confinement};
use super::facts::SentInstance;
use super::link::{Deadline, Link, connection};
use super::place::{Place, Placed};
use super::threads;
use super::wire::{self, Answered, Asked, Framed, Gap, invalid};
use super::{Fault, check};
use crate::decode::Decoded;
use crate::deidentify::{Deidentified, Options};
use crate::frame::{Frame, GreyTransform};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::read::sha256;
use crate::reader::Header;
use crate::refusal::Refusal;
use crate::sr::SrReport;
use crate::stored::StoredValues;

/// How long a process may take to start, on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// Bytes that a file can grow by when it is written anew: delimiters of a million items.
const MOST_ADDED: u64 = 64 << 20;

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
    pub(super) fn header(&mut self, file: &[u8], timeout: Duration) -> Result<Header, Fault> {
        let mut sent = Sent { file, digest: None, deadline: Deadline::after(timeout) };
        loop {
            let gap = self.gap(file);
            let answered = self.ask(&Asked::Header(gap), gap, &mut sent, |link, number, digest| {
                Ok(match answer(link, number)? {
                    Answered::Incomplete if gap.is_some() => None,
                    Answered::Instance(_, Some(at)) if at > file.len() as u64 => {
                        return Err(invalid("pixels behind the end of the file"));
                    }
                    Answered::Instance(sent, at) => {
                        Some((Header::Instance(Box::new(instance(*sent, digest)?)), at))
                    }
                    Answered::Directory => Some((Header::Directory, None)),
                    Answered::Refused(home, refusal) => {
                        Some((Header::Refused(home, refused(refusal)?), None))
                    }
                    _ => return Err(invalid("an answer to another question")),
                })
            })?;
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
        file: &[u8],
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Decoded, Refusal>, Fault> {
        let mut sent = Sent { file, digest: None, deadline: Deadline::after(timeout) };
        loop {
            let gap = self.gap(file);
            let pixels = self.ask(&Asked::Decode(gap), gap, &mut sent, |link, number, digest| {
                Ok(match answer(link, number)? {
                    Answered::Incomplete if gap.is_some() => Pixels::Missing,
                    Answered::Placed(sent, place, count) => {
                        let instance = instance(*sent, digest)?;
                        Pixels::Placed(placed(link, number, (instance, place, count), (file.len(), limits))?)
                    }
                    Answered::Decoded(sent, count) if gap.is_none() => {
                        let instance = instance(*sent, digest)?;
                        Pixels::Decoded(frames(link, number, (instance, count), limits)?)
                    }
                    Answered::Refused(_, refusal) if gap.is_none() => Pixels::Refused(refused(refusal)?),
                    _ => return Err(invalid("an answer to another question")),
                })
            })?;
            self.learn(pixels.at());
            match pixels {
                Pixels::Missing => {}
                Pixels::Placed(placed) => return Ok(placed.decode(file)),
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
        file: &[u8],
        timeout: Duration,
    ) -> Result<Result<SrReport, Refusal>, Fault> {
        let mut sent = Sent { file, digest: None, deadline: Deadline::after(timeout) };
        self.ask(&Asked::Report, None, &mut sent, |link, number, _| match answer(link, number)? {
            Answered::Report(report) if check::report(&report) => Ok(Ok(*report)),
            Answered::Refused(_, refusal) => Ok(Err(refused(refusal)?)),
            _ => Err(invalid("an answer to another question")),
        })
    }

    pub(super) fn deidentify(
        &mut self,
        file: &[u8],
        options: &Options,
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Deidentified, Refusal>, Fault> {
        let asked = Asked::Deidentify(Box::new(options.clone()));
        let most = limits.max_file_bytes.max(limits.max_inflated_bytes).saturating_add(MOST_ADDED);
        let mut sent = Sent { file, digest: None, deadline: Deadline::after(timeout) };
        self.ask(&asked, None, &mut sent, |link, number, _| {
            let Some(framed) = wire::read_head::<Answered>(link)? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            match framed.head {
                _ if framed.number != number => Err(invalid("a frame that nobody asked for")),
                Answered::Deidentified(named) if framed.body <= most => {
                    let length = usize::try_from(framed.body);
                    let length = length.map_err(|_| invalid("a file beyond all memory"))?;
                    let mut bytes = Vec::new();
                    wire::read_body(link, length, &mut bytes)?;
                    Ok(Ok(Deidentified { named, bytes }))
                }
                Answered::Refused(_, refusal) if framed.body == 0 => Ok(Err(refused(refusal)?)),
                _ => Err(invalid("an answer to another question")),
            }
        })
    }

    /// Sends a file, but for the gap, and takes the answer. After a fault nothing more is asked of the process.
    fn ask<T>(
        &mut self,
        asked: &Asked,
        gap: Option<Gap>,
        sent: &mut Sent<'_>,
        take: impl FnOnce(&mut Link<'_>, u64, [u8; 32]) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        self.number += 1;
        let mut link = connection(&self.link, sent.deadline);
        let taken = wire::write(link.get_mut(), self.number, asked, sent.without(gap)).and_then(|()| {
            // The digest is made here, while the process reads: what a file is known by is no word of the process.
            let digest = *sent.digest.get_or_insert_with(|| sha256(sent.file));
            let taken = take(&mut link, self.number, digest)?;
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
    file: &'a [u8],
    digest: Option<[u8; 32]>,
    /// When the last answer has to be there.
    deadline: Deadline,
}

impl Sent<'_> {
    /// The bytes before and behind the gap.
    fn without(&self, gap: Option<Gap>) -> [&[u8]; 2] {
        let parts = gap.and_then(|gap| {
            let at = usize::try_from(gap.at).ok()?;
            let behind = at.checked_add(usize::try_from(gap.length).ok()?)?;
            Some([self.file.get(..at)?, self.file.get(behind..)?])
        });
        parts.unwrap_or([self.file, &[]])
    }
}

/// What became of a file's pixels.
enum Pixels {
    /// The whole file has to be known.
    Missing,
    Placed(Placed),
    Decoded(Decoded),
    Refused(Refusal),
}

impl Pixels {
    fn at(&self) -> Option<u64> {
        match self {
            Self::Placed(placed) => Some(placed.place.at),
            Self::Missing | Self::Decoded(_) | Self::Refused(_) => None,
        }
    }
}

/// The head of an answer without a body.
fn answer(link: &mut Link<'_>, number: u64) -> io::Result<Answered> {
    match wire::read_head(link)? {
        Some(framed) if framed.number == number && framed.body == 0 => Ok(framed.head),
        Some(_) => Err(invalid("a frame that nobody asked for")),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn instance(sent: SentInstance, digest: [u8; 32]) -> io::Result<Instance> {
    let mut instance = sent.0;
    instance.sha256 = digest;
    if check::instance(&instance) { Ok(instance) } else { Err(invalid("header facts that no header has")) }
}

fn refused(refusal: Refusal) -> io::Result<Refusal> {
    if check::refusal(&refusal) { Ok(refusal) } else { Err(invalid("a refusal of many sentences")) }
}

/// The transforms of frames that lie in a file of so many bytes.
fn placed(
    link: &mut Link<'_>,
    number: u64,
    (instance, place, count): (Instance, Place, u32),
    (file_bytes, limits): (usize, &Limits),
) -> io::Result<Placed> {
    let size = counted(&instance, count, limits)?;
    let transforms = (0..count).map(|_| transform(link, number, size, 0)).collect::<io::Result<_>>()?;
    let placed = Placed { instance, place, transforms };
    if placed.can_be(file_bytes, limits) { Ok(placed) } else { Err(invalid("pixels beyond the file")) }
}

/// Frames whose values follow.
fn frames(
    link: &mut Link<'_>,
    number: u64,
    (instance, count): (Instance, u32),
    limits: &Limits,
) -> io::Result<Decoded> {
    let (rows, columns) = counted(&instance, count, limits)?;
    let values = u64::from(rows) * u64::from(columns);
    let size = usize::try_from(values).map_err(|_| invalid("a frame beyond all memory"))?;
    let mut frame = || {
        let transform = transform(link, number, (rows, columns), values * 2)?;
        let signed = *transform.possible.start() < 0;
        let stored = StoredValues::new(wire::read_values(link, size)?, signed);
        Ok(Frame { rows: rows as usize, columns: columns as usize, stored, transform })
    };
    let frames = (0..count).map(|_| frame()).collect::<io::Result<_>>()?;
    Ok(Decoded { instance, frames })
}

/// Rows and columns of an instance that can have so many frames.
fn counted(instance: &Instance, count: u32, limits: &Limits) -> io::Result<(u32, u32)> {
    let facts = instance.pixels.as_ref().ok_or_else(|| invalid("frames of no picture"))?;
    let all = facts.samples_per_frame().checked_mul(count.into()).filter(|all| *all <= limits.max_samples);
    if all.is_none() || count == 0 || count != facts.frames || count > limits.max_frames {
        return Err(invalid("more or fewer frames than the header has"));
    }
    Ok((facts.rows, facts.columns))
}

/// How a frame of this size becomes grey, before a body of so many bytes.
fn transform(link: &mut Link<'_>, number: u64, size: (u32, u32), body: u64) -> io::Result<GreyTransform> {
    let Some(framed) = wire::read_head::<Answered>(link)? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let Answered::Frame(rows, columns, transform) = framed.head else {
        return Err(invalid("an answer where a frame is due"));
    };
    if framed.number != number
        || (rows, columns) != size
        || framed.body != body
        || !check::transform(&transform)
    {
        return Err(invalid("a frame that its header does not have"));
    }
    Ok(transform)
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
