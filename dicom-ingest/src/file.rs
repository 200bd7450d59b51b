//! The bytes of a file, and the digest that it is known by.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// Bytes that are taken into a digest at once: tens of microseconds.
const PIECE: usize = 32 << 10;

/// All bytes of a file, and their SHA-256. It is made of exactly these bytes, when it is first asked for and never again; there is
/// no way to give a file another's.
pub struct FileBytes<'a> {
    bytes: Cow<'a, [u8]>,
    sha256: OnceLock<[u8; 32]>,
}

impl<'a> FileBytes<'a> {
    /// A file of these bytes.
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { bytes: bytes.into(), sha256: OnceLock::new() }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of its bytes.
    pub fn sha256(&self) -> [u8; 32] {
        *self.sha256.get_or_init(|| sha256(&self.bytes))
    }

    /// Bytes of memory that this holds: what is borrowed is another's.
    pub(crate) fn allocated(&self) -> u64 {
        match &self.bytes {
            Cow::Owned(bytes) => bytes.capacity() as u64,
            Cow::Borrowed(_) => 0,
        }
    }
}

/// The digest of a file, made a piece at a time by whoever has something else to do meanwhile.
pub(crate) struct Digesting<'a> {
    file: &'a FileBytes<'a>,
    /// The digest of the bytes so far, and those that are left.
    left: RefCell<(Sha256, &'a [u8])>,
}

impl<'a> Digesting<'a> {
    /// Of a file, from its beginning; nothing is left of one whose digest was made before.
    pub(crate) fn new(file: &'a FileBytes<'a>) -> Self {
        let left = if file.sha256.get().is_some() { &[] } else { file.bytes() };
        Self { file, left: RefCell::new((Sha256::new(), left)) }
    }

    /// Takes the next piece; `false` where none is left.
    pub(crate) fn step(&self) -> bool {
        let mut left = self.left.borrow_mut();
        let (piece, rest) = left.1.split_at(left.1.len().min(PIECE));
        left.0.update(piece);
        left.1 = rest;
        !rest.is_empty()
    }

    /// Takes what is left: the SHA-256 of the file's bytes, which is not made again.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        *self.file.sha256.get_or_init(|| {
            let mut left = self.left.borrow_mut();
            let (mut sha256, rest) = std::mem::replace(&mut *left, (Sha256::new(), &[]));
            sha256.update(rest);
            sha256.finalize().into()
        })
    }
}

/// A file holds a patient's data.
impl fmt::Debug for FileBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBytes").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The SHA-256 of a file's bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_bytes_whoever_owns_them() {
        let bytes = b"Doe^Jane".to_vec();
        for file in [FileBytes::new(bytes.as_slice()), FileBytes::new(bytes.clone())] {
            assert_eq!((file.sha256(), file.sha256()), (sha256(&bytes), sha256(&bytes)));
            assert_eq!(file.bytes(), bytes);
        }
    }

    #[test]
    fn a_file_cannot_be_printed() {
        assert_eq!(format!("{:?}", FileBytes::new(b"Doe^Jane")), "FileBytes { bytes: 8, .. }");
    }
}
