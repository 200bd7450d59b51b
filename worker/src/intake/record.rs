//! The records that were offered, and which of them carries a study's Patient ID.

use std::fs;
use std::path::{Path, PathBuf};

use fusion::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::convert;
use crate::identity::{self, Person};
use crate::job::{RecordSource, SourceFile, hex};

/// What `--record` named.
#[derive(Debug)]
pub enum Records {
    /// Nothing.
    NotGiven,
    /// One file, which must be this patient's.
    File(SourceFile, Option<Timestamp>),
    /// A folder with one bundle a patient.
    Folder {
        /// The readable records.
        known: Vec<Known>,
        /// Files that are no readable record.
        unreadable: Vec<PathBuf>,
    },
}

/// One readable record of a folder.
#[derive(Debug)]
pub struct Known {
    file: SourceFile,
    person: Person,
    latest: Option<Timestamp>,
}

/// The records could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read the record `{path}`")]
pub struct RecordsError {
    /// File or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl Records {
    /// Reads what `--record` named. A folder is walked; its files may have any names.
    pub fn open(path: Option<&Path>, zone: &TimeZone) -> Result<Self, RecordsError> {
        let Some(path) = path else { return Ok(Self::NotGiven) };
        let fail = |source| RecordsError { path: path.to_owned(), source };
        let path = fs::canonicalize(path).map_err(fail)?;
        if path.is_dir() {
            return Self::folder(&path, zone).map_err(fail);
        }
        let bytes = fs::read(&path).map_err(fail)?;
        let latest = Record::from_json(&bytes).ok().and_then(|record| record.latest_time(zone));
        Ok(Self::File(source_file(path, &bytes), latest))
    }

    fn folder(folder: &Path, zone: &TimeZone) -> std::io::Result<Self> {
        let (mut known, mut unreadable) = (Vec::new(), Vec::new());
        for path in files(folder)? {
            let bytes = fs::read(&path)?;
            match Record::from_json(&bytes) {
                Ok(record) => known.push(Known {
                    person: convert::person_of_record(record.patient()),
                    latest: record.latest_time(zone),
                    file: source_file(path, &bytes),
                }),
                Err(_) => unreadable.push(path),
            }
        }
        Ok(Self::Folder { known, unreadable })
    }

    /// The record for the person in the images, with the latest time it states.
    pub fn for_person(&self, images: &Person) -> (RecordSource, Option<Timestamp>) {
        match self {
            Self::NotGiven => (RecordSource::NotGiven, None),
            Self::File(file, latest) => (RecordSource::File { file: file.clone() }, *latest),
            Self::Folder { known, .. } => {
                let matches: Vec<_> =
                    known.iter().filter(|one| identity::shares_identifier(images, &one.person)).collect();
                match matches.as_slice() {
                    [] => (RecordSource::NoMatch, None),
                    [one] => (RecordSource::File { file: one.file.clone() }, one.latest),
                    several => (RecordSource::Several { count: several.len() }, None),
                }
            }
        }
    }

    /// Files of the folder that are no readable record.
    pub fn unreadable(&self) -> &[PathBuf] {
        match self {
            Self::Folder { unreadable, .. } => unreadable,
            Self::NotGiven | Self::File(..) => &[],
        }
    }
}

fn source_file(path: PathBuf, bytes: &[u8]) -> SourceFile {
    SourceFile { path, sha256: hex(&Sha256::digest(bytes)) }
}

/// All files below `folder`, in the order of their paths. Links are not followed, so there is no way round in circles.
pub(crate) fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
