//! `state/records`: bundles that were fetched, one file a digest.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::job::{SourceFile, hex};

/// The folder in `state`.
const FOLDER: &str = "records";

/// The folder of fetched bundles.
#[derive(Debug)]
pub(crate) struct Store(PathBuf);

impl Store {
    /// Makes the folder, for this user alone.
    pub(crate) fn open(state: &Path) -> io::Result<Self> {
        let folder = state.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(fs::canonicalize(folder)?))
    }

    /// Keeps a bundle. The same bytes twice are one file; a crash leaves no half of one under its name.
    pub(crate) fn keep(&self, bundle: &[u8]) -> io::Result<SourceFile> {
        let sha256 = hex(&Sha256::digest(bundle));
        let path = self.0.join(format!("{sha256}.json"));
        if !path.exists() {
            let half = self.0.join(format!("{sha256}.{}.part", std::process::id()));
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
            file.write_all(bundle)?;
            file.sync_all()?;
            fs::rename(&half, &path)?;
            fs::File::open(&self.0)?.sync_all()?;
        }
        Ok(SourceFile { path, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bundle_twice_is_one_file() {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(state.path()).unwrap();
        let (one, two) = (store.keep(b"{}").unwrap(), store.keep(b"{}").unwrap());
        assert_eq!(one, two);
        assert_eq!(fs::read(&one.path).unwrap(), b"{}");
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 1);
    }
}
