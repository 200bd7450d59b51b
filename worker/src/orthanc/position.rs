//! How far the change log of an Orthanc was read: one small file, replaced whole and durably.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::client::Change;
use crate::deliver::deliver;
use crate::job::digest;

/// The place could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {act} `{path}`, where it stands how far Orthanc's changes were read")]
pub struct PositionError {
    /// What was tried.
    pub act: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Everything up to this change was read and is on the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// The number of the last change; 0 before the first.
    pub(super) last: u64,
    /// What that change was. Another change under the same number means that Orthanc's database was made anew.
    pub(super) mark: Option<String>,
}

impl Position {
    /// Before the first change.
    pub(super) const START: Self = Self { last: 0, mark: None };

    /// After this change.
    pub(super) fn after(change: &Change) -> Self {
        Self { last: change.sequence, mark: Some(mark(change)) }
    }

    /// Whether this change stands where another one stood.
    pub(super) fn is_contradicted_by(&self, change: &Change) -> bool {
        change.sequence == self.last && self.mark.as_ref().is_some_and(|known| *known != mark(change))
    }
}

fn mark(change: &Change) -> String {
    digest(&[&change.kind, &change.resource, &change.date])
}

/// The file of one Orthanc in the folder of the state.
#[derive(Debug)]
pub(super) struct PositionFile {
    folder: PathBuf,
    name: String,
}

impl PositionFile {
    /// Another URL is another Orthanc with a file of its own.
    pub(super) fn of(state: &Path, url: &str) -> Self {
        let digest = digest(&["orthanc", url.trim_end_matches('/')]);
        let short = digest.get(..16).unwrap_or(&digest);
        Self { folder: state.to_owned(), name: format!("orthanc-{short}.json") }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// `None` where none was stored. A file that cannot be understood is an error: guessing would lose or repeat studies.
    pub(super) fn load(&self) -> Result<Option<Position>, PositionError> {
        let failed = |source| PositionError { act: "read", path: self.path(), source };
        let text = match fs::read_to_string(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        serde_json::from_str(&text).map(Some).map_err(|error| failed(error.into()))
    }

    /// Durable when this returns.
    pub(super) fn store(&self, position: &Position) -> Result<(), PositionError> {
        let failed = |source| PositionError { act: "write", path: self.path(), source };
        let text = serde_json::to_vec(position).map_err(|error| failed(error.into()))?;
        deliver(&self.folder, &self.name, &text).map(drop).map_err(|error| failed(error.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_and_a_damaged_one_is_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let file = PositionFile::of(&state, "http://127.0.0.1:8042/");
        assert_eq!(file.load().unwrap(), None);
        let change = |sequence, date: &str| Change {
            sequence,
            kind: "StableStudy".into(),
            resource: "r".into(),
            date: date.into(),
        };
        let position = Position::after(&change(7, "20260317T093000"));
        file.store(&Position::START).unwrap();
        file.store(&position).unwrap();
        assert_eq!(PositionFile::of(&state, "http://127.0.0.1:8042").load().unwrap(), Some(position.clone()));
        assert_eq!(PositionFile::of(&state, "http://127.0.0.1:8043").load().unwrap(), None);
        assert!(!position.is_contradicted_by(&change(7, "20260317T093000")));
        assert!(position.is_contradicted_by(&change(7, "20260318T093000")));
        assert!(!position.is_contradicted_by(&change(8, "20260318T093000")));
        fs::write(file.path(), "{").unwrap();
        assert_eq!(file.load().unwrap_err().act, "read");
    }
}
