//! Which report a target has in the end.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use dicom_ingest::rejection::Reason;
use dicom_ingest::source::kept::Kept;
use sha2::{Digest, Sha256};

use super::doors::Answer;
use super::place::{Place, job, request, soon};
use crate::job::{hex, report_key, withdrawal_key};
use crate::ledger::{JobState, Ledger, NewJob, ReportBytes, SqliteLedger};
use crate::message::{JobRequest, Mode};
use crate::pipeline::Start;
use crate::queue::Disposition;
use crate::report::{fhir, html, sample, sr};
use crate::service::earlier;
use crate::service::flight::Landed;
use crate::service::rejected::{Next, take_back};

/// Carries a job with this report to its end.
async fn carry(place: &Place, job: &NewJob, report: &ReportBytes) {
    place.ledger.accept(job).await.unwrap();
    end(place, job, report).await;
}

async fn end(place: &Place, job: &NewJob, report: &ReportBytes) {
    let leased = place.ledger.lease_key(&job.job_key).await.unwrap().unwrap();
    place.ledger.store_report(&leased, None, report).await.unwrap();
    place.ledger.settle(&leased, report.ends, None).await.unwrap();
}

fn sample_report() -> ReportBytes {
    let report = sample::sample();
    let page = html::page(&report);
    ReportBytes {
        ends: JobState::Reported,
        outcome: r#"{"state":"reported","findings":[],"risks":[],"files":{},"timings_ms":{}}"#.into(),
        bundle: Some(fhir::bundle(&report, &page).unwrap()),
        html: page.into_bytes(),
        sr: sr::document(&report),
        overlay: None,
        segmentation: None,
    }
}

#[tokio::test]
async fn the_news_that_the_images_are_gone_replaces_no_report() {
    let place = Place::new();
    let worker = place.worker(10);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    let page = place.folder.path().join("reports").join(&study).join("report.html");
    let asked = request(&study);
    let carried = async |asked: &JobRequest, redelivered| {
        soon(arrivals.carry(place.delivery(asked, redelivered))).await.unwrap();
        place.settled()
    };
    place.doors.say(&study, Answer::Holds(1));
    assert_eq!(carried(&asked, false).await, [Disposition::Ack]);
    let (report, state) = (fs::read(&page).unwrap(), place.jobs().await[0].state);
    place.doors.forget(&study);
    for (answer, code) in [(None, "StudyNotFound"), (Some(Answer::Away), "SourceUnreachable")] {
        if let Some(answer) = answer {
            place.doors.say(&study, answer);
        }
        let settled = carried(&asked, false).await;
        let [Disposition::DeadLetter { code: said, .. }] = &settled[..] else { panic!("{settled:?}") };
        assert_eq!(said, code);
    }
    // Nor does a message that stopped its worker.
    let arrival = hex(&Sha256::digest(&place.delivery(&asked, true).body));
    for _ in 0..20 {
        place.ledger.begin(&arrival).await.unwrap();
    }
    let settled = carried(&asked, true).await;
    assert!(matches!(settled[..], [Disposition::DeadLetter { .. }]), "{settled:?}");
    assert_eq!(place.jobs().await.len(), 1, "no other version was made");
    assert_eq!(place.jobs().await[0].state, state);
    assert_eq!(fs::read(&page).unwrap(), report);
    // A study without a report gets the refusal.
    assert_eq!(carried(&request("1.2"), false).await, [Disposition::Ack]);
    assert_eq!(place.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_file_that_names_no_study_is_left_out_of_the_one_it_lies_in_by_name() {
    let place = Place::new();
    let worker = place.worker(10);
    let study = place.image();
    let folder = place.folder.path().join("studies").join(&study);
    fs::write(folder.join("cut"), [&[0; 128][..], b"DICM\x02\0"].concat()).unwrap();
    place.doors.say(&study, Answer::Holds(1));
    let carry = || soon(worker.feeds.arrivals.carry(place.delivery(&request(&study), false)));
    carry().await.unwrap();
    let page = place.folder.path().join("reports").join(&study).join("report.html");
    assert!(fs::read_to_string(&page).unwrap().contains("Truncated"));
    // it is one of the study's files: without it, it is another job
    fs::remove_file(folder.join("cut")).unwrap();
    carry().await.unwrap();
    assert_eq!(place.jobs().await.len(), 2);
    assert!(!fs::read_to_string(&page).unwrap().contains("Truncated"));
}

#[tokio::test]
async fn what_is_read_in_the_shadow_takes_no_reports_place() {
    let place = Place::new();
    let worker = place.worker(10);
    let arrivals = &worker.feeds.arrivals;
    fs::remove_dir(place.folder.path().join("reports")).unwrap();
    soon(arrivals.carry(place.delivery(&request("1.1"), false))).await.unwrap();
    let clinical = place.jobs().await.remove(0);
    assert_eq!(clinical.state, JobState::Composed, "its target is away");
    place.doors.say("1.1", Answer::TooLarge);
    let shadow = JobRequest { mode: Mode::Shadow, ..request("1.1") };
    soon(arrivals.carry(place.delivery(&shadow, false))).await.unwrap();
    assert_eq!(place.jobs().await[1].state, JobState::Refused);
    fs::create_dir(place.folder.path().join("reports")).unwrap();
    let leased = place.ledger.lease_key(&clinical.job_key).await.unwrap().unwrap();
    let landed = arrivals.flight.carry(leased, Start::default()).await.unwrap();
    assert!(matches!(landed, Landed::Ended { state: JobState::Refused, .. }), "{landed:?}");
    let page = fs::read_to_string(place.folder.path().join("reports/1.1/report.html")).unwrap();
    assert!(page.contains("StudyNotFound"), "the clinical one is delivered");
    let states: Vec<_> = place.jobs().await.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Refused, JobState::Refused], "each is the newest of its own");
}

