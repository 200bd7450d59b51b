//! The central directory of a ZIP archive, read as a whole and compared with the archive before anything is taken from it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::archive::{damaged, unreadable};
use crate::inflate::cap;
use crate::limits::Limits;
use crate::refusal::{Refusal, RefusalCode};

/// End of the central directory (APPNOTE 4.3.16), and its length without a comment.
const END: [u8; 4] = *b"PK\x05\x06";
const END_BYTES: usize = 22;
/// Its 64-bit locator and record (4.3.15, 4.3.14).
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_BYTES: usize = 56;
/// A record of the directory (4.3.12), and its length without name, extra fields and comment.
const RECORD: [u8; 4] = *b"PK\x01\x02";
const RECORD_BYTES: usize = 46;
/// Longest comment of an archive.
const MAX_COMMENT: u64 = 0xFFFF;
/// Greatest length of a directory in bytes: 20,000 records with long names.
const MAX_DIRECTORY: u64 = 32 << 20;
/// The extra field of 64-bit sizes (4.5.3).
const EXTRA64: u16 = 1;
/// Flags: encrypted (bit 0), strongly encrypted (6), with a directory that is encrypted too (13).
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// How an entry is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
    Other(u16),
}

/// What the directory says of an entry. Its name is looked at and not kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) method: Method,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) header_at: u64,
    /// Where the next entry, or the directory, begins.
    pub(super) ends_before: u64,
    pub(super) is_folder: bool,
}

/// The directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
}

/// Where the records lie.
struct Place {
    entries: u64,
    at: u64,
    bytes: u64,
}

impl Directory {
    /// Reads the directory. An archive that is encrypted, names a place outside itself, or holds more than the limits allow is
    /// refused as a whole.
    pub(super) fn read(file: &mut File, limits: &Limits) -> Result<Self, Refusal> {
        let place = find(file)?;
        if place.entries > limits.max_archive_entries {
            return Err(Refusal::new(
                RefusalCode::TooManyEntries,
                format!(
                    "the archive has {} entries, the limit is {}",
                    place.entries, limits.max_archive_entries
                ),
            ));
        }
        if place.bytes > MAX_DIRECTORY {
            return Err(damaged("the directory is longer than any directory is"));
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(place.at)).map_err(|error| unreadable(&error))?;
        file.take(place.bytes).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let mut rest = bytes.as_slice();
        let mut entries = Vec::new();
        for _ in 0..place.entries {
            let (entry, after) = record(rest)?;
            entries.push(entry);
            rest = after;
        }
        bound(&mut entries, place.at)?;
        check_sizes(&entries, limits)?;
        Ok(Self { entries })
    }
}

/// Finds the records from the end of the file.
fn find(file: &mut File) -> Result<Place, Refusal> {
    let length = file.seek(SeekFrom::End(0)).map_err(|error| unreadable(&error))?;
    let tail_at = length.saturating_sub(END_BYTES as u64 + MAX_COMMENT);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_at)).map_err(|error| unreadable(&error))?;
    file.take(END_BYTES as u64 + MAX_COMMENT).read_to_end(&mut tail).map_err(|error| unreadable(&error))?;
    // the last one whose comment ends where the file does
    let ends = |at: &usize| {
        let end = tail.get(*at..*at + END_BYTES);
        end.is_some_and(|end| end[..4] == END && at + END_BYTES + usize::from(u16_at(end, 20)) == tail.len())
    };
    let last = tail.len().saturating_sub(END_BYTES);
    let at = (0..=last).rev().find(ends).ok_or_else(|| damaged("the end of the archive is missing"))?;
    let end = &tail[at..];
    let end_at = tail_at + at as u64;
    if [4, 6].into_iter().any(|at| !matches!(u16_at(end, at), 0 | 0xFFFF)) {
        return Err(damaged("the archive is one of several parts"));
    }
    let place =
        Place { entries: u16_at(end, 10).into(), bytes: u32_at(end, 12).into(), at: u32_at(end, 16).into() };
    let wide = place.entries == 0xFFFF || place.bytes == 0xFFFF_FFFF || place.at == 0xFFFF_FFFF;
    let (place, before) = match wide.then(|| find_wide(file, end_at)).transpose()?.flatten() {
        Some(wide) => wide,
        None => (place, end_at),
    };
    if place.at.checked_add(place.bytes).is_none_or(|end| end > before) {
        return Err(damaged("the directory does not lie inside the archive"));
    }
    Ok(place)
}

