//! The program `chiasm`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use worker::cli::{Cli, Command};
use worker::{commands, telemetry};

fn main() -> ExitCode {
    // The one provider of cryptography; nothing else has installed one yet.
    drop(rustls::crypto::ring::default_provider().install_default());
    let cli = Cli::parse();
    if matches!(cli.command, Command::DecodeProcess) {
        // It logs nothing, has no configuration, and starts no thread.
        return ExitCode::from(commands::run(cli).unwrap_or(1));
    }
    let (telemetry, traced) = telemetry::start(&commands::log_config(&cli));
    let result = traced.map_err(anyhow::Error::from).and_then(|()| commands::run(cli));
    let code = result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        commands::exit_code_of(&error)
    });
    telemetry.finish();
    ExitCode::from(code)
}