#[tokio::test]
async fn who_lost_the_newest_version_restores_no_older_one() {
    let place = Place::new();
    let worker = place.worker(10);
    let flight = &worker.feeds.arrivals.flight;
    let now = jiff::Timestamp::now();
    let (old, new, newer) =
        (job("old", "1.1", None, now), job("new", "1.1", None, now), job("newer", "1.1", None, now));
    carry(&place, &old, &sample_report()).await;
    let state = place.folder.path().join("state");
    let overstays = SqliteLedger::open(&state, Duration::ZERO).unwrap();
    let lose = async |job: &NewJob| {
        place.ledger.accept(job).await.unwrap();
        let lost = overstays.lease_key(&job.job_key).await.unwrap().unwrap();
        let taken = place.ledger.lease_key(&job.job_key).await.unwrap().expect("the lease ran out");
        (lost, taken)
    };
    let (lost, taken) = lose(&new).await;
    let landed = soon(flight.carry(lost, Start::default())).await.unwrap();
    assert_eq!(landed, Landed::Lost);
    let page = place.folder.path().join("reports/1.1/report.html");
    assert!(!page.exists(), "the version before this one is not put over it");
    // A newer one is delivered once more.
    place.ledger.release(&taken).await.unwrap();
    drop(taken);
    let (lost, taken) = lose(&new).await;
    place.ledger.release(&taken).await.unwrap();
    carry(&place, &newer, &sample_report()).await;
    assert_eq!(soon(flight.carry(lost, Start::default())).await.unwrap(), Landed::Lost);
    assert!(page.exists());
}

#[tokio::test]
async fn a_rejection_waits_for_the_newer_version_that_is_under_way() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let (stages, report) = (&arrivals.flight.stages, sample_report());
    let uid = place.image();
    place.doors.say(&uid, Answer::Holds(1));
    let asked = request(&uid);
    let here = arrivals.sources.bring(arrivals.sources.locate(&asked, 10).await.unwrap()).await.unwrap();
    let fetched = arrivals.sources.read(&asked, here, stages, Kept::default()).unwrap();
    let mut study = Arc::unwrap_or_clone(fetched.study.unwrap());
    let read = fhir::Stored::read(report.bundle.as_deref().unwrap()).unwrap();
    let rejected = read.instances()[0].parse().unwrap();
    study.rejected.insert(rejected, Reason::Quality);

    let pipeline = &stages.readings.built_in().pipeline.id;
    let key = report_key(&stages.config.tenant, &uid, pipeline, Mode::Clinical);
    let version = |job_key: &str| NewJob { report_key: key.clone(), ..job(job_key, &uid, None, asked.time) };
    carry(&place, &version("first"), &report).await;
    place.ledger.accept(&version("second")).await.unwrap();
    let next = take_back(&arrivals.flight, &fetched.job, &study).await.unwrap();
    assert!(matches!(next, Next::Wait), "{next:?}");
    assert!(place.ledger.stored(&withdrawal_key("first")).await.unwrap().is_none());

    end(&place, &version("second"), &report).await;
    take_back(&arrivals.flight, &fetched.job, &study).await.unwrap();
    assert!(place.ledger.stored(&withdrawal_key("second")).await.unwrap().is_some(), "it is heard");
}

#[tokio::test]
async fn a_version_knows_what_a_target_may_hold_before_it() {
    let place = Place::new();
    let now = jiff::Timestamp::now();
    let version = |key: &str| job(key, "1.1", None, now);
    let before = async |key: &str| -> Vec<String> {
        let report_key = version(key).report_key;
        let found = earlier::versions(place.ledger.as_ref(), &report_key, key).await.unwrap();
        found.into_iter().map(|one| one.job_key).collect()
    };
    let report = sample_report();
    carry(&place, &version("first"), &report).await;
    assert!(before("first").await.is_empty());
    // one that failed on its way may have reached one of its targets
    place.ledger.accept(&version("second")).await.unwrap();
    let leased = place.ledger.lease_key("second").await.unwrap().unwrap();
    place.ledger.store_report(&leased, None, &report).await.unwrap();
    let why = crate::ledger::EndedWhy { code: "Rejected", reason: "" };
    place.ledger.settle(&leased, JobState::Failed, Some(why)).await.unwrap();
    place.ledger.accept(&version("third")).await.unwrap();
    assert_eq!(before("third").await, ["second", "first"]);
    // one before the last may have gone to other targets than the last
    end(&place, &version("third"), &report).await;
    place.ledger.accept(&version("fourth")).await.unwrap();
    assert_eq!(before("fourth").await, ["third", "second", "first"]);
    end(&place, &version("fourth"), &report).await;
    // one that comes again is newer than what replaced it
    place.ledger.accept(&version("first")).await.unwrap();
    assert_eq!(before("first").await, ["fourth", "third", "second"]);
}
