//! The records that were offered, and which of them carries a study's Patient ID.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fusion::record::bundle_patients;
use fusion::{Record, RecordError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::convert;
use crate::identity::{self, Person};
use crate::job::{RecordSource, SourceFile, hex};

/// How often the folder of a [`RecordIndex`] is looked through at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What `--record` named.
#[derive(Debug)]
pub enum Records {
    /// Nothing.
    NotGiven,
    /// One file, which must be this patient's.
    File(SourceFile, Option<Timestamp>),
    /// A folder with one bundle a patient.
    Folder {
        /// The records of which it can be told whose they are.
        known: Vec<Known>,
        /// Files that are no readable record of one patient.
        unreadable: Vec<PathBuf>,
    },
}

/// One record of a folder, and whose it is.
#[derive(Debug)]
pub struct Known {
    file: SourceFile,
    /// One person; several where the file holds the records of several, which is refused where one of them is asked for.
    people: Vec<Person>,
    latest: Option<Timestamp>,
    /// Whether it is refused because it holds resources of several patients.
    is_mixed: bool,
}

impl Known {
    fn is_of(&self, images: &Person) -> bool {
        self.people.iter().any(|person| identity::shares_identifier(images, person))
    }
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
            let found = self::known(path.clone(), &bytes, zone);
            if found.as_ref().is_none_or(|known| known.is_mixed) {
                unreadable.push(path);
            }
            known.extend(found);
        }
        Ok(Self::Folder { known, unreadable })
    }

    /// The record for the person in the images, with the latest time it states.
    pub fn for_person(&self, images: &Person) -> (RecordSource, Option<Timestamp>) {
        match self {
            Self::NotGiven => (RecordSource::NotGiven, None),
            Self::File(file, latest) => (RecordSource::File { file: file.clone() }, *latest),
            Self::Folder { known, .. } => source_for(images, known.iter()),
        }
    }

    /// Files of the folder that are no readable record of one patient.
    pub fn unreadable(&self) -> &[PathBuf] {
        match self {
            Self::Folder { unreadable, .. } => unreadable,
            Self::NotGiven | Self::File(..) => &[],
        }
    }
}

/// A folder with one bundle a patient, for as long as a worker runs: a file is read again when its size or time of change
/// is another, and the folder is looked through again when it was not for a second.
#[derive(Debug)]
pub struct RecordIndex {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Indexed>,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Indexed {
    stamp: Stamp,
    known: Option<Known>,
}

/// What tells that a file was changed.
type Stamp = (u64, Option<SystemTime>);

impl RecordIndex {
    /// Nothing is read yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, files: BTreeMap::new(), looked: None }
    }

    /// Takes up what was added, changed or removed.
    fn refresh(&mut self, zone: &TimeZone) -> std::io::Result<()> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let mut files_now = BTreeMap::new();
        for path in files(&self.folder)? {
            let stamp = stamp(&path)?;
            let indexed = match self.files.remove(&path) {
                Some(indexed) if indexed.stamp == stamp => indexed,
                _ => Indexed { stamp, known: known(path.clone(), &fs::read(&path)?, zone) },
            };
            files_now.insert(path, indexed);
        }
        self.files = files_now;
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// The record for the person in the images, as its file stands at this moment.
    pub fn for_person(&mut self, images: &Person, zone: &TimeZone) -> std::io::Result<RecordSource> {
        self.refresh(zone)?;
        let found = self.found(images);
        if let RecordSource::File { file } = &found
            && let Some(indexed) = self.files.get(&file.path)
            && stamp(&file.path).ok() != Some(indexed.stamp)
        {
            self.looked = None;
            self.refresh(zone)?;
            return Ok(self.found(images));
        }
        Ok(found)
    }

    fn found(&self, images: &Person) -> RecordSource {
        source_for(images, self.files.values().filter_map(|indexed| indexed.known.as_ref())).0
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn known(path: PathBuf, bytes: &[u8], zone: &TimeZone) -> Option<Known> {
    match Record::from_json(bytes) {
        Ok(record) => Some(Known {
            people: vec![convert::person_of_record(record.patient())],
            latest: record.latest_time(zone),
            file: source_file(path, bytes),
            is_mixed: false,
        }),
        Err(RecordError::MixedPatients { .. }) => Some(Known {
            people: bundle_patients(bytes).iter().map(convert::person_of_record).collect(),
            latest: None,
            file: source_file(path, bytes),
            is_mixed: true,
        }),
        Err(_) => None,
    }
}

fn source_for<'a>(
    images: &Person,
    known: impl Iterator<Item = &'a Known>,
) -> (RecordSource, Option<Timestamp>) {
    let matches: Vec<_> = known.filter(|one| one.is_of(images)).collect();
    match matches.as_slice() {
        [] => (RecordSource::NoMatch, None),
        [one] => (RecordSource::File { file: one.file.clone() }, one.latest),
        several => (RecordSource::Several { count: several.len() }, None),
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
