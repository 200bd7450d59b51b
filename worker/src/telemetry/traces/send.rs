//! The way to the collector. The exporter runs on a thread without a runtime; requests run on the one given here.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use super::{SEND_WITHIN, TracesError};
use crate::origin;

/// Sends requests on a runtime, and tells once when that begins to fail.
#[derive(Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    fails: AtomicBool,
}

impl Sender {
    pub(super) fn new(url: &str, ca_file: Option<&Path>, runtime: Handle) -> Result<Self, TracesError> {
        let authorities = ca_file.map(|file| {
            origin::authorities(file)
                .map_err(|source| TracesError::Authority { file: file.to_owned(), source })
        });
        let builder = origin::builder(url.starts_with("http://"), authorities.transpose()?);
        let client = builder.timeout(SEND_WITHIN).build().map_err(TracesError::Client)?;
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
