//! One job from lease to settled. The only place that orders the stages.

pub mod output;

pub mod evidence;
mod images;
mod record;
mod timings;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;

use dicom_ingest::limits::Limits;
use fusion::{LateFusionModel, ModelError};
use models::{Bundle, BundleError, Device, Scorer};

use crate::cli::DeviceArg;
use crate::compose::{self, Parts};
use crate::config::Config;
use crate::declaration::{DeclarationError, Pipeline};
use crate::deliver::{WriteError, deliver};
use crate::ending::Ending;
use crate::job::Request;
use crate::ledger::{FileLedger, Job, JobState, LedgerError, ReportBytes};
use crate::outcome::{Outcome, State};
use crate::report::document::Report;
use crate::report::{fhir, html};
use crate::select;

use evidence::Evidence;
use timings::Timings;

/// What all jobs of one run share.
pub struct Stages {
    /// What the site configured.
    pub config: Config,
    /// The pipeline that reads studies.
    pub pipeline: Pipeline,
    /// The image model.
    pub bundle: Bundle,
    /// The learned fusion; `None` while it is untrained.
    pub late_fusion: Option<LateFusionModel>,
    /// Bounds of what is read from outside.
    pub limits: Limits,
    device: DeviceArg,
    opened: OnceCell<(Device, Scorer)>,
}

/// The stages could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StagesError {
    /// The declared pipeline is broken.
    #[error("the declared pipeline is not usable")]
    Declaration(#[from] DeclarationError),
    /// The built-in bundle does not verify.
    #[error("the model bundle is not usable")]
    Bundle(#[from] BundleError),
    /// The built-in late fusion is not usable.
    #[error("the late fusion model is not usable")]
    LateFusion(#[source] ModelError),
}

/// A job stopped before its report was stored.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Ending(#[from] Ending),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Stages {
    /// Verifies the bundle. The device is opened and the networks are loaded when the first study needs them.
    pub fn new(config: Config, device: DeviceArg) -> Result<Self, StagesError> {
        Ok(Self {
            config,
            pipeline: Pipeline::declared()?,
            bundle: Bundle::embedded()?,
            late_fusion: match LateFusionModel::embedded() {
                Ok(model) => Some(model),
                Err(ModelError::Untrained) => None,
                Err(error) => return Err(StagesError::LateFusion(error)),
            },
            limits: Limits::default(),
            device,
            opened: OnceCell::new(),
        })
    }

    /// Everything besides the inputs that can change a report, as text for the job key.
    pub fn versions(&self) -> String {
        format!(
            "chiasm={};pipeline={}/{};{}={};icu-concurrent={}",
            env!("CARGO_PKG_VERSION"),
            self.pipeline.id,
            self.pipeline.version,
            self.bundle.id(),
            self.bundle.digest(),
            self.late_fusion.as_ref().map_or("untrained", LateFusionModel::digest),
        )
    }

    /// Carries a leased job to its end: analyse, store, deliver, settle. What cannot be analysed is refused or failed
    /// with a report of its own. `Err` means that the ledger itself failed; the job then stays as it is.
    pub fn carry(&self, ledger: &mut FileLedger, job: &Job) -> Result<Outcome, LedgerError> {
        let mut timings = Timings::default();
        let request: Option<Request> = serde_json::from_str(&job.request).ok();
        let report = if let Some(stored) = &job.composed {
            stored.clone()
        } else {
            let composed = self.compose(ledger, job, request.as_ref(), &mut timings)?;
            ledger.store_report(job, &composed)?;
            composed
        };
        tracing::debug!(job = job.sequence, "report stored");
        if ledger.is_superseded(job)? {
            ledger.settle(job, JobState::Superseded)?;
            let reason = "a newer version of this report took its place";
            return Ok(Outcome::without_result(State::Refused, "Superseded", reason).of_study(&job.study_uid));
        }
        let Some(request) = request else {
            ledger.settle(job, JobState::Failed)?;
            return Ok(outcome_of(&report, BTreeMap::new()).with_timings(timings.into_map()));
        };
        let delivered = timings.time("deliver", || deliver_files(&request.out, &job.study_uid, &report));
        match delivered {
            Ok(files) => {
                tracing::debug!(job = job.sequence, "report delivered");
                ledger.settle(job, report.ends)?;
                tracing::debug!(job = job.sequence, "job settled");
                Ok(outcome_of(&report, files).with_timings(timings.into_map()))
            }
            Err(error) => {
                tracing::error!(job = job.sequence, "{}: {}", error, error.source);
                Ok(Outcome::without_result(State::Failed, "DeliveryFailed", &error.to_string())
                    .of_study(&job.study_uid)
                    .with_timings(timings.into_map()))
            }
        }
    }

    /// Delivers the stored report of a settled job once more: same bytes, same files.
    pub fn redeliver(
        &self,
        out: &Path,
        study_uid: &str,
        report: &ReportBytes,
    ) -> Result<Outcome, WriteError> {
        deliver_files(out, study_uid, report).map(|files| outcome_of(report, files))
    }

    /// The uncalibrated logits of a picture, in the model's order, for training on top of them.
    pub fn logits(&self, image: &models::GreyImage) -> Result<Vec<f64>, Ending> {
        let (_, scorer) = self.scorer()?;
        let scores = scorer
            .score(std::slice::from_ref(image))
            .map_err(|error| Ending::failed(error.code(), error.to_string(), "Choose `--device cpu`."))?;
        Ok(scores.iter().flat_map(|scores| scores.findings.iter().map(|score| score.logit)).collect())
    }

    fn compose(
        &self,
        ledger: &mut FileLedger,
        job: &Job,
        request: Option<&Request>,
        timings: &mut Timings,
    ) -> Result<ReportBytes, LedgerError> {
        let mut evidence = Evidence::default();
        let analysed = match request {
            _ if job.is_poison() => Err(Halt::Ending(Ending::failed(
                "StartedTooOften",
                "the job was started too often without an end; it may stop the program each time",
                "Look at the study and at the program's log, then submit the study again.",
            ))),
            None => Err(Halt::Ending(Ending::failed(
                "RequestUnreadable",
                "the stored request is not of a form that this version reads",
                "Submit the study again.",
            ))),
            Some(request) => self.analyse(ledger, job, request, &mut evidence, timings),
        };
        let ending = match analysed {
            Ok(()) => None,
            Err(Halt::Ending(ending)) => Some(ending),
            Err(Halt::Ledger(error)) => return Err(error),
        };
        Ok(timings.time("compose", || {
            let parts = Parts {
                job,
                config: &self.config,
                pipeline: &self.pipeline,
                bundle: &self.bundle,
                late_fusion: self.late_fusion.as_ref(),
                evidence: &evidence,
                ending: ending.as_ref(),
            };
            render(&compose::report(&parts), &compose::outcome(&parts))
        }))
    }

    /// The stages in their order. What they learn goes into `evidence`, so that a refusal can still say whose study it is.
    fn analyse(
        &self,
        ledger: &mut FileLedger,
        job: &Job,
        request: &Request,
        evidence: &mut Evidence,
        timings: &mut Timings,
    ) -> Result<(), Halt> {
        let study = timings.time("read", || {
            images::study(&job.study_uid, request, &self.limits, &self.config.site_zone, evidence)
        })?;
        let candidates = select::candidates(&study, self.bundle.manifest(), &self.pipeline)?;
        timings.time("read", || record::confirm(request, &study, evidence))?;
        evidence.output = job.model_output.as_deref().and_then(|stored| serde_json::from_str(stored).ok());
        if evidence.output.is_none() {
            let output = images::score(self, &candidates, timings)?;
            let text = serde_json::to_string(&output).map_err(|_| {
                Ending::failed(
                    "ModelOutput",
                    "the model output could not be stored",
                    "Report this as a defect.",
                )
            })?;
            ledger.store_model_output(job, &text)?;
            evidence.output = Some(output);
        }
        tracing::debug!(job = job.sequence, "model output stored");
        timings.time("features", || record::features(&study, &self.config, &self.limits, evidence));
        timings.time("assess", || record::assess(self, evidence));
        Ok(())
    }

    /// The device and the networks on it, opened once.
    fn scorer(&self) -> Result<&(Device, Scorer), Ending> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let device = crate::device::open(self.device).map_err(|error| {
            Ending::failed("DeviceUnavailable", error.to_string(), "Choose another device with --device.")
        })?;
        let scorer = Scorer::load(&self.bundle, &device).map_err(|error| {
            Ending::failed(
                error.code(),
                error.to_string(),
                "Choose `--device cpu`, or install the bundle again.",
            )
        })?;
        Ok(self.opened.get_or_init(|| (device, scorer)))
    }
}

