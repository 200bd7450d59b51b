//! Files of a study as they come in: counted against the limits, and named by what they hold.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{FetchLimits, SourceError};

/// Bytes that are gathered before the disk is asked.
const BUFFER_BYTES: usize = 256 * 1024;

/// A folder that files come into; several at the same time.
#[derive(Debug)]
pub(crate) struct Landing {
    folder: PathBuf,
    limits: FetchLimits,
    bytes: AtomicU64,
    files: AtomicUsize,
}

/// A file that is not whole yet.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    landing: &'a Landing,
    path: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
}

impl Landing {
    pub(crate) fn new(folder: &Path, limits: FetchLimits) -> Self {
        Self { folder: folder.to_owned(), limits, bytes: AtomicU64::new(0), files: AtomicUsize::new(0) }
    }

    /// Begins a file.
    pub(crate) async fn begin(&self) -> Result<Incoming<'_>, SourceError> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        if number >= self.limits.max_files {
            return Err(SourceError::TooManyFiles { limit: self.limits.max_files });
        }
        let path = self.folder.join(format!("incoming-{number}"));
        let file = File::create_new(&path).await.map_err(SourceError::Spool)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Incoming { landing: self, path, file, digest: Sha256::new() })
    }

    /// Files that were begun.
    pub(crate) fn files(&self) -> usize {
        self.files.load(Ordering::Relaxed)
    }

    /// Counts bytes before they are written.
    fn admit(&self, bytes: usize) -> Result<(), SourceError> {
        let bytes = bytes as u64;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let (bytes, limit) = (before.saturating_add(bytes), self.limits.max_bytes);
        if bytes > limit { Err(SourceError::TooLarge { bytes, limit }) } else { Ok(()) }
    }
}

impl Incoming<'_> {
    /// Takes some more bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.landing.admit(bytes.len())?;
        self.digest.update(bytes);
        self.file.write_all(bytes).await.map_err(SourceError::Spool)
    }

    /// The file is whole: it gets its name. The same bytes a second time are the same file.
    pub(crate) async fn end(mut self) -> Result<[u8; 32], SourceError> {
        self.file.flush().await.map_err(SourceError::Spool)?;
        let digest: [u8; 32] = self.digest.finalize().into();
        fs::rename(&self.path, self.landing.folder.join(hexadecimal(&digest)))
            .await
            .map_err(SourceError::Spool)?;
        Ok(digest)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_named_by_their_digest_and_bounded_together() {
        let folder = tempfile::tempdir().unwrap();
        let landing = Landing::new(folder.path(), FetchLimits { max_bytes: 7, max_files: 3 });
        for _ in 0..2 {
            let mut file = landing.begin().await.unwrap();
            file.write(b"a").await.unwrap();
            file.write(b"bc").await.unwrap();
            file.end().await.unwrap();
        }
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]);
        let mut third = landing.begin().await.unwrap();
        let larger = third.write(b"xy").await;
        assert!(matches!(larger, Err(SourceError::TooLarge { bytes: 8, limit: 7 })), "{larger:?}");
        assert!(matches!(landing.begin().await, Err(SourceError::TooManyFiles { limit: 3 })));
    }
}
