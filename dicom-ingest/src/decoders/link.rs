//! The connection to a process that reads files, with a deadline.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes that are read at once where a head is due.
const READ_AT_ONCE: usize = 16 << 10;

/// What is read of a connection, heads at once with what follows them.
pub(super) type Link<'a> = BufReader<Timed<'a>>;

/// Reads and writes with a deadline.
pub(super) fn connection(link: &UnixStream, until: Instant) -> Link<'_> {
    BufReader::with_capacity(READ_AT_ONCE, Timed { link, until })
}

/// A connection with a deadline over all that is said on it.
pub(super) struct Timed<'a> {
    link: &'a UnixStream,
    until: Instant,
}

impl Timed<'_> {
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
    /// A signal, and the end of a stop, interrupt what has a time (signal(7)): it goes on then.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            self.link.set_read_timeout(self.left()?)?;
            match self.link.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(late),
            }
        }
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
