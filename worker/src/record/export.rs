//! A folder with the NDJSON files of a bulk export: all patients, one resource a line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fusion::record::{exported_patients, exported_record};

use super::{Held, RecordFetchError};
use crate::identity::Person;
use crate::intake::record::files;

/// A folder of a bulk export.
#[derive(Debug)]
pub(crate) struct Export(PathBuf);

impl Export {
    /// Nothing is read yet.
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The record of the person of the images. The files are read each time: an export is replaced as a whole.
    pub(crate) fn fetch(&self, person: &Person) -> Result<Held, RecordFetchError> {
        let is_ndjson = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "ndjson");
        let paths = files(&self.0).map_err(RecordFetchError::Files)?;
        let read: io::Result<Vec<Vec<u8>>> =
            paths.iter().filter(|path| is_ndjson(path)).map(fs::read).collect();
        let read = read.map_err(RecordFetchError::Files)?;
        let parts: Vec<&[u8]> = read.iter().map(Vec::as_slice).collect();
        let wanted = |value: &str| person.identifiers.iter().any(|own| own.value == value);
        let matching: Vec<String> = exported_patients(parts.iter().copied())
            .into_iter()
            .filter(|patient| patient.identifiers.iter().any(|one| wanted(one.value.expose())))
            .map(|patient| patient.id)
            .collect();
        match matching.as_slice() {
            [] => Ok(Held::Nobody),
            [only] => exported_record(&parts, only)
                .map(Held::Bundle)
                .map_err(|source| RecordFetchError::Unusable { what: "the export", source }),
            several => Ok(Held::Several(several.len())),
        }
    }
}
