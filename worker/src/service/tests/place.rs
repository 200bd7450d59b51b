//! A worker in one process, with a ledger of its own and parts that answer as they are told to.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::reader::InProcess;
use dicom_ingest::source::Source;
use jiff::Timestamp;
use models::{GreyImage, Scores};
use tokio::sync::{RwLock, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::doors::{Doors, PATIENCE};
use crate::config::{Environment, Flags, Loaded};
use crate::deliver::folder::FolderTarget;
use crate::deliver::{Target, Targets};
use crate::ending::Ending;
use crate::job::{RecordSource, Request};
use crate::lane::Lane;
use crate::ledger::{Job, JobFilter, JobRow, Ledger, NewJob, SqliteLedger};
use crate::message::tests::queue::Remembering;
use crate::message::{JobRequest, Mode, Name, envelope};
use crate::model::ModelNumber;
use crate::outcome::Outcome;
use crate::pipeline::scoring::Scoring;
use crate::pipeline::{Stages, sample};
use crate::queue::{Delivery, Disposition, QueueError, Receipt, Settled};
use crate::service::arrival::Arrivals;
use crate::service::budget::Budget;
use crate::service::feed::{Feeds, Intake};
use crate::service::fetch::Sources;
use crate::service::flight::{DeviceFor, Flight};
use crate::service::gate::Gate;
use crate::service::under_way::UnderWay;
use crate::telemetry::metrics::Metrics;

/// More retries than any request gets: who is not there now is given up.
pub(super) const TOO_OFTEN: u32 = 1_000;

/// There is none here: a study gets as far as it at most.
#[derive(Debug)]
struct NoDevice;

impl DeviceFor for NoDevice {
    fn scoring(&self, _job: &Job) -> Box<dyn Scoring + '_> {
        Box::new(Self)
    }
}

impl Scoring for NoDevice {
    fn device(&self, _model: ModelNumber) -> Result<String, Ending> {
        Err(Ending::failed("DeviceMissing", "there is none", "Read the study elsewhere."))
    }

    fn score(&self, model: ModelNumber, _image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        Err(self.device(model).unwrap_err())
    }

    fn saliency(&self, model: ModelNumber, _: &Arc<GreyImage>, _: &str) -> Result<GreyImage, Ending> {
        Err(self.device(model).unwrap_err())
    }
}

/// Remembers how its delivery was settled.
#[derive(Debug)]
struct Remembers(Arc<Mutex<Vec<Disposition>>>);

#[async_trait]
impl Receipt for Remembers {
    async fn settle(self: Box<Self>, disposition: Disposition) -> Result<Settled, QueueError> {
        self.0.lock().unwrap().push(disposition);
        Ok(Settled::Done)
    }
}

/// The site.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) doors: Arc<Doors>,
    stages: Arc<Stages>,
    settled: Arc<Mutex<Vec<Disposition>>>,
}

/// A worker of the site, and who listens to it.
pub(super) struct Working {
    pub(super) feeds: Feeds,
    _outcomes: mpsc::Receiver<Outcome>,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chiasm.toml");
        let text = "tenant = 't'\nstate = 'state'\ndefault_source = 'archive'\ndefault_targets = ['reports']\n\
                    [sources.archive]\nkind = 'folder'\npath = 'studies'\n\
                    [targets.reports]\nkind = 'folder'\npath = 'reports'\n\
                    [targets.others]\nkind = 'folder'\npath = 'others'\n";
        fs::write(&file, text).unwrap();
        for name in ["state", "studies", "reports", "others"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let flags = Flags { file: Some(file), ..Flags::default() };
        let config = Loaded::read(&flags, &Environment::default()).unwrap().config;
        let ledger = SqliteLedger::open(&config.state, Duration::from_hours(1)).unwrap();
        let reports = FolderTarget::new(name("reports"), folder.path().join("reports"));
        let doors = Doors::new(folder.path().join("studies"), reports);
        Self {
            ledger: Arc::new(ledger),
            doors: Arc::new(doors),
            stages: Arc::new(Stages::new(config, Arc::new(InProcess::default())).unwrap()),
            settled: Arc::default(),
            folder,
        }
    }

