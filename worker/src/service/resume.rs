//! Jobs that the ledger gives again: what they need before they can be carried.

use std::path::PathBuf;
use std::time::Instant;

use dicom_ingest::limits::Limits;
use dicom_ingest::source::{Fate, SourceError, sizes};
use jiff::Timestamp;

use super::arrival::Arrivals;
use super::budget::Share;
use super::fetch::{FetchError, Here};
use super::flight::Landed;
use super::load::{Load, memory_of, room_of};
use crate::ending::Ending;
use crate::job::{Request, SourceFile};
use crate::ledger::{Job, LedgerError};
use crate::message::Name;
use crate::outcome::{Outcome, State};
use crate::pipeline::Start;

/// A job that is taken up again, with what it needs.
#[derive(Debug)]
pub(super) enum Again {
    /// It can be carried.
    Carry(Load),
    /// Its study cannot be fetched now; the ledger keeps the job until later.
    Deferred(Landed),
}

impl Arrivals {
    /// What a job needs that the ledger gave: its files are fetched again where they came from another machine. Where the
    /// source is away, the job rests; where it no longer has the study, the job ends.
    pub(super) async fn again(&self, job: &Job, request: Option<&Request>) -> Result<Again, LedgerError> {
        let source =
            request.filter(|_| job.composed.is_none()).and_then(|request| request.fetched_from.as_ref());
        let Some(source) = source else {
            let files = request.filter(|_| job.composed.is_none()).map(|request| request.files.as_slice());
            let limits = self.flight.stages.reader.limits();
            let bytes = memory_of(bytes_of(files.unwrap_or_default(), limits).await);
            let share = self.budget.take(bytes, job.lane).await;
            let start = Start { kept: room_of(&share), ..Start::default() };
            return Ok(Again::Carry(Load { start, _spool: None, _share: share }));
        };
        let ending = match self.fetch_again(job, source).await {
            Ok((here, share)) => {
                let spool = here.into_spool();
                let root = spool.as_ref().map(|spool| spool.path().to_owned());
                let start = Start { kept: room_of(&share), root, ..Start::default() };
                return Ok(Again::Carry(Load { start, _spool: spool, _share: share }));
            }
            Err(FetchError::Source { source, .. }) if source.fate() == Fate::Later => {
                if self.is_patient(job).await? {
                    return self.rest(job, &source).await.map(Again::Deferred);
                }
                Ending::failed(source.code(), source.to_string(), source.next_step())
            }
            // As with a file that is gone: what was accepted is not there any more.
            Err(_) => Ending::refused(
                "SourceChanged",
                "the study is no longer at its source as it was when the job was accepted",
            ),
        };
        let start = Start { ending: Some(ending), ..Start::default() };
        Ok(Again::Carry(Load { start, ..self.no_load(job.lane).await }))
    }

    async fn fetch_again(&self, job: &Job, source: &Name) -> Result<(Here, Share), FetchError> {
        let located = self.sources.locate_again(source, &job.study_uid, self.limits.max_study_bytes).await?;
        let share = self.share_of(&located, job.lane).await;
        let began = Instant::now();
        let brought = self.bring(located, job.lane, share).await?;
        self.flight.metrics.record_stage("fetch", began.elapsed());
        Ok(brought)
    }

    /// Whether a job has not waited for its source for too long: since the ledger has it, however old its request is.
    async fn is_patient(&self, job: &Job) -> Result<bool, LedgerError> {
        let known = self.flight.ledger.job(&job.job_key).await?;
        let entries = known.map(|(_, entries)| entries).unwrap_or_default();
        let since = entries.iter().rfind(|entry| entry.event != "deferred").map(|entry| entry.at.as_str());
        let since: Timestamp = since.unwrap_or(&job.accepted_at).parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let waited = Timestamp::now().duration_since(since).as_secs();
        Ok(waited <= i64::try_from(self.flight.deliver_for.as_secs()).unwrap_or(i64::MAX))
    }

    async fn rest(&self, job: &Job, error: &SourceError) -> Result<Landed, LedgerError> {
        let (code, retries, after) = (error.code(), job.deferrals, self.pause(job.deferrals));
        tracing::info!(
            code,
            retries,
            pause_s = after.as_secs(),
            "the study of a job cannot be fetched again yet"
        );
        self.flight.metrics.record_deferral(code);
        self.flight.ledger.defer(job, after, code).await?;
        let outcome =
            Outcome::without_result(State::Failed, code, &error.to_string()).of_study(&job.study_uid);
        Ok(Landed::Deferred { code: code.to_owned(), outcome: Box::new(outcome) })
    }
}

/// Bytes of a job's files as they stand now, entries of archives as they inflate. Where they cannot be counted, the job is carried
/// as one that is larger than the budget.
async fn bytes_of(files: &[SourceFile], limits: &Limits) -> u64 {
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let limits = limits.clone();
    let count = move || sizes::bytes_of(paths.iter().map(PathBuf::as_path), &limits);
    tokio::task::spawn_blocking(count).await.unwrap_or(u64::MAX)
}
