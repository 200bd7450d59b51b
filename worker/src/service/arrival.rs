//! One delivery from the queue to its settling: what it asks for, the job it becomes, and what the queue is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use super::announce::Announced;
use super::budget::{Budget, Share};
use super::failpoint::{reach, reach_with};
use super::fetch::{FetchError, Fetched, Sources};
use super::flight::{Flight, Landed};
use super::given_up::GivenUp;
use super::load::{Load, room_of};
use super::rejected::{self, Next};
use super::widen::{Widened, widen};
use crate::config::site::{RetryConfig, WorkerConfig};
use crate::job::hex;
use crate::ledger::{Accepted, Job, JobState, LedgerError, NewJob};
use crate::message::adapters::AdapterMapping;
use crate::message::{self, JobRequest};
use crate::pipeline::{STOPPED_THE_WORKER, Start};
use crate::queue::{Delivery, Disposition, Queue, Settled};

/// Longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Retries of a source that cannot be reached, at the longest pause: a day.
pub(super) const UNREACHABLE_RETRIES: u32 = 144;

/// How long a worker that stops tries to take back the count of a start.
const UNCOUNT_WITHIN: Duration = Duration::from_secs(2);

/// What turns deliveries into ended jobs.
pub(super) struct Arrivals {
    /// Carries jobs.
    pub flight: Arc<Flight>,
    /// Where studies are.
    pub sources: Arc<Sources>,
    /// The queue, for status events.
    pub queue: Arc<dyn Queue>,
    /// Bytes under way.
    pub budget: Arc<Budget>,
    /// How other systems' names map to ours.
    pub mapping: AdapterMapping,
    /// When to try again.
    pub retry: RetryConfig,
    /// Bounds.
    pub limits: WorkerConfig,
    /// Held shared by every job, and alone by one that may have stopped a worker before. It is taken before bytes are: who
    /// holds bytes never waits for it.
    pub alone: Arc<RwLock<()>>,
    /// One place: for the redelivered message, which may have stopped a worker before, that is on its way into the ledger.
    /// Were more of them counted at once, those that stop nothing would be counted with the one that does.
    pub suspects: Arc<Budget>,
    /// Gives up what is under way.
    pub handing_back: CancellationToken,
}

/// What happened to a delivery, for what is shown and counted.
#[derive(Debug)]
pub(super) enum Arrived {
    /// Its job landed here.
    Landed(Landed),
    /// Its job is somebody else's or ended before, it was refused before a job could be made of it, or it was put back.
    Passed,
}

/// The starts of a message that was delivered before.
#[derive(Debug)]
struct Starts {
    /// A digest of the message.
    arrival: String,
    /// How many the ledger counts, the one that is under way included; 0 where that is not counted.
    counted: AtomicU32,
}

/// A request on its way to a leased job.
pub(super) enum Way {
    Carry(Box<Job>, Box<Load>),
    Known(String, JobState),
    Settle(Disposition),
}

impl Arrivals {
    /// Carries what was delivered to its end and settles the delivery, last of all. `Err` means that the ledger failed; the
    /// delivery was handed back then.
    pub(super) async fn carry(&self, delivery: Delivery) -> Result<Arrived, LedgerError> {
        reach("received");
        let Delivery { body, receipt, retries, redelivered, lane, trace_parent: _ } = delivery;
        self.flight.metrics.record_delivery(lane);
        let request = match message::read(&body, Timestamp::now(), &self.mapping) {
            Ok(request) => JobRequest { lane, ..request },
            Err(refusal) => {
                tracing::warn!(code = refusal.code, reason = refusal.reason, "message refused");
                self.flight.metrics.record_dead_letter(refusal.code);
                let code = refusal.code;
                self.settle(receipt, Disposition::DeadLetter { code: code.into(), reason: refusal.reason })
                    .await;
                return Ok(Arrived::Passed);
            }
        };
        let _right_of_way = self.flight.gate.begins(lane);
        // What was never delivered before cannot have stopped a worker before: only then is it worth a durable count.
        let starts =
            redelivered.then(|| Starts { arrival: hex(&Sha256::digest(&body)), counted: AtomicU32::new(0) });
        let starts = starts.as_ref();
        let result = tokio::select! {
            result = self.begin(&request, starts, retries) => result,
            () = self.handing_back.cancelled() => {
                // The receipt is dropped unsettled: the queue delivers it again when this worker's connection ends.
                drop(tokio::time::timeout(UNCOUNT_WITHIN, self.uncount(starts)).await);
                return Ok(Arrived::Passed);
            }
        };
        match result {
            Ok((arrived, disposition)) => {
                self.forget(starts).await;
                reach("settling");
                self.settle(receipt, disposition).await;
                Ok(arrived)
            }
            Err(error) => {
                self.uncount(starts).await;
                self.settle(receipt, Disposition::HandBack).await;
                Err(error)
            }
        }
    }

