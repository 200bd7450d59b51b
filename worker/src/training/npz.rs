//! NumPy's `.npz`: a ZIP archive of `.npy` arrays (NEP 1; APPNOTE 6.3.10, the central directory).
//!
//! Only what `numpy.savez` writes is read: arrays of 8-bit unsigned numbers in C
//! order, stored or deflated, no ZIP64, no encryption. Every size is checked
//! against the file's before anything is allocated.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// The largest array, in bytes.
const MAX_ARRAY_BYTES: usize = 1 << 30;
/// The longest end-of-directory record with its comment.
const MAX_END_BYTES: usize = 22 + 65_535;

/// An array of 8-bit numbers in C order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<u8>,
}

/// An `.npz` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    /// The file could not be read or is too large.
    #[error("could not read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The archive is damaged or of a form that is not read.
    #[error("`{path}` is no archive of arrays: {reason}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// An array is missing.
    #[error("`{path}` has no array `{name}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
    },
    /// An array is not one of 8-bit numbers in C order, or is cut off.
    #[error("array `{name}` of `{path}` cannot be used: {reason}")]
    Array {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// An opened archive.
#[derive(Debug)]
pub struct Npz {
    path: PathBuf,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    method: u16,
    packed: usize,
    size: usize,
    offset: usize,
}

impl Npz {
    /// Reads the file and its directory.
    pub fn open(path: &Path) -> Result<Self, NpzError> {
        let failed = |source| NpzError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        Self::from_bytes(path, std::fs::read(path).map_err(failed)?)
    }

    fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, NpzError> {
        let entries =
            directory(&bytes).map_err(|reason| NpzError::Archive { path: path.to_owned(), reason })?;
        Ok(Self { path: path.to_owned(), bytes, entries })
    }

    /// The array `name`, without the ending `.npy`.
    pub fn array(&self, name: &str) -> Result<Array, NpzError> {
        let file = format!("{name}.npy");
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.name == file)
            .ok_or_else(|| NpzError::Missing { path: self.path.clone(), name: name.to_owned() })?;
        let wrong = |reason| NpzError::Array { path: self.path.clone(), name: name.to_owned(), reason };
        let bytes = unpacked(&self.bytes, entry).map_err(wrong)?;
        npy(&bytes).map_err(wrong)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes([four[0], four[1], four[2], four[3]])).ok()
}

/// The central directory, found from the archive's end.
fn directory(bytes: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let first = bytes.len().saturating_sub(MAX_END_BYTES);
    let tail = &bytes[first..];
    let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or("it has no end of directory")?;
    let end = first + end;
    let cut = "its directory is cut off";
    let count = u16_at(bytes, end + 10).ok_or(cut)?;
    let mut at = u32_at(bytes, end + 16).ok_or(cut)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        if bytes.get(at..at.saturating_add(4)) != Some(b"PK\x01\x02".as_slice()) {
            return Err(cut);
        }
        let flags = u16_at(bytes, at + 8).ok_or(cut)?;
        if flags & 1 != 0 {
            return Err("an entry is encrypted");
        }
        let method = u16::try_from(u16_at(bytes, at + 10).ok_or(cut)?).map_err(|_| cut)?;
        let (packed, size) = (u32_at(bytes, at + 20).ok_or(cut)?, u32_at(bytes, at + 24).ok_or(cut)?);
        let lengths = [28, 30, 32].map(|field| u16_at(bytes, at + field));
        let [Some(name), Some(extra), Some(comment)] = lengths else { return Err(cut) };
        let offset = u32_at(bytes, at + 42).ok_or(cut)?;
        let name_bytes = bytes.get(at + 46..at + 46 + name).ok_or(cut)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(name_bytes).into_owned(),
            method,
            packed,
            size,
            offset,
        });
        at += 46 + name + extra + comment;
    }
    Ok(entries)
}

