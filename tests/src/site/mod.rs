//! A whole site for tests: invented patients, a queue and a ledger, targets, and workers as processes of the real
//! program, with everything that can go wrong between them, and the checker that says whether anything was lost or
//! doubled.

pub mod check;
pub mod cohort;
pub mod evidence;
pub mod nemesis;
pub mod remote;
mod sent;
pub mod servers;
pub mod submit;
mod targets;
pub mod workers;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use worker::config::Config;
use worker::ledger::Ledger;
use worker::queue::Queue;

use crate::fhir_server::FhirServer;
use crate::pacs::StowServer;
use crate::proxy::Proxy;
use crate::watchdog;
use check::End;
use cohort::Cohort;
use remote::{Origin, Remote};
use servers::Servers;
use workers::{Start, Worker, wait_until};

/// Which queue and which ledger.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Both in one SQLite file.
    Embedded,
    /// RabbitMQ and PostgreSQL.
    Distributed(&'a Servers),
}

/// What makes one site differ from another.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where every choice starts.
    pub seed: u64,
    /// How many invented patients there are.
    pub patients: usize,
    /// `ledger.lease_s`.
    pub lease_s: u64,
    /// `worker.jobs_at_once`.
    pub jobs_at_once: u16,
    /// `worker.grace_s`.
    pub grace_s: u64,
    /// `worker.poison_after`.
    pub poison_after: u16,
    /// Whether there are a bucket and a DICOMweb server beside the folders.
    pub remote: bool,
}

impl Plan {
    /// The plan of the tests, for this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, patients: 7, lease_s: 5, jobs_at_once: 4, grace_s: 20, poison_after: 5, remote: false }
    }
}

/// The ways between the workers and the servers.
#[derive(Debug)]
pub struct Ways {
    /// To the FHIR server.
    pub fhir: Proxy,
    /// To the PACS.
    pub pacs: Proxy,
    /// To RabbitMQ, in the distributed mode.
    pub broker: Option<Proxy>,
    /// To PostgreSQL, in the distributed mode.
    pub postgres: Option<Proxy>,
}

impl Ways {
    fn before(fhir: SocketAddr, pacs: SocketAddr, behind: Option<&servers::Backend>) -> Self {
        Self {
            fhir: Proxy::start(fhir),
            pacs: Proxy::start(pacs),
            broker: behind.map(|behind| Proxy::start(behind.broker)),
            postgres: behind.map(|behind| Proxy::start(behind.postgres)),
        }
    }
}

/// A site.
pub struct Site {
    /// Its workers; those that ended are still there.
    pub workers: Vec<Worker>,
    /// Its FHIR server.
    pub fhir: FhirServer,
    /// Its PACS.
    pub pacs: StowServer,
    /// What lies between the workers and the servers.
    pub ways: Ways,
    /// Patients and studies.
    pub cohort: Cohort,
    /// The bucket and the DICOMweb server, where the plan has them.
    pub remote: Option<Remote>,
    /// Where studies are that are not in the folder.
    origins: BTreeMap<String, Origin>,
    /// How each accepted study is to end.
    accepted: BTreeMap<String, End>,
    /// Dead letters that are expected, by code.
    dead: BTreeMap<String, usize>,
    plan: Plan,
    is_embedded: bool,
    config: PathBuf,
    direct: PathBuf,
    queue: Arc<dyn Queue>,
    ledger: Arc<dyn Ledger>,
    runtime: tokio::runtime::Runtime,
    folder: PathBuf,
    keep: bool,
}

