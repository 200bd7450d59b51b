//! The ledger's promises: accepted once, leased once, settled once, the newest version wins.

use super::{Accepted, FileLedger, Job, JobState, LedgerError, NewJob, ReportBytes};
use crate::lane::Lane;

const NOW_MS: i64 = 1_000_000;

/// Longer than any lease.
const MUCH_LATER_MS: i64 = NOW_MS + 3_600_000;

fn job(key: &str, report: &str) -> NewJob {
    NewJob {
        job_key: key.into(),
        report_key: report.into(),
        lane: Lane::Routine,
        study_uid: "1.2".into(),
        request: "{}".into(),
        accepted_at: "2026-01-02T03:04:05Z".into(),
    }
}

fn report(ends: JobState) -> ReportBytes {
    ReportBytes { ends, outcome: "{}".into(), bundle: Some(b"bundle".to_vec()), html: b"page".to_vec() }
}

fn lease(ledger: &mut FileLedger) -> Job {
    ledger.lease_next(NOW_MS).unwrap().expect("a job waits")
}

fn states(ledger: &FileLedger) -> Vec<JobState> {
    ledger.jobs().unwrap().iter().map(|job| job.state).collect()
}

#[test]
fn a_job_is_accepted_once_and_walks_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::open(folder.path()).unwrap();
    assert_eq!(ledger.accept(&job("j", "r")).unwrap(), Accepted::New);
    assert_eq!(ledger.accept(&job("j", "r")).unwrap(), Accepted::Before(JobState::Accepted));
    let leased = lease(&mut ledger);
    assert!(ledger.lease_next(NOW_MS).unwrap().is_none(), "one worker at a time");
    ledger.store_model_output(&leased, "output").unwrap();
    ledger.store_report(&leased, &report(JobState::Reported)).unwrap();
    assert_eq!(states(&ledger), [JobState::Composed]);
    ledger.settle(&leased, JobState::Reported).unwrap();
    assert_eq!(states(&ledger), [JobState::Reported]);
    assert!(ledger.lease_next(MUCH_LATER_MS).unwrap().is_none());
    assert_eq!(ledger.accept(&job("j", "r")).unwrap(), Accepted::Before(JobState::Reported));
    assert_eq!(ledger.report("j").unwrap(), Some(report(JobState::Reported)));
}

#[test]
fn a_dead_workers_job_is_free_at_once_with_what_it_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut dead = FileLedger::open(folder.path()).unwrap();
    dead.accept(&job("j", "r")).unwrap();
    let leased = lease(&mut dead);
    dead.store_model_output(&leased, "output").unwrap();
    drop(dead);
    let mut next = FileLedger::open(folder.path()).unwrap();
    let again = lease(&mut next);
    assert_eq!((again.attempts, again.model_output.as_deref()), (2, Some("output")));
}

#[test]
fn a_living_worker_keeps_its_lease_until_it_runs_out_and_writes_nothing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut slow = FileLedger::open(folder.path()).unwrap();
    let mut other = FileLedger::open(folder.path()).unwrap();
    slow.accept(&job("j", "r")).unwrap();
    let held = lease(&mut slow);
    assert!(other.lease_next(NOW_MS).unwrap().is_none());
    let taken = other.lease_next(MUCH_LATER_MS).unwrap().expect("the lease ran out");
    let late = slow.store_report(&held, &report(JobState::Reported));
    assert!(matches!(late, Err(LedgerError::LeaseLost { .. })));
    assert!(matches!(slow.settle(&held, JobState::Reported), Err(LedgerError::LeaseLost { .. })));
    other.store_report(&taken, &report(JobState::Refused)).unwrap();
    other.settle(&taken, JobState::Refused).unwrap();
    assert_eq!(states(&other), [JobState::Refused]);
}

#[test]
fn the_newest_version_of_a_report_supersedes_the_older_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::open(folder.path()).unwrap();
    ledger.accept(&job("old", "r")).unwrap();
    ledger.accept(&job("new", "r")).unwrap();
    let old = lease(&mut ledger);
    let new = lease(&mut ledger);
    ledger.store_report(&new, &report(JobState::Reported)).unwrap();
    ledger.settle(&new, JobState::Reported).unwrap();
    assert!(ledger.is_superseded(&old).unwrap(), "a late old version must not overwrite the new one");
    ledger.settle(&old, JobState::Superseded).unwrap();
    assert_eq!(states(&ledger), [JobState::Superseded, JobState::Reported]);
    assert_eq!(ledger.accept(&job("old", "r")).unwrap(), Accepted::New, "asked for again, it is the newest");
    let revived = lease(&mut ledger);
    assert!(!ledger.is_superseded(&revived).unwrap());
    ledger.store_report(&revived, &report(JobState::Reported)).unwrap();
    ledger.settle(&revived, JobState::Reported).unwrap();
    assert_eq!(states(&ledger), [JobState::Superseded, JobState::Reported]);
}

#[test]
fn a_failed_job_can_be_submitted_again_and_a_job_that_kills_is_poison() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::open(folder.path()).unwrap();
    ledger.accept(&job("j", "r")).unwrap();
    for _attempt in 0..20 {
        assert!(!lease(&mut ledger).is_poison());
        drop(ledger);
        ledger = FileLedger::open(folder.path()).unwrap();
    }
    let poison = lease(&mut ledger);
    assert!(poison.is_poison());
    ledger.store_report(&poison, &report(JobState::Failed)).unwrap();
    ledger.settle(&poison, JobState::Failed).unwrap();
    assert_eq!(ledger.accept(&job("j", "r")).unwrap(), Accepted::New);
    assert!(!lease(&mut ledger).is_poison());
}
