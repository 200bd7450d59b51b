//! A source and a target that answer as they are told to, when they are told to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dicom_ingest::source::{FetchLimits, Holding, Source, SourceError};
use dicom_ingest::uid::Uid;
use tokio::sync::watch;

use crate::deliver::folder::FolderTarget;
use crate::deliver::{DeliverError, Parcel, Receipts, Target};

/// Longer than anything here takes that ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the source holds of a study.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// So many bytes, and what lies in the folder of the study.
    Holds(u64),
    /// The same, once the door is open.
    HoldsLater(u64),
    /// So many bytes at most, which have to be fetched.
    Elsewhere(u64),
    /// More than is allowed.
    TooLarge,
    /// It cannot be reached.
    Away,
}

/// A source and a target that wait for their door to open, and count who waits.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) studies: PathBuf,
    answers: Mutex<BTreeMap<String, Answer>>,
    is_open: watch::Sender<bool>,
    waiting: AtomicUsize,
    targets_wait: AtomicBool,
    reports: FolderTarget,
}

impl Doors {
    /// A source with the folders of its studies, and a target; nobody has to wait for the target.
    pub(super) fn new(studies: PathBuf, reports: FolderTarget) -> Self {
        Self {
            studies,
            answers: Mutex::default(),
            is_open: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
            targets_wait: AtomicBool::new(false),
            reports,
        }
    }

    pub(super) fn say(&self, study: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(study.to_owned(), answer);
    }

    pub(super) fn forget(&self, study: &str) {
        self.answers.lock().unwrap().remove(study);
    }

    /// Deliveries wait at the door too.
    pub(super) fn hold_targets(&self) {
        self.targets_wait.store(true, Ordering::SeqCst);
    }

    pub(super) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until so many are at the door.
    pub(super) async fn until_waiting(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting.load(Ordering::SeqCst) < count {
            assert!(Instant::now() < deadline, "they do not come to the door");
            tokio::task::yield_now().await;
        }
    }

    async fn wait(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _leaves = Leaves(&self.waiting);
        self.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Source for Doors {
    async fn locate(&self, study: &Uid, limits: FetchLimits) -> Result<Box<dyn Holding>, SourceError> {
        let answer = self.answers.lock().unwrap().get(study.as_str()).copied();
        let bytes = match answer {
            None => return Err(SourceError::Absent),
            Some(Answer::TooLarge) => {
                return Err(SourceError::TooLarge { bytes: limits.max_bytes, limit: limits.max_bytes });
            }
            Some(Answer::Away) => return Err(SourceError::Unreachable(None)),
            Some(Answer::Holds(bytes) | Answer::Elsewhere(bytes)) => bytes,
            Some(Answer::HoldsLater(bytes)) => {
                self.wait().await;
                bytes
            }
        };
        let folder = self.studies.join(study.as_str());
        fs::create_dir_all(&folder).unwrap();
        let is_here = !matches!(answer, Some(Answer::Elsewhere(_)));
        Ok(Box::new(Held { bytes, folder, is_here }))
    }

    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[async_trait]
impl Target for Doors {
    async fn deliver(&self, parcel: &Parcel<'_>) -> Result<Receipts, DeliverError> {
        if self.targets_wait.load(Ordering::SeqCst) {
            self.wait().await;
        }
        self.reports.deliver(parcel).await
    }

    async fn probe(&self) -> Result<(), DeliverError> {
        Ok(())
    }
}

#[derive(Debug)]
struct Held {
    bytes: u64,
    folder: PathBuf,
    is_here: bool,
}

#[async_trait]
impl Holding for Held {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn instances(&self) -> Option<u64> {
        None
    }

    fn folder(&self) -> Option<&Path> {
        self.is_here.then_some(self.folder.as_path())
    }

    async fn fetch(&self, into: &Path) -> Result<(), SourceError> {
        for file in fs::read_dir(&self.folder).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), into.join(file.file_name())).unwrap();
        }
        Ok(())
    }
}
