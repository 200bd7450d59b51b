//! Requests and jobs that stopped their worker each time they were started: failed jobs for a person to see, and dead
//! letters.

use super::announce::Announced;
use super::arrival::{Arrivals, Arrived, Way};
use super::flight::{Landed, line};
use crate::job::{Request, Unread};
use crate::ledger::{Job, LedgerError};
use crate::message::{JobRequest, envelope};
use crate::pipeline::{STOPPED_THE_WORKER, Start};
use crate::queue::{Disposition, Message};

/// Why such a request is a dead letter.
const STOPPED: &str = "the request stopped its worker each time it was started";

impl Arrivals {
    /// Whether the job failed because it stopped its worker each time.
    pub(super) async fn has_stopped_workers(&self, job_key: &str) -> Result<bool, LedgerError> {
        let report = self.flight.ledger.report(job_key).await?;
        Ok(report.is_some_and(|report| line(&report).code.as_deref() == Some(STOPPED_THE_WORKER)))
    }

    /// A request that stopped its worker again and again: a failed job for a person to see, and a dead letter.
    pub(super) async fn poisoned(&self, request: &JobRequest) -> Result<(Arrived, Disposition), LedgerError> {
        let disposition = self.stopped_the_worker();
        let why = Unread {
            failed: true,
            code: STOPPED_THE_WORKER.into(),
            reason: STOPPED.into(),
            next_step: "Read the study without this program, and report its files as a defect.".into(),
        };
        let job = self.sources.unread(request, &self.flight.stages, why);
        if self.has_report(&job).await? {
            // The dead letter says it; the report that there is stands.
            return Ok((Arrived::Passed, disposition));
        }
        let load = self.no_load(request.lane).await;
        if let Way::Carry(job, ..) = self.accept(request, &job, load).await? {
            let job_key = job.job_key.clone();
            if let Landed::Ended { state, outcome } = self.flight.carry(*job, Start::default()).await? {
                self.announce(&Announced::of(request, &job_key), state, &outcome).await;
            }
        }
        Ok((Arrived::Passed, disposition))
    }

    pub(super) fn stopped_the_worker(&self) -> Disposition {
        let code = STOPPED_THE_WORKER;
        tracing::error!(code, "a request stopped its worker too often; it goes to the dead-letter queue");
        self.flight.metrics.record_dead_letter(code);
        Disposition::DeadLetter { code: code.into(), reason: STOPPED.into() }
    }

    /// The dead letter of a job that stopped its worker too often after its message had left the queue: the request as far
    /// as the ledger keeps it. Jobs that were submitted by path had no message.
    pub(super) fn letter_of(&self, job: &Job, request: &Request) -> Option<Message> {
        if !job.is_poison(self.limits.poison_after) || request.out.is_some() {
            return None;
        }
        let asked = JobRequest {
            id: format!("job-{}", job.job_key.get(..16)?),
            time: job.accepted_at.parse().ok()?,
            study_uid: job.study_uid.parse().ok()?,
            source: request.fetched_from.clone(),
            record: None,
            targets: request.targets.clone(),
            pipeline: request.pipeline.clone(),
            lane: job.lane,
            mode: request.mode,
            expected_instances: None,
            correlation_id: request.correlation_id.clone(),
        };
        Some(envelope::message(&asked, "urn:chiasm:worker", None))
    }

    /// Puts the letter on the dead-letter queue. The job is failed already, and seen in the ledger.
    pub(super) async fn bury(&self, letter: &Message) {
        let Disposition::DeadLetter { code, reason } = self.stopped_the_worker() else { return };
        if let Err(error) = self.queue.bury(letter, &code, &reason).await {
            tracing::warn!(%error, "the dead letter of a failed job was not stored");
        }
    }
}
