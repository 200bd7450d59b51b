//! Studies from files and folders: nested, whatever the files are called.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::limits::Limits;
use crate::prescan::claims_to_be_dicom;
use crate::reader::{Header, Reader};
use crate::refusal::{Refusal, RefusalCode};
use crate::study::{RefusedFile, StudyFile, StudyOutcome, group};

/// Bytes that decide whether a file claims to be DICOM: preamble and prefix.
const HEAD_BYTES: u64 = 132;

/// What was found under some paths.
#[derive(Debug)]
pub struct Discovery {
    /// The studies, by Study Instance UID.
    pub studies: Vec<StudyOutcome>,
    /// Number of files that do not claim to be DICOM and were skipped.
    pub not_dicom: usize,
    /// Number of DICOMDIR files, which hold no images and were skipped.
    pub directories: usize,
    /// Files that claim to be DICOM and belong to no readable study, by path.
    pub unreadable: Vec<RefusedFile>,
}

/// A path that was asked for cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("could not read `{}`", path.display())]
pub struct DiscoverError {
    /// The path.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Finds the studies under files and folders. Folders are walked in order of names, links are followed, and a
/// place is visited once. `progress` is told the number of files looked at so far. Only a path of `paths` that
/// cannot be read is an error: a file inside a folder that cannot be read is one of `unreadable`. What the files hold
/// is read by `reader`.
pub fn discover(
    paths: &[PathBuf],
    reader: &dyn Reader,
    progress: &mut dyn FnMut(usize),
) -> Result<Discovery, DiscoverError> {
    let mut found = Found::default();
    for (looked_at, path) in files(paths)?.into_iter().enumerate() {
        found.look_at(path, reader);
        progress(looked_at + 1);
    }
    let (studies, unreadable) = group(found.files, found.refused);
    Ok(Discovery { studies, not_dicom: found.not_dicom, directories: found.directories, unreadable })
}

/// All files under the paths, in the order given, then by name; each once, whatever links lead to it.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, DiscoverError> {
    let mut files = Vec::new();
    let mut visited = BTreeSet::new();
    for path in paths {
        let fail = |source| DiscoverError { path: path.clone(), source };
        fs::metadata(path).map_err(fail)?;
        if path.is_dir() {
            fs::read_dir(path).map_err(fail)?;
        }
        let mut open = vec![path.clone()];
        while let Some(next) = open.pop() {
            // A link to nowhere has no canonical path; it is read, and refused, as it is.
            if !visited.insert(fs::canonicalize(&next).unwrap_or_else(|_| next.clone())) {
                continue;
            }
            if next.is_dir() {
                let entries = fs::read_dir(&next).into_iter().flatten().flatten();
                let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
                entries.sort_unstable_by(|a, b| b.cmp(a));
                open.extend(entries);
            } else {
                files.push(next);
            }
        }
    }
    Ok(files)
}

#[derive(Default)]
struct Found {
    files: Vec<StudyFile>,
    refused: Vec<RefusedFile>,
    not_dicom: usize,
    directories: usize,
}

impl Found {
    fn look_at(&mut self, path: PathBuf, reader: &dyn Reader) {
        match read(&path, reader.limits()) {
            Ok(None) => self.not_dicom += 1,
            Ok(Some(bytes)) => match reader.header(&bytes) {
                Header::Instance(instance) => self.files.push(StudyFile { path, instance: *instance }),
                Header::Directory => self.directories += 1,
                Header::Refused(study_uid, refusal) => {
                    self.refused.push(RefusedFile { path, study_uid, refusal });
                }
            },
            Err(refusal) => self.refused.push(RefusedFile { path, study_uid: None, refusal }),
        }
    }
}

/// Reads a file whole, when it claims to be DICOM by its first bytes; devices and pipes are no files.
fn read(path: &Path, limits: &Limits) -> Result<Option<Vec<u8>>, Refusal> {
    let unreadable = |error: io::Error| {
        Refusal::new(RefusalCode::UnreadableFile, format!("the file could not be read: {}", error.kind()))
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    if !claims_to_be_dicom(&bytes) {
        return Ok(None);
    }
    if metadata.len() > limits.max_file_bytes {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("the file has {} bytes, the limit is {}", metadata.len(), limits.max_file_bytes),
        ));
    }
    bytes.reserve(usize::try_from(metadata.len()).unwrap_or_default().saturating_sub(bytes.len()));
    file.take(limits.max_file_bytes + 1 - bytes.len() as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(bytes))
}
