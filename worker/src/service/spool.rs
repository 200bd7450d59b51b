//! Where studies from other machines lie while their jobs run: `<state>/spool`, one folder a worker, one in it a study.
//!
//! What lies there is a copy, and nobody's only one: a job that is taken up again fetches its study again. A folder goes
//! when its job does; what a killed worker left is removed when the next one starts.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder in `state`.
const FOLDER: &str = "spool";

/// Locked while folders of workers are made or removed.
const LOCK: &str = "lock";

/// Locked in a worker's folder for as long as the worker lives.
const OWNER: &str = "owner";

/// One worker's folder.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    made: AtomicU64,
    /// The lock ends with the process, however that ends.
    _owner: File,
}

/// A study's folder; it is removed when this is dropped.
#[derive(Debug)]
pub struct SpoolFolder(PathBuf);

impl Spool {
    /// Makes a folder for this worker, and removes those of workers that are gone.
    pub fn open(state: &Path) -> io::Result<Self> {
        let root = state.join(FOLDER);
        // What lies here are patients' images.
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let lock = File::create(root.join(LOCK))?;
        lock.lock()?;
        for entry in fs::read_dir(&root)? {
            let folder = entry?.path();
            if folder.is_dir() && is_left_over(&folder)? {
                fs::remove_dir_all(&folder)?;
            }
        }
        let folder = own(&root)?;
        let owner = File::create(folder.join(OWNER))?;
        owner.lock()?;
        Ok(Self { folder, made: AtomicU64::new(0), _owner: owner })
    }

    /// An empty folder for a study.
    pub fn folder(&self) -> io::Result<SpoolFolder> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(number.to_string());
        fs::create_dir(&path)?;
        Ok(SpoolFolder(path))
    }
}

impl SpoolFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SpoolFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(kind = %error.kind(), "a fetched study was not removed from the spool");
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Without its owner a folder is a left-over, which the next worker removes.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Whether nobody owns the folder. Folders are made and owned under the common lock, so one without owner has lost it.
fn is_left_over(folder: &Path) -> io::Result<bool> {
    match File::open(folder.join(OWNER)) {
        Ok(owner) => match owner.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn own(root: &Path) -> io::Result<PathBuf> {
    let mut number = 0_u64;
    loop {
        let folder = root.join(format!("worker-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_beside_each_other_keep_their_own_and_what_dead_ones_left_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let first = Spool::open(state.path()).unwrap();
        let study = first.folder().unwrap();
        fs::write(study.path().join("image"), "pixels").unwrap();
        let second = Spool::open(state.path()).unwrap();
        assert!(study.path().join("image").exists(), "its owner lives");
        // as after a kill: the folder stays and nobody holds its lock
        let left = second.folder().unwrap();
        fs::write(left.path().join("image"), "pixels").unwrap();
        let (left, place) = (left.path().to_owned(), second.folder.clone());
        fs::remove_file(place.join(OWNER)).unwrap();
        let third = Spool::open(state.path()).unwrap();
        assert!(!left.exists());
        let path = study.path().to_owned();
        drop(study);
        assert!(!path.exists(), "the folder goes with its job");
        drop((first, third));
        let names: Vec<_> = fs::read_dir(state.path().join(FOLDER))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [LOCK]);
    }
}
