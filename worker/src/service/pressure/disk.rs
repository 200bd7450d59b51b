//! Free room on the disks that the worker writes to.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

/// A disk that does not answer for so long, such as a network share whose server is away, counts as unreadable.
const PATIENCE: Duration = Duration::from_secs(1);

/// A disk with the place that lies on it.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) place: String,
    path: PathBuf,
    /// A look that hangs in the system: no second one is begun beside it.
    hanging: Mutex<Option<JoinHandle<Option<u64>>>>,
}

impl Disk {
    pub(crate) fn new(place: &str, path: &Path) -> Self {
        Self { place: place.to_owned(), path: path.to_owned(), hanging: Mutex::new(None) }
    }

    /// Bytes that this worker can still write; `None` where the disk cannot be looked at.
    pub(crate) async fn free(&self) -> Option<u64> {
        let hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner).take();
        let path = self.path.clone();
        let mut look = hanging.unwrap_or_else(|| tokio::task::spawn_blocking(move || free_bytes(&path)));
        if let Ok(free) = tokio::time::timeout(PATIENCE, &mut look).await {
            return free.ok().flatten();
        }
        *self.hanging.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        None
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    // a disk without room for one more file is full, however many bytes it has
    let has_names = disk.f_files == 0 || disk.f_favail > 0;
    Some(if has_names { disk.f_bavail.saturating_mul(disk.f_frsize) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_has_room_and_a_missing_place_cannot_be_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Disk::new("state", folder.path()).free().await.is_some_and(|free| free > 0));
        assert_eq!(Disk::new("state", &folder.path().join("missing")).free().await, None);
    }
}
