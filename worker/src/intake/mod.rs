//! From paths to jobs: which studies there are, which record belongs to which, and under which keys.

pub mod record;

use std::path::{Path, PathBuf};

use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::{self, Discovery};
use dicom_ingest::study::{Study, StudyOutcome};
use dicom_ingest::uid::Uid;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::convert;
use crate::identity::Person;
use crate::job::{KeyParts, Request, SourceFile, UNREADABLE, hex, keys};
use crate::lane::Lane;
use crate::ledger::NewJob;
use crate::message::{Mode, Name};
use crate::outcome::{Outcome, State};
use crate::pipeline::Stages;

use record::{Records, RecordsError};

/// When a job counts as accepted.
#[derive(Debug, Clone, Copy)]
pub enum Acceptance {
    /// At this moment: a job that waits in a queue.
    Now(Timestamp),
    /// At the latest time that the inputs state: an analysis of the same inputs gives the same report, whenever it runs.
    LatestInput,
}

/// What a caller offers.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// Files or folders with studies.
    pub paths: &'a [PathBuf],
    /// A record, or a folder of records.
    pub record: Option<&'a Path>,
    /// The pipeline that is to read them; the site's choice where there is none.
    pub pipeline: Option<&'a Name>,
}

/// What was offered, as jobs and as lines about files that are no study.
#[derive(Debug)]
pub struct Intake {
    /// One job a study, in the order of the studies' first files.
    pub jobs: Vec<NewJob>,
    /// Lines for files that claim to be DICOM and belong to no readable study.
    pub lines: Vec<Outcome>,
    /// Files that are no DICOM.
    pub not_dicom: usize,
    /// Files of the record folder that are no readable record.
    pub unreadable_records: usize,
}

/// What was offered could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A path does not exist or cannot be read.
    #[error("could not read `{path}`: {source}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No pipeline has that name.
    #[error(
        "there is no pipeline `{name}`: name one of `[pipelines]` in the configuration, or `chest-radiograph`"
    )]
    Pipeline {
        /// The name.
        name: String,
    },
    /// The records could not be read.
    #[error("{0}: {source}", source = .0.source)]
    Records(RecordsError),
}

/// Reads headers and records, and makes one job a study.
pub fn intake(
    stages: &Stages,
    offered: &Offered<'_>,
    out: &Path,
    acceptance: Acceptance,
    progress: &mut dyn FnMut(usize),
) -> Result<Intake, IntakeError> {
    let canonical = |path: &Path| {
        std::fs::canonicalize(path).map_err(|source| IntakeError::Path { path: path.to_owned(), source })
    };
    let config = &stages.config;
    if stages.readings.of(offered.pipeline).is_none() {
        let name = offered.pipeline.map(ToString::to_string).unwrap_or_default();
        return Err(IntakeError::Pipeline { name });
    }
    let pipeline = stages.readings.stored_name(offered.pipeline);
    let records = Records::open(offered.record, &config.site_zone).map_err(IntakeError::Records)?;
    let paths = offered.paths.iter().map(|path| canonical(path)).collect::<Result<Vec<_>, _>>()?;
    let Discovery { studies, not_dicom, directories, unreadable } =
        folder::discover(&paths, stages.reader.as_ref(), progress)
            .map_err(|error| IntakeError::Path { path: error.path, source: error.source })?;
    std::fs::create_dir_all(out).map_err(|source| IntakeError::Path { path: out.to_owned(), source })?;
    let out = canonical(out)?;
    let jobs = studies
        .iter()
        .map(|study| job(stages, study, &records, (&out, pipeline.as_ref()), acceptance))
        .collect();
    let named = paths.iter().filter(|path| path.is_file() && !folder::is_of_a_study(path)).map(|path| {
        let reason = "the file is empty or has no DICOM prefix and file meta information";
        line_of_file(path, RefusalCode::NotDicom.as_str(), reason)
    });
    let refused = unreadable.len();
    let lines: Vec<Outcome> = unreadable
        .into_iter()
        .map(|file| line_of_file(&file.path, file.refusal.code.as_str(), &file.refusal.message))
        .chain(named)
        .collect();
    // A file that was named by itself has a line of its own; it is not counted a second time.
    let passed_over = (not_dicom + directories).saturating_sub(lines.len() - refused);
    Ok(Intake { jobs, lines, not_dicom: passed_over, unreadable_records: records.unreadable().len() })
}

