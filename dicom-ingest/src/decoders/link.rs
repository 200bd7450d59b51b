//! The connection to a process of our own, with a deadline over what is said on it.

use std::io::{self, BufReader, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes that are read at once where a head is due.
const READ_AT_ONCE: usize = 16 << 10;

/// Reads and writes with a deadline, and does something else where it would wait: a piece of it at a time, until `step` says
/// that nothing is left.
pub(super) fn connection<'a>(
    link: &'a UnixStream,
    deadline: Deadline,
    step: &'a dyn Fn() -> bool,
) -> io::Result<BufReader<Busy<'a>>> {
    link.set_nonblocking(true)?;
    let busy = Busy { timed: Timed::new(link, deadline), step: Some(step) };
    Ok(BufReader::with_capacity(READ_AT_ONCE, busy))
}

/// [`Timed`], with something else to do.
///
/// The other side works meanwhile, so that neither waits for the other while both have something to do: what a connection
/// holds is less than a file or a picture, and it goes on each time that it was filled or emptied.
pub(super) struct Busy<'a> {
    timed: Timed<'a>,
    /// Does a piece, and says whether more is left; `None` from when nothing is. The connection does not wait until then.
    step: Option<&'a dyn Fn() -> bool>,
}

impl Busy<'_> {
    /// Acts as soon as that need not wait; `None` where it would, and nothing is left to do.
    fn meanwhile(
        &mut self,
        mut act: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        while let Some(step) = self.step {
            self.timed.deadline.left()?;
            match act(self.timed.link) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !step() {
                        self.step = None;
                        self.timed.link.set_nonblocking(false)?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map(Some),
            }
        }
        Ok(None)
    }
}

impl Read for Busy<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.meanwhile(|mut link| link.read(bytes))? {
            Some(read) => Ok(read),
            None => self.timed.read(bytes),
        }
    }
}

impl Write for Busy<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.meanwhile(|mut link| link.write(bytes))? {
            Some(written) => Ok(written),
            None => self.timed.write(bytes),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.meanwhile(|mut link| link.write_vectored(parts))? {
            Some(written) => Ok(written),
            None => self.timed.write_vectored(parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Until when an answer has to be there.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    within: Duration,
    until: Instant,
}

impl Deadline {
    /// So long from now.
    pub fn after(within: Duration) -> Self {
        Self { within, until: Instant::now() + within }
    }

    /// How long that was when it began, in whole seconds.
    pub fn seconds(self) -> u64 {
        self.within.as_secs()
    }

    fn left(self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// Reads and writes until the deadline; after it, an error of the kind [`io::ErrorKind::TimedOut`].
///
/// A signal, and the end of a stop, interrupt what has a time (signal(7)): it goes on then, if there is time left. Who was
/// stopped for longer than that cannot say that the other side hangs: an error of another kind.
#[derive(Debug)]
pub struct Timed<'a> {
    link: &'a UnixStream,
    deadline: Deadline,
}

impl<'a> Timed<'a> {
    /// A connection, from now to the deadline.
    pub fn new(link: &'a UnixStream, deadline: Deadline) -> Self {
        Self { link, deadline }
    }

    fn again<T>(&self, mut act: impl FnMut(&UnixStream, Option<Duration>) -> io::Result<T>) -> io::Result<T> {
        let mut left = self.deadline.left()?;
        loop {
            match act(self.link, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    let stopped = |_| io::Error::other("stopped for longer than an answer may take");
                    left = self.deadline.left().map_err(stopped)?;
                }
                done => return done.map_err(late),
            }
        }
    }
}

/// The system says that a call would block where its time is over.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.again(|mut link, left| {
            link.set_read_timeout(left)?;
            link.read(bytes)
        })
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.again(|mut link, left| {
            link.set_write_timeout(left)?;
            link.write(bytes)
        })
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.again(|mut link, left| {
            link.set_write_timeout(left)?;
            link.write_vectored(parts)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use super::*;

    /// A byte that comes after this process was stopped for a fifth of a second, read within so long.
    fn read_over_a_stop(within: Duration) -> io::Result<u8> {
        let (link, theirs) = UnixStream::pair()?;
        let own = std::process::id();
        let stop = format!("sleep 0.2; kill -STOP {own}; sleep 0.2; kill -CONT {own}; sleep 0.2; printf x");
        let mut stops =
            Command::new("sh").args(["-c", &stop]).stdout(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let mut byte = [0];
        let read = Timed::new(&link, Deadline::after(within)).read(&mut byte);
        stops.wait()?;
        read.map(|_| byte[0])
    }

    #[test]
    fn a_stop_while_an_answer_is_due_is_waited_over() {
        assert_eq!(read_over_a_stop(Duration::from_secs(30)).unwrap(), b'x');
    }

    #[test]
    fn what_does_not_come_in_time_is_late() {
        let (link, _theirs) = UnixStream::pair().unwrap();
        let mut timed = Timed::new(&link, Deadline::after(Duration::from_millis(5)));
        assert_eq!(timed.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(timed.write(&[0]).unwrap_err().kind(), io::ErrorKind::TimedOut, "its time is over");
    }
}
