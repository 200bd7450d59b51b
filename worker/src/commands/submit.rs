//! `chiasm submit`: asks for the analysis of studies. By UID over the queue, where "accepted" means that the queue has
//! confirmed; or of files of this machine, straight into the ledger. When it returns, what it calls accepted is durable.

mod requests;

use std::io::Write;

use jiff::Timestamp;

use super::analyze::{read, warn};
use super::{load, runtime};
use crate::cli::submit::{SchemaArg, SubmitArgs};
use crate::intake::{Acceptance, Intake, Offered};
use crate::ledger::{Accepted, NewJob};
use crate::message::{envelope, status};
use crate::outcome::{Outcome, exit_code};
use crate::pipeline::Stages;
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
    runtime()?.block_on(async {
        let ledger = ledger::open(&config.ledger, &config.state, config.worker.lease).await?;
        for job in &jobs {
            tell(args.json, job, ledger.accept(job).await?)?;
        }
        anyhow::Ok(())
    })?;
    tell_of_files(args.json, &lines)?;
    Ok(exit_code(&lines))
}

fn tell(json: bool, job: &NewJob, accepted: Accepted) -> std::io::Result<()> {
    let (state, new) = match accepted {
        Accepted::New => ("accepted", true),
        Accepted::Before(state) => (state.as_str(), false),
    };
    let mut out = std::io::stdout().lock();
    if json {
        let line =
            serde_json::json!({"study_uid": job.study_uid, "job": job.job_key, "state": state, "new": new});
        writeln!(out, "{line}")
    } else {
        let known = if new { "" } else { ", known before" };
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
