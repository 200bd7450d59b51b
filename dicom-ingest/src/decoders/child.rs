//! One process that reads files, from the outside.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use super::confine::{Bounds, Confinement};
use super::facts::SentInstance;
use super::wire::{self, Answered, Asked, Framed, invalid, stored_of};
use super::{Fault, check};
use crate::decode::Decoded;
use crate::deidentify::{Deidentified, Options};
use crate::frame::{Frame, GreyTransform};
use crate::limits::Limits;
use crate::read::sha256;
use crate::reader::Header;
use crate::refusal::Refusal;
use crate::sr::SrReport;

/// How long a process may take to start, on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// Bytes that a file can grow by when it is written anew: delimiters of a million items.
const MOST_ADDED: u64 = 64 << 20;

/// A running process, bounded and ready.
pub(super) struct Child {
    process: Process,
    link: UnixStream,
    number: u64,
    /// How long it has been at work in all.
    pub(super) worked: Duration,
}

impl Child {
    /// Starts a process and says its bounds.
    pub(super) fn start(
        command: &mut Command,
        limits: &Limits,
        bounds: Bounds,
    ) -> io::Result<(Self, Confinement)> {
        let (link, theirs) = UnixStream::pair()?;
        let process = command
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // A file that it may not write to would end it.
            .stderr(Stdio::null())
            .spawn()?;
        // The command holds the other end still; only the process may, so that its end is seen.
        command.stdin(Stdio::null());
        let mut child = Self { process, link, number: 0, worked: Duration::ZERO };
        let begin = Asked::Begin { limits: limits.clone(), bounds };
        let mut link = Timed::new(&child.link, STARTS_WITHIN);
        wire::write(&mut link, 0, &begin, &[])?;
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

    pub(super) fn header(&mut self, file: &[u8], timeout: Duration) -> Result<Header, Fault> {
        self.ask(&Asked::Header, file, timeout, |link, number, digest| match answer(link, number)? {
            Answered::Instance(sent) => Ok(Header::Instance(Box::new(instance(*sent, digest)?))),
            Answered::Directory => Ok(Header::Directory),
            Answered::Refused(home, refusal) => Ok(Header::Refused(home, refused(refusal)?)),
            _ => Err(invalid("an answer to another question")),
        })
    }

    pub(super) fn decode(
        &mut self,
        file: &[u8],
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Decoded, Refusal>, Fault> {
        self.ask(&Asked::Decode, file, timeout, |link, number, digest| {
            let (sent, count) = match answer(link, number)? {
                Answered::Decoded(sent, count) => (sent, count),
                Answered::Refused(_, refusal) => return Ok(Err(refused(refusal)?)),
                _ => return Err(invalid("an answer to another question")),
            };
            let instance = instance(*sent, digest)?;
            let facts = instance.pixels.as_ref().ok_or_else(|| invalid("frames of no picture"))?;
            let (size, samples) = ((facts.rows, facts.columns), facts.samples_per_frame());
            let all = samples.checked_mul(count.into()).filter(|all| *all <= limits.max_samples);
            if all.is_none() || count == 0 || count != facts.frames || count > limits.max_frames {
                return Err(invalid("more or fewer frames than the header has"));
            }
            let mut body = Vec::new();
            let frames =
                (0..count).map(|_| frame(link, number, size, &mut body)).collect::<io::Result<_>>()?;
            Ok(Ok(Decoded { instance, frames }))
        })
    }

    pub(super) fn report(
        &mut self,
        file: &[u8],
        timeout: Duration,
    ) -> Result<Result<SrReport, Refusal>, Fault> {
        self.ask(&Asked::Report, file, timeout, |link, number, _| match answer(link, number)? {
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
        self.ask(&asked, file, timeout, |link, number, _| {
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

    /// Sends a file and takes the answer. After a fault nothing more is asked of the process.
    fn ask<T>(
        &mut self,
        asked: &Asked,
        file: &[u8],
        timeout: Duration,
        take: impl FnOnce(&mut Timed<'_>, u64, [u8; 32]) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        self.number += 1;
        let mut link = Timed::new(&self.link, timeout);
        let taken = wire::write(&mut link, self.number, asked, file).and_then(|()| {
            // The digest is made here, while the process reads: what a file is known by is no word of the process.
            let digest = sha256(file);
            take(&mut link, self.number, digest)
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

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// The head of an answer without a body.
fn answer(link: &mut Timed<'_>, number: u64) -> io::Result<Answered> {
    match wire::read_head(link)? {
        Some(framed) if framed.number == number && framed.body == 0 => Ok(framed.head),
        Some(_) => Err(invalid("a frame that nobody asked for")),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn instance(sent: SentInstance, digest: [u8; 32]) -> io::Result<crate::instance::Instance> {
    let mut instance = sent.0;
    instance.sha256 = digest;
    if check::instance(&instance) { Ok(instance) } else { Err(invalid("header facts that no header has")) }
}

fn refused(refusal: Refusal) -> io::Result<Refusal> {
    if check::refusal(&refusal) { Ok(refusal) } else { Err(invalid("a refusal of many sentences")) }
}

fn frame(link: &mut Timed<'_>, number: u64, size: (u32, u32), body: &mut Vec<u8>) -> io::Result<Frame> {
    let Some(framed) = wire::read_head::<Answered>(link)? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let Answered::Frame(rows, columns, transform) = framed.head else {
        return Err(invalid("an answer where a frame is due"));
    };
    let length = u64::from(rows) * u64::from(columns) * 2;
    if framed.number != number
        || (rows, columns) != size
        || framed.body != length
        || !check::transform(&transform)
    {
        return Err(invalid("a frame that its header does not have"));
    }
    let length = usize::try_from(length).map_err(|_| invalid("a frame beyond all memory"))?;
    wire::read_body(link, length, body)?;
    Ok(owned(rows, columns, transform, body))
}

fn owned(rows: u32, columns: u32, transform: GreyTransform, body: &[u8]) -> Frame {
    let stored = stored_of(body, *transform.possible.start() < 0);
    Frame { rows: rows as usize, columns: columns as usize, stored, transform }
}

/// A connection with a deadline over all that is said on it.
struct Timed<'a> {
    link: &'a UnixStream,
    until: Instant,
}

impl<'a> Timed<'a> {
    fn new(link: &'a UnixStream, within: Duration) -> Self {
        Self { link, until: Instant::now() + within }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// The system says that a call would block where its time is over.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.link.set_read_timeout(self.left()?)?;
        self.link.read(bytes).map_err(late)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.link.set_write_timeout(self.left()?)?;
        self.link.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
