//! Requests whose study is not to be had: they wait, or end with the reason. A report that is there is never replaced by the
//! news that its images are gone.

use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::Fate;

use super::arrival::{Arrivals, UNREACHABLE_RETRIES};
use super::fetch::FetchError;
use crate::job::Unread;
use crate::ledger::{LedgerError, NewJob};
use crate::message::JobRequest;
use crate::queue::Disposition;

/// What becomes of a request that waited for long enough.
pub(super) enum GivenUp {
    /// A job that ends with the reason.
    Job(NewJob),
    /// It goes to the dead letters: a report of the study stands, and this says nothing of it.
    Letter(Disposition),
}

impl Arrivals {
    /// What to do with a request whose study is not there; `None` when there is no point in waiting longer.
    pub(super) fn unfetched(
        &self,
        request: &JobRequest,
        error: &FetchError,
        retries: u32,
    ) -> Option<Disposition> {
        let long = UNREACHABLE_RETRIES.max(self.retry.retries);
        let (most, code) = match error {
            FetchError::Unknown(_) => return None,
            FetchError::NotThere { code, .. } => (self.retry.retries, *code),
            FetchError::Source { source, .. } => match source.fate() {
                Fate::Never => return None,
                Fate::Absent => (self.retry.retries, source.code()),
                Fate::Later => (long, source.code()),
            },
            FetchError::Unreachable { .. } => (long, "SourceUnreachable"),
        };
        if retries >= most {
            return None;
        }
        let after = self.pause(retries);
        tracing::info!(code, retries, pause_s = after.as_secs(), lane = %request.lane, "study not there yet");
        self.flight.metrics.record_deferral(code);
        Some(Disposition::Retry { after })
    }

    fn unread(&self, request: &JobRequest, error: &FetchError) -> (NewJob, String) {
        let (failed, code, next_step) = match error {
            FetchError::Unknown(_) => (false, "UnknownName", "Name what the site's configuration has."),
            // No verdict on the files: this machine could not read them.
            FetchError::NotThere { code, .. } if *code == RefusalCode::DecoderUnavailable.as_str() => (
                true,
                *code,
                "Free memory and processes of the worker's machine, and submit the study again.",
            ),
            FetchError::NotThere { code, .. } => {
                (false, *code, "Check that the whole study is at the source, and submit it again.")
            }
            FetchError::Source { source, .. } => {
                (source.fate() == Fate::Later, source.code(), source.next_step())
            }
            FetchError::Unreachable { .. } => {
                (true, "SourceUnreachable", "Bring the source back, and submit the study again.")
            }
        };
        let why =
            Unread { failed, code: code.into(), reason: error.to_string(), next_step: next_step.into() };
        (self.sources.unread(request, &self.flight.stages, why), code.into())
    }

    /// What becomes of a request whose study was not to be had for long enough.
    pub(super) async fn given_up(
        &self,
        request: &JobRequest,
        error: &FetchError,
    ) -> Result<GivenUp, LedgerError> {
        let (job, code) = self.unread(request, error);
        if error.is_of_the_study() || !self.has_report(&job).await? {
            return Ok(GivenUp::Job(job));
        }
        tracing::warn!(
            code,
            "the study cannot be read again; its report stands, the request is a dead letter"
        );
        self.flight.metrics.record_dead_letter(&code);
        let reason = format!("{error}; the report that there is stands");
        Ok(GivenUp::Letter(Disposition::DeadLetter { code, reason }))
    }

    /// Whether another version of the report of this job, which was made of no image, is stored or delivered.
    pub(super) async fn has_report(&self, unread: &NewJob) -> Result<bool, LedgerError> {
        let newest = self.flight.ledger.newest(&unread.report_key).await?;
        Ok(newest.is_some_and(|newest| newest.job_key != unread.job_key))
    }
}
