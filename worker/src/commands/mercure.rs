//! `chiasm mercure`: one run as a processing module of mercure. It reads the folder that mercure fills, and leaves the
//! report and a `result.json` in the folder that mercure collects. No queue, no ledger that outlives the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Usage;
use super::analyze::analyze_all;
use super::show::Show;
use crate::cli::mercure::MercureArgs;
use crate::cli::{AnalyzeArgs, DeviceArg, SiteArgs};
use crate::deliver::deliver;
use crate::outcome::{Finding, Outcome, Risk, State};

/// The most bytes of `task.json`.
const MAX_TASK_BYTES: u64 = 1024 * 1024;

/// What mercure archives.
#[derive(Debug, Serialize)]
struct Answer {
    /// The worst state of the studies.
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
    findings: Vec<Finding>,
    risks: Vec<Risk>,
    /// Names of the written files below the folder of the results, by kind.
    files: BTreeMap<String, String>,
    /// The single answers, where there is not exactly one study.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    studies: Vec<Self>,
    #[serde(rename = "__mercure_notification", skip_serializing_if = "Option::is_none")]
    notification: Option<Notification>,
}

/// What mercure sends where a rule asks for notifications.
#[derive(Debug, Serialize)]
struct Notification {
    text: String,
    requested: bool,
}

/// What is read of `task.json`: it holds patient data, so nothing else is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Task {
    process: Process,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    settings: Settings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    device: Option<String>,
    site_zone: Option<String>,
}

/// Analyses what mercure hands over.
pub(super) fn run(args: &MercureArgs) -> anyhow::Result<u8> {
    let Settings { device, site_zone } = settings(&args.input)?;
    let device = device.as_deref().map_or(Ok(args.device), device_of)?;
    let work = Work::begin(&args.out)?;
    let analyze = AnalyzeArgs {
        pipeline: None,
        paths: vec![args.input.clone()],
        record: args.record.clone(),
        out: work.folder.clone(),
        device,
        json: false,
        site: SiteArgs { site_zone: site_zone.or_else(|| args.site.site_zone.clone()), ..args.site.clone() },
    };
    let mut show = Show::new(false, 0);
    analyze_all(&analyze, &mut show)?;
    let answer = answer(show.into_outcomes(), &args.out)?;
    let text = serde_json::to_vec_pretty(&answer).context("the result could not be written as JSON")?;
    deliver(&args.out, "result.json", &text)?;
    tracing::info!(code = answer.code.as_deref(), "result.json is written");
    Ok(0)
}

/// A folder for the run inside the folder of the results, the one place that is surely writable; gone afterwards.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn begin(out: &Path) -> anyhow::Result<Self> {
        let folder = out.join(".chiasm-work");
        // What a killed run has left is begun anew.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("could not empty `{}`", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
        Ok(Self { folder })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, "the folder of the run is left behind");
        }
    }
}

fn settings(input: &Path) -> anyhow::Result<Settings> {
    let path = input.join("task.json");
    let unreadable = || format!("could not read the settings of `{}`", path.display());
    match fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(anyhow::Error::from(error).context(unreadable())),
        Ok(file) if file.len() > MAX_TASK_BYTES => {
            return Err(Usage(format!("{}: it is larger than 1 MiB", unreadable())).into());
        }
        Ok(_) => {}
    }
    let text = fs::read(&path).with_context(unreadable)?;
    // The parser's text may repeat a value of the task; its place says enough.
    let task: Task = serde_json::from_slice(&text).map_err(|error| {
        Usage(format!("{}: line {}, column {}", unreadable(), error.line(), error.column()))
    })?;
    Ok(task.process.settings)
}

fn device_of(word: &str) -> Result<DeviceArg, Usage> {
    DeviceArg::from_str(word, false)
        .map_err(|_| Usage("the setting `device` is none of auto, cpu, gpu".into()))
}

/// The answer to all outcomes; the files of a single study come to lie in `out` itself.
fn answer(outcomes: Vec<Outcome>, out: &Path) -> anyhow::Result<Answer> {
    let single = outcomes.len() == 1;
    let mut answers = Vec::new();
    for outcome in outcomes {
        let folder =
            if single { out.to_owned() } else { out.join(outcome.study_uid.as_deref().unwrap_or_default()) };
        let mut files = BTreeMap::new();
        for (kind, from) in &outcome.files {
            let from = Path::new(from);
            let to = folder.join(from.file_name().unwrap_or_default());
            fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
            fs::rename(from, &to).with_context(|| format!("could not write `{}`", to.display()))?;
            let name = to.strip_prefix(out).unwrap_or(&to);
            files.insert(kind.clone(), name.to_string_lossy().into_owned());
        }
        answers.push(Answer::of(outcome, files));
    }
    if answers.len() == 1
        && let Some(only) = answers.pop()
    {
        return Ok(only);
    }
    Ok(Answer::together(answers))
}

impl Answer {
    fn of(outcome: Outcome, files: BTreeMap<String, String>) -> Self {
        let Outcome { state, code, reason, next_step, findings, risks, .. } = outcome;
        let notification = match state {
            State::Reported => None,
            State::Refused => Some("Chiasm refused the study"),
            State::Failed => Some("Chiasm failed on the study"),
        };
        let notification =
            notification.map(|what| Notification::of(what, code.as_deref(), reason.as_deref()));
        Self { state, code, reason, next_step, findings, risks, files, studies: Vec::new(), notification }
    }

    /// Several studies, or none.
    fn together(studies: Vec<Self>) -> Self {
        if studies.is_empty() {
            let reason = "there is no DICOM study in the folder that mercure handed over";
            return Self::of(Outcome::without_result(State::Refused, "NoStudy", reason), BTreeMap::new());
        }
        let worst = studies.iter().max_by_key(|answer| match answer.state {
            State::Reported => 0,
            State::Refused => 1,
            State::Failed => 2,
        });
        let state = worst.map_or(State::Failed, |answer| answer.state);
        let (code, reason) =
            worst.map(|answer| (answer.code.clone(), answer.reason.clone())).unwrap_or_default();
        let next_step = worst.and_then(|answer| answer.next_step.clone());
        let texts: Vec<_> =
            studies.iter().filter_map(|answer| Some(answer.notification.as_ref()?.text.clone())).collect();
        let notification =
            (!texts.is_empty()).then(|| Notification { text: texts.join("\n"), requested: true });
        let (findings, risks, files) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { state, code, reason, next_step, findings, risks, files, studies, notification }
    }
}

impl Notification {
    fn of(what: &str, code: Option<&str>, reason: Option<&str>) -> Self {
        let (code, reason) = (code.unwrap_or("Unknown"), reason.unwrap_or("no reason is known"));
        Self { text: format!("{what} ({code}): {reason}"), requested: true }
    }
}
