//! Where jobs come from: the two lanes of the queue, and the ledger itself for what was left behind or put off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::announce::Announced;
use super::arrival::{Arrivals, Arrived};
use super::flight::Landed;
use super::load::Load;
use super::resume::Again;
use crate::job::Request;
use crate::lane::Lane;
use crate::ledger::Job;
use crate::outcome::Outcome;
use crate::pipeline::STOPPED_THE_WORKER;
use crate::queue::{Consumer, QueueError};
use crate::telemetry::traces::delivery_span;

/// Pause after the queue or the ledger could not be reached.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// What is let in at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intake {
    /// Everything.
    Open,
    /// No new study, for there is no room or no way out; reports that are stored are delivered.
    Paused,
    /// Nothing: the ledger or the device does not answer.
    Closed,
}

/// What all feeds of a worker share.
#[derive(Clone)]
pub(super) struct Feeds {
    /// What carries deliveries.
    pub arrivals: Arc<Arrivals>,
    /// Jobs under way.
    pub tasks: TaskTracker,
    /// Takes nothing more.
    pub stopping: CancellationToken,
    /// What is let in.
    pub intake: watch::Receiver<Intake>,
    /// Lines of studies, for whoever shows them.
    pub outcomes: mpsc::Sender<Outcome>,
    /// Set when the ledger was asked and had nothing to do.
    pub ledger_is_empty: Arc<AtomicBool>,
    /// Set when the ledger failed.
    pub ledger_failed: Arc<AtomicBool>,
}

