//! One study from its files to report bytes. The only place that orders the stages.
//!
//! It knows no ledger, no queue and no target: what happens around it is [`crate::service::flight`]'s.

pub mod output;
pub mod scoring;

pub mod evidence;
mod files;
mod images;
mod outlined;
mod png;
mod radiograph;
mod record;
#[cfg(test)]
pub(crate) mod sample;
mod timings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use dicom_ingest::reader::Reader;
use dicom_ingest::source::kept::Kept;
use dicom_ingest::study::Study;
use fusion::{FeatureTable, LateFusionModel, ModelError};

use crate::compose::{self, Parts};
use crate::config::Config;
use crate::declaration::Pipeline;
use crate::ending::Ending;
use crate::job::Request;
use crate::ledger::{Job, JobState, ReportBytes};
use crate::message::Name;
use crate::outcome::{Outcome, State};
use crate::readings::{Reading, Readings, ReadingsError};
use crate::report::document::Report;
use crate::report::{fhir, html, overlay, segmentation, sr};
use crate::risk_models::{RiskModelError, RiskModels};
use crate::select;
use crate::withdraw::REJECTED_BY_ARCHIVE;

use evidence::Evidence;
use output::ModelOutput;
use scoring::{Scoring, Turns};
use timings::Timings;

/// The code of a job or request that stopped its worker again and again.
pub const STOPPED_THE_WORKER: &str = "StoppedTheWorker";

/// Bytes of its files that a job keeps at most, from the reading of their headers to the decoding of their pixels: the radiographs
/// of a study, and the first images of one of many, which are kept for nothing where none of them is decoded. The memory budget
/// counts a study's files beside its stored and its grey values. These bytes are of the files' part, stand beside the stored values
/// of one image, and are gone before there are grey values.
pub const MOST_KEPT_BYTES: u64 = 64 << 20;

/// What all jobs of one run share.
pub struct Stages {
    /// What the site configured.
    pub config: Config,
    /// The pipelines that read studies, each with its model.
    pub readings: Readings,
    /// The learned fusion; `None` while it is untrained.
    pub late_fusion: Option<LateFusionModel>,
    /// The site's own models of records.
    pub risk_models: RiskModels,
    /// Who reads the files of studies.
    pub reader: Arc<dyn Reader>,
}

/// What a job shares with the jobs beside it.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    /// The device.
    pub scoring: &'a dyn Scoring,
    /// The processor.
    pub turns: &'a dyn Turns,
}

/// What is known of a job beside its request when its analysis begins.
#[derive(Debug, Default)]
pub struct Start {
    /// The study, when its headers were read a moment ago.
    pub study: Option<Arc<Study>>,
    /// Its files with pixels as they were read, and room for those that are read now.
    pub kept: Kept,
    /// The folder that its files were fetched into, where they came from another machine.
    pub root: Option<PathBuf>,
    /// How the job ends without an analysis, where that is known already.
    pub ending: Option<Ending>,
}

/// What came of a study.
pub struct Analysis {
    /// The report's bytes, of a refusal or failure too.
    pub report: ReportBytes,
    /// What its bundle is addressed by; `None` where it has none.
    pub address: Option<fhir::Address>,
    /// The bundle's name of the model that reads in the job's pipeline.
    pub model: String,
    /// What the networks said, where this run or an earlier one got so far.
    pub output: Option<ModelOutput>,
    /// What the record gave, where the study got so far in this run.
    pub features: Option<FeatureTable>,
    /// Milliseconds a stage took in this run.
    pub timings_ms: BTreeMap<String, f64>,
}

