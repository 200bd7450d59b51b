//! What is seen from outside: metrics, probes, logs and traces. Nothing that identifies a patient passes here.

pub mod http;
mod logs;
pub mod metrics;
pub mod traces;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::site::LogConfig;
use traces::{Traces, TracesError};

/// Logs and, where a collector is configured, traces of a running program.
#[derive(Debug)]
#[must_use = "what is left of the traces is sent by `finish`"]
pub struct Telemetry {
    traces: Option<Traces>,
}

/// Starts to write logs and to send traces; once a program, before anything is logged. Where traces cannot be sent, logs
/// are written all the same, and the error is theirs to tell.
pub fn start(config: &LogConfig) -> (Telemetry, Result<(), TracesError>) {
    let started =
        config.otlp_url.as_deref().map(|url| Traces::start(url, config.ca_file.as_deref())).transpose();
    let (traces, result) = match started {
        Ok(traces) => (traces, Ok(())),
        Err(error) => (None, Err(error)),
    };
    tracing_subscriber::registry()
        .with(traces.as_ref().map(Traces::layer))
        .with(logs::layer(config.json, logs::wanted(), std::io::stderr))
        .init();
    logs::log_panics();
    (Telemetry { traces }, result)
}

impl Telemetry {
    /// Sends what is left, within a bound of seconds: the last thing a program does.
    pub fn finish(self) {
        if let Some(traces) = self.traces {
            traces.finish();
        }
    }
}
