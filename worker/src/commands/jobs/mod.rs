//! `chiasm jobs`: what the ledger holds, and what a person can do about it.

mod look;
mod next_step;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;

use super::{load, runtime, with_source};
use crate::cli::SiteArgs;
use crate::cli::jobs::{JobsCommand, LedgerArgs};
use crate::config::Config;
use crate::ledger::{self, JobFilter, JobState, Ledger};

/// Why a job ended that a person cancelled.
const CANCELLED: &str = "Cancelled";

/// Opens the configured ledger and does what was asked.
pub(super) fn run(command: &JobsCommand) -> anyhow::Result<u8> {
    runtime()?.block_on(async {
        let ledger = open(ledger_args(command)).await?;
        // Not locked: the output must not be held while the ledger is waited for.
        answer(command, ledger.as_ref(), &mut std::io::stdout()).await
    })
}

fn ledger_args(command: &JobsCommand) -> &LedgerArgs {
    match command {
        JobsCommand::List(args) => &args.ledger,
        JobsCommand::Show(args) => &args.ledger,
        JobsCommand::Retry(args) => &args.ledger,
        JobsCommand::Release(args) => &args.ledger,
        JobsCommand::Cancel(args) => &args.ledger,
    }
}

/// The configuration that says where the ledger is.
pub(super) fn config(args: &LedgerArgs) -> anyhow::Result<Config> {
    let site = SiteArgs { config: args.config.clone(), site_zone: None, language: None };
    load(&site, Some(&args.state))
}

pub(super) async fn open(args: &LedgerArgs) -> anyhow::Result<Arc<dyn Ledger>> {
    let config = config(args)?;
    Ok(ledger::open(&config.ledger, &config.state, config.worker.lease).await?)
}

async fn answer(command: &JobsCommand, ledger: &dyn Ledger, out: &mut impl Write) -> anyhow::Result<u8> {
    match command {
        JobsCommand::List(args) => {
            let filter = JobFilter { states: args.states.clone(), last: args.last };
            look::list(&ledger.jobs(&filter).await?, args.json, out)?;
            Ok(0)
        }
        JobsCommand::Show(args) => {
            let (job, entries) = ledger.job(&args.key).await?.with_context(|| unknown(&args.key))?;
            look::show(&job, &entries, args.json, out)?;
            Ok(0)
        }
        JobsCommand::Retry(args) if args.all_failed => {
            let failed = JobFilter { states: vec![JobState::Failed], last: None };
            let failed = ledger.jobs(&failed).await?;
            let wanted = failed.into_iter().filter(|job| job.ended_code.as_deref() != Some(CANCELLED));
            retry(ledger, wanted.map(|job| job.job_key).collect(), out).await
        }
        JobsCommand::Retry(args) => retry(ledger, args.keys.clone(), out).await,
        JobsCommand::Release(args) => each(ledger, args.keys.clone(), Act::Release, out).await,
        JobsCommand::Cancel(args) => {
            let (job, _) = ledger.job(&args.key).await?.with_context(|| unknown(&args.key))?;
            ledger.cancel(&job.job_key).await?;
            writeln!(out, "{}  cancelled", short(&job.job_key))?;
            Ok(0)
        }
    }
}

/// Accepts each job anew.
async fn retry(ledger: &dyn Ledger, keys: Vec<String>, out: &mut impl Write) -> anyhow::Result<u8> {
    if keys.is_empty() {
        writeln!(out, "no job has failed")?;
    }
    each(ledger, keys, Act::Retry, out).await
}

/// What is done to one job after the other.
#[derive(Clone, Copy)]
enum Act {
    Retry,
    Release,
}

/// Does it to each job; one that it cannot be done to does not stop the others.
async fn each(ledger: &dyn Ledger, keys: Vec<String>, act: Act, out: &mut impl Write) -> anyhow::Result<u8> {
    let mut code = 0;
    for key in keys {
        let Some((job, _)) = ledger.job(&key).await? else {
            tracing::error!("{}", unknown(&key));
            code = 1;
            continue;
        };
        let (done, said) = match act {
            Act::Retry => (ledger.retry(&job.job_key).await, "accepted anew"),
            Act::Release => (ledger.let_go(&job.job_key).await, "released"),
        };
        match done {
            Ok(()) => writeln!(out, "{}  {said}", short(&job.job_key))?,
            Err(error) => {
                tracing::error!("{}", with_source(&error));
                code = 1;
            }
        }
    }
    Ok(code)
}

fn unknown(key: &str) -> String {
    format!("no job's key begins with `{key}`, or several do; `chiasm jobs list` shows those that are there")
}

/// As much of a key as people need to see.
pub(super) fn short(job_key: &str) -> String {
    job_key.chars().take(12).collect()
}
