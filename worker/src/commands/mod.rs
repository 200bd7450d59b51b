//! The commands, one file each.

mod analyze;
mod bench;
mod bundles;
mod config;
mod decode_process;
mod deidentify;
mod demo;
mod device_process;
mod evaluate;
mod features;
mod fusion;
mod fusion_input;
mod inspect;
mod jobs;
mod mercure;
mod model_list;
mod models;
mod queue;
mod recall;
mod receive;
mod replay;
mod show;
mod submit;
mod top;
mod train;
mod worker;

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, SiteArgs, StateArgs};
use crate::config::site::LogConfig;
use crate::config::{Config, Environment, Flags, Loaded};

/// What was asked cannot be meant: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The configuration that the options name; what is wrong with it is wrong usage.
fn load(site: &SiteArgs, state: Option<&StateArgs>) -> anyhow::Result<Config> {
    let flags = Flags {
        file: site.config.clone(),
        site_zone: site.site_zone.clone(),
        language: site.language,
        state: state.and_then(|state| state.state.clone()),
    };
    Ok(Config::load_with(&flags).map_err(|error| Usage(with_source(&error)))?)
}

/// An error with its cause, in one line.
fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The runtime of a command that waits for queues, ledgers or targets.
fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = match runtime_threads() {
        // The thread that waits for the command's end does all of it: two would wake each other at every step.
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build().context("could not start the runtime")
}

/// A quarter of the processor's threads, between 1 and 8: what runs here only waits and passes on (4 ms of a study); reading,
/// decoding, composing and the device have threads of their own. Each more wakes the others for nothing (`docs/soak.md`).
fn runtime_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).div_ceil(4).clamp(1, 8)
}

/// Runs a command and gives the exit code.
pub fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Analyze(args) => analyze::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Deidentify(args) => deidentify::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Submit(args) => submit::run(&args),
        Command::Mercure(args) => mercure::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Receive(args) => receive::run(&args),
        Command::Jobs(command) => jobs::run(&command),
        Command::Recall(args) => recall::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Queue(command) => queue::run(&command),
        Command::Top(args) => top::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Features(args) => features::run(&args),
        Command::Fusion(command) => fusion::run(&command),
        Command::Models(command) => models::run(&command),
        Command::Bench(command) => bench::run(&command),
        Command::DecodeProcess => decode_process::run(),
        Command::DeviceProcess(args) => device_process::run(&args),
    }
}

/// The exit code of an error: 2 for wrong usage, 1 for the rest.
pub fn exit_code_of(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() { 2 } else { 1 }
}

/// How the command is to log. A configuration that is not valid is told by the command itself.
pub fn log_config(cli: &Cli) -> LogConfig {
    if let Command::DeviceProcess(args) = &cli.command {
        return LogConfig { json: args.json_log, ..LogConfig::default() };
    }
    let flags = Flags { file: cli.site().and_then(|site| site.config.clone()), ..Flags::default() };
    Loaded::read(&flags, &Environment::of_process()).map(|loaded| loaded.config.log).unwrap_or_default()
}
