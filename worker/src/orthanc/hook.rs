//! What `POST /intake/orthanc` takes: our Lua hook's word on a stable study, an event of orthanc-server-extensions, or any
//! other message of `docs/messages.md`. It is taken only when the queue has confirmed. The token and the bounds of a
//! body are the HTTP server's to check.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::changes::request_of;
use super::client::Client;
use super::{ORIGIN, OrthancError};
use crate::config::Config;
use crate::config::secret::Secret;
use crate::message::adapters::AdapterMapping;
use crate::message::{self, Incoming, JobRequest, MessageRefusal, envelope};
use crate::queue::Queue;
use crate::telemetry::http::{Intake, IntakeError};
use crate::telemetry::traces::trace_parent;

/// Takes messages over HTTP onto the queue.
#[derive(Debug)]
struct Hook {
    token: Secret,
    queue: Arc<dyn Queue>,
    mapping: AdapterMapping,
    orthanc: Option<Client>,
}

/// The intake of a site; `None` where no token is configured. An Orthanc that is configured is asked for the studies of
/// events that name them by its own identifier.
pub fn intake(config: &Config, queue: &Arc<dyn Queue>) -> Result<Option<Arc<dyn Intake>>, OrthancError> {
    let Some(token) = config.http.intake_token.clone() else { return Ok(None) };
    let orthanc = config.orthanc.as_ref().map(Client::new).transpose()?;
    let mapping = config.mapping.clone();
    Ok(Some(Arc::new(Hook { token, queue: Arc::clone(queue), mapping, orthanc })))
}

#[async_trait]
impl Intake for Hook {
    fn token(&self) -> &Secret {
        &self.token
    }

    async fn take(&self, body: &[u8]) -> Result<(), IntakeError> {
        let incoming = message::recognise(body, Timestamp::now(), &self.mapping)?;
        let request = self.request(incoming).await?;
        let message = envelope::message(&request, ORIGIN, trace_parent());
        self.queue.publish(&message).await.map_err(|error| IntakeError::Unavailable(Box::new(error)))
    }
}

impl Hook {
    async fn request(&self, incoming: Incoming) -> Result<JobRequest, IntakeError> {
        let study = match incoming {
            Incoming::Request(request) => return Ok(request),
            Incoming::OrthancStudy(study) => study,
        };
        let Some(orthanc) = &self.orthanc else {
            let reason = "the event names a study by Orthanc's own identifier, and no [orthanc] is configured";
            return Err(refused("OrthancUnknown", reason));
        };
        let named =
            orthanc.study(&study.study).await.map_err(|error| IntakeError::Unavailable(Box::new(error)))?;
        request_of(study, named, self.mapping.orthanc_source.clone())
            .ok_or_else(|| refused("StudyGone", "Orthanc has no such study with a valid StudyInstanceUID"))
    }
}

fn refused(code: &'static str, reason: &str) -> IntakeError {
    IntakeError::Refused(MessageRefusal { code, reason: reason.to_owned() })
}
