//! The program with a FHIR server as its target: what people are told of a delivery that fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use chiasm_tests::{phantom_study, run, study_uid};
use serde_json::{Value, json};

use super::server;

/// A site of one study that goes to the server.
struct Site {
    folder: tempfile::TempDir,
    server: FhirServer,
    study: String,
}

impl Site {
    /// The server is the target.
    fn new() -> Self {
        Self::with(|url| format!("default_targets = ['ehr']\n[targets.ehr]\nkind = 'fhir'\nurl = '{url}'\n"))
    }

    /// The server holds the records, and a folder is the target: the second of the two.
    fn of_records() -> (Self, PathBuf) {
        let site = Self::with(|url| {
            format!(
                "default_targets = ['reports']\ndefault_record = 'server'\n[targets.reports]\nkind = 'folder'\n\
                 path = 'reports'\n[records.server]\nkind = 'fhir'\nurl = '{url}'\n"
            )
        });
        let reports = site.folder.path().join("reports");
        std::fs::create_dir(&reports).unwrap();
        (site, reports)
    }

    /// A site with these lines beside its source; they are told the server's URL.
    fn with(lines: impl FnOnce(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = server();
        let file = phantom_study(&folder.path().join("made"), 43);
        let study = study_uid(&std::fs::read(&file).unwrap());
        std::fs::create_dir_all(folder.path().join("archive").join(&study)).unwrap();
        std::fs::copy(&file, folder.path().join("archive").join(&study).join("image")).unwrap();
        let config = format!(
            "state = 'state'\ndefault_source = 'archive'\n{}\
             [sources.archive]\nkind = 'folder'\npath = 'archive'\n[worker]\nmin_free_disk_mib = 1\n",
            lines(&server.url())
        );
        std::fs::write(folder.path().join("chiasm.toml"), config).unwrap();
        Self { folder, server, study }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("chiasm.toml")
    }

    fn chiasm(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        let mut all: Vec<&Path> = arguments.iter().map(Path::new).collect();
        all.extend([Path::new("--config"), config.as_path()]);
        run(&all)
    }

    fn work(&self) {
        self.chiasm(&["worker", "--once", "--device", "cpu"]);
    }

    /// A worker that dies once a report is stored and not delivered.
    fn die(&self) {
        let worker = Command::new(chiasm_tests::chiasm())
            .args(["worker", "--once", "--device", "cpu", "--config"])
            .arg(self.config())
            .env("CHIASM_FAILPOINT", "stored")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(!worker.unwrap().success());
    }

    /// The record in a folder of the site's, with this CRP.
    fn record(&self, crp: f64) {
        let record =
            chiasm_tests::record(|one| one["entry"][1]["resource"]["valueQuantity"]["value"] = crp.into());
        std::fs::create_dir_all(self.folder.path().join("records")).unwrap();
        std::fs::write(self.folder.path().join("records/carla.json"), record.to_string()).unwrap();
    }

    fn jobs(&self, arguments: &[&str]) -> String {
        let output = self.chiasm(&[&["jobs"][..], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The only job.
    fn shown(&self) -> Value {
        let listed: Value = serde_json::from_str(&self.jobs(&["list", "--json"])).unwrap();
        serde_json::from_str(&self.jobs(&["show", listed["job"].as_str().unwrap(), "--json"])).unwrap()
    }
}

#[test]
fn the_issues_of_a_refusal_are_kept_and_told_without_the_servers_words() {
    let site = Site::new();
    assert!(site.chiasm(&["submit", "--study", &site.study]).status.success());
    site.server.fault(Route::Transaction, Fault::Status(422, "value"));
    site.work();
    let shown = site.shown();
    assert_eq!((&shown["state"], &shown["code"]), (&"failed".into(), &"Rejected".into()), "{shown}");
    let issues = "the server answered 422: value at Bundle.entry[0].resource.subject";
    assert!(shown["reason"].as_str().is_some_and(|reason| reason.ends_with(issues)), "{shown}");
    assert!(shown["next_step"].as_str().unwrap().contains("what the reason names"), "{shown}");
    let settled = shown["audit"].as_array().unwrap().last().unwrap();
    assert!(settled["detail"].as_str().unwrap().ends_with(issues), "{settled}");
    let (listed, text) = (site.jobs(&["list"]), site.jobs(&["show", shown["job"].as_str().unwrap()]));
    for said in [&listed, &text, &shown.to_string()] {
        assert!(said.contains(issues), "{said}");
        assert!(!said.contains("Canary") && !said.contains("TEST0001"), "{said}");
    }
    // the cause is mended: the same bytes are delivered, and nothing is said against them any more
    site.jobs(&["retry", shown["job"].as_str().unwrap()]);
    site.work();
    let shown = site.shown();
    assert_eq!((&shown["state"], &shown["reason"]), (&"reported".into(), &Value::Null), "{shown}");
    assert_eq!(site.server.accepted().len(), 1);
}

#[test]
fn what_an_earlier_version_said_is_taken_back_where_the_newer_one_is_written() {
    let site = Site::with(|url| {
        format!(
            "default_targets = ['ehr']\ndefault_record = 'file'\n[targets.ehr]\nkind = 'fhir'\nurl = '{url}'\n\
             [records.file]\nkind = 'folder'\npath = 'records'\n"
        )
    });
    let version = |crp| {
        site.record(crp);
        assert!(site.chiasm(&["submit", "--study", &site.study]).status.success());
        site.work();
        let [place] = &site.server.places("DiagnosticReport")[..] else { panic!("one report") };
        site.server.resource(place).unwrap()
    };
    let standing = |report: &Value| {
        let results = report["result"].as_array().unwrap().iter();
        let statuses: Vec<String> = results
            .map(|one| site.server.resource(one["reference"].as_str().unwrap()).unwrap())
            .map(|one| one["status"].as_str().unwrap().to_owned())
            .collect();
        assert!(!statuses.is_empty());
        statuses.iter().filter(|status| *status != "entered-in-error").count()
    };
    let first = version(12.5);
    let all = standing(&first);
    let second = version(90.0);
    assert_eq!((standing(&first), standing(&second)), (0, all));
    let provenances = site.server.places("Provenance");
    let revised = provenances.iter().filter_map(|place| site.server.resource(place));
    let revised: Vec<Value> = revised
        .flat_map(|one| one["entity"].as_array().unwrap().clone())
        .filter(|entity| entity["role"] == "revision")
        .collect();
    let job_key = |report: &Value| report["identifier"][1]["value"].clone();
    assert_eq!(revised.len(), 1);
    assert_eq!(revised[0]["what"]["identifier"]["value"], job_key(&first));
    // the record is as it was: the first version is the newest again, and stands
    let again = version(12.5);
    assert_eq!(job_key(&again), job_key(&first));
    assert_eq!((standing(&second), standing(&again)), (0, all));
}

#[test]
fn whose_a_report_is_is_asked_where_its_record_came_from() {
    let (site, reports) = Site::of_records();
    assert!(site.chiasm(&["submit", "--study", &site.study]).status.success());
    site.die();
    // the patient is registered twice before the report goes out
    let mut twin = chiasm_tests::patient();
    twin["id"] = json!("twin");
    site.server.put(&twin);
    site.work();
    // its request is carried again too, and finds two records: that version is held
    let jobs = || -> Vec<Value> {
        site.jobs(&["list", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let states: Vec<Value> = jobs().iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["failed", "held"]);
    let first = jobs()[0]["job"].as_str().unwrap().to_owned();
    let shown = site.jobs(&["show", &first]);
    assert!(shown.contains("SeveralPatients"), "{shown}");
    assert!(!reports.join(&site.study).exists(), "nothing is written");
    twin["active"] = json!(false);
    site.server.put(&twin);
    site.jobs(&["retry", &first]);
    site.work();
    assert_eq!(jobs()[0]["state"], "reported");
    assert!(reports.join(&site.study).join("report.html").exists());
}

#[test]
fn a_refusal_for_the_records_sake_goes_out_once_a_person_lets_it() {
    let (site, reports) = Site::of_records();
    let mut man = chiasm_tests::patient();
    man["gender"] = json!("male");
    site.server.put(&man);
    assert!(site.chiasm(&["submit", "--study", &site.study]).status.success());
    site.work();
    let shown = site.shown();
    assert_eq!(shown["state"], "held", "{shown}");
    site.jobs(&["release", shown["job"].as_str().unwrap()]);
    site.work();
    assert_eq!(site.shown()["state"], "refused");
    let page = std::fs::read_to_string(reports.join(&site.study).join("report.html")).unwrap();
    assert!(page.contains("SexConflict"));
}
