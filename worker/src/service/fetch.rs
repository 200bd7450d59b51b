//! From a request to a job: finds the study at its configured source, brings it to this machine where it is elsewhere,
//! reads its headers, and finds the patient's record (`records`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::folder::discover_keeping;
use dicom_ingest::source::kept::Kept;
use dicom_ingest::source::sizes::bytes_below;
use dicom_ingest::source::{Fate, FetchLimits, Holding, Source, SourceError};
use dicom_ingest::study::{RefusedFile, Study, StudyOutcome};

use super::records::Records;
use super::spool::{Spool, SpoolFolder};
use crate::config::Config;
use crate::config::site::Places;
use crate::deliver::{OpenError, Targets};
use crate::intake::{self, new_job};
use crate::job::{RecordSource, Request, SourceFile, UNREADABLE, Unread};
use crate::ledger::NewJob;
use crate::message::{JobRequest, Mode, Name};
use crate::pipeline::Stages;
use crate::readings::Readings;
use crate::remote::{self, SourceOpenError};

/// The most files of one study.
const MAX_FILES: usize = 20_000;

/// Configured sources of studies and records.
#[derive(Debug)]
pub struct Sources {
    places: Places,
    studies: BTreeMap<Name, Arc<dyn Source>>,
    records: Records,
    /// `None` where no study comes from another machine.
    spool: Option<Spool>,
}

