//! The connection to a device process, with a deadline over what is said on it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Until when an answer has to be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    within: Duration,
    until: Instant,
}

impl Deadline {
    /// So long from now.
    pub(super) fn after(within: Duration) -> Self {
        Self { within, until: Instant::now() + within }
    }

    /// How long that was when it began, in seconds.
    pub(super) fn seconds(self) -> u64 {
        self.within.as_secs()
    }

    fn left(self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// Reads and writes until the deadline.
pub(super) struct Timed<'a> {
    link: &'a UnixStream,
    deadline: Deadline,
}

impl<'a> Timed<'a> {
    pub(super) fn new(link: &'a UnixStream, deadline: Deadline) -> Self {
        Self { link, deadline }
    }
}

/// The system says that a call would block where its time is over.
fn late(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed<'_> {
    /// A signal, and the end of a stop, interrupt what has a time (signal(7)): it goes on then.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            self.link.set_read_timeout(self.deadline.left()?)?;
            match self.link.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(late),
            }
        }
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.link.set_write_timeout(self.deadline.left()?)?;
        self.link.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
