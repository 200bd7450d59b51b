//! What `POST /intake/orthanc` takes: our Lua hook's word on a stable study, an event of orthanc-server-extensions, or any
//! other message of `docs/messages.md`. Token, size and time limits are [`crate::telemetry::http`]'s.

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
use crate::telemetry::http::{self, IntakeError};

/// Takes messages over HTTP onto the queue.
#[derive(Debug)]
struct Intake {
    token: Secret,
    queue: Arc<dyn Queue>,
    mapping: AdapterMapping,
    orthanc: Option<Client>,
}

/// The intake of a site; `None` where no token is configured. An Orthanc that is configured is asked for the studies of
/// events that name them by its own identifier.
pub fn intake(
    config: &Config,
    queue: &Arc<dyn Queue>,
) -> Result<Option<Arc<dyn http::Intake>>, OrthancError> {
    let Some(token) = config.http.intake_token.clone() else { return Ok(None) };
    let orthanc = config.orthanc.as_ref().map(Client::new).transpose()?;
    let (queue, mapping) = (Arc::clone(queue), config.mapping.clone());
    Ok(Some(Arc::new(Intake { token, queue, mapping, orthanc })))
}

#[async_trait]
impl http::Intake for Intake {
    fn token(&self) -> &Secret {
        &self.token
    }

    async fn take(&self, body: &[u8]) -> Result<(), IntakeError> {
        let request = self.request(body).await?;
        let message = envelope::message(&request, ORIGIN, None);
        self.queue.publish(&message).await.map_err(|error| IntakeError::Unavailable(Box::new(error)))
    }
}

impl Intake {
    async fn request(&self, body: &[u8]) -> Result<JobRequest, IntakeError> {
        let now = Timestamp::now();
        let Some(orthanc) = &self.orthanc else { return Ok(message::read(body, now, &self.mapping)?) };
        let event = match message::recognise(body, now, &self.mapping)? {
            Incoming::Request(request) => return Ok(request),
            Incoming::OrthancStudy(event) => event,
        };
        let named =
            orthanc.study(&event.study).await.map_err(|error| IntakeError::Unavailable(Box::new(error)))?;
        let request = request_of(event, named, self.mapping.orthanc_source.clone());
        request.ok_or_else(|| {
            let reason = "Orthanc has no such study with a valid StudyInstanceUID".to_owned();
            IntakeError::Refused(MessageRefusal { code: "StudyGone", reason })
        })
    }
}