/// Both renderings and the line. Where the bundle cannot be written, the job fails with the page alone.
fn render(report: &Report, outcome: &Outcome) -> ReportBytes {
    let html = html::page(report).into_bytes();
    let (outcome, bundle) = match fhir::bundle(report) {
        Ok(bundle) => (outcome.clone(), Some(bundle)),
        Err(error) => {
            let failed = Outcome::without_result(State::Failed, "ReportUnwritable", &error.to_string());
            (Outcome { study_uid: outcome.study_uid.clone(), ..failed }, None)
        }
    };
    let ends = match outcome.state {
        State::Reported => JobState::Reported,
        State::Refused => JobState::Refused,
        State::Failed => JobState::Failed,
    };
    // An outcome is plain strings and finite numbers: it always serialises.
    ReportBytes { ends, outcome: serde_json::to_string(&outcome).unwrap_or_default(), bundle, html }
}

fn deliver_files(
    out: &Path,
    study_uid: &str,
    report: &ReportBytes,
) -> Result<BTreeMap<String, String>, WriteError> {
    let folder = out.join(study_uid);
    let mut files = BTreeMap::new();
    for (kind, name, bytes) in
        [("html", "report.html", Some(&report.html)), ("bundle", "bundle.json", report.bundle.as_ref())]
    {
        if let Some(bytes) = bytes {
            let path = deliver(&folder, name, bytes)?;
            files.insert(kind.to_owned(), path.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}

fn outcome_of(report: &ReportBytes, files: BTreeMap<String, String>) -> Outcome {
    let mut outcome = serde_json::from_str(&report.outcome).unwrap_or_else(|_| {
        Outcome::without_result(
            State::Failed,
            "OutcomeUnreadable",
            "the stored outcome is not of a form that this version reads",
        )
    });
    outcome.files = files;
    outcome
}