/// The bytes of an entry.
fn unpacked(bytes: &[u8], entry: &Entry) -> Result<Vec<u8>, &'static str> {
    let cut = "it is cut off";
    if bytes.get(entry.offset..entry.offset.saturating_add(4)) != Some(b"PK\x03\x04".as_slice()) {
        return Err("its header is not where the directory says");
    }
    let name = u16_at(bytes, entry.offset + 26).ok_or(cut)?;
    let extra = u16_at(bytes, entry.offset + 28).ok_or(cut)?;
    let start = entry.offset + 30 + name + extra;
    let packed = bytes.get(start..start.saturating_add(entry.packed)).ok_or(cut)?;
    if entry.size > MAX_ARRAY_BYTES {
        return Err("it is too large");
    }
    let unpacked = match entry.method {
        0 => packed.to_vec(),
        8 => {
            let mut out = Vec::new();
            let most = entry.size as u64 + 1;
            flate2::read::DeflateDecoder::new(packed)
                .take(most)
                .read_to_end(&mut out)
                .map_err(|_| "it is not deflated as it says")?;
            out
        }
        _ => return Err("its compression is not known"),
    };
    if unpacked.len() == entry.size { Ok(unpacked) } else { Err("it has another size than it says") }
}

/// An array of NEP 1, versions 1 to 3.
fn npy(bytes: &[u8]) -> Result<Array, &'static str> {
    let cut = "its header is cut off";
    if bytes.get(..6) != Some(b"\x93NUMPY".as_slice()) {
        return Err("it is no NumPy array");
    }
    let (length, start) = match bytes.get(6).ok_or(cut)? {
        1 => (u16_at(bytes, 8).ok_or(cut)?, 10_usize),
        2 | 3 => (u32_at(bytes, 8).ok_or(cut)?, 12),
        _ => return Err("its version is not known"),
    };
    let end = start.saturating_add(length);
    let header =
        std::str::from_utf8(bytes.get(start..end).ok_or(cut)?).map_err(|_| "its header is no text")?;
    let squeezed: String = header.chars().filter(|c| !c.is_whitespace()).collect();
    if !(squeezed.contains("'descr':'|u1'") && squeezed.contains("'fortran_order':False")) {
        return Err("it is not of 8-bit unsigned numbers in C order");
    }
    let shape = squeezed.split_once("'shape':(").and_then(|(_, rest)| rest.split_once(')')).ok_or(cut)?.0;
    let shape: Vec<usize> = shape
        .split(',')
        .filter(|extent| !extent.is_empty())
        .map(|extent| extent.parse().map_err(|_| "its shape is not readable"))
        .collect::<Result<_, _>>()?;
    let count =
        shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side)).ok_or("it is too large")?;
    let values = bytes.get(end..).ok_or(cut)?;
    if values.len() == count {
        Ok(Array { shape, values: values.to_vec() })
    } else {
        Err("it has not one value a place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made by `numpy.savez_compressed(f, a=numpy.arange(6, dtype="u1").reshape(2, 3))`, NumPy 2.
    const SAVED: &[u8] = include_bytes!("../../tests/data/arange.npz");

    fn open(bytes: &[u8]) -> Result<Npz, NpzError> {
        Npz::from_bytes(Path::new("test.npz"), bytes.to_vec())
    }

    #[test]
    fn what_numpy_saves_is_read() {
        let npz = open(SAVED).unwrap();
        assert_eq!(npz.array("a").unwrap(), Array { shape: vec![2, 3], values: vec![0, 1, 2, 3, 4, 5] });
        assert!(matches!(npz.array("b"), Err(NpzError::Missing { .. })));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_harmless_and_never_a_panic(at in 0_usize..SAVED.len(), value in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = SAVED.to_vec();
            if cut { bytes.truncate(at); } else { bytes[at] = value; }
            if let Ok(npz) = open(&bytes) && let Ok(array) = npz.array("a") {
                prop_assert_eq!(array.values.len(), array.shape.iter().product::<usize>());
            }
        }
    }
}