    /// Counts the start where the message may have stopped a worker before, and carries it.
    async fn begin(
        &self,
        request: &JobRequest,
        before: Option<&Starts>,
        retries: u32,
    ) -> Result<(Arrived, Disposition), LedgerError> {
        self.flight.gate.give_way(request.lane).await;
        let (place, starts) = match before {
            Some(before) => {
                let place = self.suspects.take(1, request.lane).await;
                let starts = self.flight.ledger.begin(&before.arrival).await?;
                before.counted.store(starts, Ordering::SeqCst);
                (Some(place), starts)
            }
            None => (None, 0),
        };
        // A message that was started before and not settled may stop the worker: it runs alone, so that no other job is
        // counted with it.
        let (_shared, alone) = if starts >= 2 {
            (None, Some(self.alone.write().await))
        } else {
            (Some(self.alone.read().await), None)
        };
        if starts > self.limits.poison_after {
            return self.poisoned(request).await;
        }
        let way = self.way(request, before, retries).await?;
        // Where there is a job, the ledger counts its starts now.
        drop(place);
        match way {
            Way::Settle(disposition) => Ok((Arrived::Passed, disposition)),
            Way::Known(job_key, state) => {
                self.announce_again(request, &job_key, state).await?;
                Ok((Arrived::Passed, Disposition::Ack))
            }
            Way::Carry(job, load) => {
                // The same of a job that was started before. It holds bytes that others may wait for: it is the ledger's, which
                // gives it again, and then it waits to be alone before it takes any.
                if job.is_suspect() && alone.is_none() {
                    drop(load);
                    self.flight.under_way.remove(&job);
                    self.flight.ledger.release(&job).await?;
                    return Ok((Arrived::Passed, Disposition::Ack));
                }
                let job_key = job.job_key.clone();
                // Files and bytes are kept until the job has landed.
                let Load { start, _spool, _share } = *load;
                let landed = self.flight.carry(*job, start).await?;
                let mut disposition = Disposition::Ack;
                if let Some((state, outcome)) = landed.news() {
                    self.announce(&Announced::of(request, &job_key), state, outcome).await;
                    if outcome.code.as_deref() == Some(STOPPED_THE_WORKER) {
                        disposition = self.stopped_the_worker();
                    }
                }
                Ok((Arrived::Landed(landed), disposition))
            }
        }
    }

    /// From the request to a leased job.
    async fn way(
        &self,
        request: &JobRequest,
        before: Option<&Starts>,
        retries: u32,
    ) -> Result<Way, LedgerError> {
        let flight = &self.flight;
        if let Err(error) = self.sources.knows(request, &flight.stages.readings) {
            let reason = error.to_string();
            flight.metrics.record_dead_letter("UnknownName");
            return Ok(Way::Settle(Disposition::DeadLetter { code: "UnknownName".into(), reason }));
        }
        let (job, load) = match self.fetch(request).await {
            Ok((Fetched { job, study, kept, spool }, share)) => {
                let root = spool.as_ref().map(|spool| spool.path().to_owned());
                let start = Start { study, kept, root, ending: None };
                (job, Load { start, _spool: spool, _share: share })
            }
            Err(error) => match self.unfetched(request, &error, retries) {
                Some(disposition) => return Ok(Way::Settle(disposition)),
                None => match self.given_up(request, &error).await? {
                    GivenUp::Job(job) => (job, self.no_load(request.lane).await),
                    GivenUp::Letter(letter) => return Ok(Way::Settle(letter)),
                },
            },
        };
        reach_with("fetched", request.study_uid.as_str());
        if before.is_some() && self.has_stopped_workers(&job.job_key).await? {
            // This very message asked for it, and the ledger failed the job since: asking again is for a person.
            return Ok(Way::Known(job.job_key.clone(), JobState::Failed));
        }
        if let Some(study) = &load.start.study {
            match rejected::take_back(flight, &job, study).await? {
                Next::Read => {}
                Next::Known(job_key, state) => return Ok(Way::Known(job_key, state)),
                Next::Wait => return Ok(Way::Settle(self.waits())),
            }
        }
        let accepted = self.accept(request, &job, load).await?;
        // From here on the ledger counts the starts of the job.
        self.forget(before).await;
        Ok(accepted)
    }

