//! The checker: what was accepted is what ended, once each, with the same bytes everywhere, and for the right patient.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use serde_json::{Value, json};
use worker::ledger::{JobFilter, ReportBytes};
use worker::report::overlay;

use super::Site;
use super::sent::sent;
use crate::{chiasm, lines};

/// How a job is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The terminal state's word.
    pub state: &'static str,
    /// The stable code, where one is expected.
    pub code: Option<&'static str>,
}

impl End {
    /// With a report of an analysis.
    pub fn reported() -> Self {
        Self { state: "reported", code: None }
    }

    /// As failed, with this code.
    pub fn failed(code: &'static str) -> Self {
        Self { state: "failed", code: Some(code) }
    }
}

/// What the checker counted and what it found wrong.
#[derive(Debug, Default)]
pub struct Verdict {
    /// One line a violated invariant.
    pub problems: Vec<String>,
    /// Studies that were accepted.
    pub accepted: usize,
    /// Jobs in each state.
    pub states: BTreeMap<String, usize>,
    /// Transactions that the FHIR server stored.
    pub writes: usize,
    /// Instances that the PACS was given.
    pub pacs_writes: usize,
    /// Times that a report was written to the FHIR server or the PACS again with the same bytes.
    pub rewrites: usize,
    /// Times that jobs were started beyond their first.
    pub restarts: u64,
    /// Dead letters.
    pub dead: usize,
}

impl Verdict {
    /// Fails the test where an invariant is violated.
    ///
    /// # Panics
    /// Then.
    pub fn assert(&self) {
        assert!(self.problems.is_empty(), "{} problems:\n{}", self.problems.len(), self.problems.join("\n"));
    }

    /// The same for a test in which no worker ever outlives its lease: nothing is even written twice.
    ///
    /// # Panics
    /// Where something is.
    pub fn assert_without_rewrites(&self) {
        self.assert();
        assert_eq!(self.rewrites, 0, "reports were written again with the same bytes");
    }

    /// As JSON, for a record of a run.
    pub fn json(&self) -> Value {
        json!({
            "problems": self.problems, "accepted": self.accepted, "states": self.states, "fhir_writes": self.writes,
            "pacs_writes": self.pacs_writes, "rewrites": self.rewrites, "restarts": self.restarts, "dead_letters": self.dead,
        })
    }

