//! `chiasm analyze`: the whole way of a study, without a queue in front.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;

use super::Usage;
use super::show::Show;
use crate::cli::AnalyzeArgs;
use crate::config::Config;
use crate::intake::{self, Acceptance, Intake, IntakeError};
use crate::ledger::{Accepted, FileLedger, JobState, LedgerError, NewJob};
use crate::outcome::{Outcome, State};
use crate::pipeline::Stages;

/// The ledger's folder inside the folder of the reports.
const LEDGER_FOLDER: &str = ".chiasm";

/// Analyses all studies under the paths.
pub(super) fn run(args: &AnalyzeArgs) -> anyhow::Result<u8> {
    let config = Config::load(args.site.config.as_deref(), args.site.site_zone.clone())
        .map_err(|error| Usage(with_source(&error)))?;
    let stages = Stages::new(config, args.device)?;
    let Intake { jobs, lines, not_dicom, unreadable_records } =
        read(&stages, &args.paths, args.record.as_deref(), &args.out, Acceptance::LatestInput)?;
    warn(not_dicom, unreadable_records);
    let mut ledger = FileLedger::open(&args.out.join(LEDGER_FOLDER))?;
    let mut show = Show::new(args.json, jobs.len());
    for line in lines {
        show.take(line)?;
    }
    for job in &jobs {
        let outcome = analyze(&stages, &mut ledger, job, &args.out).context("the analysis stopped")?;
        show.take(outcome)?;
    }
    if show.is_empty() {
        tracing::warn!("no DICOM study was found under the paths");
    }
    Ok(show.finish()?)
}

/// Reads what was offered; what cannot be meant is wrong usage.
pub(super) fn read(
    stages: &Stages,
    paths: &[std::path::PathBuf],
    record: Option<&Path>,
    out: &Path,
    acceptance: Acceptance,
) -> anyhow::Result<Intake> {
    let bar = indicatif::ProgressBar::new_spinner();
    let read = intake::intake(stages, paths, record, out, acceptance, &mut |files| {
        bar.set_message(format!("{files} files read"));
        bar.tick();
    });
    bar.finish_and_clear();
    read.map_err(|error: IntakeError| Usage(error.to_string()).into())
}

/// Says what was passed over.
pub(super) fn warn(not_dicom: usize, unreadable_records: usize) {
    if not_dicom > 0 {
        tracing::warn!(files = not_dicom, "skipped files that are no DICOM instances");
    }
    if unreadable_records > 0 {
        tracing::warn!(
            files = unreadable_records,
            "skipped files of the record folder that are no readable FHIR bundle"
        );
    }
}

/// One study: accepted once, carried to its end, or delivered again from what is stored.
fn analyze(
    stages: &Stages,
    ledger: &mut FileLedger,
    job: &NewJob,
    out: &Path,
) -> Result<Outcome, LedgerError> {
    let accepted = ledger.accept(job)?;
    if let Accepted::Before(JobState::Reported | JobState::Refused) = accepted
        && let Some(report) = ledger.report(&job.job_key)?
    {
        let out = std::fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
        return Ok(stages.redeliver(&out, &job.study_uid, &report).unwrap_or_else(|error| {
            Outcome::without_result(State::Failed, "DeliveryFailed", &error.to_string())
                .of_study(&job.study_uid)
        }));
    }
    let now_ms = Timestamp::now().as_millisecond();
    if let Some(leased) = ledger.lease_key(&job.job_key, now_ms)? {
        return stages.carry(ledger, &leased);
    }
    let reason = "another process analyses this study into the same folder at this moment";
    Ok(Outcome::without_result(State::Failed, "InProgress", reason).of_study(&job.study_uid))
}

/// An error with its cause, in one line.
pub(super) fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
