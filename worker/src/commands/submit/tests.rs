//! Jobs that the ledger knows are asked for once more, for another folder.

use std::time::Duration;

use super::*;
use crate::lane::Lane;
use crate::ledger::{ReportBytes, SqliteLedger};

fn job(out: &str) -> NewJob {
    let request = serde_json::json!({"files": [], "record": {"kind": "not_given"}, "out": out});
    NewJob {
        job_key: "j".into(),
        report_key: "r".into(),
        lane: Lane::Routine,
        study_uid: "1.2".into(),
        request: request.to_string(),
        accepted_at: "2026-01-02T03:04:05Z".into(),
    }
}

#[tokio::test]
async fn a_known_study_goes_to_the_folder_that_is_asked_for_now() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path(), Duration::from_hours(1)).unwrap();
    assert_eq!(offer(&ledger, &job("/a")).await.unwrap(), Answer::New);
    assert_eq!(offer(&ledger, &job("/b")).await.unwrap(), Answer::Before(JobState::Accepted));
    let leased = ledger.lease_key("j").await.unwrap().unwrap();
    assert!(leased.request.contains("/b"), "it waits, and goes there in its turn");
    assert_eq!(offer(&ledger, &job("/c")).await.unwrap(), Answer::InHand, "it is under way");
    let report = ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: None,
        html: b"page".to_vec(),
        sr: None,
        overlay: None,
        segmentation: None,
    };
    ledger.store_report(&leased, None, &report).await.unwrap();
    ledger.settle(&leased, JobState::Reported, None).await.unwrap();
    assert_eq!(
        offer(&ledger, &job("/b")).await.unwrap(),
        Answer::Before(JobState::Reported),
        "it lies there"
    );
    assert_eq!(offer(&ledger, &job("/c")).await.unwrap(), Answer::Before(JobState::Composed));
    let again = ledger.lease_key("j").await.unwrap().expect("it is delivered once more");
    assert!(again.request.contains("/c") && again.composed == Some(report));
}
