//! Status events of jobs, for whoever listens on the queue.

use jiff::Timestamp;

use super::arrival::Arrivals;
use super::failpoint::reach;
use crate::ledger::{JobState, LedgerError, NewJob};
use crate::message::JobRequest;
use crate::message::status::{self, Status};
use crate::outcome::{Outcome, State};

/// Whose status event it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced<'a> {
    /// The job's key.
    pub job_key: &'a str,
    /// StudyInstanceUID.
    pub study_uid: &'a str,
    /// The asker's own name for the undertaking.
    pub correlation_id: Option<&'a str>,
}

impl<'a> Announced<'a> {
    pub(super) fn of(request: &'a JobRequest, job_key: &'a str) -> Self {
        Self {
            job_key,
            study_uid: request.study_uid.as_str(),
            correlation_id: request.correlation_id.as_deref(),
        }
    }
}

impl Arrivals {
    /// Tells whoever listens. A listener sees an event at least once; its identifier tells repeats.
    pub(super) async fn announce(&self, job: &Announced<'_>, state: JobState, outcome: &Outcome) {
        let event = status::event(&Status {
            tenant: &self.flight.stages.config.tenant,
            job_key: job.job_key,
            study_uid: job.study_uid,
            state,
            at: Timestamp::now(),
            code: outcome.code.as_deref(),
            next_step: outcome.next_step.as_deref(),
            correlation_id: job.correlation_id,
            diagnostic_report: outcome.files.get("diagnostic_report").and_then(|url| url.rsplit('/').next()),
        });
        let Some(event) = event else { return };
        if let Err(error) = self.queue.announce(event.event_type, &event.id, &event.body).await {
            tracing::warn!(%error, "status event not published");
        }
        if state.is_terminal() {
            reach("announced");
        }
    }

    pub(super) async fn announce_accepted(&self, request: &JobRequest, job: &NewJob) {
        let nothing_yet =
            Outcome { code: None, reason: None, ..Outcome::without_result(State::Reported, "", "") };
        self.announce(&Announced::of(request, &job.job_key), JobState::Accepted, &nothing_yet).await;
    }

    /// The event of a job that ended before: it may have been lost with the worker that ended the job.
    pub(super) async fn announce_again(
        &self,
        request: &JobRequest,
        job_key: &str,
        state: JobState,
    ) -> Result<(), LedgerError> {
        if state.is_terminal()
            && let Some(report) = self.flight.ledger.report(job_key).await?
        {
            self.announce(&Announced::of(request, job_key), state, &super::flight::line(&report)).await;
        }
        Ok(())
    }
}
