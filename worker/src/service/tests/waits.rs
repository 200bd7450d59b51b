//! How long what cannot go on is waited for, and what counts as a retry.

use std::fs;

use dicom_ingest::source::SourceError;
use jiff::{SignedDuration, Timestamp};

use super::doors::Answer;
use super::place::{Place, job, name, request, soon};
use crate::ledger::JobState;
use crate::message::JobRequest;
use crate::pipeline::Start;
use crate::queue::Disposition;
use crate::service::arrival::Arrived;
use crate::service::fetch::FetchError;
use crate::service::flight::Landed;
use crate::service::given_up::GivenUp;

fn two_days_ago() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(48)
}

#[tokio::test]
async fn the_first_failed_delivery_of_an_old_request_is_not_the_last() {
    let place = Place::new();
    let worker = place.worker(10);
    let arrivals = &worker.feeds.arrivals;
    let reports = place.folder.path().join("reports");
    fs::remove_dir(&reports).unwrap();
    let asked = JobRequest { time: two_days_ago(), ..request("1.1") };
    let arrived = soon(arrivals.carry(place.delivery(&asked, false))).await.unwrap();
    assert!(matches!(&arrived, Arrived::Landed(Landed::Deferred { .. })), "{arrived:?}");
    let resting = &place.jobs().await[0];
    assert_eq!((resting.state, resting.resting.as_deref()), (JobState::Composed, Some("TargetMissing")));
    fs::create_dir(&reports).unwrap();
    let leased = place.ledger.lease_key(&resting.job_key).await.unwrap().unwrap();
    let landed = arrivals.flight.carry(leased, Start::default()).await.unwrap();
    assert!(matches!(landed, Landed::Ended { state: JobState::Refused, .. }), "{landed:?}");
    assert!(reports.join("1.1/report.html").exists());
}

#[tokio::test]
async fn a_source_that_is_away_is_waited_for_since_the_ledger_has_the_job() {
    let place = Place::new();
    let worker = place.worker(10);
    place.doors.say("1.1", Answer::Away);
    place.ledger.accept(&job("j", "1.1", Some("archive"), two_days_ago())).await.unwrap();
    let leased = place.ledger.lease_next().await.unwrap().unwrap();
    soon(worker.feeds.take_up(leased)).await;
    let resting = &place.jobs().await[0];
    assert_eq!((resting.state, resting.resting.as_deref()), (JobState::Accepted, Some("SourceUnreachable")));
    assert_eq!(resting.attempts, 0);
    assert!(worker.feeds.arrivals.flight.under_way.take().is_empty());
}

#[tokio::test]
async fn who_asks_for_more_places_while_the_job_is_in_hand_waits_and_no_retry_is_counted() {
    let place = Place::new();
    let worker = place.worker(10);
    let arrivals = &worker.feeds.arrivals;
    let asked = request("1.1");
    let absent = FetchError::Source { source_name: "archive".into(), source: SourceError::Absent };
    let GivenUp::Job(job) = arrivals.given_up(&asked, &absent).await.unwrap() else {
        panic!("no report stands")
    };
    place.ledger.accept(&job).await.unwrap();
    let held = place.ledger.lease_key(&job.job_key).await.unwrap().unwrap();
    let wider = JobRequest { targets: vec![name("others")], ..asked };
    soon(arrivals.carry(place.delivery(&wider, false))).await.unwrap();
    let settled = place.settled();
    assert!(matches!(settled[..], [Disposition::Wait { .. }]), "{settled:?}");
    place.ledger.release(&held).await.unwrap();
    soon(arrivals.carry(place.delivery(&wider, false))).await.unwrap();
    assert_eq!(place.settled(), [Disposition::Ack]);
    assert!(place.folder.path().join("others/1.1/report.html").exists());
}
