//! What is kept of a study's files from the reading of their headers to the decoding of their pixels.

use std::fs;
use std::path::PathBuf;

use super::place::{Answer, Place, request, soon};
use crate::pipeline::Start;
use crate::service::arrival::MEMORY_A_BYTE;
use crate::service::fetch::Fetched;

/// The one file of a study at the source.
fn file(place: &Place, study: &str) -> PathBuf {
    place.folder.path().join("studies").join(study).join("image")
}

#[tokio::test]
async fn no_more_is_kept_than_the_budget_gave_for_the_files() {
    let place = Place::new();
    let study = place.image();
    let bytes = fs::metadata(file(&place, &study)).unwrap().len();
    let kept = async |budget: u64, stated: u64| {
        place.doors.say(&study, Answer::Holds(stated));
        let worker = place.worker(budget);
        let (fetched, share) = worker.feeds.arrivals.fetch(&request(&study)).await.unwrap();
        assert!(fetched.study.is_some());
        (fetched.kept.bytes(), share.bytes())
    };
    assert_eq!(kept(u64::MAX, bytes).await, (bytes, MEMORY_A_BYTE * bytes));
    assert_eq!(kept(u64::MAX, bytes - 1).await, (0, MEMORY_A_BYTE * (bytes - 1)));
    assert_eq!(kept(2 * bytes, bytes).await, (0, 2 * bytes), "a study that is larger than the budget");
}

#[tokio::test]
async fn a_study_that_was_read_is_decoded_without_its_files() {
    let place = Place::new();
    let worker = place.worker(u64::MAX);
    let arrivals = &worker.feeds.arrivals;
    let study = place.image();
    let image = file(&place, &study);
    place.doors.say(&study, Answer::Holds(fs::metadata(&image).unwrap().len()));
    let (Fetched { job, study, kept, .. }, _share) = arrivals.fetch(&request(&study)).await.unwrap();
    fs::remove_file(&image).unwrap();
    place.ledger.accept(&job).await.unwrap();
    let leased = place.ledger.lease_key(&job.job_key).await.unwrap().unwrap();
    let start = Start { study, kept, ..Start::default() };
    let landed = soon(arrivals.flight.carry(leased, start)).await.unwrap();
    let code = landed.news().and_then(|(_, outcome)| outcome.code.clone());
    assert_eq!(code.as_deref(), Some("DeviceMissing"), "it came as far as there is something here");
}
