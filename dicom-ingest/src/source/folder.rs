//! Studies from files, folders and ZIP archives: nested, whatever the files are called. An archive is as good as a folder, its
//! entries as good as files: `study.zip/17`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::archive::{Archive, damaged, is_archive, member_of};
use super::kept::Kept;
use crate::file::FileBytes;
use crate::limits::Limits;
use crate::prescan::claims_to_be_dicom;
use crate::reader::{Header, Reader};
use crate::refusal::{Refusal, RefusalCode};
use crate::study::{RefusedFile, StudyFile, StudyOutcome, group};
use crate::uid::Home;

/// Bytes that decide whether a file claims to be DICOM: preamble and prefix.
const HEAD_BYTES: usize = 132;

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
    discover_keeping(paths, reader, &mut Kept::default(), progress)
}

/// [`discover`] for whoever decodes right after: files with pixels stay in `kept` as they were read, the first ones, as many as it
/// has room for.
pub fn discover_keeping(
    paths: &[PathBuf],
    reader: &dyn Reader,
    kept: &mut Kept,
    progress: &mut dyn FnMut(usize),
) -> Result<Discovery, DiscoverError> {
    let mut found =
        Found { kept, files: Vec::new(), refused: Vec::new(), not_dicom: 0, directories: 0, open: None };
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
        match fs::metadata(path) {
            // An entry of an archive, which the job names.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && member_of(path).is_some() => {
                files.push(path.clone());
                continue;
            }
            found => found.map(drop).map_err(fail)?,
        }
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

struct Found<'a> {
    kept: &'a mut Kept,
    files: Vec<StudyFile>,
    refused: Vec<RefusedFile>,
    not_dicom: usize,
    directories: usize,
    /// The archive that the last entry was read from: a job names its entries one after the other.
    open: Option<(PathBuf, Archive)>,
}

/// What the first bytes of a file say that it is.
enum Kind {
    Dicom(Vec<u8>),
    TooLarge(u64),
    Archive,
    Other,
}

impl Found<'_> {
    fn look_at(&mut self, path: PathBuf, reader: &dyn Reader) {
        match read(&path, reader.limits()) {
            Ok(Kind::Other) => self.not_dicom += 1,
            Ok(Kind::Dicom(bytes)) => self.take(path, bytes, reader),
            Ok(Kind::Archive) => self.look_into(&path, reader),
            Ok(Kind::TooLarge(bytes)) => {
                let limit = reader.limits().max_file_bytes;
                let message = format!("the file has {bytes} bytes, the limit is {limit}");
                self.refuse(path, Refusal::new(RefusalCode::TooLarge, message));
            }
            Err(error) => match member_of(&path) {
                Some((archive, number)) if error.kind() == io::ErrorKind::NotADirectory => {
                    self.look_at_member(archive, number, reader);
                }
                _ => {
                    let message = format!("the file could not be read: {}", error.kind());
                    self.refuse(path, Refusal::new(RefusalCode::UnreadableFile, message));
                }
            },
        }
    }

    /// Every entry of an archive.
    fn look_into(&mut self, path: &Path, reader: &dyn Reader) {
        match Archive::open(path, reader.limits()) {
            Ok(archive) => {
                let members = archive.members();
                self.open = Some((path.to_owned(), archive));
                for number in members {
                    self.look_at_member(path, number, reader);
                }
            }
            Err(refusal) => self.refuse(path.to_owned(), refusal),
        }
    }

    /// One entry of an archive, which is open already or is opened now.
    fn look_at_member(&mut self, archive: &Path, number: usize, reader: &dyn Reader) {
        let path = archive.join(number.to_string());
        match self.member(archive, number, reader.limits()) {
            Ok(Some(bytes)) => self.take(path, bytes, reader),
            Ok(None) => self.not_dicom += 1,
            Err(refusal) => self.refuse(path, refusal),
        }
    }

    /// The bytes of an entry that claims to be DICOM.
    fn member(&mut self, archive: &Path, number: usize, limits: &Limits) -> Result<Option<Vec<u8>>, Refusal> {
        let held = self.open.take().filter(|(path, _)| path == archive);
        let (_, open) = match held {
            Some(open) => self.open.insert(open),
            None => self.open.insert((archive.to_owned(), Archive::open(archive, limits)?)),
        };
        let Some(head) = open.head(number, HEAD_BYTES)? else { return open.read(number, limits).map(Some) };
        if claims_to_be_dicom(&head) {
            return open.read(number, limits).map(Some);
        }
        if is_archive(&head) {
            let message = "an archive lies inside the archive; unpack it, or send its files";
            return Err(Refusal::new(RefusalCode::ArchiveNested, message));
        }
        // What is damaged may have been DICOM; what is too large or packed in another way is not looked at.
        match open.read(number, limits) {
            Ok(_) => Ok(None),
            Err(refusal) if matches!(refusal.code, RefusalCode::TooLarge | RefusalCode::ArchiveMethod) => {
                Ok(None)
            }
            Err(refusal) if refusal.code == RefusalCode::UnreadableFile => Err(refusal),
            Err(_) => Err(damaged("an entry does not hold what the directory says")),
        }
    }

    fn take(&mut self, path: PathBuf, bytes: Vec<u8>, reader: &dyn Reader) {
        let file = FileBytes::new(bytes);
        match reader.header(&file) {
            Header::Instance(instance) => {
                if instance.pixels.is_some() {
                    self.kept.keep(&path, file);
                }
                self.files.push(StudyFile { path, instance: *instance });
            }
            Header::Directory => self.directories += 1,
            Header::Refused(home, refusal) => self.refused.push(RefusedFile { path, home, refusal }),
        }
    }

    fn refuse(&mut self, path: PathBuf, refusal: Refusal) {
        self.refused.push(RefusedFile { path, home: Home::default(), refusal });
    }
}

/// Whether the file begins as a DICOM file or an archive does, whatever it is called; one that cannot be read may.
pub fn is_of_a_study(path: &Path) -> bool {
    let head = fs::File::open(path).and_then(|file| {
        let mut head = Vec::new();
        file.take(HEAD_BYTES as u64).read_to_end(&mut head).map(|_| head)
    });
    head.map_or(true, |head| claims_to_be_dicom(&head) || is_archive(&head))
}

/// Reads a file whole, when it claims to be DICOM by its first bytes; devices and pipes are no files.
fn read(path: &Path, limits: &Limits) -> io::Result<Kind> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Kind::Other);
    }
    let mut file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    if !claims_to_be_dicom(&bytes) {
        return Ok(if is_archive(&bytes) { Kind::Archive } else { Kind::Other });
    }
    if metadata.len() > limits.max_file_bytes {
        return Ok(Kind::TooLarge(metadata.len()));
    }
    // Exactly: what is kept of a study is counted in memory.
    bytes.reserve_exact(usize::try_from(metadata.len()).unwrap_or_default().saturating_sub(bytes.len()));
    let most = limits.max_file_bytes.saturating_add(1).saturating_sub(bytes.len() as u64);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Kind::Dicom(bytes))
}
