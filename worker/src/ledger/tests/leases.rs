//! Who holds a job, and for how long.

use std::time::Duration;

use super::site::{LONG, Site, carry, events, job, lease, report, stat, states};
use crate::ledger::{JobState, LedgerError};

pub(super) async fn killed(site: Site) {
    let next = site.worker(LONG).await;
    let dead = site.worker(LONG).await;
    for key in ["composed", "leased"] {
        dead.accept(&job(key, key)).await.unwrap();
    }
    let composed = lease(&dead).await;
    dead.store_report(&composed, Some("output"), &report(JobState::Reported)).await.unwrap();
    let leased = lease(&dead).await;
    assert!(next.lease_next().await.unwrap().is_none());
    site.kill(dead).await;
    let again = lease(&next).await;
    assert_eq!((again.job_key.as_str(), again.attempts), ("composed", 2));
    assert_eq!(again.composed, Some(report(JobState::Reported)));
    assert_eq!(again.model_output.as_deref(), Some("output"));
    assert!(again.composed_at.is_some() && again.fence > composed.fence);
    let again = next.lease_key("leased").await.unwrap().expect("its worker is dead");
    assert!(again.attempts == 2 && again.fence > leased.fence);
}

pub(super) async fn overstayed(site: Site) {
    let slow = site.worker(Duration::ZERO).await;
    let other = site.worker(LONG).await;
    slow.accept(&job("j", "r")).await.unwrap();
    let held = lease(&slow).await;
    let taken = lease(&other).await;
    assert!(taken.fence > held.fence);
    let late = slow.store_report(&held, Some("late"), &report(JobState::Reported)).await;
    assert!(matches!(late, Err(LedgerError::LeaseLost { job_key }) if job_key == "j"));
    for late in [
        slow.settle(&held, JobState::Reported, None).await,
        slow.defer(&held, Duration::ZERO, "TargetUnreachable").await,
    ] {
        assert!(matches!(late, Err(LedgerError::LeaseLost { .. })));
    }
    slow.accept(&job("own", "own")).await.unwrap();
    let first = slow.lease_key("own").await.unwrap().expect("it waits");
    let second = slow.lease_key("own").await.unwrap().expect("the lease ran out");
    let late = slow.store_report(&first, Some("late"), &report(JobState::Reported)).await;
    assert!(matches!(late, Err(LedgerError::LeaseLost { .. })), "one's own older lease counts no more");
    slow.store_report(&second, None, &report(JobState::Reported)).await.unwrap();
    slow.settle(&second, JobState::Reported, None).await.unwrap();
    slow.release(&held).await.unwrap();
    slow.renew_leases().await.unwrap();
    assert_eq!(states(&other).await, [JobState::Leased, JobState::Reported]);
    assert_eq!(other.report("j").await.unwrap(), None);
    assert_eq!(events(&other, "j").await, ["accepted"], "what was not stored was not noted");
    other.store_report(&taken, None, &report(JobState::Refused)).await.unwrap();
    other.settle(&taken, JobState::Refused, None).await.unwrap();
    assert_eq!(states(&other).await, [JobState::Refused, JobState::Reported]);
    assert_eq!(other.report("j").await.unwrap(), Some(report(JobState::Refused)));
}

pub(super) async fn living(site: Site) {
    let holder = site.worker(LONG).await;
    let other = site.worker(LONG).await;
    holder.accept(&job("j", "r")).await.unwrap();
    let held = lease(&holder).await;
    for ledger in [&holder, &other] {
        assert!(ledger.lease_next().await.unwrap().is_none());
        assert!(ledger.lease_key("j").await.unwrap().is_none());
    }
    assert!(other.lease_key("nobody").await.unwrap().is_none());
    holder.store_report(&held, None, &report(JobState::Reported)).await.unwrap();
    assert!(other.lease_next().await.unwrap().is_none(), "delivery is under the same lease");
}

pub(super) async fn renewed(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    let leased = lease(&ledger).await;
    let copy = leased.clone();
    drop(leased);
    let before = site.lease_until_ms("j").await.expect("it is leased");
    let began = std::time::Instant::now();
    while site.lease_until_ms("j").await == Some(before) {
        ledger.renew_leases().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "the lease is not renewed");
    }
    drop(copy);
    let after = site.lease_until_ms("j").await;
    for _beat in 0..20 {
        ledger.renew_leases().await.unwrap();
    }
    assert_eq!(site.lease_until_ms("j").await, after, "nobody has the job in hand");
}

