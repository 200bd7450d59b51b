//! An ask on its way to a process: the connection holds less than a file, so that one that is handed over while the process is at
//! work with another goes out in parts.

use std::io::{self, IoSlice, Write};

use super::wire::{self, Asked, Gap};

/// What is sent of a file, and how much of that was.
pub(super) struct Outgoing {
    /// Of the ask.
    pub(super) number: u64,
    /// What of the file is not sent.
    pub(super) gap: Option<Gap>,
    head: Vec<u8>,
    written: usize,
}

impl Outgoing {
    /// An ask about a file, of which the gap is not sent.
    pub(super) fn new(number: u64, asked: &Asked, gap: Option<Gap>, file: &[u8]) -> io::Result<Self> {
        let mut head = Vec::new();
        let body: usize = without(gap, file).iter().map(|part| part.len()).sum();
        wire::begin(&mut head, number, asked, body as u64)?;
        Ok(Self { number, gap, head, written: 0 })
    }

    /// Writes what is left, of the same file, until that is all or cannot be written now.
    pub(super) fn write(&mut self, file: &[u8], to: &mut impl Write) -> io::Result<()> {
        let [before, behind] = without(self.gap, file);
        loop {
            let mut parts = [&self.head, before, behind].map(IoSlice::new);
            let mut left = parts.as_mut_slice();
            IoSlice::advance_slices(&mut left, self.written);
            if left.is_empty() {
                return Ok(());
            }
            match to.write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The bytes of a file before and behind a gap.
fn without(gap: Option<Gap>, file: &[u8]) -> [&[u8]; 2] {
    let parts = gap.and_then(|gap| {
        let at = usize::try_from(gap.at).ok()?;
        let behind = at.checked_add(usize::try_from(gap.length).ok()?)?;
        Some([file.get(..at)?, file.get(behind..)?])
    });
    parts.unwrap_or([file, &[]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and none each second time.
    struct Narrow {
        taken: Vec<u8>,
        is_full: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.taken.write(&bytes[..bytes.len().min(7)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_goes_out_in_parts_is_what_goes_out_at_once() {
        let file: Vec<u8> = (0..100).collect();
        for gap in [None, Some(Gap { at: 10, length: 80 }), Some(Gap { at: 0, length: 100 })] {
            let asked = Asked::Decode(gap);
            let mut whole = Vec::new();
            Outgoing::new(3, &asked, gap, &file).unwrap().write(&file, &mut whole).unwrap();
            let mut narrow = Narrow { taken: Vec::new(), is_full: false };
            let mut outgoing = Outgoing::new(3, &asked, gap, &file).unwrap();
            while let Err(error) = outgoing.write(&file, &mut narrow) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            }
            assert_eq!(narrow.taken, whole);
            let sent = without(gap, &file).concat();
            assert!(whole.ends_with(&sent) && sent.len() as u64 == gap.map_or(100, |gap| 100 - gap.length));
            outgoing.write(&file, &mut narrow).unwrap();
            assert_eq!(narrow.taken, whole, "nothing goes out twice");
        }
    }
}