    /// A worker with a budget of so many bytes.
    pub(super) fn worker(&self, budget: u64) -> Working {
        let config = &self.stages.config;
        let sources = Sources::open(config).unwrap();
        let source = Arc::clone(&self.doors) as Arc<dyn Source>;
        let others = FolderTarget::new(name("others"), self.folder.path().join("others"));
        let targets: [(Name, Arc<dyn Target>); 2] = [
            (name("reports"), Arc::clone(&self.doors) as Arc<dyn Target>),
            (name("others"), Arc::new(others)),
        ];
        let flight = Flight {
            stages: Arc::clone(&self.stages),
            ledger: Arc::clone(&self.ledger),
            device: Arc::new(NoDevice),
            gate: Arc::new(Gate::new(2)),
            targets: Arc::new(targets.into_iter().collect::<Targets>()),
            witnesses: sources.witnesses(),
            metrics: Metrics::new("digest"),
            deliver_for: config.worker.deliver_for,
            hold_for: Duration::ZERO,
            under_way: UnderWay::default(),
        };
        let arrivals = Arrivals {
            flight: Arc::new(flight),
            sources: Arc::new(sources.with(name("archive"), source, &config.state)),
            queue: Arc::new(Remembering::default()),
            budget: Budget::new(budget),
            mapping: config.mapping.clone(),
            retry: config.retry,
            limits: config.worker,
            alone: Arc::new(RwLock::new(())),
            suspects: Budget::new(1),
            handing_back: CancellationToken::new(),
        };
        let (outcomes, listening) = mpsc::channel(64);
        let feeds = Feeds {
            arrivals: Arc::new(arrivals),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            intake: watch::channel(Intake::Open).1,
            outcomes,
            ledger_is_empty: Arc::default(),
            ledger_failed: Arc::default(),
        };
        Working { feeds, _outcomes: listening }
    }

    /// What the queue hands over.
    pub(super) fn delivery(&self, request: &JobRequest, redelivered: bool) -> Delivery {
        let message = envelope::message(request, "urn:test", None);
        Delivery {
            lane: request.lane,
            body: message.body,
            retries: TOO_OFTEN,
            redelivered,
            trace_parent: None,
            receipt: Box::new(Remembers(Arc::clone(&self.settled))),
        }
    }

    /// How deliveries were settled since the last look.
    pub(super) fn settled(&self) -> Vec<Disposition> {
        std::mem::take(&mut *self.settled.lock().unwrap())
    }

    pub(super) async fn jobs(&self) -> Vec<JobRow> {
        self.ledger.jobs(&JobFilter::default()).await.unwrap()
    }

    /// Leases a job as a worker does that dies of it, so often.
    pub(super) async fn dies(&self, job_key: &str, times: u32) {
        let dying = SqliteLedger::open(&self.stages.config.state, Duration::ZERO).unwrap();
        for _ in 0..times {
            assert!(dying.lease_key(job_key).await.unwrap().is_some());
        }
    }

    /// Puts an image of a study at the source, and gives the study's UID.
    pub(super) fn image(&self) -> String {
        let bytes = sample::phantom();
        let header = read_header(&bytes, &Limits::default()).unwrap();
        let uid = header.study_uid.to_string();
        let folder = self.doors.studies.join(&uid);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("image"), bytes).unwrap();
        uid
    }
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn request(study: &str) -> JobRequest {
    JobRequest {
        id: format!("ask-{study}"),
        time: Timestamp::now(),
        study_uid: study.parse().unwrap(),
        source: None,
        record: None,
        targets: Vec::new(),
        pipeline: None,
        lane: Lane::Routine,
        mode: Mode::Clinical,
        expected_instances: None,
        correlation_id: None,
    }
}

/// A job whose study comes from the source, or whose files lie here.
pub(super) fn job(key: &str, study: &str, from: Option<&str>, accepted_at: Timestamp) -> NewJob {
    let request = Request {
        files: Vec::new(),
        record: RecordSource::NotGiven,
        fetched_from: from.map(name),
        record_from: None,
        out: None,
        targets: vec![name("reports")],
        pipeline: None,
        mode: Mode::Clinical,
        correlation_id: None,
        unread: None,
    };
    NewJob {
        job_key: key.into(),
        report_key: format!("report of {study}"),
        lane: Lane::Routine,
        study_uid: study.into(),
        request: serde_json::to_string(&request).unwrap(),
        accepted_at: accepted_at.to_string(),
    }
}

/// Waits for what has to come.
pub(super) async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.expect("it never comes: a deadlock")
}
