//! Writes a report's files so that a reader sees the whole old file or the whole new one, never half of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file could not be delivered.
#[derive(Debug, thiserror::Error)]
#[error("could not write `{path}`; check that the folder is writable and the disk is not full")]
pub struct DeliverError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes `bytes` to `folder/name` durably. Writing the same bytes again leaves the file as it is.
pub fn deliver(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, DeliverError> {
    let path = folder.join(name);
    let fail = |source| DeliverError { path: path.clone(), source };
    fs::create_dir_all(folder).map_err(fail)?;
    if fs::read(&path).is_ok_and(|before| before == bytes) {
        return Ok(path);
    }
    // One name a target: what a killed process left behind is overwritten by the next attempt.
    let partial = folder.join(format!(".{name}.partial"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(fail)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::deliver;

    #[test]
    fn delivering_twice_gives_one_file_with_the_last_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("1.2.3");
        deliver(&target, "report.html", b"one").unwrap();
        let path = deliver(&target, "report.html", b"two").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(target).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritable_place_is_a_typed_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(deliver(&file, "report.html", b"one").is_err());
    }
}