impl Feeds {
    /// Takes deliveries of one lane until the worker stops. `Err` when the queue can never be used.
    pub(super) async fn lane(self, lane: Lane, prefetch: u16) -> Result<(), QueueError> {
        while self.let_in(|intake| intake == Intake::Open).await {
            let consumer = match self.arrivals.queue.consume(lane, prefetch).await {
                Ok(consumer) => consumer,
                Err(error @ QueueError::Unusable { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, %lane, "the queue cannot be reached");
                    self.rest(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            };
            self.consume(lane, consumer).await?;
        }
        Ok(())
    }

    /// Takes deliveries until intake pauses or the worker stops.
    async fn consume(&self, lane: Lane, mut consumer: Box<dyn Consumer>) -> Result<(), QueueError> {
        let mut intake = self.intake.clone();
        loop {
            let delivery = tokio::select! {
                biased;
                () = self.stopping.cancelled() => break,
                _ = intake.wait_for(|intake| *intake != Intake::Open) => break,
                delivery = consumer.next() => delivery?,
            };
            let feeds = self.clone();
            let span = delivery_span(lane, delivery.trace_parent.as_deref());
            let carried = async move {
                let metrics = feeds.arrivals.flight.metrics.clone();
                let _under_way = metrics.job_under_way(lane);
                match feeds.arrivals.carry(delivery).await {
                    Ok(Arrived::Landed(landed)) => feeds.show(landed).await,
                    Ok(_) => {}
                    Err(error) => feeds.ledger_error(&error).await,
                }
            };
            self.tasks.spawn(carried.instrument(span));
        }
        consumer.close().await;
        Ok(())
    }

    /// Takes jobs from the ledger until the worker stops: those submitted to it directly, those of workers that died, and
    /// those whose delivery was put off.
    pub(super) async fn ledger(self, at_once: usize, poll: Duration) {
        let places = Arc::new(Semaphore::new(at_once.max(1)));
        while self.let_in(|intake| intake != Intake::Closed).await {
            let place = tokio::select! {
                biased;
                // The grace begins now, however long those that have the places take.
                () = self.stopping.cancelled() => return,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { return };
            let ledger = &self.arrivals.flight.ledger;
            let open = *self.intake.borrow() == Intake::Open;
            match if open { ledger.lease_next().await } else { ledger.lease_stored().await } {
                Ok(Some(job)) => {
                    self.arrivals.flight.under_way.add(&job);
                    self.ledger_is_empty.store(false, Ordering::SeqCst);
                    let (feeds, is_suspect) = (self.clone(), job.is_suspect());
                    let carried = self.tasks.spawn(async move {
                        let _place = place;
                        tokio::select! {
                            () = feeds.take_up(job) => {}
                            // It is under lease still, and given back when all tasks have ended.
                            () = feeds.arrivals.handing_back.cancelled() => {}
                        }
                    });
                    // A lease counts as a start: while one that may stop the worker is under way, no other is leased, or
                    // those that stop nothing would be counted with it.
                    if is_suspect {
                        tokio::select! {
                            _ = carried => {}
                            () = self.stopping.cancelled() => {}
                        }
                    }
                }
                Ok(None) => {
                    self.ledger_is_empty.store(true, Ordering::SeqCst);
                    self.rest(poll).await;
                }
                Err(error) => {
                    self.ledger_error(&error).await;
                    self.rest(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    pub(super) async fn take_up(&self, job: Job) {
        let arrivals = &self.arrivals;
        let _under_way = arrivals.flight.metrics.job_under_way(job.lane);
        let _right_of_way = arrivals.flight.gate.begins(job.lane);
        let request = serde_json::from_str::<Request>(&job.request).ok();
        // A job that was started before may stop the worker: alone, no other job is counted with it. Before its bytes are
        // taken: who holds bytes never waits to be alone.
        let (_shared, _alone) = if job.is_suspect() {
            (None, Some(arrivals.alone.write().await))
        } else {
            (Some(arrivals.alone.read().await), None)
        };
        let load = match arrivals.again(&job, request.as_ref()).await {
            Ok(Again::Carry(load)) => load,
            Ok(Again::Deferred(landed)) => {
                arrivals.flight.under_way.remove(&job);
                return self.show(landed).await;
            }
            Err(error) => {
                arrivals.flight.give_back(&job).await;
                return self.ledger_error(&error).await;
            }
        };
        // Files and bytes are kept until the job has landed.
        let Load { start, _spool, _share } = load;
        let (job_key, study_uid) = (job.job_key.clone(), job.study_uid.clone());
        let letter = request.as_ref().and_then(|request| arrivals.letter_of(&job, request));
        let correlation = request.and_then(|request| request.correlation_id);
        match arrivals.flight.carry(job, start).await {
            Ok(landed) => {
                if let Some((state, outcome)) = landed.news() {
                    let job = Announced {
                        job_key: &job_key,
                        study_uid: &study_uid,
                        correlation_id: correlation.as_deref(),
                    };
                    arrivals.announce(&job, state, outcome).await;
                    if let Some(letter) = letter
                        && outcome.code.as_deref() == Some(STOPPED_THE_WORKER)
                    {
                        arrivals.bury(&letter).await;
                    }
                }
                self.show(landed).await;
            }
            Err(error) => self.ledger_error(&error).await,
        }
    }

    async fn show(&self, landed: Landed) {
        if let Landed::Ended { outcome, .. } | Landed::Held { outcome } | Landed::Deferred { outcome, .. } =
            landed
        {
            // Nobody may be listening any more, while the worker stops.
            tokio::select! {
                biased;
                sent = self.outcomes.send(*outcome) => drop(sent),
                () = self.arrivals.handing_back.cancelled() => {}
            }
        }
    }

    /// Finishes what is under way within the grace, and hands back the rest: its reports that are stored are delivered by
    /// the next worker, and what is not stored is begun anew. Nothing of it counts as a start.
    pub(super) async fn drain(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            tracing::info!("all studies under way are finished");
            return;
        }
        self.arrivals.handing_back.cancel();
        self.tasks.wait().await;
        let left = self.arrivals.flight.under_way.take();
        tracing::warn!(jobs = left.len(), "the grace is over: what is under way is handed back");
        for job in left {
            self.arrivals.flight.give_back(&job).await;
        }
    }

    async fn ledger_error(&self, error: &crate::ledger::LedgerError) {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, cause, "the ledger failed; the job is taken up again");
        self.arrivals.flight.metrics.record_ledger_error();
        self.ledger_failed.store(true, Ordering::SeqCst);
        self.rest(PAUSE_AFTER_ERROR).await;
    }

    /// Waits until `enough` is let in; false when the worker stops.
    async fn let_in(&self, enough: impl Fn(Intake) -> bool) -> bool {
        let mut intake = self.intake.clone();
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => false,
            open = intake.wait_for(|intake| enough(*intake)) => open.is_ok(),
        }
    }

    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
