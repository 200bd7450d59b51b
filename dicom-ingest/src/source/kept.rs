//! Files that stay in memory after their headers were read, for whoever decodes their pixels a moment later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::file::FileBytes;

/// Files as they were read, each with the digest that was made of it, within a bound of bytes. What does not fit is not kept: whoever
/// wants it reads it again. By itself it has room for nothing.
#[derive(Debug, Default)]
pub struct Kept {
    most_bytes: u64,
    bytes: u64,
    files: BTreeMap<PathBuf, FileBytes<'static>>,
}

impl Kept {
    /// Room for so many bytes.
    pub fn within(most_bytes: u64) -> Self {
        Self { most_bytes, ..Self::default() }
    }

    /// Bytes of memory that the files hold.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps a file if there is room.
    pub(super) fn keep(&mut self, path: &Path, file: FileBytes<'static>) {
        let more = file.allocated();
        if more <= self.most_bytes.saturating_sub(self.bytes) && !self.files.contains_key(path) {
            self.bytes += more;
            self.files.insert(path.to_owned(), file);
        }
    }

    /// The file that was found at a path, if it is here; then it is the caller's.
    pub fn take(&mut self, path: &Path) -> Option<FileBytes<'static>> {
        let file = self.files.remove(path)?;
        self.bytes -= file.allocated();
        Some(file)
    }

    /// Frees all of them.
    pub fn clear(&mut self) {
        self.files.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_kept_and_what_is_taken_makes_room() {
        let mut kept = Kept::within(10);
        let keep = |kept: &mut Kept, name: &str, bytes: usize| {
            kept.keep(Path::new(name), FileBytes::new(vec![7_u8; bytes]));
            kept.bytes()
        };
        assert_eq!(
            [("a", 6), ("b", 5), ("c", 4)].map(|(name, bytes)| keep(&mut kept, name, bytes)),
            [6, 6, 10]
        );
        assert_eq!(keep(&mut kept, "a", 0), 10, "a path is one file");
        assert!(kept.take(Path::new("b")).is_none());
        assert_eq!(kept.take(Path::new("a")).unwrap().bytes(), [7; 6]);
        assert!(kept.take(Path::new("a")).is_none(), "it is the taker's");
        assert_eq!(keep(&mut kept, "b", 5), 9);
        kept.clear();
        assert_eq!((kept.bytes(), kept.take(Path::new("c")).is_none()), (0, true));
        assert_eq!(keep(&mut Kept::default(), "a", 1), 0, "no room by itself");
    }

    #[test]
    fn memory_counts_and_not_length() {
        let mut roomy = Vec::with_capacity(100);
        roomy.push(7_u8);
        let mut kept = Kept::within(99);
        kept.keep(Path::new("a"), FileBytes::new(roomy));
        assert_eq!(kept.bytes(), 0);
    }
}
