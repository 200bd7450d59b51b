//! The folder that instances are stored in, and the marks of the studies that are not released yet.
//!
//! An instance lies at `<root>/<Study Instance UID>/<SOP Instance UID>.dcm`, whole and on the disk, or not at all. A study
//! with a mark in `.receive/open` or `.receive/releasing` has instances that no request was confirmed for: the mark is on
//! the disk before the instance is. One process holds the folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use dicom_ingest::uid::Uid;

/// What belongs to the receiver itself; no Study Instance UID begins with a dot.
const OWN: &str = ".receive";
const ARRIVING: &str = "arriving";
const OPEN: &str = "open";
const RELEASING: &str = "releasing";
const REMOVING: &str = "removing";
/// Bytes that are compared at a time.
const PIECE: usize = 1 << 20;

/// The folder.
#[derive(Debug)]
pub(super) struct Inbox {
    root: PathBuf,
    /// Held for as long as this lives.
    _lock: File,
    /// Who looks whether an instance is there and puts it there is alone.
    turn: Mutex<()>,
    count: AtomicU64,
}

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is stored.
    New,
    /// The same bytes were there.
    Same,
    /// Other bytes are there under this UID, and stay.
    Other,
}

/// A file that is arriving; it is removed unless it was kept.
#[derive(Debug)]
pub(super) struct Arriving(PathBuf);

impl Arriving {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // after it was kept there is nothing to remove
        drop(fs::remove_file(&self.0));
    }
}

