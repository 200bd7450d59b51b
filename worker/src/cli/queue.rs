//! `chiasm queue`.

use clap::{Args, Subcommand};

use super::{SiteArgs, StateArgs};

/// `chiasm queue`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    chiasm queue status --config chiasm.toml\n  \
    chiasm queue dead list --json\n  \
    chiasm queue dead requeue --all")]
pub enum QueueCommand {
    /// How many requests wait, rest and lie dead.
    Status(QueueArgs),
    /// Requests that nobody could do anything with.
    #[command(subcommand)]
    Dead(DeadCommand),
}

/// `chiasm queue dead`.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// Shows them with the reason, oldest first; they stay where they are.
    List(DeadListArgs),
    /// Puts them on their lane again, as if they were new.
    #[command(after_help = "Example:\n  chiasm queue dead requeue 5f0c7b0e-5d0f-4b0e-9a7e-3a1f6f0d2c11")]
    Requeue(DeadArgs),
    /// Throws them away.
    #[command(after_help = "Example:\n  chiasm queue dead drop --all")]
    Drop(DeadArgs),
}

/// Which queue, and how to show it.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where the embedded queue lies.
    #[command(flatten)]
    pub state: StateArgs,
    /// Which queue the site has.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// `chiasm queue dead list`.
#[derive(Debug, Args)]
pub struct DeadListArgs {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Which queue, and how to show it.
    #[command(flatten)]
    pub queue: QueueArgs,
}

/// `chiasm queue dead requeue` and `drop`.
#[derive(Debug, Args)]
pub struct DeadArgs {
    /// The request's identifier, as `dead list` shows it.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// All that lie there now.
    #[arg(long)]
    pub all: bool,
    /// Which queue, and how to show it.
    #[command(flatten)]
    pub queue: QueueArgs,
}