impl Site {
    /// Makes a site with nothing on its queue.
    ///
    /// # Panics
    /// Where a part of it cannot be made.
    pub fn open(mode: Mode<'_>, plan: Plan) -> Self {
        eprintln!("seed {}", plan.seed);
        let folder = tempfile::Builder::new().prefix("chiasm-site-").tempdir().expect("a folder").keep();
        watchdog::remove_at_the_end(&folder);
        for name in ["studies", "reports", "state", "logs"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        let cohort = Cohort::new(plan.seed, plan.patients, &folder.join("records"));
        let fhir = FhirServer::start();
        cohort.patients().iter().for_each(|patient| fhir.put(&patient.resource()));
        let fhir_address: SocketAddr =
            fhir.url().trim_start_matches("http://").trim_end_matches("/fhir").parse().expect("its address");
        let pacs = StowServer::start();
        let behind = mode.backend();
        let ways = Ways::before(fhir_address, pacs.address(), behind.as_ref());
        let remote = plan.remote.then(|| Remote::start(&folder));
        let places =
            |is_direct| remote.as_ref().map(|remote| remote.settings(&folder, is_direct)).unwrap_or_default();
        let direct = folder.join("direct.toml");
        let settings = Settings {
            plan,
            folder: &folder,
            fhir: fhir_address,
            pacs: pacs.address(),
            behind: behind.as_ref(),
            places: places(true),
        };
        settings.write(&direct);
        let through = behind.as_ref().map(|behind| servers::Backend {
            broker: ways.broker.as_ref().map_or(behind.broker, Proxy::address),
            postgres: ways.postgres.as_ref().map_or(behind.postgres, Proxy::address),
            ..behind.clone()
        });
        let config = folder.join("chiasm.toml");
        let settings = Settings {
            plan,
            folder: &folder,
            fhir: ways.fhir.address(),
            pacs: ways.pacs.address(),
            behind: through.as_ref(),
            places: places(false),
        };
        settings.write(&config);

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (queue, ledger) = runtime.block_on(opened(&direct));
        Self {
            workers: Vec::new(),
            fhir,
            pacs,
            ways,
            cohort,
            remote,
            origins: BTreeMap::new(),
            accepted: BTreeMap::new(),
            dead: BTreeMap::new(),
            plan,
            is_embedded: behind.is_none(),
            config,
            direct,
            queue,
            ledger,
            runtime,
            folder,
            keep: false,
        }
    }

    /// Starts a worker and gives its place among the workers.
    pub fn start(&mut self, start: &Start) -> usize {
        let number = self.workers.len();
        let log = self.folder.join("logs").join(format!("worker-{number}.log"));
        let worker = Worker::start(&self.config, &log, self.own_state(number).as_deref(), start);
        self.workers.push(worker);
        number
    }

    /// Starts a worker in the place of one that ended, with its log and its state folder.
    pub fn start_again(&mut self, number: usize, start: &Start) {
        self.workers[number].kill();
        let log = self.workers[number].log.clone();
        let worker = Worker::start(&self.config, &log, self.own_state(number).as_deref(), start);
        self.workers[number] = worker;
    }

    /// Starts so many workers that take work until they are told to stop, and waits until all do.
    pub fn start_ready(&mut self, count: usize) {
        let first = self.workers.len();
        for _ in 0..count {
            self.start(&Start::default());
        }
        for number in first..first + count {
            self.wait_until_ready(number);
        }
    }

    /// Waits until a worker says that it takes work.
    pub fn wait_until_ready(&mut self, number: usize) {
        let worker = &mut self.workers[number];
        wait_until("the worker is ready", Duration::from_mins(1), || {
            assert!(worker.is_running(), "the worker ended: {}", worker.logged());
            worker.is_ready()
        });
    }

    /// Where everything of this site lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration that does not go through the proxies.
    pub fn direct(&self) -> &Path {
        &self.direct
    }

    /// The plan it was made with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Leaves the folder where it is, for a person to look at, until [`Self::discard`].
    pub fn keep_folder(&mut self) {
        self.keep = true;
        watchdog::keep(&self.folder);
    }

    /// Ends the site and removes its folder.
    pub fn discard(mut self) {
        self.keep = false;
    }

    /// In the distributed mode every worker is a machine of its own, with its own state folder.
    fn own_state(&self, number: usize) -> Option<PathBuf> {
        (!self.is_embedded).then(|| self.folder.join("state").join(format!("worker-{number}")))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.workers.clear();
        if std::thread::panicking() && !self.keep {
            eprintln!("seed {}: this site failed", self.plan.seed);
            for worker in fs::read_dir(self.folder.join("logs")).into_iter().flatten().flatten() {
                let log = fs::read_to_string(worker.path()).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                eprintln!("-- end of {}", worker.path().display());
                for line in &lines[lines.len().saturating_sub(30)..] {
                    eprintln!("{line}");
                }
            }
        }
        if !self.keep {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// The queue and the ledger, past the proxies.
async fn opened(direct: &Path) -> (Arc<dyn Queue>, Arc<dyn Ledger>) {
    let loaded = Config::load(Some(direct), None).expect("a valid configuration");
    let queue = worker::queue::open(&loaded.queue, &loaded.state).await.expect("a queue");
    let ledger = worker::ledger::open(&loaded.ledger, &loaded.state, loaded.worker.lease).await;
    (queue, ledger.expect("a ledger"))
}

/// What `chiasm.toml` is made of.
struct Settings<'a> {
    plan: Plan,
    folder: &'a Path,
    fhir: SocketAddr,
    pacs: SocketAddr,
    behind: Option<&'a servers::Backend>,
    /// More sources and targets.
    places: String,
}

impl Settings<'_> {
    fn write(&self, file: &Path) {
        fs::write(file, self.text()).expect("a written configuration");
    }

    fn text(&self) -> String {
        let Plan { lease_s, jobs_at_once, grace_s, poison_after, .. } = self.plan;
        let folder = self.folder.display();
        let (fhir, pacs, places) = (self.fhir, self.pacs, &self.places);
        let shelf = if places.is_empty() { "" } else { ", \"shelf\"" };
        let queue_and_ledger = match self.behind {
            None => format!(
                "[queue]\nkind = \"embedded\"\nretry_after_s = 1\n\n[ledger]\nkind = \"sqlite\"\nlease_s = {lease_s}\n"
            ),
            Some(behind) => {
                let (queue_url, ledger_url, prefix) = (behind.queue_url(), behind.ledger_url(), &behind.name);
                format!(
                    "[queue]\nkind = \"rabbitmq\"\nurl = \"{queue_url}\"\npassword = {{ file = \"{folder}/password\" }}\n\
                     prefix = \"{prefix}\"\nretry_after_s = 1\n\n\
                     [ledger]\nkind = \"postgres\"\nurl = \"{ledger_url}\"\nlease_s = {lease_s}\n"
                )
            }
        };
        let password = self.folder.join("password");
        fs::write(&password, "secret\n").expect("a written password");
        fs::set_permissions(&password, Permissions::from_mode(0o600)).expect("its owner's alone");
        format!(
            "tenant = \"soak\"\nstate = \"{folder}/state\"\ndefault_source = \"archive\"\ndefault_record = \"ehr\"\n\
             default_targets = [\"ehr\", \"pacs\", \"reports\"{shelf}]\n\n{queue_and_ledger}\n\
             [sources.archive]\nkind = \"folder\"\npath = \"{folder}/studies\"\n\n\
             [records.ehr]\nkind = \"folder\"\npath = \"{folder}/records\"\n\n\
             [targets.ehr]\nkind = \"fhir\"\nurl = \"http://{fhir}/fhir\"\ntimeout_s = 5\n\n\
             [targets.pacs]\nkind = \"dicomweb\"\nurl = \"http://{pacs}/dicom-web\"\ntimeout_s = 5\n\n\
             [targets.reports]\nkind = \"folder\"\npath = \"{folder}/reports\"\n\n{places}\
             [worker]\njobs_at_once = {jobs_at_once}\ngrace_s = {grace_s}\npoison_after = {poison_after}\nmin_free_disk_mib = 1\n"
        )
    }
}
