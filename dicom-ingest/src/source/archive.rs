//! ZIP archives among files (PKWARE APPNOTE 6.3): their entries are read like files, one at a time, into memory.
//!
//! Nothing is unpacked to a disk, and no name of an archive becomes a path: an entry is known by its number, as if the archive
//! were a folder, `study.zip/17`. Before an entry is read the directory is compared with the archive: number, sizes, places,
//! names. Every length is bounded by the bytes that are there or by [`Limits`]; an archive inside an archive is refused.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::{Crc, Decompress, FlushDecompress};

use super::directory::{Directory, Entry, Method};
use crate::inflate::inflate_to;
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// Signature of an entry, with which an archive begins.
const ENTRY: [u8; 4] = *b"PK\x03\x04";
/// Signature of the end of the directory, with which an empty archive begins.
const END: [u8; 4] = *b"PK\x05\x06";
/// Length of an entry's own header without its name.
const ENTRY_HEADER: usize = 30;
/// Compressed bytes that the first bytes of an entry are inflated from.
const HEAD_COMPRESSED: u64 = 4096;

/// Whether these first bytes are those of a ZIP archive, whatever the file is called.
pub(crate) fn is_archive(head: &[u8]) -> bool {
    head.starts_with(&ENTRY) || head.starts_with(&END)
}

/// An open archive.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    directory: Directory,
}

impl Archive {
    /// Opens an archive and looks at its whole directory.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, Refusal> {
        let mut file = File::open(path).map_err(|error| unreadable(&error))?;
        let directory = Directory::read(&mut file, limits)?;
        Ok(Self { file, directory })
    }

    /// The numbers of its entries that are no folders.
    pub(crate) fn members(&self) -> Vec<usize> {
        let entries = self.directory.entries.iter().enumerate();
        entries.filter(|(_, entry)| !entry.is_folder).map(|(number, _)| number).collect()
    }

    /// How many bytes each entry inflates to, in their order; those of a folder are not read.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> + '_ {
        self.directory.entries.iter().map(|entry| if entry.is_folder { 0 } else { entry.size })
    }

    /// The first bytes of an entry, `length` at most; fewer where it is shorter, `None` where it is packed in a way that is not
    /// read. Bytes that do not inflate are damage.
    pub(crate) fn head(&mut self, number: usize, length: usize) -> Result<Option<Vec<u8>>, Refusal> {
        let entry = self.entry(number)?;
        let mut head = Vec::new();
        match entry.method {
            Method::Stored => {
                let most = entry.compressed.min(length as u64);
                self.content(&entry)?
                    .take(most)
                    .read_to_end(&mut head)
                    .map_err(|error| unreadable(&error))?;
            }
            Method::Deflated => {
                let mut deflated = Vec::new();
                let most = entry.compressed.min(HEAD_COMPRESSED);
                self.content(&entry)?
                    .take(most)
                    .read_to_end(&mut deflated)
                    .map_err(|error| unreadable(&error))?;
                head.resize(length, 0);
                let mut inflate = Decompress::new(false);
                inflate
                    .decompress(&deflated, &mut head, FlushDecompress::None)
                    .map_err(|_| damaged("an entry does not inflate"))?;
                head.truncate(usize::try_from(inflate.total_out()).unwrap_or_default());
            }
            Method::Other(_) => return Ok(None),
        }
        Ok(Some(head))
    }

    /// All bytes of an entry, compared with what the directory says of them, in as much memory as they are.
    pub(crate) fn read(&mut self, number: usize, limits: &Limits) -> Result<Vec<u8>, Refusal> {
        let entry = self.entry(number)?;
        if entry.size > limits.max_file_bytes || entry.compressed > limits.max_file_bytes {
            return Err(Refusal::new(
                RefusalCode::TooLarge,
                format!("the entry has {} bytes, the limit is {}", entry.size, limits.max_file_bytes),
            ));
        }
        if let Method::Other(method) = entry.method {
            return Err(Refusal::new(
                RefusalCode::ArchiveMethod,
                format!("an entry is compressed by method {method}; only stored and deflated ones are read"),
            ));
        }
        let content = self.content(&entry)?;
        // The entry ends inside the file. Exactly: what is kept of a study is counted in memory.
        let mut packed = Vec::with_capacity(usize::try_from(entry.compressed).unwrap_or_default());
        content.take(entry.compressed).read_to_end(&mut packed).map_err(|error| unreadable(&error))?;
        if packed.len() as u64 != entry.compressed {
            return Err(damaged("the archive ends inside an entry"));
        }
        let mut bytes = match entry.method {
            Method::Deflated => inflate_to(&packed, entry.size)?,
            Method::Stored | Method::Other(_) => packed,
        };
        let mut crc = Crc::new();
        crc.update(&bytes);
        if bytes.len() as u64 != entry.size || crc.sum() != entry.crc {
            return Err(damaged("an entry has another length or checksum than the directory says"));
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    fn entry(&self, number: usize) -> Result<Entry, Refusal> {
        self.directory.entries.get(number).copied().ok_or_else(|| damaged("there is no such entry"))
    }

    /// The file at the first byte of an entry's content; the directory has been compared with where it ends.
    fn content(&mut self, entry: &Entry) -> Result<&mut File, Refusal> {
        let mut header = [0; ENTRY_HEADER];
        self.file.seek(SeekFrom::Start(entry.header_at)).map_err(|error| unreadable(&error))?;
        self.file.read_exact(&mut header).map_err(|_| damaged("the archive ends inside an entry"))?;
        if header[..4] != ENTRY {
            return Err(damaged("the directory names a place where no entry begins"));
        }
        let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let content_at = entry.header_at + ENTRY_HEADER as u64 + length(26) + length(28);
        if content_at.saturating_add(entry.compressed) > entry.ends_before {
            return Err(damaged("an entry reaches into the next one or the directory"));
        }
        self.file.seek(SeekFrom::Start(content_at)).map_err(|error| unreadable(&error))?;
        Ok(&mut self.file)
    }
}

/// The bytes of a file, or of the entry of an archive that a path such as `study.zip/17` names.
pub fn read_file(path: &Path, limits: &Limits) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let (archive, number) = member_of(path).ok_or(error)?;
            let opened = Archive::open(archive, limits);
            opened.and_then(|mut archive| archive.read(number, limits)).map_err(io::Error::other)
        }
        read => read,
    }
}

/// The archive and the number of the entry that a path names; `None` where its last part is no number.
pub(crate) fn member_of(path: &Path) -> Option<(&Path, usize)> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    Some((path.parent()?, number))
}

pub(super) fn damaged(what: &str) -> Refusal {
    Refusal::new(RefusalCode::ArchiveDamaged, format!("{what}; send the archive again"))
}

pub(super) fn unreadable(error: &io::Error) -> Refusal {
    Refusal::new(RefusalCode::UnreadableFile, format!("the archive could not be read: {}", error.kind()))
}