/// The line of a file that belongs to no readable study.
fn line_of_file(path: &Path, code: &str, reason: &str) -> Outcome {
    Outcome {
        file: Some(path.to_string_lossy().into_owned()),
        ..Outcome::without_result(State::Refused, code, reason)
    }
}

fn job(
    stages: &Stages,
    found: &StudyOutcome,
    records: &Records,
    (out, pipeline): (&Path, Option<&Name>),
    acceptance: Acceptance,
) -> NewJob {
    let (record, latest_of_record) = records.for_person(&person_of(found));
    let accepted_at = match acceptance {
        Acceptance::Now(now) => now,
        // No input states a time: such a study is refused, and the report of the refusal is dated by the epoch.
        Acceptance::LatestInput => ready(found)
            .and_then(|study| latest_of_study(study, &stages.config))
            .max(latest_of_record)
            .unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let request = Request {
        files: source_files(found, stages.reader.limits()),
        record,
        fetched_from: None,
        record_from: None,
        out: Some(out.to_owned()),
        targets: Vec::new(),
        pipeline: pipeline.cloned(),
        mode: Mode::Clinical,
        correlation_id: None,
        unread: None,
    };
    new_job(stages, found.uid(), Lane::Routine, accepted_at, &request)
}

/// The job of a request, under its keys.
pub fn new_job(
    stages: &Stages,
    study_uid: &Uid,
    lane: Lane,
    accepted_at: Timestamp,
    request: &Request,
) -> NewJob {
    let reading = stages.readings.of_stored(request.pipeline.as_ref());
    let (pipeline_id, versions) = match (reading, &request.pipeline) {
        (Some(reading), _) => (reading.pipeline.id.clone(), stages.versions(reading)),
        // A pipeline that is not there any more: the job fails under a key of its own.
        (None, name) => (name.as_ref().map(ToString::to_string).unwrap_or_default(), String::new()),
    };
    let digests: Vec<String> = request.files.iter().map(|file| file.sha256.clone()).collect();
    let keys = keys(&KeyParts {
        tenant: &stages.config.tenant,
        study_uid: study_uid.as_str(),
        files: &digests,
        pipeline_id: &pipeline_id,
        versions: &versions,
        configuration: &stages.config.fingerprint(),
        record: &request.record,
        mode: request.mode,
    });
    NewJob {
        job_key: keys.job,
        report_key: keys.report,
        lane,
        study_uid: study_uid.to_string(),
        // A request is plain paths and strings: it always serialises.
        request: serde_json::to_string(request).unwrap_or_default(),
        accepted_at: accepted_at.to_string(),
    }
}

/// The person as the images state it; empty where they cannot be read.
pub fn person_of(found: &StudyOutcome) -> Person {
    ready(found).map(|study| convert::person_of_images(&study.identity.patient)).unwrap_or_default()
}

/// How many reports of our own lie in the study; they are none of its files.
pub fn own_reports(found: &StudyOutcome) -> usize {
    ready(found).map_or(0, |study| study.own_reports)
}

fn ready(found: &StudyOutcome) -> Option<&Study> {
    match found {
        StudyOutcome::Ready(study) => Some(study.as_ref()),
        StudyOutcome::Refused(_) => None,
    }
}

/// Every file of the study, those that were left out too, with its digest.
pub fn source_files(found: &StudyOutcome, limits: &Limits) -> Vec<SourceFile> {
    let digest = |path: &PathBuf| source_file(path, limits);
    match found {
        StudyOutcome::Refused(refused) => refused.paths.iter().map(digest).collect(),
        StudyOutcome::Ready(study) => {
            let read = study
                .instances
                .iter()
                .map(|file| SourceFile { path: file.path.clone(), sha256: hex(&file.instance.sha256) });
            read.chain(study.dropped.iter().map(|dropped| digest(&dropped.path))).collect()
        }
    }
}

/// A file with its digest.
pub fn source_file(path: &Path, limits: &Limits) -> SourceFile {
    let sha256 =
        read_file(path, limits).map_or_else(|_| UNREADABLE.into(), |bytes| hex(&Sha256::digest(bytes)));
    SourceFile { path: path.to_owned(), sha256 }
}

fn latest_of_study(study: &Study, config: &Config) -> Option<Timestamp> {
    let times = study.instances.iter().filter_map(|file| file.instance.study_time.as_ref());
    times.chain(&study.started).map(|time| time.instant(&config.site_zone).0).max()
}