/// Sources cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// One of them.
    #[error("a source cannot be used as it is configured")]
    Source(#[from] SourceOpenError),
    /// A server with records.
    #[error("a record source cannot be used as it is configured")]
    Record(#[from] OpenError),
    /// The folder for fetched records.
    #[error("`records` in the folder `state` cannot be used")]
    Kept(#[source] io::Error),
    /// The folder for fetched studies.
    #[error("`spool` in the folder `state` cannot be used")]
    Spool(#[source] io::Error),
}

/// A study that was read, and the job that its request became.
#[derive(Debug)]
pub struct Fetched {
    /// The job, under its keys.
    pub job: NewJob,
    /// The study; `None` when it is not readable, which the job then says.
    pub study: Option<Arc<Study>>,
    /// Its files with pixels as they were read, as many as there was room for.
    pub kept: Kept,
    /// Where its files lie for as long as this lives, if they were brought here.
    pub spool: Option<SpoolFolder>,
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
    /// The source gives no study, for now or within the limits.
    #[error("source `{source_name}`: {source}")]
    Source {
        /// Its configured name.
        source_name: String,
        /// Why.
        source: SourceError,
    },
    /// The records cannot be read now.
    #[error("the source `{source_name}` cannot be read now")]
    Unreachable {
        /// Its configured name.
        source_name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether it says something of the study as it is now, or of the request; otherwise the study is gone or out of reach.
    pub fn is_of_the_study(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Source { source, .. } => source.fate() == Fate::Never,
            Self::NotThere { .. } | Self::Unreachable { .. } => false,
        }
    }
}

/// A study at its source, located and not fetched.
#[derive(Debug)]
pub struct Located {
    source: Name,
    holding: Box<dyn Holding>,
}

/// A study's files on this machine.
#[derive(Debug)]
pub struct Here {
    source: Name,
    instances: Option<u64>,
    folder: PathBuf,
    spool: Option<SpoolFolder>,
}

impl Located {
    /// Bytes of its files at most.
    pub fn bytes(&self) -> u64 {
        self.holding.bytes()
    }
}

impl Here {
    /// Bytes of the files that were brought here, as archives inflate; none where they lay here before. `most` is the limit.
    pub async fn fetched_bytes(&self, limits: &Limits, most: u64) -> Result<u64, FetchError> {
        let Some(spool) = &self.spool else { return Ok(0) };
        let (folder, limits) = (spool.path().to_owned(), limits.clone());
        let counted = tokio::task::spawn_blocking(move || bytes_below(&folder, &limits)).await;
        let failed = |source| FetchError::Source { source_name: self.source.to_string(), source };
        let counted = counted.map_err(io::Error::other).flatten();
        let bytes = counted.map_err(|error| failed(SourceError::Spool(error)))?;
        if bytes > most {
            return Err(failed(SourceError::TooLarge { bytes, limit: most }));
        }
        Ok(bytes)
    }

    /// The files, where they were brought here.
    pub fn into_spool(self) -> Option<SpoolFolder> {
        self.spool
    }
}

impl Sources {
    /// The places that a site configured. What killed workers left of fetched studies is removed.
    pub fn open(config: &Config) -> Result<Self, SourcesError> {
        let places = config.places.clone();
        let records = Records::open(config)?;
        let spool = places.fetch_from_afar().then(|| Spool::open(&config.state)).transpose();
        let spool = spool.map_err(SourcesError::Spool)?;
        Ok(Self { studies: remote::open(&places.sources)?, places, records, spool })
    }

    /// With another source of this name, and a spool in this folder.
    #[cfg(test)]
    pub(super) fn with(mut self, name: Name, source: Arc<dyn Source>, state: &Path) -> Self {
        self.spool = Spool::open(state).ok();
        self.studies.insert(name, source);
        self
    }

    /// Finds the study of a request without fetching it.
    pub async fn locate(&self, request: &JobRequest, max_bytes: u64) -> Result<Located, FetchError> {
        let (name, source) = self.source(request)?;
        Self::locate_at(name, source, &request.study_uid, max_bytes).await
    }

    /// Finds the study of a job that was accepted, at the source from which it came.
    pub async fn locate_again(
        &self,
        name: &Name,
        study_uid: &str,
        max_bytes: u64,
    ) -> Result<Located, FetchError> {
        let source = self.studies.get(name).ok_or_else(|| {
            FetchError::Unknown("the source that the study came from is not one of this site any more".into())
        })?;
        let unknown = |_| FetchError::Unknown("the job's StudyInstanceUID is none".into());
        Self::locate_at(name, source, &study_uid.parse().map_err(unknown)?, max_bytes).await
    }

    async fn locate_at(
        name: &Name,
        source: &Arc<dyn Source>,
        study_uid: &dicom_ingest::uid::Uid,
        max_bytes: u64,
    ) -> Result<Located, FetchError> {
        let limits = FetchLimits { max_bytes, max_files: MAX_FILES };
        let located = source.locate(study_uid, limits).await;
        let holding =
            located.map_err(|source| FetchError::Source { source_name: name.to_string(), source })?;
        Ok(Located { source: name.clone(), holding })
    }

    /// Brings a study to this machine, unless it is here.
    pub async fn bring(&self, located: Located) -> Result<Here, FetchError> {
        let Located { source: name, holding } = located;
        let failed = |source| FetchError::Source { source_name: name.to_string(), source };
        let instances = holding.instances();
        if let Some(folder) = holding.folder() {
            let folder = folder.to_owned();
            return Ok(Here { source: name, instances, folder, spool: None });
        }
        // There is a spool wherever a source is elsewhere.
        let folder = self.spool.as_ref().ok_or_else(|| io::Error::other("no spool")).and_then(Spool::folder);
        let spool = folder.map_err(|error| failed(SourceError::Spool(error)))?;
        holding.fetch(spool.path()).await.map_err(failed)?;
        Ok(Here { source: name, instances, folder: spool.path().to_owned(), spool: Some(spool) })
    }

    /// Reads the study's headers and digests, finds the record, and makes the job. `kept` says how much of the files may be kept.
    /// Blocks.
    pub fn read(
        &self,
        request: &JobRequest,
        here: Here,
        stages: &Stages,
        mut kept: Kept,
    ) -> Result<Fetched, FetchError> {
        let unreachable = |error: io::Error| FetchError::Source {
            source_name: here.source.to_string(),
            source: SourceError::Unreachable(Some(error.into())),
        };
        let folder = std::slice::from_ref(&here.folder);
        let discovery = discover_keeping(folder, stages.reader.as_ref(), &mut kept, &mut |_| {})
            .map_err(|error| unreachable(error.source))?;
        let not_read = |file: &RefusedFile| file.refusal.code == RefusalCode::DecoderUnavailable;
        if discovery.unreadable.iter().any(not_read) {
            // It may be the study's, and nothing is known of it: the study is read whole, later.
            let reason = "no process could be started to read a file of the study".to_owned();
            return Err(FetchError::NotThere { code: RefusalCode::DecoderUnavailable.as_str(), reason });
        }
        let readable = |study: &StudyOutcome| study.uid() == &request.study_uid;
        let unreadable = discovery.unreadable.len() as u64;
        // The folder is the study's: where no other study lies in it, what names none is of this one.
        let is_alone = discovery.studies.len() == 1;
        let names_none = |file: &RefusedFile| is_alone && file.home.study_uid.is_none();
        let nameless: Vec<RefusedFile> = discovery.unreadable.into_iter().filter(names_none).collect();
        let Some(mut found) = discovery.studies.into_iter().find(readable) else { return Err(not_there()) };
        let mut files = intake::source_files(&found, stages.reader.limits());
        // whoever counted may have counted our reports too
        let there = distinct(&files) + intake::own_reports(&found) as u64;
        let announced = request.expected_instances.is_some_and(|expected| there < u64::from(expected));
        // What the source says that it holds has to be here, readable or not.
        let stated = here.instances.is_some_and(|stated| there + unreadable < stated);
        if announced || stated {
            let reason =
                format!("the source holds {there} instances of the study, fewer than were announced");
            return Err(FetchError::NotThere { code: "StudyIncomplete", reason });
        }
        if let StudyOutcome::Ready(study) = &mut found {
            let limits = stages.reader.limits();
            files.extend(nameless.iter().map(|file| left_out(file, limits)));
            study.adopt(nameless);
        }
        let from = request.record.as_ref().or(self.places.default_record.as_ref());
        let person = intake::person_of(&found);
        let record = from.map(|name| self.records.of(name, &person, &stages.config.site_zone)).transpose()?;
        let record = record.unwrap_or(RecordSource::NotGiven);
        let fetched_from = here.spool.is_some().then(|| here.source.clone());
        if fetched_from.is_some() {
            // Where the files lie now means nothing to whoever takes the job up again.
            for file in &mut files {
                // An entry of an archive keeps the archive's name in front of its number.
                file.path = file.path.strip_prefix(&here.folder).map(Path::to_owned).unwrap_or_default();
            }
        }
        let stored = Request {
            record_from: from.filter(|name| self.records.was_asked(name, &record)).cloned(),
            files,
            record,
            fetched_from,
            ..stored(request, (&self.places, &stages.readings), None)
        };
        let job = new_job(stages, &request.study_uid, request.lane, request.time, &stored);
        let (study, kept) = match found {
            StudyOutcome::Ready(study) => (Some(Arc::from(study)), kept),
            StudyOutcome::Refused(_) => (None, Kept::default()),
        };
        Ok(Fetched { job, study, kept, spool: here.spool })
    }

    /// The job of a request whose study could not be read: it ends with the reason.
    pub fn unread(&self, request: &JobRequest, stages: &Stages, why: Unread) -> NewJob {
        let stored = stored(request, (&self.places, &stages.readings), Some(why));
        new_job(stages, &request.study_uid, request.lane, request.time, &stored)
    }

    /// Whether every name of the request is configured; the sentence says which is not.
    pub fn knows(&self, request: &JobRequest, readings: &Readings) -> Result<(), FetchError> {
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
        if readings.of(request.pipeline.as_ref()).is_none() {
            return Err(FetchError::Unknown("`pipeline` names no pipeline of this site".into()));
        }
        Ok(())
    }

    fn source(&self, request: &JobRequest) -> Result<(&Name, &Arc<dyn Source>), FetchError> {
        let name = request.source.as_ref().or(self.places.default_source.as_ref()).ok_or_else(|| {
            FetchError::Unknown("the request names no source, and the site has no default one".into())
        })?;
        self.studies
            .get_key_value(name)
            .ok_or_else(|| FetchError::Unknown("`source` names no source of this site".into()))
    }

    /// Servers with records, each as one that says whose a report is.
    pub fn witnesses(&self) -> Targets {
        self.records.witnesses()
    }
}

/// A file of the study that is left out of it. One that ended its reader has no digest: it is left out again when the job is read
/// again.
fn left_out(file: &RefusedFile, limits: &Limits) -> SourceFile {
    if file.refusal.code.is_of_the_process() {
        return SourceFile { path: file.path.clone(), sha256: UNREADABLE.to_owned() };
    }
    intake::source_file(&file.path, limits)
}

/// The number of instances among files: copies of one have the same bytes. What cannot be read is nobody's copy.
fn distinct(files: &[SourceFile]) -> u64 {
    let (unreadable, read): (Vec<_>, Vec<_>) =
        files.iter().map(|file| file.sha256.as_str()).partition(|digest| *digest == UNREADABLE);
    (unreadable.len() + read.into_iter().collect::<BTreeSet<_>>().len()) as u64
}

fn stored(request: &JobRequest, (places, readings): (&Places, &Readings), unread: Option<Unread>) -> Request {
    Request {
        files: Vec::new(),
        record: RecordSource::NotGiven,
        out: None,
        fetched_from: None,
        record_from: None,
        targets: if request.targets.is_empty() {
            places.default_targets.clone()
        } else {
            request.targets.clone()
        },
        pipeline: readings.stored_name(request.pipeline.as_ref()),
        mode: request.mode,
        correlation_id: request.correlation_id.clone(),
        unread,
    }
}

fn not_there() -> FetchError {
    FetchError::NotThere { code: "StudyNotFound", reason: "the source holds no instance of the study".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_an_instance_do_not_make_a_study_whole() {
        let files: Vec<SourceFile> = ["aa", "aa", "bb", UNREADABLE, "aa", UNREADABLE]
            .iter()
            .enumerate()
            .map(|(number, digest)| SourceFile {
                path: PathBuf::from(number.to_string()),
                sha256: (*digest).to_owned(),
            })
            .collect();
        assert_eq!(distinct(&files), 4);
    }
}
