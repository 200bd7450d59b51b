//! The whole way of a study from another machine: asked for by name, fetched, reported, and nothing left behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use chiasm_tests::gateway::{Fault, Gateway};
use chiasm_tests::orthanc::{LOGIN, Orthanc};
use chiasm_tests::s3_server::{ACCESS_KEY, BUCKET, S3Server};
use chiasm_tests::site::workers::{SIGABRT, Start, Worker, wait_until};
use chiasm_tests::{lines, phantom, run, study_uid};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(2);

/// A site with a bucket and a DICOMweb server as sources, and a folder and the same bucket as targets.
struct Site {
    folder: PathBuf,
    config: PathBuf,
}

impl Site {
    fn new(folder: &Path, s3: &str, pacs: &str) -> Self {
        let config = folder.join("chiasm.toml");
        for (name, secret) in [("secret", ACCESS_KEY.1), ("password", LOGIN.1)] {
            fs::write(folder.join(name), secret).unwrap();
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        fs::create_dir_all(folder.join("reports")).unwrap();
        let bucket = format!(
            "kind = 's3'\nurl = '{s3}'\nbucket = '{BUCKET}'\npath_style = true\naccess_key_id = '{}'\n\
             secret_access_key = {{ file = 'secret' }}\ntimeout_s = 5\n",
            ACCESS_KEY.0
        );
        let text = format!(
            "state = 'state'\ndefault_targets = ['reports', 'shelf']\n\
             [sources.bucket]\n{bucket}prefix = 'studies/'\n\
             [sources.pacs]\nkind = 'dicomweb'\nurl = '{pacs}/dicom-web'\nuser = '{}'\npassword = {{ file = 'password' }}\n\
             timeout_s = 5\n\
             [targets.reports]\nkind = 'folder'\npath = 'reports'\n[targets.shelf]\n{bucket}prefix = 'reports/'\n\
             [queue]\nretry_after_s = 1\n[worker]\nmin_free_disk_mib = 1\n",
            LOGIN.0
        );
        fs::write(&config, text).unwrap();
        Self { folder: folder.to_owned(), config }
    }

    fn chiasm(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--config", self.config.to_str().unwrap()]].concat())
    }

    fn submit(&self, study: &str, source: &str) {
        let output = self.chiasm(&["submit", "--json", "--study", study, "--source", source]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn work(&self) -> Vec<Value> {
        let output = self.chiasm(&["worker", "--once", "--device", "cpu", "--json"]);
        // 3 says that a study was refused
        let is_done = output.status.code().is_some_and(|code| [0, 3].contains(&code));
        assert!(is_done, "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    }

    fn jobs(&self) -> Vec<Value> {
        lines(&self.chiasm(&["jobs", "list", "--json"]))
    }

    /// What lies in the spool beside its lock.
    fn spooled(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder.join("state/spool")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "lock").collect()
    }

    fn bundle(&self, study: &str) -> Vec<u8> {
        fs::read(self.folder.join("reports").join(study).join("bundle.json")).unwrap()
    }

    /// Starts a worker that dies at a point, and waits until it has.
    fn die(&self, point: &str) {
        let mut worker = self.start(&Start::dying_at(point));
        let ended = worker.ends_within(PATIENCE);
        assert!(worker.died_at_a_failpoint(), "signal {SIGABRT} was expected: {ended:?} {}", worker.logged());
    }

    fn start(&self, start: &Start) -> Worker {
        Worker::start(&self.config, &self.folder.join("worker.log"), None, start)
    }
}

/// An S3 server with one phantom study, and the study's UID.
fn bucket_with(folder: &Path, seed: u64) -> (S3Server, String) {
    let server = S3Server::start(&folder.join("s3"));
    let file = phantom(seed);
    let study = study_uid(&file);
    write(&server, &study, "image.dcm", &file);
    (server, study)
}

fn write(server: &S3Server, study: &str, name: &str, bytes: &[u8]) {
    let place = server.bucket().join("studies").join(study);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(name), bytes).unwrap();
}

fn states(jobs: &[Value]) -> Vec<&str> {
    jobs.iter().map(|job| job["state"].as_str().unwrap()).collect()
}

#[test]
fn a_study_of_a_bucket_and_of_a_dicomweb_server_gets_the_same_report_as_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (server, study) = bucket_with(folder.path(), 70);
    let orthanc = Orthanc::start_pacs(&folder.path().join("orthanc"));
    let pacs = orthanc.as_ref().map_or_else(|| "http://127.0.0.1:1".to_owned(), Orthanc::url);
    let site = Site::new(folder.path(), &server.url(), &pacs);
    let check = site.chiasm(&["config", "check"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));

    site.submit(&study, "bucket");
    let outcomes = site.work();
    assert_eq!(states(&outcomes), ["reported"], "{outcomes:?}");
    assert_eq!(site.spooled(), Vec::<String>::new());
    // the bucket holds the same bytes, and its pointer leads to them
    let bundle = site.bundle(&study);
    let reports = server.bucket().join("reports").join(&study);
    let latest: Value = serde_json::from_slice(&fs::read(reports.join("latest.json")).unwrap()).unwrap();
    let key = latest["files"]["bundle"]["key"].as_str().unwrap();
    assert_eq!(fs::read(reports.join(key)).unwrap(), bundle);
    assert!(
        outcomes[0]["files"]["bundle"]
            .as_str()
            .unwrap()
            .starts_with(&format!("s3://{BUCKET}/reports/{study}/"))
    );

    // asked for again, nothing happens: it is the same study
    site.submit(&study, "bucket");
    assert_eq!(site.work(), Vec::<Value>::new());
    let Some(orthanc) = orthanc else { return };
    let file = phantom(71);
    orthanc.store(&file);
    let other = study_uid(&file);
    site.submit(&other, "pacs");
    let outcomes = site.work();
    assert_eq!(states(&outcomes), ["reported"], "{outcomes:?}");
    assert_eq!(site.spooled(), Vec::<String>::new());
    // Orthanc gives back the bytes that it was given: from a bucket it is the same job with the same report
    let bundle = site.bundle(&other);
    write(&server, &other, "image.dcm", &file);
    site.submit(&other, "bucket");
    assert_eq!(site.work(), Vec::<Value>::new());
    assert_eq!((site.bundle(&other), site.jobs().len()), (bundle, 2));
}

#[test]
fn a_worker_that_dies_leaves_nothing_and_its_job_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let (server, study) = bucket_with(folder.path(), 72);
    let gateway = Gateway::start(server.address());
    let site = Site::new(folder.path(), &gateway.url(), "http://127.0.0.1:1");
    site.submit(&study, "bucket");
    site.die("analysed");
    assert_eq!(site.spooled().len(), 1, "what it fetched is still there");

    // the source is away when the next one takes the job up: it rests, and nothing is lost
    gateway.spoil(Fault::Status(503, "SlowDown"), "list-type=2", usize::MAX);
    let worker = site.start(&Start::default());
    wait_until("the job rests", PATIENCE, || {
        worker.logged().contains("the study of a job cannot be fetched again yet")
    });
    assert_eq!(states(&site.jobs()), ["accepted"]);
    gateway.pass();
    wait_until("the job ends", PATIENCE, || states(&site.jobs()) == ["reported"]);
    wait_until("the spool is empty", PATIENCE, || {
        fs::read_dir(folder.path().join("state/spool/worker-0")).unwrap().count() == 1
    });
    drop(worker);
    assert!(!site.bundle(&study).is_empty());
    assert_eq!(site.work(), Vec::<Value>::new());
    assert_eq!(site.spooled(), Vec::<String>::new(), "a killed worker's folder goes with the next start");
}

#[test]
fn a_study_that_changed_after_its_job_was_accepted_is_never_read_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (server, study) = bucket_with(folder.path(), 73);
    let site = Site::new(folder.path(), &server.url(), "http://127.0.0.1:1");
    site.submit(&study, "bucket");
    site.die("analysed");
    // the same study with another image: a later version of it
    let later = chiasm_tests::phantom_series(73, 2);
    fs::remove_file(server.bucket().join("studies").join(&study).join("image.dcm")).unwrap();
    write(&server, &study, "later.dcm", &later[1]);
    site.work();
    let jobs = site.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    let current: Vec<_> = jobs.iter().filter(|job| job["state"] == "reported").collect();
    assert_eq!(current.len(), 1, "{jobs:?}");
    let old: Vec<_> = jobs.iter().filter(|job| job["job"] != current[0]["job"]).collect();
    let state = old[0]["state"].as_str().unwrap();
    assert!(["refused", "superseded"].contains(&state), "{jobs:?}");
    // What the targets hold is the version that was read.
    let latest = server.bucket().join("reports").join(&study).join("latest.json");
    let latest: Value = serde_json::from_slice(&fs::read(latest).unwrap()).unwrap();
    assert_eq!(latest["job"], current[0]["job"]);
}

