//! A folder: `<path>/<Study Instance UID>/report.html`, `report.pdf`, `bundle.json`, `report.dcm`, `overlay.dcm`
//! and `segmentation.dcm`.
//!
//! A reader sees the whole old file or the whole new one, never half of one, and what was delivered is on the disk.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::{DeliverError, Parcel, Receipts, Target, TerminalCode, TransientCode};
use crate::message::Name;
use crate::report::fhir::presented_pdf;

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write `{path}`; check that the folder is writable and the disk is not full")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes `bytes` to `folder/name` durably. Writing the same bytes again leaves the file as it is.
pub fn deliver(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, WriteError> {
    replace(folder, &[(name, Some(bytes))])?;
    Ok(folder.join(name))
}

/// Brings files of a folder into the state that they shall have, in the order given and durably: with these bytes, or
/// gone. The folder's own list of names is written to the disk once.
fn replace(folder: &Path, files: &[(&str, Option<&[u8]>)]) -> Result<(), WriteError> {
    let at = |name: &str| {
        let path = folder.join(name);
        move |source| WriteError { path, source }
    };
    make(folder).map_err(at(""))?;
    let mut changes = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        changes.push((*name, Change::prepare(folder, name, *bytes).map_err(at(name))?));
    }
    for (name, change) in changes {
        change.make(&folder.join(name)).map_err(at(name))?;
    }
    // Also where nothing changed: whoever did it may have been killed before it was on the disk.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(""))?;
    remove_left_behind(folder, files.iter().map(|(name, _)| *name));
    Ok(())
}

/// What is to be done so that a file has its state.
enum Change {
    /// It has it already.
    None,
    /// It gets another name's bytes, which are on the disk.
    Rename(Partial),
    /// It goes.
    Remove,
}

impl Change {
    fn prepare(folder: &Path, name: &str, bytes: Option<&[u8]>) -> io::Result<Self> {
        let Some(bytes) = bytes else { return Ok(Self::Remove) };
        if let Some(file) = same(&folder.join(name), bytes) {
            // who wrote it may have been killed before it was on the disk
            file.sync_all()?;
            return Ok(Self::None);
        }
        let (partial, mut file) = Partial::create(folder, name)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(Self::Rename(partial))
    }

    fn make(self, path: &Path) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Rename(partial) => partial.rename(path),
            Self::Remove => match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }
}

/// The file, if these are its bytes.
fn same(path: &Path, bytes: &[u8]) -> Option<File> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    if usize::try_from(length).ok()? != bytes.len() {
        return None;
    }
    let mut before = Vec::with_capacity(bytes.len());
    file.read_to_end(&mut before).ok()?;
    (before == bytes).then_some(file)
}

/// Makes the folder, so that its name is on the disk too.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// A file that is not whole yet. Two workers never share one: a worker that was stopped and goes on after another took
/// its job would otherwise publish the other's half.
struct Partial(Option<PathBuf>);

impl Partial {
    const END: &str = ".partial";

