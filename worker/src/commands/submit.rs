//! `chiasm submit`: asks for the analysis of studies. By UID over the queue, where "accepted" means that the queue has
//! confirmed; or of files of this machine, straight into the ledger. When it returns, what it calls accepted is durable.

mod requests;
#[cfg(test)]
mod tests;

use std::io::Write;

use jiff::Timestamp;

use super::analyze::{read, warn};
use super::{load, runtime};
use crate::cli::submit::{SchemaArg, SubmitArgs};
use crate::intake::{Acceptance, Intake, Offered};
use crate::ledger::{Accepted, JobState, Ledger, LedgerError, NewJob};
use crate::message::{envelope, status};
use crate::outcome::{Outcome, State, exit_code};
use crate::pipeline::Stages;
use crate::service::widen::{Widened, widen};
use crate::{decoders, ledger, queue};

/// Accepts one request or one job a study, or prints a schema.
pub(super) fn run(args: &SubmitArgs) -> anyhow::Result<u8> {
    if let Some(schema) = args.schema {
        let text = match schema {
            SchemaArg::Request => envelope::SCHEMA,
            SchemaArg::Status => status::SCHEMA,
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(0);
    }
    if args.paths.is_empty() { over_the_queue(args) } else { into_the_ledger(args) }
}

fn over_the_queue(args: &SubmitArgs) -> anyhow::Result<u8> {
    let requests = requests::requests(args, Timestamp::now())?;
    let config = load(&args.site, Some(&args.state))?;
    runtime()?.block_on(async {
        let queue = queue::open(&config.queue, &config.state).await?;
        requests::publish(queue.as_ref(), &requests, args.json, &mut std::io::stdout().lock()).await
    })
}

fn into_the_ledger(args: &SubmitArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, Some(&args.state))?;
    let stages = Stages::new(config.clone(), decoders::open(&config.worker)?)?;
    let acceptance = Acceptance::Now(Timestamp::now());
    let offered =
        Offered { paths: &args.paths, record: args.record.as_deref(), pipeline: args.pipeline.as_ref() };
    let Intake { jobs, lines, not_dicom, unreadable_records } =
        read(&stages, &offered, &args.out, acceptance)?;
    warn(not_dicom, unreadable_records);
    let refused = runtime()?.block_on(async {
        let ledger = ledger::open(&config.ledger, &config.state, config.worker.lease).await?;
        let mut refused = false;
        for job in &jobs {
            let offered = offer(ledger.as_ref(), job).await?;
            refused |= offered == Answer::InHand;
            tell(args.json, job, offered)?;
        }
        anyhow::Ok(refused)
    })?;
    tell_of_files(args.json, &lines)?;
    let states = lines.iter().map(|line| line.state).chain(refused.then_some(State::Failed));
    Ok(exit_code(states))
}

/// What the ledger says to a job that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It takes it.
    New,
    /// It has it, in this state, and its report goes to the folder that is asked for, too, or went there.
    Before(JobState),
    /// Its report cannot be sent to another folder now: somebody has it in hand, or it was withdrawn.
    InHand,
}

/// Accepts a job; one that is known goes to the folder that is asked for now, as a request of a queue would have it.
async fn offer(ledger: &dyn Ledger, job: &NewJob) -> Result<Answer, LedgerError> {
    let Accepted::Before(state) = ledger.accept(job).await? else { return Ok(Answer::New) };
    Ok(match widen(ledger, job).await? {
        // What ended is delivered once more.
        Widened::Done if state.is_terminal() => Answer::Before(JobState::Composed),
        Widened::Nothing | Widened::Done => Answer::Before(state),
        Widened::InHand => Answer::InHand,
    })
}

fn tell(json: bool, job: &NewJob, answer: Answer) -> std::io::Result<()> {
    let (state, known) = match answer {
        Answer::New => ("accepted", ""),
        Answer::Before(state) => (state.as_str(), ", known before"),
        Answer::InHand => (
            "not accepted",
            ": a worker has it under way, or it was withdrawn; its report does not go to this folder. Submit it again later",
        ),
    };
    let mut out = std::io::stdout().lock();
    if json {
        let new = answer == Answer::New;
        let state = state.replace(' ', "_");
        let line =
            serde_json::json!({"study_uid": job.study_uid, "job": job.job_key, "state": state, "new": new});
        writeln!(out, "{line}")
    } else {
        writeln!(out, "study {}: {state}{known}", job.study_uid)
    }
}

fn tell_of_files(json: bool, lines: &[Outcome]) -> anyhow::Result<()> {
    for line in lines {
        if json {
            writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(line)?)?;
        } else {
            let (code, reason) = (line.code.as_deref(), line.reason.as_deref());
            tracing::warn!(code, reason, "a file belongs to no readable study");
        }
    }
    Ok(())
}
