//! `chiasm-soak`: the long proof that the queue worker loses nothing and doubles nothing, and its figures.
//! `docs/soak.md` says what is done and what is checked.

#![expect(clippy::expect_used, reason = "a broken premise ends the soak with a message")]

mod figures;
mod run;
mod scaling;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Kills, stalls and cuts off workers of the real program and looks whether anything is lost or doubled.
#[derive(Debug, Parser)]
#[command(name = "chiasm-soak")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The soak. Exit code 1 when an invariant fails; everything is kept then.
    Run(RunArgs),
    /// Measures throughput, latency, overhead, memory and recovery on this machine.
    Figures(FiguresArgs),
}

/// Which queue and which ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// RabbitMQ and PostgreSQL.
    Distributed,
    /// SQLite for both.
    Embedded,
}

/// `chiasm-soak run`.
#[derive(Debug, Clone, Args)]
struct RunArgs {
    /// Where every choice starts; another seed is another run. Drawn from the clock when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Studies that are submitted.
    #[arg(long, default_value_t = 2000)]
    jobs: usize,
    /// Workers that are killed, evenly over the jobs.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// Workers at a time.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Which queue and which ledger.
    #[arg(long, value_enum, default_value = "distributed")]
    mode: ModeArg,
    /// Goes on for so long instead, with more studies and kills at the same rate.
    #[arg(long)]
    minutes: Option<u64>,
    /// Kills only: no broker restarts, cuts, stalls or faults of the FHIR server.
    #[arg(long)]
    kills_only: bool,
    /// No bucket and no PACS as sources, no bucket as a target: for many jobs, since the tests' S3 server slows with what it
    /// holds.
    #[arg(long)]
    local: bool,
    /// Where the record of the run goes.
    #[arg(long, value_name = "FILE", default_value = "soak.json")]
    json: PathBuf,
}

/// `chiasm-soak figures`.
#[derive(Debug, Clone, Args)]
struct FiguresArgs {
    /// Where they go.
    #[arg(long, value_name = "FILE", default_value = "figures.json")]
    json: PathBuf,
    /// Only this one; again for more of them.
    #[arg(long, value_enum)]
    only: Vec<Figure>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// CPU time of a study.
    Overhead,
    /// Requests accepted a second.
    Accepting,
    /// From a STAT request to its report.
    StatLatency,
    /// From a kill to the next job.
    Recovery,
    /// Studies a second of one, two and four workers on one queue; also as a file of `chiasm bench`, with a plot.
    Workers,
    /// Memory over ten thousand reports to a folder, all embedded; only where it is named, since it takes long and 50 GB.
    Sink,
}

fn main() -> ExitCode {
    let holds = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Figures(args) => figures::run(&args),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