impl Inbox {
    /// Takes the folder, which must be there: a share that is not mounted is not filled from below. What a killed receiver
    /// had not finished is removed: nobody was told that it is stored.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let own = root.join(OWN);
        fs::metadata(root)?;
        for part in [ARRIVING, OPEN, RELEASING, REMOVING] {
            fs::create_dir_all(own.join(part))?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(own.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "another receiver stores there"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(own.join(ARRIVING))? {
            fs::remove_file(entry?.path())?;
        }
        for entry in fs::read_dir(own.join(REMOVING))? {
            fs::remove_dir_all(entry?.path())?;
        }
        sync(&own)?;
        sync(root)?;
        Ok(Self { root: root.to_owned(), _lock: lock, turn: Mutex::new(()), count: AtomicU64::new(0) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A new file to write an instance into.
    pub(super) fn begin(&self) -> io::Result<(Arriving, File)> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.own(ARRIVING).join(number.to_string());
        let file = File::create_new(&path)?;
        Ok((Arriving(path), file))
    }

    /// Puts a whole file with these bytes in its place. What is there already stays as it is.
    pub(super) fn keep(
        &self,
        file: &Arriving,
        bytes: &[u8],
        study: &Uid,
        instance: &Uid,
    ) -> io::Result<Placed> {
        File::open(file.path())?.sync_all()?;
        let folder = self.root.join(study.as_str());
        let path = folder.join(format!("{instance}.dcm"));
        let kept = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::create_dir(&folder) {
                Ok(()) => sync(&self.root)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            match File::open(&path) {
                Ok(there) if is_same(&there, bytes)? => Placed::Same,
                Ok(_) => return Ok(Placed::Other),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    fs::rename(file.path(), &path)?;
                    Placed::New
                }
                Err(error) => return Err(error),
            }
        };
        // Whoever put it there may not have come so far yet.
        sync(&folder)?;
        Ok(kept)
    }

    /// How many instances of a study are stored.
    pub(super) fn instances(&self, study: &Uid) -> io::Result<u32> {
        match fs::read_dir(self.root.join(study.as_str())) {
            Ok(entries) => Ok(u32::try_from(entries.count()).unwrap_or(u32::MAX)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Marks a study as one that has to be released.
    pub(super) fn mark_open(&self, study: &Uid) -> io::Result<()> {
        let folder = self.own(OPEN);
        File::create(folder.join(study.as_str()))?;
        sync(&folder)
    }

    /// The open study is being released; instances that come from now on mark it as open again.
    pub(super) fn mark_releasing(&self, study: &Uid) -> io::Result<()> {
        fs::rename(self.own(OPEN).join(study.as_str()), self.own(RELEASING).join(study.as_str()))?;
        sync(&self.own(RELEASING))
    }

    /// The study's request is durable.
    pub(super) fn mark_released(&self, study: &Uid) -> io::Result<()> {
        fs::remove_file(self.own(RELEASING).join(study.as_str()))?;
        sync(&self.own(RELEASING))
    }

    /// The study's request was not confirmed: it is open again.
    pub(super) fn mark_open_again(&self, study: &Uid) -> io::Result<()> {
        self.mark_open(study)?;
        self.mark_released(study)
    }

    /// The studies that are not released; all are marked as open after this.
    pub(super) fn unreleased(&self) -> io::Result<Vec<Uid>> {
        let marks = |part| -> io::Result<Vec<Uid>> {
            let entries = fs::read_dir(self.own(part))?.collect::<io::Result<Vec<_>>>()?;
            // what is no UID is no mark of ours
            Ok(entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
        };
        for study in marks(RELEASING)? {
            self.mark_open_again(&study)?;
        }
        marks(OPEN)
    }

    /// The studies of which something is stored.
    pub(super) fn studies(&self) -> io::Result<Vec<Uid>> {
        let entries = fs::read_dir(&self.root)?.collect::<io::Result<Vec<_>>>()?;
        // what is no UID is no study of ours
        Ok(entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    /// Whether something of a study came after this time, or it is not one that was received.
    pub(super) fn is_newer(&self, study: &Uid, than: SystemTime) -> io::Result<bool> {
        let folder = self.root.join(study.as_str());
        if !fs::symlink_metadata(&folder)?.is_dir() {
            return Ok(true);
        }
        for entry in fs::read_dir(&folder)? {
            if entry?.metadata()?.modified()? > than {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a request for the study is on its way.
    pub(super) fn is_releasing(&self, study: &Uid) -> bool {
        self.own(RELEASING).join(study.as_str()).exists()
    }

    /// Takes a study out of the folder that got nothing since `before`, and says where it lies now: for the caller to remove.
    pub(super) fn take_out(&self, study: &Uid, before: SystemTime) -> io::Result<Option<PathBuf>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_newer(study, before)? {
            return Ok(None);
        }
        let taken = self.own(REMOVING).join(study.as_str());
        fs::rename(self.root.join(study.as_str()), &taken)?;
        sync(&self.root)?;
        Ok(Some(taken))
    }

    fn own(&self, part: &str) -> PathBuf {
        self.root.join(OWN).join(part)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn is_same(mut file: &File, mut bytes: &[u8]) -> io::Result<bool> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(bytes.is_empty());
        }
        let Some(rest) = bytes.strip_prefix(&piece[..read]) else { return Ok(false) };
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn uid(text: &str) -> Uid {
        text.parse().unwrap()
    }

    fn offer(inbox: &Inbox, bytes: &[u8]) -> Placed {
        let (arriving, mut file) = inbox.begin().unwrap();
        file.write_all(bytes).unwrap();
        inbox.keep(&arriving, bytes, &uid("1.2"), &uid("1.2.3")).unwrap()
    }

    #[test]
    fn an_instance_is_stored_once_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::open(folder.path()).unwrap();
        assert_eq!(inbox.instances(&uid("1.2")).unwrap(), 0);
        assert_eq!(offer(&inbox, b"one"), Placed::New);
        assert_eq!(offer(&inbox, b"one"), Placed::Same);
        for other in [b"two".as_slice(), b"on", b"one1", b""] {
            assert_eq!(offer(&inbox, other), Placed::Other);
        }
        assert_eq!(fs::read(folder.path().join("1.2/1.2.3.dcm")).unwrap(), b"one");
        assert_eq!(inbox.instances(&uid("1.2")).unwrap(), 1);
        let left = fs::read_dir(folder.path().join(".receive/arriving")).unwrap().count();
        assert_eq!(left, 0, "what was not kept is removed");
    }

    #[test]
    fn a_folder_has_one_receiver_and_what_it_left_is_found_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Inbox::open(&folder.path().join("not mounted")).is_err());
        let inbox = Inbox::open(folder.path()).unwrap();
        assert_eq!(Inbox::open(folder.path()).unwrap_err().kind(), ErrorKind::ResourceBusy);
        for study in ["1.1", "1.2", "1.3"] {
            inbox.mark_open(&uid(study)).unwrap();
        }
        inbox.mark_releasing(&uid("1.2")).unwrap();
        inbox.mark_releasing(&uid("1.3")).unwrap();
        inbox.mark_released(&uid("1.3")).unwrap();
        // killed: what was arriving stays behind
        let (arriving, _) = inbox.begin().unwrap();
        std::mem::forget(arriving);
        drop(inbox);
        let inbox = Inbox::open(folder.path()).unwrap();
        let mut left = inbox.unreleased().unwrap();
        left.sort();
        assert_eq!(left, [uid("1.1"), uid("1.2")]);
        assert_eq!(fs::read_dir(folder.path().join(".receive/arriving")).unwrap().count(), 0);
    }
}
