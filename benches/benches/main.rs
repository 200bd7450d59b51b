//! Criterion benchmarks, one file a question. `cargo bench -p chiasm-benches` measures; `cargo test` runs each once on small
//! inputs.
//!
//! The program is the readers and the device of the questions that start processes, as `chiasm` is of its own.

#![expect(clippy::expect_used, reason = "a benchmark without its input cannot run")]

mod assess;
mod compose;
mod decode;
mod end_to_end;
mod evaluate;
mod features;
mod isolation;
mod ledger;
mod parse;
mod preprocess;
mod queue;
mod saliency;
mod score;
mod study;
mod volume;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use worker::cli::Cli;

fn main() -> ExitCode {
    if let Some("decode-process" | "device-process") = std::env::args().nth(1).as_deref() {
        return ExitCode::from(worker::commands::run(Cli::parse()).unwrap_or(1));
    }
    // The one provider of cryptography, as the program installs it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut criterion = Criterion::default().configure_from_args();
    for question in [
        parse::all,
        decode::all,
        isolation::all,
        volume::all,
        preprocess::all,
        score::all,
        saliency::all,
        features::all,
        assess::all,
        evaluate::all,
        compose::all,
        queue::all,
        ledger::all,
        end_to_end::all,
    ] {
        question(&mut criterion);
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

/// A group of which each benchmark takes about three seconds, and ten samples where one takes longer.
fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sampling_mode(SamplingMode::Flat);
    group
}
