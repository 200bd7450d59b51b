//! The commands, one file each.

mod analyze;
mod config;
mod demo;
mod jobs;
mod models;
mod show;
mod submit;
mod worker;

use crate::cli::{Cli, Command};
use crate::config::site::LogConfig;
use crate::config::{Environment, Flags, Loaded};

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

/// How the command is to log. A configuration that is not valid is told by the command itself.
pub fn log_config(cli: &Cli) -> LogConfig {
    let flags = Flags { file: cli.site().and_then(|site| site.config.clone()), ..Flags::default() };
    Loaded::read(&flags, &Environment::of_process()).map(|loaded| loaded.config.log).unwrap_or_default()
}
