//! The bytes of a file, and the digest that it is known by.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

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
