//! `chiasm analyze`: the whole way of a study, without a queue in front.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dicom_ingest::source::kept::Kept;

use super::show::Show;
use super::{Usage, load, runtime};
use crate::cli::AnalyzeArgs;
use crate::decoders;
use crate::intake::{self, Acceptance, Intake, IntakeError, Offered};
use crate::ledger::{Accepted, JobState, LedgerError, NewJob, SqliteLedger};
use crate::outcome::{Outcome, State};
use crate::pipeline::{MOST_KEPT_BYTES, Stages, Start};
use crate::service::flight::{Flight, Landed};

/// The ledger's folder inside the folder of the reports.
const LEDGER_FOLDER: &str = ".chiasm";

/// A lease of an analysis: nobody renews it, and another analysis into the same folder waits for no one.
const LEASE: Duration = Duration::from_mins(15);

/// Analyses all studies under the paths.
pub(super) fn run(args: &AnalyzeArgs) -> anyhow::Result<u8> {
    let mut show = Show::new(args.json, 0);
    analyze_all(args, &mut show)?;
    Ok(show.finish()?)
}

/// Analyses all studies under the paths and shows their outcomes.
pub(super) fn analyze_all(args: &AnalyzeArgs, show: &mut Show) -> anyhow::Result<()> {
    let config = load(&args.site, None)?;
    let reader = decoders::open(&config.worker)?;
    let stages = Arc::new(Stages::new(config, reader)?);
    let offered =
        Offered { paths: &args.paths, record: args.record.as_deref(), pipeline: args.pipeline.as_ref() };
    let Intake { jobs, lines, not_dicom, unreadable_records } =
        read(&stages, &offered, &args.out, Acceptance::LatestInput)?;
    warn(not_dicom, unreadable_records);
    let ledger = SqliteLedger::open(&args.out.join(LEDGER_FOLDER), LEASE)?;
    let flight = Flight::alone(stages, Arc::new(ledger), args.device);
    let runtime = runtime()?;
    show.expect(jobs.len());
    for line in lines {
        show.take(line)?;
    }
    for job in &jobs {
        let outcome = runtime.block_on(analyze(&flight, job)).context("the analysis stopped")?;
        show.take(outcome)?;
    }
    if show.is_empty() {
        tracing::warn!("no DICOM study was found under the paths");
    }
    Ok(())
}

/// Reads what was offered; what cannot be meant is wrong usage.
pub(super) fn read(
    stages: &Stages,
    offered: &Offered<'_>,
    out: &Path,
    acceptance: Acceptance,
) -> anyhow::Result<Intake> {
    let bar = indicatif::ProgressBar::new_spinner();
    let read = intake::intake(stages, offered, out, acceptance, &mut |files| {
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
async fn analyze(flight: &Flight, job: &NewJob) -> Result<Outcome, LedgerError> {
    let ledger = &flight.ledger;
    let accepted = ledger.accept(job).await?;
    if let Accepted::Before(JobState::Reported | JobState::Refused | JobState::Held) = accepted
        && let Some(report) = ledger.report(&job.job_key).await?
    {
        return flight.redeliver(job, &report).await;
    }
    // A withdrawn version is not made anew: what took its place is shown.
    if accepted == Accepted::Before(JobState::Superseded)
        && let Some(newest) = ledger.newest(&job.report_key).await?
        && let Some(report) = &newest.composed
    {
        let newest = NewJob { job_key: newest.job_key.clone(), ..job.clone() };
        return flight.redeliver(&newest, report).await;
    }
    let Some(leased) = ledger.lease_key(&job.job_key).await? else { return Ok(in_progress(job)) };
    let start = Start { kept: Kept::within(MOST_KEPT_BYTES), ..Start::default() };
    Ok(match flight.carry(leased, start).await? {
        Landed::Ended { outcome, .. } | Landed::Held { outcome } | Landed::Deferred { outcome, .. } => {
            *outcome
        }
        Landed::Lost => in_progress(job),
    })
}

fn in_progress(job: &NewJob) -> Outcome {
    let reason = "another process analyses this study into the same folder at this moment";
    Outcome::without_result(State::Failed, "InProgress", reason).of_study(&job.study_uid)
}
