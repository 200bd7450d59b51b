//! `chiasm recall` and `chiasm replay`: what was made and has to be taken back, and whether it can be made again.

use clap::{ArgGroup, Args};

use super::jobs::LedgerArgs;
use super::{SiteArgs, StateArgs};

/// `chiasm recall`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["model", "job", "study"]))]
#[command(after_help = "Examples:\n  \
    chiasm recall --model cxr-findings@2.0.0\n  \
    chiasm recall --model cxr-findings@2.0.0 --apply --reason \"it misreads portable images\"\n  \
    chiasm recall --study 1.2.840.113619.2.5 --apply --reason \"the images are of another patient\"\n\
    Install another model before `--apply`: studies that are read by the recalled one afterwards are reported as before.")]
pub struct RecallArgs {
    /// The model as NAME@VERSION, or NAME@VERSION#DIGEST for one set of weights; `Chiasm@VERSION` for the program itself.
    #[arg(long, value_name = "NAME@VERSION")]
    pub model: Option<String>,
    /// One version of a report: its job's key or the beginning of it.
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// Every report of one study: its Study Instance UID.
    #[arg(long, value_name = "UID")]
    pub study: Option<String>,
    /// Withdraw every report that is listed. The workers deliver the withdrawals to where the reports went.
    #[arg(long, requires = "reason")]
    pub apply: bool,
    /// Why, in one sentence for the readers of the reports; without anything of a patient.
    #[arg(long, value_name = "TEXT", requires = "apply")]
    pub reason: Option<String>,
    /// JSON lines instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// `chiasm replay`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm replay 4f1c\n  \
    chiasm replay 1.2.840.113619.2.5 --config chiasm.toml\n\
    Exit code 0 when every byte is the same, 1 when one is not. Nothing is written or delivered.")]
pub struct ReplayArgs {
    /// A job's key or its beginning, or a Study Instance UID for the newest version of each of its reports.
    #[arg(value_name = "JOB|STUDY")]
    pub what: String,
    /// JSON lines on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where the ledger is.
    #[command(flatten)]
    pub state: StateArgs,
    /// The site, as its workers have it.
    #[command(flatten)]
    pub site: SiteArgs,
}
