//! A study that was analysed: what the questions about assessing and composing begin with.

use std::sync::Arc;

use fusion::{AssessInput, ChestView, HeaderDemographics, ImageScores, Record, Sex};
use jiff::tz::TimeZone;
use models::{Device, DeviceChoice, GreyImage, Scorer, Scores};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use worker::bench::ground::Ground;
use worker::ending::Ending;
use worker::intake::{self, Acceptance, Offered};
use worker::ledger::{self, Job};
use worker::model::ModelNumber;
use worker::pipeline::evidence::Evidence;
use worker::pipeline::scoring::{Alone, Scoring};
use worker::pipeline::{Room, Stages, Start};

/// A job under lease, and everything that was learned about its study.
pub(crate) struct Analysed {
    pub(crate) stages: Stages,
    pub(crate) job: Job,
    pub(crate) evidence: Evidence,
    _folder: TempDir,
    _ground: Ground,
}

impl Analysed {
    /// The demo's study and record, scored on the CPU in this process.
    pub(crate) fn new(runtime: &Runtime) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ground = Ground::new(Some(folder.path())).expect("a ground");
        ground.studies(1, 1).expect("a study");
        let config = ground.config(0, 1).expect("a configuration");
        let reader = Arc::new(dicom_ingest::reader::InProcess::default());
        let stages = Stages::new(config.clone(), reader).expect("the stages");
        let accepted = Acceptance::LatestInput;
        let (archive, records, reports) = (ground.archive(), ground.records(), ground.reports(0));
        let asked = Offered { paths: &[archive], record: Some(&records), pipeline: None };
        let offered = intake::intake(&stages, &asked, &reports, accepted, &mut |_| {}).expect("a job");
        let job = runtime.block_on(async {
            let ledger =
                ledger::open(&config.ledger, &config.state, config.worker.lease).await.expect("a ledger");
            ledger.accept(&offered.jobs[0]).await.expect("an accepted job");
            ledger.lease_next().await.expect("a ledger").expect("a leased job")
        });
        let evidence = learn(&stages, &job, &ground);
        Self { stages, job, evidence, _folder: folder, _ground: ground }
    }

    /// What the risks are assessed from.
    pub(crate) fn scores(&self) -> ImageScores {
        let output = self.evidence.output.as_ref().expect("a scored study");
        ImageScores {
            model: self.stages.readings.built_in().bundle.digest().to_owned(),
            bundle: String::new(),
            labels: output.findings.iter().map(|score| (score.label.clone(), score.logit)).collect(),
            view: Some(ChestView::Pa),
            modality: "DX".to_owned(),
        }
    }

    /// The same with or without the record.
    pub(crate) fn assess_input<'a>(&'a self, scores: &'a ImageScores, record: bool) -> AssessInput<'a> {
        AssessInput {
            t0: self.evidence.started.expect("a dated study").0,
            features: self.evidence.features.as_ref().filter(|_| record),
            nodules: if record { &self.evidence.nodules } else { &[] },
            prostate: &[],
            lesions: &[],
            image: Some(scores),
            header: Some(HeaderDemographics { age_years: Some(67.0), sex: Some(Sex::Female) }),
            late_fusion: self.stages.late_fusion.as_ref(),
        }
    }
}

/// Walks the stages once, and keeps what they learn.
fn learn(stages: &Stages, job: &Job, ground: &Ground) -> Evidence {
    let scoring = InProcessScoring::new(stages);
    let room = Room { scoring: &scoring, turns: &Alone };
    let analysis = stages.analyse(job, Start::default(), room);
    assert!(
        analysis.report.bundle.is_some() && analysis.report.sr.is_some(),
        "a report: {}",
        analysis.report.outcome
    );
    let paths = [ground.archive()];
    let found =
        dicom_ingest::source::folder::discover(&paths, stages.reader.as_ref(), &mut |_| {}).expect("files");
    let study = found.studies.into_iter().find_map(|own| match own {
        dicom_ingest::study::StudyOutcome::Ready(study) => Some(*study),
        dicom_ingest::study::StudyOutcome::Refused(_) => None,
    });
    let study = study.expect("a study");
    let zone = &stages.config.site_zone;
    let started = study.started.as_ref().map(|started| started.instant(zone));
    let (t0, _) = started.expect("a dated study");
    let path =
        std::fs::read_dir(ground.records()).expect("records").next().expect("a record").expect("a record");
    let record = Record::from_json(&std::fs::read(path.path()).expect("a record")).expect("a record");
    let mut evidence = Evidence {
        study: Some(Arc::new(study)),
        started,
        output: analysis.output,
        features: Some(fusion::features(&record, t0, &TimeZone::UTC)),
        nodules: fusion::nodules(&record, t0, zone),
        record: Some(record),
        ..Evidence::default()
    };
    let output = evidence.output.as_ref().expect("a scored study");
    let image = ImageScores {
        model: stages.readings.built_in().bundle.digest().to_owned(),
        bundle: String::new(),
        labels: output.findings.iter().map(|score| (score.label.clone(), score.logit)).collect(),
        view: Some(ChestView::Pa),
        modality: "DX".to_owned(),
    };
    let input = AssessInput {
        t0,
        features: evidence.features.as_ref(),
        nodules: &evidence.nodules,
        prostate: &[],
        lesions: &[],
        image: Some(&image),
        header: None,
        late_fusion: stages.late_fusion.as_ref(),
    };
    let (risks, lesion) = (fusion::assess(&input), fusion::lesion(&input));
    (evidence.risks, evidence.lesion) = (risks, lesion);
    evidence
}

/// The networks in this process, without the device's thread and process around them.
struct InProcessScoring(Scorer);

impl InProcessScoring {
    fn new(stages: &Stages) -> Self {
        let device = Device::open(DeviceChoice::Cpu).expect("the CPU");
        Self(Scorer::load(&stages.readings.built_in().bundle, &device).expect("the networks"))
    }
}

impl Scoring for InProcessScoring {
    fn device(&self, _model: ModelNumber) -> Result<String, Ending> {
        Ok(self.0.device().description().to_owned())
    }

    fn score(&self, _model: ModelNumber, image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        let mut scores = self.0.score(std::slice::from_ref(image)).expect("scores");
        Ok(scores.remove(0))
    }

    fn saliency(
        &self,
        _model: ModelNumber,
        image: &Arc<GreyImage>,
        label: &str,
    ) -> Result<GreyImage, Ending> {
        Ok(self.0.saliency(image, label).expect("a map"))
    }
}
