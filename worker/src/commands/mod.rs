//! The commands, one file each.

mod analyze;
mod config;
mod demo;
mod jobs;
mod models;
mod show;
mod submit;
mod worker;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Cli, Command};

/// What was asked cannot be meant: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Runs a command and gives the exit code.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Submit(args) => submit::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Jobs(command) => jobs::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Models(command) => models::run(&command),
    }
}

/// The exit code of an error: 2 for wrong usage, 1 for the rest.
pub fn exit_code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() { 2 } else { 1 }
}

/// What is logged to standard error; `RUST_LOG` changes it.
pub fn log_filter() -> EnvFilter {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy()
}
