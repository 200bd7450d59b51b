//! `chiasm replay`: makes stored reports again and says whether every byte is the same. Nothing is written or delivered.
//!
//! What the networks said is taken from the ledger, as for a job that is taken up again; images and record are read from
//! where the job names them, and fetched again where they came from another machine.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use models::{GreyImage, Scores};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Usage, jobs, load, runtime};
use crate::cli::recall::ReplayArgs;
use crate::config::Config;
use crate::ending::Ending;
use crate::job::{Request, hex};
use crate::ledger::{self, Job, JobFilter, Ledger, ReportBytes};
use crate::model::ModelNumber;
use crate::outcome::Outcome;
use crate::pipeline::scoring::{Alone, Scoring};
use crate::pipeline::{Room, Stages, Start};
use crate::report::fhir::Stored;
use crate::report::overlay;
use crate::service::fetch::Sources;
use crate::service::flight::line;
use crate::service::spool::SpoolFolder;
use crate::{decoders, withdraw};

/// No device: what the networks said is stored, or the report said that they said nothing.
#[derive(Debug)]
struct NoDevice;

impl NoDevice {
    fn ending() -> Ending {
        let reason = "the ledger holds no model output of this job, and a replay asks no device";
        Ending::failed("ModelOutputMissing", reason, "Analyse the study again.")
    }
}

impl Scoring for NoDevice {
    fn device(&self, _model: ModelNumber) -> Result<String, Ending> {
        Err(Self::ending())
    }

    fn score(&self, _model: ModelNumber, _image: &Arc<GreyImage>) -> Result<Scores, Ending> {
        Err(Self::ending())
    }

    fn saliency(
        &self,
        _model: ModelNumber,
        _image: &Arc<GreyImage>,
        _label: &str,
    ) -> Result<GreyImage, Ending> {
        Err(Self::ending())
    }
}

/// Opens the site and replays what was named.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, Some(&args.state))?;
    let stages = Arc::new(Stages::new(config.clone(), decoders::open(&config.worker)?)?);
    runtime()?.block_on(async {
        let ledger = ledger::open(&config.ledger, &config.state, config.worker.lease).await?;
        let mut code = 0;
        for job in wanted(ledger.as_ref(), &args.what).await? {
            let stored = job.composed.clone().context("a job that was read without its report")?;
            if stored.bundle.as_deref().and_then(Stored::read).is_some_and(|one| one.is_withdrawal()) {
                let text = format!("job `{}` withdraws a report and was made from no study", job.job_key);
                return Err(Usage(text).into());
            }
            let rebuilt = replay(&config, &stages, job.clone()).await?;
            if !tell(args.json, &job, &stored, &rebuilt, &mut std::io::stdout())? {
                code = 1;
            }
        }
        Ok(code)
    })
}

/// The job of this key, or the newest versions of the reports of this study, with their reports.
async fn wanted(ledger: &dyn Ledger, what: &str) -> anyhow::Result<Vec<Job>> {
    let keys = if let Some((row, _)) = ledger.job(what).await? {
        vec![row.job_key]
    } else {
        let rows = ledger.jobs(&JobFilter::default()).await?;
        let mut reports: Vec<String> =
            rows.into_iter().filter(|row| row.study_uid == what).map(|row| row.report_key).collect();
        reports.sort();
        reports.dedup();
        let mut keys = Vec::new();
        for report in reports {
            keys.extend(ledger.newest(&report).await?.map(|job| job.job_key));
        }
        keys
    };
    let mut jobs = Vec::new();
    for key in keys {
        jobs.extend(ledger.stored(&key).await?.filter(|job| job.composed.is_some()));
    }
    if jobs.is_empty() {
        let text = format!(
            "no stored report: no job's key begins with `{what}`, or several do, and no report is of such a study"
        );
        return Err(Usage(text).into());
    }
    Ok(jobs)
}

async fn replay(config: &Config, stages: &Arc<Stages>, mut job: Job) -> anyhow::Result<ReportBytes> {
    job.composed = None;
    let spool = fetched(config, &job).await?;
    let root = spool.as_ref().map(|spool| spool.path().to_owned());
    let stages = Arc::clone(stages);
    let analysed = tokio::task::spawn_blocking(move || {
        let room = Room { scoring: &NoDevice, turns: &Alone };
        stages.analyse(&job, Start { root, ..Start::default() }, room)
    });
    Ok(analysed.await.context("a stage of the analysis stopped unexpectedly")?.report)
}