/// The 64-bit record, where there is one, and where it begins.
fn find_wide(file: &mut File, end_at: u64) -> Result<Option<(Place, u64)>, Refusal> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES as u64) else { return Ok(None) };
    let mut locator = [0; LOCATOR_BYTES];
    file.seek(SeekFrom::Start(locator_at)).map_err(|error| unreadable(&error))?;
    file.read_exact(&mut locator).map_err(|error| unreadable(&error))?;
    if locator[..4] != LOCATOR {
        return Ok(None);
    }
    let at = u64_at(&locator, 8);
    if at.checked_add(END64_BYTES as u64).is_none_or(|end| end > locator_at) {
        return Err(damaged("the 64-bit end of the archive does not lie inside it"));
    }
    let mut end = [0; END64_BYTES];
    file.seek(SeekFrom::Start(at)).map_err(|error| unreadable(&error))?;
    file.read_exact(&mut end).map_err(|error| unreadable(&error))?;
    if end[..4] != END64 {
        return Err(damaged("the 64-bit end of the archive is missing"));
    }
    Ok(Some((Place { entries: u64_at(&end, 32), bytes: u64_at(&end, 40), at: u64_at(&end, 48) }, at)))
}

/// Reads one record; gives what follows it.
fn record(bytes: &[u8]) -> Result<(Entry, &[u8]), Refusal> {
    let short = || damaged("the directory ends before its last entry");
    let fixed = bytes.get(..RECORD_BYTES).ok_or_else(short)?;
    if fixed[..4] != RECORD {
        return Err(damaged("the directory holds something else than entries"));
    }
    let lengths = [28, 30, 32].map(|at| usize::from(u16_at(fixed, at)));
    let [name, extra, comment] = lengths;
    let end = RECORD_BYTES + name + extra + comment;
    if bytes.len() < end {
        return Err(short());
    }
    let (name, rest) = bytes[RECORD_BYTES..].split_at(name);
    if u16_at(fixed, 8) & ENCRYPTED != 0 {
        let message = "the archive is encrypted; send it without a password";
        return Err(Refusal::new(RefusalCode::ArchiveEncrypted, message));
    }
    if escapes(name) {
        let message = "a name in the archive leads out of it; nothing of the archive is read";
        return Err(Refusal::new(RefusalCode::PathEscape, message));
    }
    let mut wide = extra64(&rest[..extra]);
    let mut full = |at: usize| match u32_at(fixed, at) {
        u32::MAX => wide.next().ok_or_else(|| damaged("a 64-bit size is missing")),
        value => Ok(u64::from(value)),
    };
    let size = full(24)?;
    let entry = Entry {
        method: match u16_at(fixed, 10) {
            0 => Method::Stored,
            8 => Method::Deflated,
            other => Method::Other(other),
        },
        crc: u32_at(fixed, 16),
        size,
        compressed: full(20)?,
        header_at: full(42)?,
        ends_before: 0,
        is_folder: name.ends_with(b"/"),
    };
    Ok((entry, &bytes[end..]))
}

/// The 64-bit values of the extra fields, in the order in which they stand (4.5.3).
fn extra64(mut fields: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut found: &[u8] = &[];
    while let Some(head) = fields.get(..4) {
        let length = usize::from(u16_at(head, 2));
        let Some(content) = fields.get(4..4 + length) else { break };
        if u16_at(head, 0) == EXTRA64 {
            found = content;
        }
        fields = &fields[4 + length..];
    }
    found.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight))
}

/// Whether a name leads out of the folder that it would be unpacked into, on any system.
fn escapes(name: &[u8]) -> bool {
    let slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    name.contains(&0)
        || name.first().is_some_and(slash)
        || name.get(1) == Some(&b':')
        || name.split(slash).any(|part| part == b"..")
}

/// Says of each entry where the next begins; refuses entries that share bytes or lie in the directory.
fn bound(entries: &mut [Entry], directory_at: u64) -> Result<(), Refusal> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|number| entries[*number].header_at);
    let mut next = directory_at;
    for number in order.into_iter().rev() {
        let entry = &mut entries[number];
        // an entry has a header of 30 bytes at the least
        let end = entry.header_at.checked_add(30).and_then(|end| end.checked_add(entry.compressed));
        if end.is_none_or(|end| end > next) {
            return Err(damaged("entries share bytes with each other or with the directory"));
        }
        entry.ends_before = next;
        next = entry.header_at;
    }
    Ok(())
}

/// Refuses what would grow beyond the limits.
fn check_sizes(entries: &[Entry], limits: &Limits) -> Result<(), Refusal> {
    let expands = |message: String| Err(Refusal::new(RefusalCode::ExpansionLimit, message));
    let total = entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.size));
    if total > limits.max_archive_bytes {
        return expands(format!(
            "the archive holds {total} bytes, the limit is {}",
            limits.max_archive_bytes
        ));
    }
    for entry in entries {
        let most = match entry.method {
            Method::Stored => entry.compressed,
            Method::Deflated | Method::Other(_) => cap(entry.compressed, limits),
        };
        if entry.size > most {
            return expands(format!(
                "an entry of {} bytes says that it holds {}, more than is believed",
                entry.compressed, entry.size
            ));
        }
    }
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}