pub(super) async fn turns(site: Site) {
    let ledger = site.worker(LONG).await;
    for new in [job("r1", "1"), job("r2", "2"), stat("s1", "3"), job("r3", "4"), stat("s2", "5")] {
        ledger.accept(&new).await.unwrap();
    }
    // Asked for again as STAT, a waiting job overtakes; asked for as routine, a STAT job stays where it is.
    ledger.accept(&stat("r3", "4")).await.unwrap();
    ledger.accept(&job("s1", "3")).await.unwrap();
    let mut order = Vec::new();
    while let Some(leased) = ledger.lease_next().await.unwrap() {
        order.push(leased);
    }
    let order: Vec<&str> = order.iter().map(|job| job.job_key.as_str()).collect();
    assert_eq!(order, ["s1", "r3", "s2", "r1", "r2"]);
}

pub(super) async fn stored(site: Site) {
    let ledger = site.worker(LONG).await;
    for key in ["a", "b", "c", "d"] {
        ledger.accept(&job(key, key)).await.unwrap();
    }
    for key in ["c", "b", "d"] {
        let leased = ledger.lease_key(key).await.unwrap().expect("it waits");
        ledger.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
        let pause = if key == "d" { LONG } else { Duration::ZERO };
        ledger.defer(&leased, pause, "TargetUnreachable").await.unwrap();
    }
    let first = ledger.lease_stored().await.unwrap().expect("its report is stored");
    let second = ledger.lease_stored().await.unwrap().expect("its report is stored");
    assert_eq!([&first.job_key, &second.job_key], ["b", "c"]);
    assert!(ledger.lease_stored().await.unwrap().is_none(), "the others rest or have no report");
    assert_eq!(lease(&ledger).await.job_key, "a");
}

pub(super) async fn deferred(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    let leased = lease(&ledger).await;
    ledger.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
    ledger.defer(&leased, LONG, "TargetUnreachable").await.unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.state, row.attempts), (JobState::Composed, 0));
    assert_eq!(row.resting.as_deref(), Some("TargetUnreachable"));
    assert!(row.rests_until.unwrap() > jiff::Timestamp::now());
    assert!(ledger.lease_next().await.unwrap().is_none(), "it rests");

    let asked_for = ledger.lease_key("j").await.unwrap().expect("a person asks for it");
    assert_eq!((asked_for.attempts, asked_for.deferrals), (1, 1));
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.resting, row.rests_until), (None, None));
    ledger.defer(&asked_for, Duration::ZERO, "TargetUnreachable").await.unwrap();
    let rested = lease(&ledger).await;
    assert_eq!((rested.attempts, rested.deferrals), (1, 2));
    assert_eq!(rested.composed_at, asked_for.composed_at, "it waits since it was composed");
}

pub(super) async fn released(site: Site) {
    let ledger = site.worker(LONG).await;
    let other = site.worker(LONG).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    for _round in 0..3 {
        let leased = lease(&ledger).await;
        assert_eq!(leased.attempts, 1);
        ledger.release(&leased).await.unwrap();
        assert_eq!(states(&ledger).await, [JobState::Accepted]);
    }
    let leased = lease(&ledger).await;
    ledger.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
    ledger.release(&leased).await.unwrap();
    ledger.release(&leased).await.unwrap();
    let taken = lease(&other).await;
    assert_eq!((taken.attempts, taken.composed), (1, Some(report(JobState::Reported))));
}

pub(super) async fn one_writer(site: Site) {
    let ledger = site.worker(LONG).await;
    let other = site.worker(LONG).await;
    for new in [job("old", "r"), stat("new", "r"), job("another", "s")] {
        ledger.accept(&new).await.unwrap();
    }
    let new = lease(&ledger).await;
    assert_eq!(new.job_key, "new");
    assert!(other.lease_key("old").await.unwrap().is_none(), "a version of its report is under way");
    assert_eq!(lease(&other).await.job_key, "another");
    assert!(other.lease_next().await.unwrap().is_none());
    ledger.store_report(&new, None, &report(JobState::Reported)).await.unwrap();
    ledger.settle(&new, JobState::Reported, None).await.unwrap();
    let old = lease(&other).await;
    assert_eq!(old.job_key, "old");
    assert!(other.is_superseded(&old).await.unwrap());
    other.settle(&old, JobState::Superseded, None).await.unwrap();
    carry(&ledger, &job("newest", "r"), JobState::Reported).await;
    let ends = [JobState::Superseded, JobState::Superseded, JobState::Leased, JobState::Reported];
    assert_eq!(states(&ledger).await, ends);
}

pub(super) async fn clock_set_back(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    let leased = lease(&ledger).await;
    ledger.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
    ledger.defer(&leased, LONG, "TargetUnreachable").await.unwrap();
    assert!(ledger.lease_next().await.unwrap().is_none());
    // As if the clock had been set back by two hours since.
    let later =
        "UPDATE job SET rests_since_ms = rests_since_ms + 7200000, rests_until_ms = rests_until_ms + 7200000";
    site.execute(later).await;
    assert!(ledger.lease_next().await.unwrap().is_some());
}
