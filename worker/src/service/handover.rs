//! The report of a job handed over to its targets: the first time, once more, and what follows where one does not take it.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::earlier;
use super::failpoint::reach;
use super::flight::{Flight, Landed, line};
use crate::deliver::folder::FolderTarget;
use crate::deliver::{DeliverError, Parcel, Receipts, Target, drawn};
use crate::job::Request;
use crate::ledger::{EndedWhy, Job, JobState, LedgerError, NewJob, ReportBytes};
use crate::message::{Mode, Name};
use crate::outcome::{Outcome, State};
use crate::report::fhir::{Address, Earlier};

/// A report that was not delivered rests as long as it has waited so far, but at least and at most so long. How often it was
/// tried does not count: while its target pauses, it comes round every second or so.
const SHORTEST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_mins(5);

impl Flight {
    /// The report of a job that is under way, or of the newest version of one, to its targets.
    pub(super) async fn deliver(
        &self,
        job: &Job,
        (report, address): (&ReportBytes, Option<&Address>),
        earlier: &[Earlier],
        sent_before: bool,
    ) -> Result<Receipts, DeliverError> {
        let Job { job_key, report_key, study_uid, request, .. } = job;
        let began = Instant::now();
        let parcel = Parcel { study_uid, job_key, report_key, report, address, earlier, sent_before };
        let delivered = self.to_targets(request, parcel).await;
        self.metrics.record_stage("deliver", began.elapsed());
        delivered
    }

    /// The report to each target of the request, one after the other; what has it already is left as it is. Targets that
    /// ask whose it is come first: what one of them refuses for the patient's sake goes nowhere. Where none of them can, the server that
    /// the record came from is asked of a report with a result.
    async fn to_targets(&self, request: &str, parcel: Parcel<'_>) -> Result<Receipts, DeliverError> {
        // A request that this version cannot read has no target; its job is failed, and is seen in the ledger.
        let Ok(request) = serde_json::from_str::<Request>(request) else { return Ok(Receipts::new()) };
        let mut files = Receipts::new();
        if request.mode == Mode::Shadow {
            return Ok(files);
        }
        let mut targets = Vec::new();
        for name in &request.targets {
            targets.push((name, self.targets.get(name).ok_or_else(|| DeliverError::not_configured(name))?));
        }
        let (first, others): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|(_, target)| target.confirms_patient());
        if first.is_empty()
            && parcel.report.ends == JobState::Reported
            && let Some(name) = &request.record_from
        {
            let witness = self.witnesses.get(name).ok_or_else(|| DeliverError::not_configured(name))?;
            witness.confirm(&parcel).await?;
        }
        for (_, target) in first {
            files.extend(target.deliver(&parcel).await?);
            reach("delivering");
        }
        // A FHIR server takes no picture: it is drawn for the others alone.
        let out = request.out.as_ref().map(|_| Name::out());
        let Some(next) = out.as_ref().or(others.first().map(|(name, _)| *name)) else { return Ok(files) };
        let report = drawn(parcel.report, next).await?;
        let parcel = Parcel { report: &report, ..parcel };
        if let Some(out) = &request.out {
            // The caller's own folder is made where it is missing; a configured target's is not, its disk may be away.
            if let Err(error) = std::fs::create_dir_all(out) {
                tracing::warn!(kind = %error.kind(), "the folder of --out cannot be made");
            }
            let folder = FolderTarget::new(Name::out(), out.clone());
            files.extend(folder.deliver(&parcel).await?);
        }
        for (_, target) in others {
            files.extend(target.deliver(&parcel).await?);
            reach("delivering");
        }
        Ok(files)
    }

    /// A report that did not reach a target: it rests in the ledger, or, where trying again cannot help, its job fails. It has
    /// waited since it was stored, however old its request is.
    pub(super) async fn undelivered(
        &self,
        job: &Job,
        stored_at: Timestamp,
        error: &DeliverError,
    ) -> Result<Landed, LedgerError> {
        let code = error.code();
        let outcome = undelivered(&job.study_uid, error);
        let waited = Timestamp::now().duration_since(stored_at);
        let too_long = waited.as_secs() > i64::try_from(self.deliver_for.as_secs()).unwrap_or(i64::MAX);
        match error {
            DeliverError::Transient { retry_after, .. } if !too_long => {
                // A clock that was set back gives no negative time.
                let so_far = Duration::try_from(waited).unwrap_or_default();
                let pause = retry_after.unwrap_or(so_far.clamp(SHORTEST_REST, LONGEST_REST));
                tracing::warn!(
                    code,
                    pause_s = pause.as_secs(),
                    "report not delivered; it rests in the ledger"
                );
                self.metrics.record_deferral(code);
                self.ledger.defer(job, pause, code).await?;
                Ok(Landed::Deferred { code: code.to_owned(), outcome: Box::new(outcome) })
            }
            DeliverError::Transient { .. } | DeliverError::Terminal { .. } => {
                tracing::error!(code, "report not delivered; a person has to look");
                // no text of an error holds patient data or a server's own words
                let why = EndedWhy { code, reason: &error.to_string() };
                self.ledger.settle(job, JobState::Failed, Some(why)).await?;
                Ok(Landed::Ended { state: JobState::Failed, outcome: Box::new(outcome) })
            }
        }
    }

    /// After a lost lease: where a newer version of the report is stored, it is delivered once more, in case ours reached a
    /// target after it; and again where a newer one came meanwhile.
    pub(super) async fn repair(&self, job: &Job) -> Result<(), LedgerError> {
        let mut last = job.sequence;
        while let Some(newest) = self.ledger.newest(&job.report_key).await? {
            if newest.job_key == job.job_key || newest.sequence <= last {
                break;
            }
            last = newest.sequence;
            let earlier =
                earlier::versions(self.ledger.as_ref(), &newest.report_key, &newest.job_key).await?;
            if let Some(report) = &newest.composed
                && let Err(error) = self.deliver(&newest, (report, None), &earlier, true).await
            {
                tracing::error!(code = error.code(), job = %newest.job_key, "the newest report could not be restored");
            }
        }
        Ok(())
    }

    /// Delivers the stored report of an ended job once more, to where it is asked for now: same bytes, same files.
    pub async fn redeliver(&self, job: &NewJob, report: &ReportBytes) -> Result<Outcome, LedgerError> {
        let NewJob { job_key, report_key, study_uid, request, .. } = job;
        let earlier = &earlier::versions(self.ledger.as_ref(), report_key, job_key).await?;
        let address = None;
        let parcel = Parcel { study_uid, job_key, report_key, report, address, earlier, sent_before: true };
        Ok(match self.to_targets(request, parcel).await {
            Ok(files) => Outcome { files, ..line(report) },
            Err(error) => undelivered(study_uid, &error),
        })
    }
}

fn undelivered(study_uid: &str, error: &DeliverError) -> Outcome {
    Outcome::without_result(State::Failed, "DeliveryFailed", &error.to_string()).of_study(study_uid)
}