#[test]
fn what_cannot_be_had_ends_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let (server, study) = bucket_with(folder.path(), 74);
    let site = Site::new(folder.path(), &server.url(), "http://127.0.0.1:1");
    let text = fs::read_to_string(&site.config).unwrap();
    let text = text.replace("retry_after_s = 1", "retry_after_s = 1\nretries = 1");
    fs::write(&site.config, format!("{text}max_study_mib = 8\n")).unwrap();
    let large = vec![0; 9 << 20];
    write(&server, "1.2.3", "large", &large);
    write(&server, "1.2.4", "page.html", b"<html>");
    for study in ["1.2.3", "1.2.4", "1.2.5"] {
        site.submit(study, "bucket");
    }
    site.submit(&study, "bucket");
    let outcomes = site.work();
    let code = |study: &str| {
        let found = outcomes.iter().find(|outcome| outcome["study_uid"] == study).unwrap();
        (found["state"].as_str().unwrap().to_owned(), found["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code("1.2.3"), ("refused".into(), "StudyTooLarge".into()));
    assert_eq!(code("1.2.4"), ("refused".into(), "StudyNotFound".into()));
    assert_eq!(code("1.2.5"), ("refused".into(), "StudyNotFound".into()));
    assert_eq!(code(&study).0, "reported");
    assert_eq!(site.spooled(), Vec::<String>::new());
}
