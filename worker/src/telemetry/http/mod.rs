//! What is served over HTTP: probes, metrics, and the door for Orthanc's hook.
//!
//! | request | answer |
//! |---|---|
//! | `GET /livez` | 200 while the main loop goes round, else 503: restart the worker |
//! | `GET /readyz` | 200, or 503 with the reasons: send it no work |
//! | `GET /metrics` | OpenMetrics text |
//! | `POST /intake/orthanc` | 202 when the request is durable on the queue; needs the token; 404 where none is configured |
//!
//! There is no TLS here: the address is meant for this machine or a cluster's own network.

mod answer;
mod connection;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::secret::Secret;
use crate::message::MessageRefusal;

/// What the probes ask.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Whether the main loop goes round. A worker that is not alive is restarted.
    fn is_live(&self) -> bool;

    /// What stands against sending work; empty when nothing does. One sentence each, without patient data.
    async fn not_ready(&self) -> Vec<String>;
}

/// Takes what a neighbour's hook posts.
#[async_trait]
pub trait Intake: Send + Sync {
    /// The token that must come along as `Authorization: Bearer`.
    fn token(&self) -> &Secret;

    /// Turns the body into a request on the queue. `Ok` only when it is durable there.
    async fn take(&self, body: &[u8]) -> Result<(), IntakeError>;
}

/// Why a posted body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// Trying again does not help.
    #[error(transparent)]
    Refused(#[from] MessageRefusal),
    /// The queue cannot take it now; the poster tries again.
    #[error("the queue cannot take the request now; post it again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What has counts to show.
pub trait Exposition: Send + Sync {
    /// All of them as OpenMetrics text.
    fn encode(&self) -> String;
}

/// A bound address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// The address, with the port that the system chose where 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What is served.
#[derive(Clone)]
struct Served {
    probe: Arc<dyn Probe>,
    metrics: Arc<dyn Exposition>,
    intake: Option<Arc<dyn Intake>>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}

/// Takes the address that `key` configures, before anything is served on it.
pub async fn bind(key: &str, listen: SocketAddr) -> io::Result<Server> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let text = format!("could not listen on `{listen}` ({error}); choose another `{key}`");
        io::Error::new(error.kind(), text)
    })?;
    Ok(Server { listener })
}

/// Serves until `ended`, then finishes the requests under way within a few seconds.
pub async fn serve(
    server: Server,
    probe: Arc<dyn Probe>,
    metrics: Arc<dyn Exposition>,
    intake: Option<Arc<dyn Intake>>,
    ended: CancellationToken,
) {
    let router = answer::router(Served { probe, metrics, intake });
    connection::serve(server.listener, router, ended).await;
}
