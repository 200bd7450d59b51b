//! Released studies become requests on the queue, the same as those of `chiasm submit --study`.
//!
//! A request is made again where its confirmation was lost; the job's key sees repeats. An instance that comes after its
//! study was released opens the study anew: the next request finds other files, which is another version of the report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_ingest::uid::Uid;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::open::Due;
use super::{Receiver, archive};
use crate::job::digest;
use crate::lane::Lane;
use crate::message::{JobRequest, Mode, envelope};

/// The CloudEvents `source` of requests that begin here.
const ORIGIN: &str = "urn:chiasm:receive";

/// How often it is looked whether a study is to be released.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The most instances that a request may state.
const MAX_STATED: u32 = 1_000_000;

/// Releases studies until `stopping`. What is open then is released by the next receiver.
pub(super) async fn run(receiver: Arc<Receiver>, stopping: CancellationToken) {
    let mut asking = JoinSet::new();
    while stopping.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let studies = Arc::clone(&receiver.studies);
        receiver.beat.now();
        let due = tokio::task::spawn_blocking(move || studies.due(Instant::now())).await.unwrap_or_default();
        for (study, due) in due {
            release(&receiver, &study, due).await;
        }
        archive::ask(&receiver, &mut asking);
    }
}

async fn release(receiver: &Receiver, study: &Uid, due: Due) {
    let instances = receiver.inbox.instances(study).unwrap_or(0);
    let settled = if instances == 0 {
        // Its mark was made, and its first instance refused or never whole.
        receiver.studies.released(study)
    } else {
        let request = request(receiver, study, instances, Timestamp::now());
        match receiver.queue.publish(&envelope::message(&request, ORIGIN, None)).await {
            Ok(()) => {
                receiver.counts.released(true);
                tracing::info!(request = request.id, instances, because = due.as_str(), "study released");
                receiver.studies.released(study)
            }
            Err(error) => {
                receiver.counts.released(false);
                let error = anyhow::Error::from(error);
                tracing::warn!("a study was not released and is tried again: {error:#}");
                receiver.studies.put_back(study, Instant::now())
            }
        }
    };
    if let Err(error) = settled {
        tracing::warn!(%error, "the mark of a study could not be changed; it is released again at the next start");
    }
}

fn request(receiver: &Receiver, study: &Uid, instances: u32, now: Timestamp) -> JobRequest {
    let id = digest(&["receive", study.as_str(), &now.to_string()]);
    JobRequest {
        id: format!("receive-{}", id.get(..32).unwrap_or(&id)),
        time: now,
        study_uid: study.clone(),
        source: Some(receiver.config.source.clone()),
        record: None,
        targets: Vec::new(),
        pipeline: None,
        lane: Lane::Routine,
        mode: Mode::Clinical,
        expected_instances: Some(instances.min(MAX_STATED)),
        correlation_id: None,
    }
}
