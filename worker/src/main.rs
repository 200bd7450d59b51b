//! The program `chiasm`: parse, run, exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use worker::cli::Cli;
use worker::commands;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(commands::log_filter())
        .with_target(false)
        .init();
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(commands::exit_code_of(&error))
        }
    }
}
