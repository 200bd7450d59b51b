//! One process that reads files, from the outside. What it answers is read in `answers`.

use std::cell::RefCell;
use std::io::{self, BufReader, Chain, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Fault;
use super::answers::{Awaited, Pixels};
use super::confine::{Bounds, Confinement};
use super::link::{Busy, Deadline, connection};
use super::outgoing::Outgoing;
use super::threads;
use super::wire::{self, Answered, Asked, Framed, Gap, invalid};
use crate::decode::Decoded;
use crate::deidentify::{Deidentified, Options};
use crate::file::{Digesting, FileBytes};
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
/// Bytes that the connection is to hold each way, as far as the system allows: a picture and a file of a series, so that the process
/// is at work with the next one while this side is at work with the last.
const CONNECTION_HOLDS: usize = 1 << 20;
/// The least that is worth leaving out.
const LEAST_GAP: usize = 16 << 10;

/// What is heard of a process, with what was read of it before.
type Link<'a> = Chain<&'a [u8], BufReader<Busy<'a>>>;

/// A running process, bounded and ready.
pub(super) struct Child {
    process: Process,
    link: UnixStream,
    number: u64,
    /// Bytes of the beginning of the next file that should be enough, since its pixels are expected to be plain values;
    /// `None` where the last file's were none.
    head: Option<usize>,
    /// The ask that it was handed behind the one before it.
    ahead: Option<Outgoing>,
    /// What was read of its answer to that already.
    heard: Vec<u8>,
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
        for end in [&link, &theirs] {
            // What the system does not give is done without: it is waited more often.
            drop(SockRef::from(end).set_send_buffer_size(CONNECTION_HOLDS));
        }
        let process = command
            .envs(threads::environment(threads))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // A file that it may not write to would end it.
            .stderr(Stdio::null())
            .spawn()?;
        // The command holds the other end still; only the process may, so that its end is seen.
        command.stdin(Stdio::null());
        let mut child = Self {
            process,
            link,
            number: 0,
            head: Some(FIRST_HEAD),
            ahead: None,
            heard: Vec::new(),
            worked: Duration::ZERO,
        };
        let begin = Asked::Begin { limits: limits.clone(), bounds };
        let mut link = connection(&child.link, Deadline::after(STARTS_WITHIN), &|| false)?;
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

    /// Whether nothing is due from it.
    pub(super) fn is_idle(&self) -> bool {
        self.ahead.is_none()
    }

    /// Header facts: of the ends of the file, if they are enough, else of all of it.
    pub(super) fn header(&mut self, file: &FileBytes<'_>, timeout: Duration) -> Result<Header, Fault> {
        let sent = Sent::new(file, timeout);
        loop {
            let outgoing = self.outgoing(Asked::Header, file)?;
            let answered = self.ask(outgoing, &sent, None, |awaited, link| awaited.header(link))?;
            self.learn(answered.as_ref().and_then(|(_, at)| *at));
            if let Some((mut header, _)) = answered {
                if let Header::Instance(instance) = &mut header {
                    instance.sha256 = sent.digesting.sha256();
                }
                return Ok(header);
            }
        }
    }

    /// Header facts and frames: of the ends of the file and what stands between here, if the pixels are plain values, else by
    /// the process alone. The file that is to be decoded next, and has to be if there is one, is handed over before this one's
    /// frames are here: the process is at work with it meanwhile.
    pub(super) fn decode(
        &mut self,
        file: &FileBytes<'_>,
        next: Option<&FileBytes<'_>>,
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Decoded, Refusal>, Fault> {
        let sent = Sent::new(file, timeout);
        loop {
            let outgoing = match self.ahead.take() {
                Some(outgoing) => outgoing,
                None => self.outgoing(Asked::Decode, file)?,
            };
            // Where not all of a file was sent, it may have to be sent again: nothing may be behind it.
            let behind = next.filter(|_| outgoing.gap.is_none());
            let pixels = self.ask(outgoing, &sent, behind, |awaited, link| awaited.pixels(link, limits))?;
            self.learn(pixels.at());
            let mut decoded = match pixels {
                Pixels::Missing => continue,
                Pixels::Refused(refusal) => return Ok(Err(refusal)),
                Pixels::Decoded(decoded) => decoded,
                Pixels::Placed(placed) => {
                    self.hand_over(next);
                    match placed.decode(file.bytes()) {
                        Ok(decoded) => decoded,
                        Err(refusal) => return Ok(Err(refusal)),
                    }
                }
            };
            decoded.instance.sha256 = self.digest(&sent, next);
            return Ok(Ok(decoded));
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
        let outgoing = self.whole(&Asked::Report, file)?;
        self.ask(outgoing, &Sent::new(file, timeout), None, |awaited, link| awaited.report(link))
    }

    pub(super) fn deidentify(
        &mut self,
        file: &FileBytes<'_>,
        options: &Options,
        limits: &Limits,
        timeout: Duration,
    ) -> Result<Result<Deidentified, Refusal>, Fault> {
        let outgoing = self.whole(&Asked::Deidentify(Box::new(options.clone())), file)?;
        let sent = Sent::new(file, timeout);
        self.ask(outgoing, &sent, None, |awaited, link| awaited.deidentified(link, limits))
    }

    fn whole(&mut self, asked: &Asked, file: &FileBytes<'_>) -> Result<Outgoing, Fault> {
        self.number += 1;
        Outgoing::new(self.number, asked, None, file.bytes()).map_err(|error| self.fault(&error))
    }

    /// An ask of which so much of the file is sent as should be enough.
    fn outgoing(
        &mut self,
        asked: impl FnOnce(Option<Gap>) -> Asked,
        file: &FileBytes<'_>,
    ) -> Result<Outgoing, Fault> {
        self.number += 1;
        let gap = self.gap(file.bytes());
        Outgoing::new(self.number, &asked(gap), gap, file.bytes()).map_err(|error| self.fault(&error))
    }

    /// Sends what the connection takes at once of the file that is decoded next. What is left is sent when there is room, at the
    /// latest when it is that file's turn; what goes wrong is seen then, too.
    fn hand_over(&mut self, next: Option<&FileBytes<'_>>) {
        let Some(next) = next else { return };
        if self.ahead.is_none() {
            self.ahead = self.outgoing(Asked::Decode, next).ok();
        }
        if let Some(ahead) = &mut self.ahead
            && self.link.set_nonblocking(true).is_ok()
        {
            drop(ahead.write(next.bytes(), &mut &self.link));
        }
    }

    /// The digest of a file, with a look between its pieces whether the process takes more of the next one.
    fn digest(&mut self, sent: &Sent<'_>, next: Option<&FileBytes<'_>>) -> [u8; 32] {
        while sent.digesting.step() {
            self.hand_over(next);
        }
        sent.digesting.sha256()
    }

    /// Sends a file, but for the gap, and takes the answer. After a fault nothing more is asked of the process.
    fn ask<T>(
        &mut self,
        outgoing: Outgoing,
        sent: &Sent<'_>,
        next: Option<&FileBytes<'_>>,
        take: impl FnOnce(&Awaited<'_>, &mut Link<'_>) -> io::Result<T>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        let taken = self.exchange(outgoing, sent, next, take);
        self.worked += began.elapsed();
        taken.map_err(|error| self.fault(&error))
    }

    /// The digest is made here, while the process reads, unless it was made before: what a file is known by is no word of the
    /// process.
    fn exchange<T>(
        &mut self,
        mut outgoing: Outgoing,
        sent: &Sent<'_>,
        next: Option<&FileBytes<'_>>,
        take: impl FnOnce(&Awaited<'_>, &mut Link<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let file = sent.file.bytes();
        let step = || sent.digesting.step();
        outgoing.write(file, connection(&self.link, sent.deadline, &step)?.get_mut())?;
        self.hand_over(next);
        let ahead = RefCell::new(self.ahead.as_mut().zip(next));
        let step = || {
            if let Some((ahead, next)) = &mut *ahead.borrow_mut() {
                drop(ahead.write(next.bytes(), &mut &self.link));
            }
            sent.digesting.step()
        };
        let awaited = Awaited { number: outgoing.number, file, is_whole: outgoing.gap.is_none() };
        let mut link = self.heard.as_slice().chain(connection(&self.link, sent.deadline, &step)?);
        let taken = take(&awaited, &mut link)?;
        let (rest, link) = link.get_ref();
        self.heard = [rest, link.buffer()].concat();
        // What was heard beyond the answer can only be one that is due.
        if self.heard.is_empty() || self.ahead.is_some() {
            Ok(taken)
        } else {
            Err(invalid("more than was asked for"))
        }
    }

    fn fault(&mut self, error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::TimedOut => {
                self.end();
                Fault::Hung
            }
            io::ErrorKind::InvalidData => {
                self.end();
                Fault::Died(format!("what it answered cannot be: {error}"))
            }
            _ => Fault::Died(format!("it ended: {}", self.end())),
        }
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
    digesting: Digesting<'a>,
    /// When the last answer has to be there.
    deadline: Deadline,
}

impl<'a> Sent<'a> {
    fn new(file: &'a FileBytes<'a>, timeout: Duration) -> Self {
        Self { file, digesting: Digesting::new(file), deadline: Deadline::after(timeout) }
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
