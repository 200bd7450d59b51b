//! The way to the collector. The exporter runs on a thread without a runtime; requests run on the one given here.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Certificate;
use tokio::runtime::Handle;

use super::{SEND_WITHIN, TracesError};

/// Sends requests on a runtime, and tells once when that begins to fail.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    fails: AtomicBool,
}

impl Sender {
    pub(super) fn new(url: &str, ca_file: Option<&Path>, runtime: Handle) -> Result<Self, TracesError> {
        // The program installs the provider first of all; whoever uses this library alone has it from here.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("chiasm/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(SEND_WITHIN);
        if let Some(file) = ca_file {
            builder = builder.tls_certs_only(authorities(file)?);
        } else if url.starts_with("http://") {
            // no certificate is ever looked at, so a system without any will do
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(TracesError::Client)?;
        Ok(Self { client, runtime, fails: AtomicBool::new(false) })
    }

    /// A change is told; that it goes on is not.
    fn tell(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let problem = match answer {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        if self.fails.swap(problem.is_some(), Ordering::SeqCst) == problem.is_some() {
            return;
        }
        if let Some(problem) = problem {
            tracing::warn!(problem, "the collector of traces does not take them; they are dropped");
        } else {
            tracing::info!("the collector of traces takes them again");
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await }).await;
        let answer = sent.unwrap_or_else(|error| Err(error.into()));
        self.tell(&answer);
        answer
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, TracesError> {
    let unusable = |source| TracesError::Authority { file: file.to_owned(), source };
    let pem = std::fs::read(file).map_err(|error| unusable(error.into()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.into()))?;
    if found.is_empty() { Err(unusable("it holds no certificate".into())) } else { Ok(found) }
}
