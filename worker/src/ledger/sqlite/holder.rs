//! Who holds a lease, and whether that worker still lives.
//!
//! Every worker keeps an exclusive lock on a file of its own beside the ledger for as long as it lives. The kernel
//! lets go of the lock when the process ends, however it ends, so a lease of a killed worker is void at once and
//! nobody waits for a timeout. A worker that lives but hangs loses its lease when the lease runs out; the token in
//! the lease then keeps its late writes out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One living worker's claim to its leases.
#[derive(Debug)]
pub struct Holder {
    token: String,
    path: PathBuf,
    _lock: File,
}

impl Holder {
    /// Registers this process in `folder` under a token that no other process has.
    pub(crate) fn register(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let process = std::process::id();
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        for attempt in 0_u32.. {
            let token = format!("{process}-{began}-{attempt}");
            let path = lock_path(folder, &token);
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => return Ok(Self { token, path, _lock: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("no free worker token"))
    }

    /// The name this worker writes into its leases.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Only tidiness: a file left behind by a killed worker is unlocked and means nothing.
        drop(fs::remove_file(&self.path));
    }
}

/// True when the worker named `token` still runs.
pub(crate) fn is_alive(folder: &Path, token: &str) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(lock_path(folder, token)) else {
        return false;
    };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn lock_path(folder: &Path, token: &str) -> PathBuf {
    folder.join(format!("{token}.lock"))
}

#[cfg(test)]
mod tests {
    use super::{Holder, is_alive};

    #[test]
    fn a_holder_is_alive_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let holder = Holder::register(folder.path()).unwrap();
        let other = Holder::register(folder.path()).unwrap();
        assert_ne!(holder.token(), other.token());
        let token = holder.token().to_owned();
        assert!(is_alive(folder.path(), &token));
        drop(holder);
        assert!(!is_alive(folder.path(), &token));
        assert!(is_alive(folder.path(), other.token()));
    }
}
