//! `chiasm jobs`: what the ledger holds.

use std::io::Write;

use super::{load, runtime};
use crate::cli::JobsCommand;
use crate::cli::SiteArgs;
use crate::ledger::JobFilter;

/// Lists the jobs.
pub(super) fn run(command: &JobsCommand) -> anyhow::Result<u8> {
    let JobsCommand::List { json, state } = command;
    let config = load(&SiteArgs { config: None, site_zone: None }, Some(state))?;
    let runtime = runtime()?;
    let ledger = runtime.block_on(crate::ledger::open(&config.ledger, &config.state, config.worker.lease))?;
    let mut out = std::io::stdout().lock();
    for job in runtime.block_on(ledger.jobs(&JobFilter::default()))? {
        if *json {
            let line = serde_json::json!({
                "job": job.job_key, "study_uid": job.study_uid, "state": job.state,
                "accepted_at": job.accepted_at, "attempts": job.attempts,
            });
            writeln!(out, "{line}")?;
        } else {
            let short: String = job.job_key.chars().take(12).collect();
            writeln!(out, "{short}  {:<10} {}  {}", job.state, job.accepted_at, job.study_uid)?;
        }
    }
    Ok(0)
}
