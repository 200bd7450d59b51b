//! From a request to a job: finds the study at its configured source, reads its headers, and finds the patient's record.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dicom_ingest::source::folder::discover;
use dicom_ingest::study::{Study, StudyOutcome};

use crate::config::site::{Places, RecordConfig, SourceConfig};
use crate::intake::record::RecordIndex;
use crate::intake::{self, new_job};
use crate::job::{RecordSource, Request, Unread};
use crate::ledger::NewJob;
use crate::message::{JobRequest, Mode, Name};
use crate::pipeline::Stages;

/// Configured sources of studies and records.
#[derive(Debug)]
pub struct Sources {
    places: Places,
    records: BTreeMap<Name, Mutex<RecordIndex>>,
}

/// A study that was read, and the job that its request became.
#[derive(Debug)]
pub struct Fetched {
    /// The job, under its keys.
    pub job: NewJob,
    /// The study; `None` when it is not readable, which the job then says.
    pub study: Option<Arc<Study>>,
}

/// Why a request did not become a job yet. No text holds a path or patient data.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The request names what the site does not have; it will not help to wait.
    #[error("{0}")]
    Unknown(String),
    /// The source has no such study, or not all of it, yet.
    #[error("{reason}")]
    NotThere {
        /// Stable code.
        code: &'static str,
        /// One sentence.
        reason: String,
    },
    /// The source cannot be reached now.
    #[error("the source `{source_name}` cannot be read now")]
    Unreachable {
        /// Its configured name.
        source_name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The study is larger than the site allows.
    #[error("the study has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// `worker.max_study_mib`, in bytes.
        limit: u64,
    },
}

/// Where a request's study lies and how much of it there is.
#[derive(Debug)]
pub struct Located {
    folder: PathBuf,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Sources {
    /// The places that a site configured.
    pub fn new(places: &Places) -> Self {
        let index = |record: &RecordConfig| match record {
            RecordConfig::Folder { path } => Mutex::new(RecordIndex::new(path.clone())),
        };
        let records = places.records.iter().map(|(name, record)| (name.clone(), index(record))).collect();
        Self { places: places.clone(), records }
    }

    /// Finds the study without reading it.
    pub fn locate(&self, request: &JobRequest, max_bytes: u64) -> Result<Located, FetchError> {
        let (name, source) = self.source(request)?;
        let SourceConfig::Folder { path } = source;
        let unreachable = |source| FetchError::Unreachable { source_name: name.to_string(), source };
        // A mount that is away shows an empty folder or none: the root must be there before a study can be missing.
        fs::read_dir(path).map_err(unreachable)?;
        let folder = path.join(request.study_uid.as_str());
        match fs::metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(not_there()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_there()),
            Err(error) => return Err(unreachable(error)),
        }
        let bytes = bytes_below(&folder).map_err(unreachable)?;
        if bytes > max_bytes {
            return Err(FetchError::TooLarge { bytes, limit: max_bytes });
        }
        Ok(Located { folder, bytes })
    }

    /// Reads the study's headers and digests, finds the record, and makes the job. Blocks.
    pub fn fetch(
        &self,
        request: &JobRequest,
        located: &Located,
        stages: &Stages,
    ) -> Result<Fetched, FetchError> {
        let unreachable = |source| FetchError::Unreachable { source_name: "study".into(), source };
        let discovery = discover(std::slice::from_ref(&located.folder), &stages.limits, &mut |_| {})
            .map_err(|error| unreachable(error.source))?;
        let found = discovery.studies.into_iter().find(|study| study.uid() == &request.study_uid);
        let Some(found) = found else { return Err(not_there()) };
        let files = intake::source_files(&found);
        // whoever counted may have counted our reports too
        let held = files.len() + intake::own_reports(&found);
        if request.expected_instances.is_some_and(|expected| (held as u64) < u64::from(expected)) {
            let reason = format!("the source holds {held} instances of the study, fewer than were announced");
            return Err(FetchError::NotThere { code: "StudyIncomplete", reason });
        }
        let record = self.record(request, &intake::person_of(&found), stages)?;
        let stored = Request { files, record, ..stored(request, &self.places, None) };
        let job = new_job(stages, &request.study_uid, request.lane, request.time, &stored);
        let study = match found {
            StudyOutcome::Ready(study) => Some(Arc::from(study)),
            StudyOutcome::Refused(_) => None,
        };
        Ok(Fetched { job, study })
    }

    /// The job of a request whose study could not be read: it ends with the reason.
    pub fn unread(&self, request: &JobRequest, stages: &Stages, why: Unread) -> NewJob {
        let stored = stored(request, &self.places, Some(why));
        new_job(stages, &request.study_uid, request.lane, request.time, &stored)
    }

    /// Whether every name of the request is configured; the sentence says which is not.
    pub fn knows(&self, request: &JobRequest, pipeline: &str) -> Result<(), FetchError> {
        self.source(request)?;
        if let Some(record) = &request.record
            && !self.places.records.contains_key(record)
        {
            return Err(FetchError::Unknown("`record` names no record source of this site".into()));
        }
        if request.targets.iter().any(|target| !self.places.targets.contains_key(target)) {
            return Err(FetchError::Unknown("`targets` names no report target of this site".into()));
        }
        if request.targets.is_empty()
            && self.places.default_targets.is_empty()
            && request.mode == Mode::Clinical
        {
            return Err(FetchError::Unknown(
                "the request names no target, and the site has no default one".into(),
            ));
        }
        if request.pipeline.as_ref().is_some_and(|asked| asked.as_str() != pipeline) {
            return Err(FetchError::Unknown("`pipeline` names no pipeline of this site".into()));
        }
        Ok(())
    }

    fn source(&self, request: &JobRequest) -> Result<(&Name, &SourceConfig), FetchError> {
        let name = request.source.as_ref().or(self.places.default_source.as_ref()).ok_or_else(|| {
            FetchError::Unknown("the request names no source, and the site has no default one".into())
        })?;
        self.places
            .sources
            .get_key_value(name)
            .ok_or_else(|| FetchError::Unknown("`source` names no source of this site".into()))
    }

    fn record(
        &self,
        request: &JobRequest,
        person: &crate::identity::Person,
        stages: &Stages,
    ) -> Result<RecordSource, FetchError> {
        let Some(name) = request.record.as_ref().or(self.places.default_record.as_ref()) else {
            return Ok(RecordSource::NotGiven);
        };
        let unreachable = |source| FetchError::Unreachable { source_name: name.to_string(), source };
        let index = self
            .records
            .get(name)
            .ok_or_else(|| FetchError::Unknown("`record` names no record source of this site".into()))?;
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        index.for_person(person, &stages.config.site_zone).map_err(unreachable)
    }
}

fn stored(request: &JobRequest, places: &Places, unread: Option<Unread>) -> Request {
    Request {
        files: Vec::new(),
        record: RecordSource::NotGiven,
        out: None,
        targets: if request.targets.is_empty() {
            places.default_targets.clone()
        } else {
            request.targets.clone()
        },
        mode: request.mode,
        correlation_id: request.correlation_id.clone(),
        unread,
    }
}

fn not_there() -> FetchError {
    FetchError::NotThere { code: "StudyNotFound", reason: "the source holds no instance of the study".into() }
}

/// Bytes of all files below `folder`; links are not followed.
fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}
