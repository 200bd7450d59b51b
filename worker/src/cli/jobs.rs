//! `chiasm jobs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StateArgs;
use crate::ledger::JobState;

/// `chiasm jobs`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    chiasm jobs list --in failed --last 20\n  \
    chiasm jobs show 4f1c\n  \
    chiasm jobs retry --all-failed")]
pub enum JobsCommand {
    /// One line a job, oldest first.
    #[command(after_help = "Examples:\n  \
        chiasm jobs list --in accepted --in leased --in composed\n  \
        chiasm jobs list --last 100 --json")]
    List(ListArgs),
    /// Where a job stands, why, what a person can do about it, and what happened to it.
    #[command(after_help = "Example:\n  chiasm jobs show 4f1c")]
    Show(ShowArgs),
    /// Accept failed jobs anew.
    ///
    /// A report that could only not be delivered is delivered with the same bytes; every other job is analysed again.
    #[command(after_help = "Examples:\n  \
        chiasm jobs retry 4f1c 90ab\n  \
        chiasm jobs retry --all-failed\n\
        Exit code 1 when a job could not be retried; the others are.")]
    Retry(RetryArgs),
    /// Let held jobs go: their refusals are delivered now.
    ///
    /// A job is held where a person has to look: whose images and whose record these are, or whether there is a picture at all.
    #[command(after_help = "Example:\n  chiasm jobs release 4f1c\n\
        Exit code 1 when a job could not be let go; the others are.")]
    Release(ReleaseArgs),
    /// Let a job that waits fail with the code `Cancelled`; `jobs retry` takes it back.
    #[command(after_help = "Example:\n  chiasm jobs cancel 4f1c")]
    Cancel(CancelArgs),
}

/// `chiasm jobs list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state: accepted, leased, composed, held, reported, refused, failed or superseded. Several may be given.
    #[arg(long = "in", value_name = "STATE")]
    pub states: Vec<JobState>,
    /// Only the newest so many.
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
    /// JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// `chiasm jobs show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job's key, or as much of its beginning as no other job shares.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// `chiasm jobs retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Keys of failed jobs, or their beginnings.
    #[arg(value_name = "KEY", required_unless_present = "all_failed")]
    pub keys: Vec<String>,
    /// Every failed job but those that were cancelled.
    #[arg(long, conflicts_with = "keys")]
    pub all_failed: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// `chiasm jobs release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// Keys of held jobs, or their beginnings.
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// `chiasm jobs cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The job's key, or as much of its beginning as no other job shares.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// Where the ledger is.
#[derive(Debug, Clone, Args)]
pub struct LedgerArgs {
    /// Configuration file, which says where the ledger is; without one it lies in the folder of `--state`.
    #[arg(long, value_name = "FILE", env = "CHIASM_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder.
    #[command(flatten)]
    pub state: StateArgs,
}
