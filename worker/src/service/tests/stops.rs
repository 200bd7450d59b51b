//! What may stop a worker, and what only waits.

use std::time::Duration;

use dicom_ingest::source::kept::Kept;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::doors::{Answer, PATIENCE};
use super::place::{Place, job, request, soon};
use crate::job::hex;
use crate::lane::Lane;
use crate::ledger::JobState;
use crate::message::JobRequest;
use crate::pipeline::STOPPED_THE_WORKER;
use crate::queue::Disposition;

/// `worker.poison_after` is less, with starts beside others added.
const OFTEN: usize = 9;

#[tokio::test]
async fn a_job_that_has_to_be_alone_and_a_study_that_needs_its_bytes_both_land() {
    let place = Place::new();
    let worker = place.worker(10);
    // The suspect needs 9 bytes of 10, and its lease is the third.
    place.doors.say("1.1", Answer::Holds(3));
    place.ledger.accept(&job("suspect", "1.1", Some("archive"), Timestamp::now())).await.unwrap();
    place.dies("suspect", 2).await;
    let suspect = place.ledger.lease_next().await.unwrap().expect("its worker is gone");
    assert!(suspect.is_suspect());
    // The other is under way beside others, and about to ask for 6.
    place.doors.say("1.2", Answer::HoldsLater(2));
    let delivery = place.delivery(&request("1.2"), false);
    let feeds = worker.feeds.clone();
    let other = tokio::spawn(async move { feeds.arrivals.carry(delivery).await });
    place.doors.until_waiting(1).await;
    let feeds = worker.feeds.clone();
    let alone = tokio::spawn(async move { feeds.take_up(suspect).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    place.doors.open();
    soon(other).await.unwrap().unwrap();
    soon(alone).await.unwrap();
    let jobs = place.jobs().await;
    assert!(jobs.len() == 2 && jobs.iter().all(|job| job.state.is_terminal()), "{jobs:?}");
    assert_eq!(place.settled(), [Disposition::Ack]);
    assert_eq!(worker.feeds.arrivals.budget.used(), (0, 10));
}

#[tokio::test]
async fn a_message_whose_job_has_to_be_alone_leaves_it_to_the_ledger() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    place.doors.say(&study, Answer::Holds(1));
    let asked = request(&study);
    let here = arrivals.sources.bring(arrivals.sources.locate(&asked, 10).await.unwrap()).await.unwrap();
    let stages = &arrivals.flight.stages;
    let fetched = arrivals.sources.read(&asked, here, stages, Kept::default()).unwrap();
    place.ledger.accept(&fetched.job).await.unwrap();
    place.dies(&fetched.job.job_key, 2).await;
    soon(arrivals.carry(place.delivery(&asked, false))).await.unwrap();
    assert_eq!(place.settled(), [Disposition::Ack]);
    assert_eq!(arrivals.budget.used().0, 0, "it holds no bytes while it waits");
    let leased = place.ledger.lease_next().await.unwrap().expect("nobody has it");
    assert_eq!(leased.attempts, 3, "giving it back was no start");
    assert!(arrivals.flight.under_way.take().is_empty());
}

#[tokio::test]
async fn a_message_that_is_handed_back_again_and_again_is_no_poison() {
    let place = Place::new();
    place.doors.say("1.1", Answer::HoldsLater(1));
    let asked = request("1.1");
    let arrival = hex(&Sha256::digest(&place.delivery(&asked, true).body));
    // One worker died while it was under way.
    place.ledger.begin(&arrival).await.unwrap();
    for _ in 0..OFTEN {
        let worker = place.worker(10);
        let (feeds, delivery) = (worker.feeds.clone(), place.delivery(&asked, true));
        worker.feeds.tasks.spawn(async move { feeds.arrivals.carry(delivery).await });
        place.doors.until_waiting(1).await;
        soon(worker.feeds.drain(Duration::ZERO)).await;
        assert_eq!(place.settled(), [], "the queue delivers it again");
    }
    assert_eq!(place.ledger.begin(&arrival).await.unwrap(), 2, "no other start was counted");
    place.doors.open();
    let worker = place.worker(10);
    soon(worker.feeds.arrivals.carry(place.delivery(&asked, true))).await.unwrap();
    assert_eq!(place.settled(), [Disposition::Ack]);
    let jobs = place.jobs().await;
    assert_eq!((jobs.len(), jobs[0].state), (1, JobState::Refused));
    assert!(jobs[0].outcome.as_deref().is_some_and(|outcome| !outcome.contains(STOPPED_THE_WORKER)));
}

#[tokio::test]
async fn a_job_that_is_handed_back_again_and_again_was_not_started() {
    let place = Place::new();
    place.doors.say("1.1", Answer::HoldsLater(1));
    place.ledger.accept(&job("j", "1.1", Some("archive"), Timestamp::now())).await.unwrap();
    for _ in 0..OFTEN {
        let worker = place.worker(10);
        let feed = tokio::spawn(worker.feeds.clone().ledger(1, Duration::from_millis(1)));
        place.doors.until_waiting(1).await;
        worker.feeds.stopping.cancel();
        soon(feed).await.unwrap();
        soon(worker.feeds.drain(Duration::ZERO)).await;
        let jobs = place.jobs().await;
        assert_eq!((jobs[0].state, jobs[0].attempts), (JobState::Accepted, 0));
    }
    place.doors.open();
    let worker = place.worker(10);
    let feed = tokio::spawn(worker.feeds.clone().ledger(1, Duration::from_millis(1)));
    let deadline = std::time::Instant::now() + PATIENCE;
    while !place.jobs().await[0].state.is_terminal() {
        assert!(std::time::Instant::now() < deadline, "it does not end");
    }
    worker.feeds.stopping.cancel();
    soon(feed).await.unwrap();
    let ended = &place.jobs().await[0];
    assert!(
        ended.outcome.as_deref().is_some_and(|outcome| !outcome.contains(STOPPED_THE_WORKER)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn redelivered_messages_whose_jobs_are_in_the_ledger_are_beside_each_other() {
    let place = Place::new();
    let worker = place.worker(10);
    place.doors.hold_targets();
    let carry = |asked: JobRequest| {
        let (feeds, delivery) = (worker.feeds.clone(), place.delivery(&asked, true));
        tokio::spawn(async move { feeds.arrivals.carry(delivery).await })
    };
    let routine = carry(request("1.1"));
    place.doors.until_waiting(1).await;
    let stat = carry(JobRequest { lane: Lane::Stat, ..request("1.2") });
    place.doors.until_waiting(2).await;
    place.doors.open();
    for carried in [routine, stat] {
        soon(carried).await.unwrap().unwrap();
    }
    assert_eq!(place.settled(), [Disposition::Ack, Disposition::Ack]);
}
