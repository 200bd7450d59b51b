//! A folder with seeded phantom studies and records, and the configuration of a worker on it.

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, Environment, Flags, Loaded};
use crate::demo::{self, DemoError};

/// A folder that is removed with its contents when this is dropped.
#[derive(Debug)]
pub struct Ground {
    folder: PathBuf,
}

/// The studies and records could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// A study or record.
    #[error("the phantoms could not be written: {0}")]
    Demo(#[from] DemoError),
    /// A folder or file.
    #[error("could not write below `{}`", folder.display())]
    Write {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The configuration.
    #[error("the configuration for the measurement is not valid: {0}")]
    Config(#[from] ConfigError),
}

impl Ground {
    /// A new folder below `parent`, else below the system's folder for temporary files.
    pub fn new(parent: Option<&Path>) -> Result<Self, GroundError> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = parent.join(format!("chiasm-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|source| GroundError::Write { folder: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Phantom studies of so many patients, each with a record; the same seed draws the same ones.
    pub fn studies(&self, count: u32, seed: u64) -> Result<(), GroundError> {
        let records = self.records();
        let failed = |source| GroundError::Write { folder: self.folder.clone(), source };
        std::fs::create_dir_all(&records).map_err(failed)?;
        for index in 0..u64::from(count) {
            let own = seed.wrapping_mul(1_000_003).wrapping_add(index) % 100_000_000;
            let made = demo::write(&self.archive().join(own.to_string()), own, None)?;
            std::fs::rename(made.record, records.join(format!("{own}.json"))).map_err(failed)?;
        }
        Ok(())
    }

    /// Where the studies lie.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("archive")
    }

    /// Where the records lie.
    pub fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// Where reports go in a run.
    pub fn reports(&self, run: usize) -> PathBuf {
        self.folder.join(format!("run-{run}")).join("reports")
    }

    /// The configuration of a run: embedded queue and ledger in a folder of their own, nothing of this machine's site.
    pub fn config(&self, run: usize, decoders: usize) -> Result<Config, GroundError> {
        let state = self.folder.join(format!("run-{run}")).join("state");
        let flags = Flags { state: Some(state), ..Flags::default() };
        let mut config = Loaded::read(&flags, &Environment::default())?.config;
        config.worker.decoders = decoders.max(1);
        // the bench keeps its own folder and is no reason to pause
        config.worker.min_free_disk_bytes = 0;
        Ok(config)
    }

    /// Removes what a run has left.
    pub fn clear(&self, run: usize) {
        drop(std::fs::remove_dir_all(self.folder.join(format!("run-{run}"))));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_studies_and_the_folder_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let ground = Ground::new(Some(parent.path())).unwrap();
        ground.studies(2, 3).unwrap();
        let files = |folder: PathBuf| {
            let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
            names.sort();
            names
        };
        let studies = files(ground.archive());
        assert_eq!((studies.len(), files(ground.records()).len()), (2, 2));
        let phantom = |study: &Path| std::fs::read(study.join("study").join("phantom.dcm")).unwrap();
        let before = phantom(&studies[0]);
        assert_ne!(before, phantom(&studies[1]));
        ground.studies(2, 3).unwrap();
        assert_eq!(before, phantom(&studies[0]));
        assert_eq!(ground.config(0, 3).unwrap().worker.decoders, 3);
        drop(ground);
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }
}