/// The stages could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StagesError {
    /// A pipeline is broken, or its bundle does not verify.
    #[error(transparent)]
    Readings(#[from] ReadingsError),
    /// A model of a table that the site configured is not usable.
    #[error(transparent)]
    RiskModel(#[from] RiskModelError),
    /// The built-in late fusion is not usable.
    #[error("the late fusion model is not usable")]
    LateFusion(#[source] ModelError),
}

impl Stages {
    /// Verifies every bundle and every model of a table. The device is another's: see [`Room`].
    pub fn new(config: Config, reader: Arc<dyn Reader>) -> Result<Self, StagesError> {
        let readings = Readings::open(&config)?;
        Ok(Self {
            risk_models: RiskModels::open(&config, &readings)?,
            readings,
            config,
            late_fusion: match LateFusionModel::embedded() {
                Ok(model) => Some(model),
                Err(ModelError::Untrained) => None,
                Err(error) => return Err(StagesError::LateFusion(error)),
            },
            reader,
        })
    }

    /// Everything besides the inputs that can change a report, as text for the job key.
    pub fn versions(&self, reading: &Reading) -> String {
        format!(
            "chiasm={};{};icu-concurrent={}{}",
            env!("CARGO_PKG_VERSION"),
            reading.versions(),
            self.late_fusion.as_ref().map_or("untrained", LateFusionModel::digest),
            self.risk_models.versions(&reading.pipeline.id),
        )
    }

    /// Reads, scores and assesses the study of a leased job and composes its report. What cannot be analysed is refused
    /// or failed with a report of its own.
    pub fn analyse(&self, job: &Job, start: Start, room: Room<'_>) -> Analysis {
        let mut timings = Timings::default();
        let Start { study, kept, root, ending } = start;
        let mut evidence = Evidence { study, root, ..Evidence::default() };
        let request = serde_json::from_str::<Request>(&job.request);
        let reading = self.reading(request.as_ref().ok());
        let analysed = match request {
            _ if job.is_poison(self.config.worker.poison_after) => Err(Ending::failed(
                STOPPED_THE_WORKER,
                "the job stopped its worker each time it was started",
                "Read the study without this program, and report its files and the program's log as a defect.",
            )),
            Err(_) => Err(Ending::failed(
                "RequestUnreadable",
                "the stored request is not of a form that this version reads",
                "Submit the study again.",
            )),
            Ok(Request { unread: Some(unread), .. }) => Err(unread.into()),
            Ok(_) if ending.is_some() => ending.map_or(Ok(()), Err),
            Ok(request) => match &reading {
                Ok(reading) => self.learn(job, (&request, *reading), kept, room, &mut evidence, &mut timings),
                Err(unknown) => Err(gone(&unknown.id)),
            },
        };
        self.compose(job, known(&reading), evidence, analysed.err().as_ref(), room, timings)
    }

    /// The report of a job that ends without having been analysed.
    pub fn without_result(&self, job: &Job, ending: &Ending, room: Room<'_>) -> Analysis {
        let request = serde_json::from_str::<Request>(&job.request).ok();
        let reading = self.reading(request.as_ref());
        self.compose(job, known(&reading), Evidence::default(), Some(ending), room, Timings::default())
    }

    /// How a job is read; a pipeline of its name alone where the site does not have it any more.
    fn reading(&self, request: Option<&Request>) -> Result<&Reading, Box<Pipeline>> {
        let name = request.and_then(|request| request.pipeline.as_ref());
        self.readings
            .of_stored(name)
            .ok_or_else(|| Box::new(Pipeline::unknown(name.map(Name::as_str).unwrap_or_default())))
    }

    fn compose(
        &self,
        job: &Job,
        reading: Result<&Reading, &Pipeline>,
        evidence: Evidence,
        ending: Option<&Ending>,
        room: Room<'_>,
        mut timings: Timings,
    ) -> Analysis {
        let bundle = &reading.unwrap_or_else(|_| self.readings.built_in()).bundle;
        let (report, address) = {
            let _turn = room.turns.take();
            timings.time("compose", || {
                let parts = Parts {
                    job,
                    config: &self.config,
                    pipeline: reading.map_or_else(|unknown| unknown, |reading| &reading.pipeline),
                    bundle,
                    late_fusion: self.late_fusion.as_ref(),
                    risk_models: &self.risk_models,
                    evidence: &evidence,
                    ending,
                };
                render(&compose::report(&parts), &compose::outcome(&parts))
            })
        };
        Analysis {
            report,
            address,
            model: bundle.id().to_owned(),
            output: evidence.output,
            features: evidence.features,
            timings_ms: timings.into_map(),
        }
    }

    /// The stages in their order. What they learn goes into `evidence`, so that a refusal can still say whose study it is.
    fn learn(
        &self,
        job: &Job,
        (request, reading): (&Request, &Reading),
        mut kept: Kept,
        room: Room<'_>,
        evidence: &mut Evidence,
        timings: &mut Timings,
    ) -> Result<(), Ending> {
        let turn = room.turns.take();
        let study = timings.time("read", || {
            let zone = &self.config.site_zone;
            files::study(&job.study_uid, request, self.reader.as_ref(), zone, evidence, &mut kept)
        })?;
        if study.is_rejected() {
            return Err(rejected());
        }
        record::has_been(&job.accepted_at, evidence)?;
        let candidates = select::candidates(&study, reading.bundle.model_card(), &reading.pipeline)?;
        timings.time("read", || record::confirm(request, &study, evidence))?;
        drop(turn);
        evidence.output = job.model_output.as_deref().and_then(|stored| serde_json::from_str(stored).ok());
        if evidence.output.is_none() {
            evidence.output = Some(images::score((self, reading), &candidates, &mut kept, room, timings)?);
        }
        drop(kept);
        let _turn = room.turns.take();
        timings.time("features", || {
            record::features(&study, &self.config, self.reader.as_ref(), evidence);
            outlined::add(reading, &self.config, evidence);
        });
        timings.time("assess", || record::assess((self, reading), evidence));
        Ok(())
    }
}

/// How a job is read, or the name alone of how it was to be read.
fn known<'a>(reading: &'a Result<&'a Reading, Box<Pipeline>>) -> Result<&'a Reading, &'a Pipeline> {
    reading.as_ref().copied().map_err(AsRef::as_ref)
}

/// A job's pipeline is not configured any more.
fn gone(pipeline: &str) -> Ending {
    Ending::failed(
        "PipelineUnknown",
        format!("the job was accepted for pipeline `{pipeline}`, which this worker does not have"),
        "Configure the pipeline again and retry the job, or submit the study to another one.",
    )
}

/// No image of the study is left.
fn rejected() -> Ending {
    Ending::refused(REJECTED_BY_ARCHIVE, "every image of the study was rejected by the archive")
}

/// The renderings and the line, and what the bundle is addressed by. Where the bundle cannot be written, the job fails with the page
/// alone.
fn render(report: &Report, outcome: &Outcome) -> (ReportBytes, Option<fhir::Address>) {
    let page = html::page(report);
    let (outcome, bundle, address) = match fhir::addressed(report, &page) {
        Ok((bundle, address)) => (outcome.clone(), Some(bundle), address),
        Err(error) => {
            let failed = Outcome::without_result(State::Failed, "ReportUnwritable", &error.to_string());
            (Outcome { study_uid: outcome.study_uid.clone(), ..failed }, None, None)
        }
    };
    let ends = match outcome.state {
        State::Reported => JobState::Reported,
        State::Refused => JobState::Refused,
        State::Failed => JobState::Failed,
    };
    let sr = bundle.as_ref().and_then(|_| sr::document(report));
    let overlay = sr.as_ref().and_then(|_| overlay::plan(report));
    let segmentation = sr.as_ref().and_then(|_| segmentation::document(report));
    let bytes = ReportBytes {
        ends,
        // An outcome is plain strings and finite numbers: it always serialises.
        outcome: serde_json::to_string(&outcome).unwrap_or_default(),
        bundle,
        html: page.into_bytes(),
        sr,
        overlay,
        segmentation,
    };
    (bytes, address)
}