    async fn forget(&self, starts: Option<&Starts>) {
        let Some(starts) = starts else { return };
        starts.counted.store(0, Ordering::SeqCst);
        if let Err(error) = self.flight.ledger.forget(&starts.arrival).await {
            tracing::warn!(%error, "the starts of a delivery were not forgotten");
        }
    }

    /// Takes back the count of the start that is under way: it stopped nobody. Those before it stay.
    async fn uncount(&self, starts: Option<&Starts>) {
        let Some(starts) = starts else { return };
        let counted = starts.counted.load(Ordering::SeqCst);
        if counted == 0 {
            return;
        }
        self.forget(Some(starts)).await;
        for _before in 1..counted {
            if let Err(error) = self.flight.ledger.begin(&starts.arrival).await {
                tracing::warn!(%error, "an earlier start of a delivery is not counted any more");
            }
        }
    }

    pub(super) async fn accept(
        &self,
        request: &JobRequest,
        job: &NewJob,
        load: Load,
    ) -> Result<Way, LedgerError> {
        let ledger = &self.flight.ledger;
        let accepted = ledger.accept(job).await?;
        reach("accepted");
        match accepted {
            Accepted::New => self.announce_accepted(request, job).await,
            Accepted::Before(state) => match widen(ledger.as_ref(), job).await? {
                Widened::Done => {}
                Widened::InHand if !state.is_terminal() => {
                    return Ok(Way::Settle(self.waits()));
                }
                _ if state.is_terminal() || state == JobState::Held => {
                    return Ok(Way::Known(job.job_key.clone(), state));
                }
                _ => {}
            },
        }
        match ledger.lease_key(&job.job_key).await? {
            Some(leased) => {
                self.flight.under_way.add(&leased);
                Ok(Way::Carry(Box::new(leased), Box::new(load)))
            }
            // Another worker holds it, and the ledger sees to it that somebody ends it.
            None => Ok(Way::Known(job.job_key.clone(), JobState::Leased)),
        }
    }

    /// Takes the bytes of the study from the budget, then fetches and reads it.
    pub(super) async fn fetch(&self, request: &JobRequest) -> Result<(Fetched, Share), FetchError> {
        let began = Instant::now();
        let located = self.sources.locate(request, self.limits.max_study_bytes).await?;
        let share = self.share_of(&located, request.lane).await;
        self.flight.metrics.record_stage("wait", began.elapsed());
        let began = Instant::now();
        let (here, share) = self.bring(located, request.lane, share).await?;
        let (sources, stages, gate) =
            (Arc::clone(&self.sources), Arc::clone(&self.flight.stages), Arc::clone(&self.flight.gate));
        let asked = request.clone();
        let kept = room_of(&share);
        let fetched = blocking(move || {
            let _turn = gate.enter(asked.lane);
            sources.read(&asked, here, &stages, kept)
        })
        .await?;
        self.flight.metrics.record_stage("fetch", began.elapsed());
        Ok((fetched, share))
    }

    /// Another version or a withdrawal has to end first; the study itself was there, so that no retry is counted.
    fn waits(&self) -> Disposition {
        Disposition::Wait { after: self.pause(0) }
    }

    pub(super) fn pause(&self, retries: u32) -> Duration {
        self.retry.after.saturating_mul(1 << retries.min(10)).min(LONGEST_PAUSE)
    }

    async fn settle(&self, receipt: Box<dyn crate::queue::Receipt>, disposition: Disposition) {
        let settled = tokio::select! {
            biased;
            settled = receipt.settle(disposition) => settled,
            () = self.handing_back.cancelled() => return,
        };
        match settled {
            Ok(Settled::Done) => {}
            Ok(Settled::Lost) => {
                tracing::info!("the delivery was lost meanwhile; the queue delivers it again");
                self.flight.metrics.record_settlement_lost();
            }
            Err(error) => {
                tracing::warn!(%error, "the delivery could not be settled; the queue delivers it again");
                self.flight.metrics.record_settlement_lost();
            }
        }
    }
}

/// Runs what blocks on a thread that may; a panic there is an unreadable source.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(FetchError::NotThere {
            code: "StudyUnreadable",
            reason: "reading the study stopped unexpectedly".into(),
        })
    })
}
