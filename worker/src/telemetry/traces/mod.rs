//! Traces: our own spans and their events to an OpenTelemetry collector, where one is configured. OTLP over HTTP, in
//! batches, from a thread and a runtime of their own, so that a collector that is away holds up nothing; what it does not
//! take in time is dropped.
//!
//! Only spans and events of our crates leave, at INFO and above. They name a job by its key and hold no patient data.

mod parent;
mod send;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Runtime;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::logs::is_ours;

pub use parent::{delivery_span, trace_parent};

/// Spans that wait for the collector; more are dropped.
const WAITING: usize = 4096;
/// How often they are sent.
const SEND_EVERY: Duration = Duration::from_secs(2);
/// Time for one request to the collector.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Time for what is left at the end of the program.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The authority's file cannot be used.
    #[error("could not use the certificates of `{file}` for `log.otlp_url`; a PEM file is expected")]
    Authority {
        /// The file.
        file: PathBuf,
        /// What the system said; `None` when the file holds no certificate.
        source: Option<io::Error>,
    },
    /// There is no HTTP client.
    #[error("could not make a client for `log.otlp_url`")]
    Client(#[source] reqwest::Error),
    /// There is no exporter.
    #[error("could not send traces to `log.otlp_url`; check the URL")]
    Exporter(#[source] ExporterBuildError),
    /// There is no thread.
    #[error("could not start a thread for traces")]
    Thread(#[source] io::Error),
}

/// Sends traces until it is finished.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    runtime: Runtime,
}

impl Traces {
    /// Begins to send to the collector at `url`.
    pub(super) fn start(url: &str, ca_file: Option<&Path>) -> Result<Self, TracesError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()
            .map_err(TracesError::Thread)?;
        let sender = send::Sender::new(url, ca_file, runtime.handle().clone())?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(sender)
            .with_endpoint(url)
            .with_timeout(SEND_WITHIN)
            .build()
            .map_err(TracesError::Exporter)?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let resource = Resource::builder()
            .with_service_name("chiasm")
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_resource(resource)
            .build();
        Ok(Self { provider, runtime })
    }

    /// The layer that turns our spans into those of traces.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("chiasm"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| *metadata.level() <= Level::INFO && is_ours(metadata)))
    }

    /// Sends what is left, within a bound.
    pub(super) fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FINISH_WITHIN) {
            tracing::warn!(%error, "the last traces were not delivered");
        }
        self.runtime.shutdown_background();
    }
}
