//! A folder as a source: `<path>/<Study Instance UID>/`, nested, whatever the files are called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::sizes::bytes_below;
use super::{FetchLimits, Holding, Source, SourceError};
use crate::limits::Limits;
use crate::uid::Uid;

/// A folder with one folder a study.
#[derive(Debug, Clone)]
pub struct Shelf {
    path: PathBuf,
}

/// A study on a shelf.
#[derive(Debug)]
struct OnShelf {
    folder: PathBuf,
    bytes: u64,
}

impl Shelf {
    /// The shelf at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Source for Shelf {
    async fn locate(&self, study: &Uid, limits: FetchLimits) -> Result<Box<dyn Holding>, SourceError> {
        let (root, folder) = (self.path.clone(), self.path.join(study.as_str()));
        let found = blocking(move || look(&root, folder)).await?;
        if found.bytes > limits.max_bytes {
            return Err(SourceError::TooLarge { bytes: found.bytes, limit: limits.max_bytes });
        }
        Ok(Box::new(found))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let root = self.path.clone();
        blocking(move || fs::read_dir(root).map(drop).map_err(unreachable)).await
    }
}

#[async_trait]
impl Holding for OnShelf {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn instances(&self) -> Option<u64> {
        None
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    async fn fetch(&self, _into: &Path) -> Result<(), SourceError> {
        Ok(())
    }
}

fn look(root: &Path, folder: PathBuf) -> Result<OnShelf, SourceError> {
    // A mount that is away shows an empty folder or none: the root must be there before a study can be missing.
    fs::read_dir(root).map_err(unreachable)?;
    match fs::metadata(&folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(SourceError::Absent),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SourceError::Absent),
        Err(error) => return Err(unreachable(error)),
    }
    // within the limits of whoever reads it, by default
    let bytes = bytes_below(&folder, &Limits::default()).map_err(unreachable)?;
    Ok(OnShelf { folder, bytes })
}

/// Disks and shares block: they are read on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(SourceError::Unreachable(None)))
}

fn unreachable(error: io::Error) -> SourceError {
    SourceError::Unreachable(Some(error.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMITS: FetchLimits = FetchLimits { max_bytes: 10, max_files: 10 };

    #[tokio::test]
    async fn a_study_is_there_absent_or_its_root_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().to_owned());
        let uid: Uid = "1.2.3".parse().unwrap();
        assert!(matches!(shelf.locate(&uid, LIMITS).await, Err(SourceError::Absent)));
        fs::create_dir_all(folder.path().join("1.2.3/series")).unwrap();
        fs::write(folder.path().join("1.2.3/series/a"), [0; 7]).unwrap();
        let found = shelf.locate(&uid, LIMITS).await.unwrap();
        assert_eq!((found.bytes(), found.folder()), (7, Some(folder.path().join("1.2.3").as_path())));
        fs::write(folder.path().join("1.2.3/b"), [0; 4]).unwrap();
        let larger = shelf.locate(&uid, LIMITS).await;
        assert!(matches!(larger, Err(SourceError::TooLarge { bytes: 11, limit: 10 })));
        let away = Shelf::new(folder.path().join("not mounted"));
        assert!(matches!(away.locate(&uid, LIMITS).await, Err(SourceError::Unreachable(_))));
        assert!(away.probe().await.is_err() && shelf.probe().await.is_ok());
    }

    /// What a study takes is what its archive inflates to; how small it was packed says nothing of it.
    #[tokio::test]
    async fn an_archive_is_as_large_as_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let study = folder.path().join("1.2.3");
        fs::create_dir(&study).unwrap();
        let mut archive = zip::ZipWriter::new(fs::File::create(study.join("export")).unwrap());
        let deflated =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file("IM1", deflated).unwrap();
        archive.write_all(&[7_u8; 9_000]).unwrap();
        archive.finish().unwrap();
        assert!(fs::metadata(study.join("export")).unwrap().len() < 1_000);
        let shelf = Shelf::new(folder.path().to_owned());
        let uid: Uid = "1.2.3".parse().unwrap();
        let limits = FetchLimits { max_bytes: 9_000, max_files: 10 };
        assert_eq!(shelf.locate(&uid, limits).await.unwrap().bytes(), 9_000);
        let refused = shelf.locate(&uid, FetchLimits { max_bytes: 8_999, ..limits }).await;
        assert!(matches!(refused, Err(SourceError::TooLarge { bytes: 9_000, limit: 8_999 })));
    }
}