/// The study's files, where they lie on another machine.
async fn fetched(config: &Config, job: &Job) -> anyhow::Result<Option<SpoolFolder>> {
    let request: Option<Request> = serde_json::from_str(&job.request).ok();
    let Some(source) = request.and_then(|request| request.fetched_from) else { return Ok(None) };
    let sources = Sources::open(config)?;
    let limit = config.worker.max_study_bytes;
    let located = sources.locate_again(&source, &job.study_uid, limit).await?;
    Ok(sources.bring(located).await?.into_spool())
}

/// The report with its overlay as targets get it; without one where what is stored is none that this version draws.
fn delivered(report: &ReportBytes) -> ReportBytes {
    let stored = report.overlay.as_deref();
    let overlay = stored.and_then(|stored| overlay::file(stored, &report.html)).map(Cow::into_owned);
    ReportBytes { overlay, ..report.clone() }
}

/// Says what is the same of what targets get; true where all is.
fn tell(
    json: bool,
    job: &Job,
    stored: &ReportBytes,
    rebuilt: &ReportBytes,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    type Part = (&'static str, fn(&ReportBytes) -> Option<&[u8]>);
    let parts: [Part; 6] = [
        ("bundle", |report| report.bundle.as_deref()),
        ("html", |report| Some(&report.html)),
        ("sr", |report| report.sr.as_deref()),
        ("overlay", |report| report.overlay.as_deref()),
        ("segmentation", |report| report.segmentation.as_deref()),
        ("outcome", |report| Some(report.outcome.as_bytes())),
    ];
    let (stored, rebuilt) = (&delivered(stored), &delivered(rebuilt));
    let is_same = stored == rebuilt;
    let digest = |bytes: Option<&[u8]>| bytes.map(|bytes| hex(&Sha256::digest(bytes)));
    let why = (!is_same).then(|| difference(stored, rebuilt));
    if json {
        let parts: serde_json::Map<String, serde_json::Value> = parts
            .iter()
            .map(|(name, part)| {
                let (before, now) = (part(stored), part(rebuilt));
                let value =
                    json!({ "same": before == now, "stored": digest(before), "rebuilt": digest(now) });
                ((*name).to_owned(), value)
            })
            .collect();
        let line = json!({ "job": job.job_key, "study_uid": job.study_uid, "same": is_same, "why": why,
            "parts": parts });
        writeln!(out, "{line}")?;
        return Ok(is_same);
    }
    let verdict = if is_same { "the same bytes" } else { "NOT the same bytes" };
    writeln!(out, "{}  {}  {verdict}", jobs::short(&job.job_key), job.study_uid)?;
    for (name, part) in parts {
        let (before, now) = (part(stored), part(rebuilt));
        let word = match (before, now) {
            (None, None) => continue,
            _ if before == now => "same",
            _ => "differs",
        };
        writeln!(out, "  {name:<12} {word:<8} {}", digest(before).unwrap_or_else(|| "not stored".into()))?;
    }
    if let Some(why) = why {
        writeln!(out, "  {why}")?;
    }
    Ok(is_same)
}

/// What is likely the cause, for a person.
fn difference(stored: &ReportBytes, rebuilt: &ReportBytes) -> String {
    let (before, now): (Outcome, Outcome) = (line(stored), line(rebuilt));
    if let (true, Some(code), Some(reason)) = (before.code != now.code, &now.code, &now.reason) {
        return format!("the study cannot be read as it was ({code}): {reason}");
    }
    let read = |report: &ReportBytes| report.bundle.as_deref().and_then(Stored::read);
    if let (Some(before), Some(now)) = (read(stored), read(rebuilt)) {
        let gone: Vec<&str> = before
            .models()
            .into_iter()
            .filter(|model| !now.models().iter().any(|one| withdraw::is_meant(one, model)))
            .collect();
        if !gone.is_empty() {
            return format!("it was made by {}, which this program is not or does not have", gone.join(", "));
        }
    }
    "models and program say that they are the same; configuration or stored bytes are others".to_owned()
}