    fn create(folder: &Path, name: &str) -> io::Result<(Self, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let partial = folder.join(format!(".{name}.{}-{count}{}", std::process::id(), Self::END));
            match File::create_new(&partial) {
                Ok(file) => return Ok((Self(Some(partial)), file)),
                // left behind by a killed process of the same number, or another machine's
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn rename(mut self, path: &Path) -> io::Result<()> {
        let Some(partial) = self.0.as_ref() else { return Ok(()) };
        fs::rename(partial, path)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(partial) = &self.0 {
            drop(fs::remove_file(partial));
        }
    }
}

/// Removes what killed processes left behind of these files. A live writer that loses its partial file this way gets an
/// error and tries again.
fn remove_left_behind<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) {
    let begins: Vec<String> = names.map(|name| format!(".{name}.")).collect();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let file = entry.file_name();
        let is_partial = file.to_str().is_some_and(|file| {
            file.ends_with(Partial::END) && begins.iter().any(|begin| file.starts_with(begin))
        });
        if is_partial {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// A folder as a target. The folder itself is never made: where it is missing, its disk is not mounted.
#[derive(Debug)]
pub struct FolderTarget {
    name: Name,
    path: PathBuf,
}

impl FolderTarget {
    /// Reports go below `path`.
    pub fn new(name: Name, path: PathBuf) -> Self {
        Self { name, path }
    }

    /// Runs blocking file work apart from the runtime's threads.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, DeliverError> {
        let root = self.path.clone();
        let work = move || {
            let missing = |source| WriteError { path: root.clone(), source };
            if !fs::metadata(&root).map_err(missing)?.is_dir() {
                return Err(missing(ErrorKind::NotADirectory.into()));
            }
            work(&root)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(|error| self.judge(error)),
            Err(stopped) => Err(self.transient(TransientCode::TargetFailed, stopped)),
        }
    }

    /// No error of a disk speaks about the report, except a name that it cannot hold.
    fn judge(&self, error: WriteError) -> DeliverError {
        let code = match error.source.kind() {
            ErrorKind::InvalidFilename => return self.unusable_uid(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                TransientCode::TargetFull
            }
            ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory => TransientCode::TargetUnwritable,
            ErrorKind::NotFound => TransientCode::TargetMissing,
            _ => TransientCode::TargetFailed,
        };
        self.transient(code, error)
    }

    fn transient(
        &self,
        code: TransientCode,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> DeliverError {
        let source = Some(source.into());
        DeliverError::Transient { target: self.name.clone(), code, retry_after: None, source }
    }

    fn unusable_uid(&self) -> DeliverError {
        DeliverError::Terminal {
            target: self.name.clone(),
            code: TerminalCode::StudyUidUnusable,
            reason: "the Study Instance UID cannot name a folder".into(),
        }
    }
}

#[async_trait]
impl Target for FolderTarget {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        let uid = parcel.study_uid;
        if uid.is_empty()
            || !uid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            || uid.contains("..")
        {
            return Err(self.unusable_uid());
        }
        let (uid, report) = (uid.to_owned(), parcel.report.clone());
        self.apart(move |root| {
            let folder = root.join(uid);
            let paper = report.bundle.as_deref().and_then(presented_pdf);
            // the page last: who finds it finds the others too; an older version may have had what this one has not
            let files = [
                ("overlay", "overlay.dcm", report.overlay.as_deref()),
                ("segmentation", "segmentation.dcm", report.segmentation.as_deref()),
                ("sr", "report.dcm", report.sr.as_deref()),
                ("bundle", "bundle.json", report.bundle.as_deref()),
                ("pdf", "report.pdf", paper.as_deref()),
                ("html", "report.html", Some(&*report.html)),
            ];
            replace(&folder, &files.map(|(_, name, bytes)| (name, bytes)))?;
            let there = files.iter().filter(|(_, _, bytes)| bytes.is_some());
            let receipts: Receipts = there
                .map(|(kind, name, _)| ((*kind).to_owned(), folder.join(name).to_string_lossy().into_owned()))
                .collect();
            Ok(receipts)
        })
        .await
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        self.apart(|root| {
            // A disk can be full or read-only though its folder is there: only writing shows it.
            let fail = |source| WriteError { path: root.to_owned(), source };
            let (_partial, mut file) = Partial::create(root, "probe").map_err(fail)?;
            file.write_all(&[0; 4096]).map_err(fail)?;
            file.sync_all().map_err(fail)?;
            remove_left_behind(root, std::iter::once("probe"));
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::ledger::ReportBytes;

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
    fn the_same_bytes_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = deliver(folder.path(), "report.html", b"one").unwrap();
        let before = inode(&path);
        deliver(folder.path(), "report.html", b"one").unwrap();
        assert_eq!(inode(&path), before);
        deliver(folder.path(), "report.html", b"two").unwrap();
        assert_ne!(inode(&path), before);
    }

    #[test]
    fn what_a_killed_process_left_behind_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = format!(".report.html.{}-0.partial", std::process::id());
        for name in [left.as_str(), ".report.html.1-7.partial"] {
            std::fs::write(folder.path().join(name), b"hal").unwrap();
        }
        deliver(folder.path(), "report.html", b"whole").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritable_place_is_a_typed_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert!(deliver(&file, "report.html", b"one").is_err());
    }

    #[test]
    fn every_error_of_a_disk_has_its_code() {
        let target = FolderTarget::new("reports".parse().unwrap(), "/nowhere".into());
        let code = |number: i32| {
            let source = io::Error::from_raw_os_error(number);
            target.judge(WriteError { path: "/nowhere".into(), source }).code()
        };
        // ENOSPC, EDQUOT, EROFS, EACCES, EPERM, ENOENT, EIO, ESTALE, ENAMETOOLONG
        let numbers = [28, 122, 30, 13, 1, 2, 5, 116, 36];
        let codes = [
            "TargetFull",
            "TargetFull",
            "TargetUnwritable",
            "TargetUnwritable",
            "TargetUnwritable",
            "TargetMissing",
            "TargetFailed",
            "TargetFailed",
            "StudyUidUnusable",
        ];
        assert_eq!(numbers.map(code), codes);
    }

    #[tokio::test]
    async fn a_missing_folder_is_not_made_and_a_uid_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mount");
        let target = FolderTarget::new("reports".parse().unwrap(), root.clone());
        let dicom = || Some(b"DICM".to_vec());
        let bundle = Some(b"{}".to_vec());
        let (sr, overlay, segmentation) = (dicom(), dicom(), dicom());
        let report = ReportBytes { bundle, sr, overlay, segmentation, ..sample::report() };
        assert_eq!(target.probe().await.unwrap_err().code(), "TargetMissing");
        assert_eq!(target.deliver(&sample::parcel(&report)).await.unwrap_err().code(), "TargetMissing");
        assert!(!root.exists());

        std::fs::create_dir(&root).unwrap();
        target.probe().await.unwrap();
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
        for uid in ["", "..", "../1", "/etc", "1/2", "1..2", "a"] {
            let refused =
                target.deliver(&Parcel { study_uid: uid, ..sample::parcel(&report) }).await.unwrap_err();
            assert_eq!(refused.code(), "StudyUidUnusable", "{uid}");
        }
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
        let receipts = target.deliver(&sample::parcel(&report)).await.unwrap();
        assert_eq!(receipts.keys().collect::<Vec<_>>(), ["bundle", "html", "overlay", "segmentation", "sr"]);
        assert_eq!(std::fs::read(&receipts["html"]).unwrap(), report.html);
        assert_eq!(std::fs::read(&receipts["bundle"]).unwrap(), b"{}");
        assert_eq!(std::fs::read(&receipts["sr"]).unwrap(), b"DICM");
        let newer = ReportBytes { sr: None, overlay: None, segmentation: None, ..report };
        let receipts = target.deliver(&sample::parcel(&newer)).await.unwrap();
        assert_eq!(receipts.keys().collect::<Vec<_>>(), ["bundle", "html"]);
        assert_eq!(std::fs::read_dir(root.join("1.2")).unwrap().count(), 2, "no other version's is left");
    }

    fn inode(path: &Path) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).unwrap().ino()
    }
}