    fn wrong(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

impl Site {
    /// Waits until every accepted study has ended and nothing is on the way any more.
    ///
    /// # Panics
    /// Where that takes longer than `patience`.
    pub fn wait_until_done(&self, patience: Duration) {
        let began = Instant::now();
        loop {
            let open = self.open_work();
            if open.as_ref().is_some_and(std::collections::BTreeMap::is_empty) {
                return;
            }
            assert!(began.elapsed() < patience, "after {patience:?} this is still open: {open:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many jobs have ended; 0 where the ledger does not answer now.
    pub fn ended(&self) -> u64 {
        let counts = self.runtime.block_on(self.ledger.counts()).unwrap_or_default();
        counts.iter().filter(|(state, _)| state.is_terminal()).map(|(_, count)| count).sum()
    }

    /// What is still open, by name; `None` where queue or ledger do not answer now.
    pub fn open_work(&self) -> Option<BTreeMap<String, u64>> {
        let counts = self.runtime.block_on(self.ledger.counts()).ok()?;
        let status = self.runtime.block_on(self.queue.status()).ok()?;
        let ended: u64 = counts.iter().filter(|(state, _)| state.is_terminal()).map(|(_, count)| count).sum();
        let waiting = counts.iter().filter(|(state, _)| !state.is_terminal());
        let mut open: BTreeMap<String, u64> =
            waiting.map(|(state, count)| (state.to_string(), *count)).collect();
        open.insert("not in the ledger".into(), (self.accepted.len() as u64).saturating_sub(ended));
        open.insert("stat messages".into(), status.stat);
        open.insert("routine messages".into(), status.routine);
        open.insert("resting messages".into(), status.resting);
        open.insert("unsettled messages".into(), status.unsettled.unwrap_or(0));
        let dead = self.dead.values().sum::<usize>() as u64;
        open.insert("dead letters to come".into(), dead.saturating_sub(status.dead));
        open.retain(|_, count| *count > 0);
        Some(open)
    }

    /// Looks at everything. Call it when the work is done.
    pub fn check(&self) -> Verdict {
        let mut verdict = Verdict { accepted: self.accepted.len(), ..Verdict::default() };
        let jobs = self.listed(&mut verdict);
        let stored = self.stored(&mut verdict);
        self.check_queue(&mut verdict);
        self.check_ends(&jobs, &stored, &mut verdict);
        self.check_fhir(&jobs, &stored, &mut verdict);
        self.check_pacs(&jobs, &stored, &mut verdict);
        self.check_folder(&jobs, &stored, &mut verdict);
        self.check_bucket(&jobs, &stored, &mut verdict);
        verdict
    }

    /// `chiasm jobs list --json`, by study.
    fn listed(&self, verdict: &mut Verdict) -> BTreeMap<String, Vec<Value>> {
        let output = self.cli(&["jobs", "list", "--json"]);
        if !output.status.success() {
            verdict.wrong(format!("`chiasm jobs list` failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let mut jobs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for job in lines(&output) {
            let state = text(&job, "state");
            *verdict.states.entry(state.clone()).or_default() += 1;
            verdict.restarts += job["attempts"].as_u64().unwrap_or(0).saturating_sub(1);
            if !["reported", "refused", "failed", "superseded"].contains(&state.as_str()) {
                verdict.wrong(format!("job {} has not ended: it is {state}", text(&job, "job")));
            }
            jobs.entry(text(&job, "study_uid")).or_default().push(job);
        }
        jobs
    }

    /// Every stored report by job key, straight from the ledger; the overlay as it is drawn of what is stored there.
    fn stored(&self, verdict: &mut Verdict) -> BTreeMap<String, ReportBytes> {
        let reports = self.runtime.block_on(async {
            let mut reports = BTreeMap::new();
            for row in self.ledger.jobs(&JobFilter::default()).await? {
                if let Some(mut report) = self.ledger.report(&row.job_key).await? {
                    let stored = report.overlay.take();
                    let drawn = stored.as_deref().and_then(|stored| overlay::file(stored, &report.html));
                    report.overlay = drawn.map(Cow::into_owned);
                    reports.insert(row.job_key, report);
                }
            }
            Ok::<_, worker::ledger::LedgerError>(reports)
        });
        reports.unwrap_or_else(|error| {
            verdict.wrong(format!("the ledger cannot be read: {error}"));
            BTreeMap::new()
        })
    }

    fn check_queue(&self, verdict: &mut Verdict) {
        let output = self.cli(&["queue", "status", "--json"]);
        let status = lines(&output).pop().unwrap_or_default();
        let counts = ["stat", "routine", "resting"].map(|count| status[count].as_u64());
        if counts != [Some(0); 3] || status["unsettled"].as_u64().is_some_and(|count| count > 0) {
            let said = String::from_utf8_lossy(&output.stderr);
            verdict.wrong(format!("the queue is not empty: {status} {said}"));
        }
        let letters = self.runtime.block_on(self.queue.dead_letters(10_000)).unwrap_or_default();
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for letter in &letters {
            *codes.entry(letter.code.clone()).or_default() += 1;
            if letter.reason.is_empty() {
                verdict.wrong(format!("a dead letter {} has no reason", letter.code));
            }
        }
        verdict.dead = letters.len();
        if codes != self.dead {
            verdict.wrong(format!("dead letters {codes:?}, expected {:?}", self.dead));
        }
    }

    /// Every accepted study has exactly one job that counts, ended as expected, and no other study has one.
    fn check_ends(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        for study in jobs.keys().filter(|study| !self.accepted.contains_key(*study)) {
            verdict.wrong(format!("study {study} has a job and was never accepted"));
        }
        for (study, end) in &self.accepted {
            let current = current(jobs.get(study));
            let [job] = current[..] else {
                verdict
                    .wrong(format!("study {study} was accepted and has {} jobs that count", current.len()));
                continue;
            };
            let (key, state) = (text(job, "job"), text(job, "state"));
            let outcome = stored.get(&key).map(|report| serde_json::from_str::<Value>(&report.outcome));
            let code = outcome.and_then(Result::ok).and_then(|line| line["code"].as_str().map(str::to_owned));
            if state != end.state || end.code.is_some() && code.as_deref() != end.code {
                verdict.wrong(format!("job {key} ended as {state} ({code:?}), expected {end:?}"));
            }
        }
    }

    /// The truth at the receiving end: one report an id, only bytes that the ledger holds, the newest version last.
    fn check_fhir(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let digests: BTreeMap<String, BTreeSet<String>> =
            jobs.values().flat_map(|jobs| sent(jobs, stored)).collect();
        let accepted = self.fhir.accepted();
        verdict.writes = accepted.len();
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for write in &accepted {
            let key = write.job_key.clone().unwrap_or_default();
            if !digests.get(&key).is_some_and(|digests| digests.contains(&write.sha256)) {
                verdict.wrong(format!("job {key}: the FHIR server has other bytes than the ledger"));
            }
            let [place] = &write.reports[..] else {
                verdict.wrong(format!("job {key}: a write holds {} reports", write.reports.len()));
                continue;
            };
            if places.insert(key.clone(), place.clone()).is_some_and(|before| before != *place) {
                verdict.wrong(format!("job {key}: two report ids"));
            }
        }
        let mut owners: BTreeMap<&String, &String> = BTreeMap::new();
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let Some(place) = places.get(&key) else {
                    verdict.wrong(format!("job {key} ended and its report is not on the FHIR server"));
                    continue;
                };
                if owners.insert(place, study).is_some() {
                    verdict.wrong(format!("two studies share the report {place}"));
                }
                let versions = self.fhir.versions(place);
                if versions.last().and_then(|version| version.job_key.clone()) != Some(key.clone()) {
                    verdict.wrong(format!("job {key}: the FHIR server's last version is another job's"));
                }
            }
        }
        for place in self.fhir.places("DiagnosticReport") {
            let keys: Vec<_> =
                self.fhir.versions(&place).into_iter().map(|version| version.job_key).collect();
            verdict.rewrites += keys.len() - keys.iter().collect::<BTreeSet<_>>().len();
        }
    }

    /// The PACS holds one instance a version, only bytes that the ledger holds, each in the study that it is about.
    fn check_pacs(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let mut known: BTreeMap<String, (&String, &Vec<u8>, String)> = BTreeMap::new();
        for (key, report) in stored {
            for file in report.sr.iter().chain(&report.overlay).chain(&report.segmentation) {
                let Ok(header) = read_header(file, &Limits::default()) else {
                    verdict.wrong(format!("job {key}: one of its DICOM objects cannot be read"));
                    continue;
                };
                let (uid, study) = (header.sop_instance_uid.to_string(), header.study_uid.to_string());
                if known.insert(uid, (key, file, study)).is_some() {
                    verdict.wrong(format!("job {key}: another version has the same SOP Instance UID"));
                }
            }
        }
        let copies = self.pacs.copies();
        verdict.pacs_writes = copies.values().map(Vec::len).sum();
        for (uid, copies) in &copies {
            match known.get(uid) {
                Some((key, sr, _)) if copies.iter().any(|copy| copy != *sr) => {
                    verdict.wrong(format!("job {key}: the PACS has other bytes than the ledger"));
                }
                Some(_) => {}
                None => verdict.wrong(format!("the PACS has {uid}, which no job of the ledger wrote")),
            }
            verdict.rewrites += copies.len() - 1;
        }
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let own: Vec<_> = known.iter().filter(|(_, (owner, _, _))| **owner == key).collect();
                let beside = |report: &ReportBytes| {
                    usize::from(report.overlay.is_some()) + usize::from(report.segmentation.is_some())
                };
                let wanted = stored.get(&key).map_or(1, |report| 1 + beside(report));
                if own.len() != wanted {
                    verdict.wrong(format!("job {key}: it has {} objects for the PACS", own.len()));
                }
                for (uid, (_, _, of)) in own {
                    if !copies.contains_key(uid) {
                        verdict.wrong(format!("job {key} ended and {uid} is not on the PACS"));
                    }
                    if of != study {
                        verdict.wrong(format!("job {key}: {uid} is of another study"));
                    }
                }
            }
        }
    }

    /// The folder holds the same bytes, nothing half written, and each report names the patient of its study.
    fn check_folder(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let reports = self.folder.join("reports");
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let written = |name: &str| fs::read(reports.join(study).join(name)).ok();
                let bundle = stored.get(&key).and_then(|report| report.bundle.clone());
                let sr = stored.get(&key).and_then(|report| report.sr.clone());
                let overlay = stored.get(&key).and_then(|report| report.overlay.clone());
                let there = (written("bundle.json"), written("report.dcm"), written("overlay.dcm"));
                if there.0.is_none() || there.1.is_none() || there != (bundle.clone(), sr, overlay) {
                    verdict.wrong(format!("job {key}: the folder has other bytes than the ledger"));
                }
                let bundle: Value =
                    bundle.and_then(|bundle| serde_json::from_slice(&bundle).ok()).unwrap_or_default();
                if !self.is_of_the_right_patient(study, &bundle) {
                    verdict.wrong(format!("job {key}: the report is of another patient"));
                }
            }
        }
        for study in fs::read_dir(&reports).into_iter().flatten().flatten() {
            let files = fs::read_dir(study.path()).into_iter().flatten().flatten();
            let names: BTreeSet<String> =
                files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
            let known =
                ["bundle.json", "overlay.dcm", "report.dcm", "report.html", "report.pdf", "segmentation.dcm"];
            if names.iter().any(|name| !known.contains(&name.as_str())) {
                verdict.wrong(format!("left behind in the reports' folder: {names:?}"));
            }
        }
    }

    /// The bucket's pointer leads to the version that counts, with the same bytes; and no worker keeps a study for itself.
    fn check_bucket(
        &self,
        jobs: &BTreeMap<String, Vec<Value>>,
        stored: &BTreeMap<String, ReportBytes>,
        verdict: &mut Verdict,
    ) {
        let Some(remote) = &self.remote else { return };
        for (study, jobs) in jobs {
            for job in current(Some(jobs)).into_iter().filter(|job| job["state"] != "failed") {
                let key = text(job, "job");
                let folder = remote.reports().join(study);
                let pointer = fs::read(folder.join("latest.json")).unwrap_or_default();
                let pointer: Value = serde_json::from_slice(&pointer).unwrap_or_default();
                let place = pointer["files"]["bundle"]["key"].as_str().unwrap_or_default().to_owned();
                let bundle = fs::read(folder.join(place)).ok();
                let expected = stored.get(&key).and_then(|report| report.bundle.clone());
                if pointer["job"] != key.as_str() || bundle.is_none() || bundle != expected {
                    verdict.wrong(format!("job {key}: the bucket's newest version is another"));
                }
            }
        }
    }

    /// Every subject in the bundle is this study's patient and no other of the cohort.
    fn is_of_the_right_patient(&self, study: &str, bundle: &Value) -> bool {
        let Some(patient) = self.cohort.patient(study) else { return false };
        let subjects: Vec<&Value> = bundle["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| &entry["resource"]["subject"])
            .filter(|subject| !subject.is_null())
            .collect();
        let is_hers = |subject: &&Value| {
            let text = subject.to_string().to_lowercase();
            text.contains(&patient.id.to_lowercase())
        };
        !subjects.is_empty() && subjects.iter().all(is_hers)
    }

    /// Runs the program with this site's configuration.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(chiasm());
        command.args(arguments).arg("--config").arg(&self.direct);
        command.output().expect("the program starts")
    }
}

/// Jobs of a study that no newer version took the place of.
fn current(jobs: Option<&Vec<Value>>) -> Vec<&Value> {
    jobs.into_iter().flatten().filter(|job| job["state"] != "superseded").collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
