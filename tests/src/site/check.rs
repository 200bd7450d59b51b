//! The checker: what was accepted is what ended, once each, with the same bytes everywhere, and for the right patient.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use worker::ledger::{JobFilter, ReportBytes};
use worker::report::overlay;

use super::Site;
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

    pub(super) fn wrong(&mut self, problem: String) {
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
pub(super) fn current(jobs: Option<&Vec<Value>>) -> Vec<&Value> {
    jobs.into_iter().flatten().filter(|job| job["state"] != "superseded").collect()
}

pub(super) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
