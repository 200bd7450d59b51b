//! `chiasm submit`: studies onto the embedded queue. When it returns, each job is durable.

use std::io::Write;

use jiff::Timestamp;

use super::analyze::{read, warn};
use super::{load, runtime};
use crate::cli::SubmitArgs;
use crate::intake::{Acceptance, Intake};
use crate::ledger::Accepted;
use crate::outcome::exit_code;
use crate::pipeline::Stages;

/// Accepts one job a study.
pub(super) fn run(args: &SubmitArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, Some(&args.state))?;
    let stages = Stages::new(config.clone())?;
    let acceptance = Acceptance::Now(Timestamp::now());
    let Intake { jobs, lines, not_dicom, unreadable_records } =
        read(&stages, &args.paths, args.record.as_deref(), &args.out, acceptance)?;
    warn(not_dicom, unreadable_records);
    let runtime = runtime()?;
    let ledger = runtime.block_on(crate::ledger::open(&config.ledger, &config.state, config.worker.lease))?;
    let mut out = std::io::stdout().lock();
    for job in &jobs {
        let (state, new) = match runtime.block_on(ledger.accept(job))? {
            Accepted::New => ("accepted", true),
            Accepted::Before(state) => (state.as_str(), false),
        };
        if args.json {
            let line = serde_json::json!({"study_uid": job.study_uid, "job": job.job_key, "state": state, "new": new});
            writeln!(out, "{line}")?;
        } else {
            let known = if new { "" } else { ", known before" };
            writeln!(out, "study {}: {state}{known}", job.study_uid)?;
        }
    }
    for line in &lines {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(line)?)?;
        } else {
            let (code, reason) = (line.code.as_deref(), line.reason.as_deref());
            tracing::warn!(code, reason, "a file belongs to no readable study");
        }
    }
    Ok(exit_code(&lines))
}
