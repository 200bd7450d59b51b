//! The program with a FHIR server as its target: what people are told of a delivery that fails.

use std::path::{Path, PathBuf};
use std::process::Output;

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use chiasm_tests::{phantom_study, run, study_uid};
use serde_json::Value;

use super::server;

/// A site of one study that goes to the server.
struct Site {
    folder: tempfile::TempDir,
    server: FhirServer,
    study: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = server();
        let file = phantom_study(&folder.path().join("made"), 43);
        let study = study_uid(&std::fs::read(&file).unwrap());
        std::fs::create_dir_all(folder.path().join("archive").join(&study)).unwrap();
        std::fs::copy(&file, folder.path().join("archive").join(&study).join("image")).unwrap();
        let config = format!(
            "state = 'state'\ndefault_source = 'archive'\ndefault_targets = ['ehr']\n\
             [sources.archive]\nkind = 'folder'\npath = 'archive'\n\
             [targets.ehr]\nkind = 'fhir'\nurl = '{}'\n[worker]\nmin_free_disk_mib = 1\n",
            server.url()
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
