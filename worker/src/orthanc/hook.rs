//! What `POST /intake/orthanc` takes: our Lua hook's word on a stable study, an event of orthanc-server-extensions, or any
//! other message of `docs/messages.md`. It answers "accepted" only when the queue has confirmed.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::changes::request_of;
use super::client::Client;
use super::{ORIGIN, OrthancError};
use crate::config::Config;
use crate::config::secret::Secret;
use crate::message::adapters::AdapterMapping;
use crate::message::{self, Incoming, JobRequest, MessageRefusal, envelope};
use crate::queue::Queue;

/// The answer to an intake, for whoever speaks HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct IntakeAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, JSON: `code` and `reason`, or `state` and `id`.
    pub body: Value,
}

/// Takes messages over HTTP onto the queue.
#[derive(Debug)]
pub struct Intake {
    token: Secret,
    queue: Arc<dyn Queue>,
    mapping: AdapterMapping,
    orthanc: Option<Client>,
}

/// The intake of a site; `None` where no token is configured. An Orthanc that is configured is asked for the studies of
/// events that name them by its own identifier.
pub fn intake(config: &Config, queue: &Arc<dyn Queue>) -> Result<Option<Intake>, OrthancError> {
    let Some(token) = config.http.intake_token.clone() else { return Ok(None) };
    let orthanc = config.orthanc.as_ref().map(Client::new).transpose()?;
    let mapping = AdapterMapping::of(config);
    Ok(Some(Intake { token, queue: Arc::clone(queue), mapping, orthanc }))
}

impl Intake {
    /// Takes one body. `authorization` is the request's header of that name.
    pub async fn accept(&self, authorization: Option<&str>, body: &[u8], now: Timestamp) -> IntakeAnswer {
        if !authorization.is_some_and(|header| is_bearer(header, self.token.expose())) {
            return refused(401, "Unauthorized", "the bearer token of the intake is missing or another one");
        }
        let incoming = match message::recognise(body, now, &self.mapping) {
            Ok(incoming) => incoming,
            Err(MessageRefusal { code, reason }) => {
                let status = if code == "MessageTooLarge" { 413 } else { 400 };
                return refused(status, code, &reason);
            }
        };
        match self.request(incoming).await {
            Ok(request) => self.publish(&request).await,
            Err(answer) => answer,
        }
    }

    async fn request(&self, incoming: Incoming) -> Result<JobRequest, IntakeAnswer> {
        let study = match incoming {
            Incoming::Request(request) => return Ok(request),
            Incoming::OrthancStudy(study) => study,
        };
        let Some(orthanc) = &self.orthanc else {
            let reason =
                "the event names a study by Orthanc's own identifier, and no [orthanc] is configured";
            return Err(refused(400, "OrthancUnknown", reason));
        };
        let named = orthanc.study(&study.study).await.map_err(|error| {
            tracing::warn!(%error, "a study could not be named for the intake");
            refused(
                503,
                "OrthancUnavailable",
                "Orthanc could not be asked which study it is; send the event again",
            )
        })?;
        request_of(study, named, self.mapping.orthanc_source.clone()).ok_or_else(|| {
            refused(404, "StudyGone", "Orthanc has no such study with a valid StudyInstanceUID")
        })
    }

    async fn publish(&self, request: &JobRequest) -> IntakeAnswer {
        match self.queue.publish(&envelope::message(request, ORIGIN, None)).await {
            Ok(()) => IntakeAnswer { status: 202, body: json!({"state": "accepted", "id": request.id}) },
            Err(error) => {
                tracing::warn!(%error, "a request of the intake is not on the queue");
                refused(503, "QueueUnavailable", "the queue did not confirm; send the message again")
            }
        }
    }
}

fn refused(status: u16, code: &str, reason: &str) -> IntakeAnswer {
    IntakeAnswer { status, body: json!({"code": code, "reason": reason}) }
}

/// Whether the header carries the token. Digests are compared, each byte of them: how long it takes says nothing of how
/// much is right.
fn is_bearer(header: &str, token: &str) -> bool {
    let Some((scheme, given)) = header.split_once(' ') else { return false };
    let (given, token) = (Sha256::digest(given.trim()), Sha256::digest(token));
    let differing = given.iter().zip(token).fold(0, |differing, (one, other)| differing | (one ^ other));
    scheme.eq_ignore_ascii_case("bearer") && differing == 0
}
