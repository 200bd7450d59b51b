//! One worker, and jobs on their way to their end.

use std::time::Duration;

use super::site::{LONG, Site, carry, events, job, lease, report, stat, states};
use crate::job::{Request, withdrawal_key};
use crate::ledger::{Accepted, EndedWhy, JobFilter, JobState, LedgerError, NewJob, Standing};

pub(super) async fn accepted_once(site: Site) {
    let ledger = site.worker(LONG).await;
    assert_eq!(ledger.accept(&job("j", "r")).await.unwrap(), Accepted::New);
    assert_eq!(ledger.accept(&job("j", "r")).await.unwrap(), Accepted::Before(JobState::Accepted));
    let leased = lease(&ledger).await;
    assert_eq!(leased.attempts, 1);
    assert!(ledger.lease_next().await.unwrap().is_none(), "one worker at a time");
    assert_eq!(ledger.accept(&job("j", "r")).await.unwrap(), Accepted::Before(JobState::Leased));
    ledger.store_report(&leased, Some("output"), &report(JobState::Reported)).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Composed]);
    assert_eq!(ledger.standing(&leased).await.unwrap(), Standing::default());
    ledger.settle(&leased, JobState::Reported, None).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Reported]);
    assert!(ledger.lease_next().await.unwrap().is_none());
    assert_eq!(ledger.accept(&job("j", "r")).await.unwrap(), Accepted::Before(JobState::Reported));
    assert_eq!(ledger.report("j").await.unwrap(), Some(report(JobState::Reported)));
    let again = ledger.settle(&leased, JobState::Failed, None).await;
    assert!(matches!(again, Err(LedgerError::LeaseLost { .. })), "a job ends once");
}

pub(super) async fn newest_version(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("old", "r")).await.unwrap();
    ledger.accept(&job("new", "r")).await.unwrap();
    let old = lease(&ledger).await;
    ledger.store_report(&old, None, &report(JobState::Reported)).await.unwrap();
    ledger.defer(&old, LONG, "TargetUnreachable").await.unwrap();
    carry(&ledger, &job("new", "r"), JobState::Reported).await;
    let old = ledger.lease_key("old").await.unwrap().expect("it waits");
    let standing = Standing { is_superseded: true, has_earlier: false };
    assert_eq!(ledger.standing(&old).await.unwrap(), standing);
    assert!(ledger.is_superseded(&old).await.unwrap(), "a late old version must not overwrite the new one");
    ledger.settle(&old, JobState::Superseded, None).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Superseded, JobState::Reported]);
    assert_eq!(ledger.newest("r").await.unwrap().unwrap().job_key, "new");

    let asked_again = ledger.accept(&job("old", "r")).await.unwrap();
    assert_eq!(asked_again, Accepted::New, "asked for again, it is the newest");
    let revived = lease(&ledger).await;
    assert_eq!((revived.job_key.as_str(), &revived.composed), ("old", &Some(report(JobState::Reported))));
    let standing = Standing { is_superseded: false, has_earlier: true };
    assert_eq!(ledger.standing(&revived).await.unwrap(), standing, "the other one was delivered");
    ledger.settle(&revived, JobState::Reported, None).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Superseded, JobState::Reported]);
    assert_eq!(ledger.newest("r").await.unwrap().unwrap().job_key, "old");
    assert!(ledger.newest("other").await.unwrap().is_none());
    let versions = ledger.versions("r").await.unwrap();
    let keys: Vec<_> = versions.iter().map(|row| row.job_key.as_str()).collect();
    assert_eq!(keys, ["new", "old"]);
    assert!(versions.iter().all(crate::ledger::JobRow::may_lie_somewhere));
    assert!(ledger.versions("other").await.unwrap().is_empty());
}

pub(super) async fn again(site: Site) {
    // Its leases run out at once, as if it were killed each time.
    let ledger = site.worker(Duration::ZERO).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    for attempt in 1..=20 {
        let leased = lease(&ledger).await;
        assert_eq!((leased.attempts, leased.is_poison(18)), (attempt, false));
        assert_eq!(leased.is_suspect(), attempt > 2);
    }
    let patient = site.worker(LONG).await;
    let poison = lease(&patient).await;
    assert!(poison.is_poison(18));
    patient.store_report(&poison, Some("output"), &report(JobState::Failed)).await.unwrap();
    patient.settle(&poison, JobState::Failed, None).await.unwrap();
    assert_eq!(patient.accept(&job("j", "r")).await.unwrap(), Accepted::New);
    let anew = lease(&patient).await;
    assert_eq!((anew.attempts, &anew.composed), (1, &None));
    assert_eq!(anew.model_output.as_deref(), Some("output"));
    assert!(anew.fence > poison.fence, "a fence is never used again");
}

pub(super) async fn undelivered(site: Site) {
    let ledger = site.worker(LONG).await;
    carry(&ledger, &job("old", "r"), JobState::Reported).await;
    ledger.accept(&job("new", "r")).await.unwrap();
    let new = lease(&ledger).await;
    ledger.store_report(&new, None, &report(JobState::Reported)).await.unwrap();
    let why = EndedWhy { code: "Rejected", reason: "the server answered 422: value at Task.status" };
    ledger.settle(&new, JobState::Failed, Some(why)).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Reported, JobState::Failed]);
    assert_eq!(ledger.newest("r").await.unwrap().unwrap().job_key, "old");
    let (row, entries) = ledger.job("new").await.unwrap().unwrap();
    let listed = ledger.jobs(&JobFilter::default()).await.unwrap().pop().unwrap();
    for row in [&row, &listed] {
        assert_eq!(
            (row.ended_code.as_deref(), row.ended_reason.as_deref()),
            (Some(why.code), Some(why.reason))
        );
    }
    let said = entries.last().map(|entry| (entry.event.as_str(), entry.detail.as_str()));
    assert_eq!(said, Some(("settled", "failed Rejected: the server answered 422: value at Task.status")));

    ledger.retry("new").await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Reported, JobState::Composed]);
    let new = lease(&ledger).await;
    assert_eq!((new.attempts, &new.composed), (1, &Some(report(JobState::Reported))));
    ledger.settle(&new, JobState::Reported, None).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Superseded, JobState::Reported]);
    let (row, _) = ledger.job("new").await.unwrap().unwrap();
    assert_eq!((row.ended_code, row.ended_reason), (None, None));
}

pub(super) async fn retry_and_cancel(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("j", "r")).await.unwrap();
    assert!(matches!(
        ledger.retry("j").await,
        Err(LedgerError::WrongState { state: JobState::Accepted, .. })
    ));
    ledger.cancel("j").await.unwrap();
    assert!(ledger.lease_next().await.unwrap().is_none());
    assert!(matches!(ledger.cancel("j").await, Err(LedgerError::WrongState { state: JobState::Failed, .. })));
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.state, row.ended_code.as_deref()), (JobState::Failed, Some("Cancelled")));

    ledger.retry("j").await.unwrap();
    let leased = lease(&ledger).await;
    assert!(matches!(ledger.cancel("j").await, Err(LedgerError::WrongState { state: JobState::Leased, .. })));
    ledger.store_report(&leased, None, &report(JobState::Reported)).await.unwrap();
    ledger.defer(&leased, LONG, "TargetUnreachable").await.unwrap();
    ledger.cancel("j").await.unwrap();
    let (row, _) = ledger.job("j").await.unwrap().unwrap();
    assert_eq!((row.state, row.resting), (JobState::Failed, None));
    for unknown in [ledger.retry("nobody").await, ledger.cancel("nobody").await] {
        assert!(matches!(unknown, Err(LedgerError::UnknownJob { .. })));
    }
}

pub(super) async fn audit(site: Site) {
    let ledger = site.worker(LONG).await;
    ledger.accept(&job("old", "r")).await.unwrap();
    ledger.accept(&job("old", "r")).await.unwrap();
    let leased = lease(&ledger).await;
    ledger.store_report(&leased, Some("output"), &report(JobState::Reported)).await.unwrap();
    ledger.defer(&leased, Duration::ZERO, "TargetUnreachable").await.unwrap();
    carry(&ledger, &job("old", "r"), JobState::Reported).await;
    carry(&ledger, &stat("new", "r"), JobState::Refused).await;
    let trail = ["accepted", "composed", "deferred", "settled", "superseded"];
    assert_eq!(events(&ledger, "old").await, trail);
    let (_, entries) = ledger.job("old").await.unwrap().unwrap();
    assert!(entries[1].detail.starts_with("reported html="), "{}", entries[1].detail);
    assert!(entries[1].detail.contains(" model_output="), "{}", entries[1].detail);
    assert_eq!(
        [&entries[2].detail, &entries[3].detail, &entries[4].detail],
        ["TargetUnreachable", "reported", "by new"]
    );
    for entry in &entries {
        assert!(entry.at.parse::<jiff::Timestamp>().is_ok(), "{}", entry.at);
        assert_eq!(entry.actor, entries[0].actor);
    }
}

pub(super) async fn looks(site: Site) {
    let ledger = site.worker(LONG).await;
    assert_eq!(ledger.outbox_age().await.unwrap(), None);
    for key in ["aa1", "aa2", "ab1"] {
        ledger.accept(&stat(key, key)).await.unwrap();
    }
    carry(&ledger, &job("aa2", "aa2"), JobState::Reported).await;
    let listed = async |states: &[JobState], last: Option<usize>| -> Vec<String> {
        let filter = JobFilter { states: states.to_vec(), last };
        ledger.jobs(&filter).await.unwrap().into_iter().map(|job| job.job_key).collect()
    };
    assert_eq!(listed(&[], None).await, ["aa1", "aa2", "ab1"]);
    assert_eq!(listed(&[], Some(2)).await, ["aa2", "ab1"]);
    assert_eq!(listed(&[JobState::Accepted], None).await, ["aa1", "ab1"]);
    assert_eq!(listed(&[JobState::Accepted, JobState::Reported], Some(1)).await, ["ab1"]);
    assert!(listed(&[JobState::Failed], None).await.is_empty());

    let found = async |prefix: &str| ledger.job(prefix).await.unwrap().map(|(row, _)| row.job_key);
    assert_eq!(found("ab").await.as_deref(), Some("ab1"));
    assert_eq!(found("aa2").await.as_deref(), Some("aa2"));
    for nobody in ["aa", "", "b", "a_1", "%"] {
        assert_eq!(found(nobody).await, None, "`{nobody}`");
    }
    ledger.accept(&job("ab", "ab")).await.unwrap();
    assert_eq!(found("ab").await.as_deref(), Some("ab"), "a whole key is nobody else's prefix");

    let leased = lease(&ledger).await;
    ledger.store_report(&leased, None, &report(JobState::Refused)).await.unwrap();
    let counts = ledger.counts().await.unwrap();
    let expected = [(JobState::Accepted, 2), (JobState::Composed, 1), (JobState::Reported, 1)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    assert!(ledger.outbox_age().await.unwrap().is_some_and(|age| age < Duration::from_mins(1)));
    assert_eq!(ledger.report("aa1").await.unwrap(), Some(report(JobState::Refused)));
    assert_eq!(ledger.report("ab1").await.unwrap(), None);
}

pub(super) async fn starts(site: Site) {
    let ledger = site.worker(LONG).await;
    let other = site.worker(LONG).await;
    assert_eq!(ledger.begin("digest").await.unwrap(), 1);
    assert_eq!(other.begin("digest").await.unwrap(), 2);
    assert_eq!(other.begin("another").await.unwrap(), 1);
    ledger.forget("digest").await.unwrap();
    assert_eq!(ledger.begin("digest").await.unwrap(), 1);
    assert_eq!(ledger.begin("another").await.unwrap(), 2);
    ledger.forget("never seen").await.unwrap();
}

pub(super) async fn reachable(site: Site) {
    let ledger = site.worker(LONG).await;
    assert!(ledger.is_reachable().await);
}

pub(super) async fn withdrawn(site: Site) {
    let ledger = site.worker(LONG).await;
    let key = withdrawal_key("j");
    let withdrawal = job(&key, "r");
    let bytes = report(JobState::Refused);
    assert!(!ledger.withdraw("j", &withdrawal, &bytes).await.unwrap(), "there is nothing to take back");
    carry(&ledger, &job("j", "r"), JobState::Reported).await;
    assert_eq!(ledger.stored("j").await.unwrap().unwrap().model_output.as_deref(), Some("output"));

    // another version is about to take its place: it is not hindered
    ledger.accept(&job("other", "r")).await.unwrap();
    assert!(!ledger.withdraw("j", &withdrawal, &bytes).await.unwrap());
    let other = lease(&ledger).await;
    ledger.store_report(&other, None, &bytes).await.unwrap();
    let why = EndedWhy { code: "Rejected", reason: "" };
    ledger.settle(&other, JobState::Failed, Some(why)).await.unwrap();

    let (one, two) =
        tokio::join!(ledger.withdraw("j", &withdrawal, &bytes), ledger.withdraw("j", &withdrawal, &bytes));
    assert_eq!([one.unwrap(), two.unwrap()].iter().filter(|done| **done).count(), 1, "once");
    let taken = lease(&ledger).await;
    assert_eq!((taken.job_key.as_str(), &taken.composed), (key.as_str(), &Some(bytes)));
    assert!(!ledger.is_superseded(&taken).await.unwrap());
    ledger.settle(&taken, JobState::Refused, None).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Superseded, JobState::Superseded, JobState::Refused]);
    let asked_again = ledger.accept(&job("j", "r")).await.unwrap();
    assert_eq!(asked_again, Accepted::Before(JobState::Superseded), "it does not come back");
    assert!(ledger.lease_next().await.unwrap().is_none());
    assert_eq!(ledger.newest("r").await.unwrap().unwrap().job_key, key);
    assert_eq!(events(&ledger, "j").await.last().map(String::as_str), Some("superseded"));
    assert!(events(&ledger, "j").await.contains(&"withdrawn".to_owned()));
    // the study read by another model is a version like any other
    assert_eq!(ledger.accept(&job("anew", "r")).await.unwrap(), Accepted::New);
}

pub(super) async fn widened(site: Site) {
    let ledger = site.worker(LONG).await;
    let widen = async |key: &str, before: &str, wide: &str| ledger.widen(key, before, wide).await.unwrap();
    assert!(!widen("j", "{}", "a").await, "there is none");
    ledger.accept(&job("j", "r")).await.unwrap();
    assert!(!widen("j", "another", "a").await, "it asks for something else by now");
    assert!(widen("j", "{}", "a").await, "it waits");
    let held = lease(&ledger).await;
    assert_eq!((held.request.as_str(), &held.composed), ("a", &None));
    assert!(!widen("j", "a", "b").await, "somebody has it in hand");
    ledger.store_report(&held, None, &report(JobState::Reported)).await.unwrap();
    ledger.settle(&held, JobState::Reported, None).await.unwrap();

    assert!(widen("j", "a", "b").await, "it is delivered again");
    assert_eq!(states(&ledger).await, [JobState::Composed]);
    let held = lease(&ledger).await;
    assert_eq!((held.request.as_str(), &held.composed), ("b", &Some(report(JobState::Reported))));
    ledger.settle(&held, JobState::Reported, None).await.unwrap();
    assert_eq!(events(&ledger, "j").await.iter().filter(|event| *event == "widened").count(), 2);

    let withdrawal = job(&withdrawal_key("j"), "r");
    assert!(ledger.withdraw("j", &withdrawal, &report(JobState::Refused)).await.unwrap());
    assert!(!widen("j", "b", "c").await, "what is taken back goes nowhere");
    carry(&ledger, &job("failed", "f"), JobState::Failed).await;
    assert!(!widen("failed", "{}", "a").await, "a failed one is accepted anew instead");
}

pub(super) async fn redelivery_cancelled(site: Site) {
    let ledger = site.worker(LONG).await;
    let request = |targets: &[&str], out: Option<&str>| {
        let request =
            serde_json::json!({"files": [], "record": {"kind": "not_given"}, "targets": targets, "out": out});
        let request: Request = serde_json::from_value(request).unwrap();
        serde_json::to_string(&request).unwrap()
    };
    let stored = async || ledger.stored("j").await.unwrap().unwrap().request;
    let first = request(&["a"], None);
    carry(&ledger, &NewJob { request: first.clone(), ..job("j", "r") }, JobState::Reported).await;
    // Twice: what was put back can be asked for again.
    for _round in 0..2 {
        let (wider, widest) = (request(&["a", "b"], None), request(&["a", "b"], Some("/x")));
        assert!(ledger.widen("j", &first, &wider).await.unwrap());
        let leased = lease(&ledger).await;
        assert!(ledger.cancel("j").await.is_err(), "it is under way");
        ledger.defer(&leased, LONG, "TargetUnreachable").await.unwrap();
        assert!(ledger.widen("j", &wider, &widest).await.unwrap());
        ledger.cancel("j").await.unwrap();
        assert_eq!(states(&ledger).await, [JobState::Reported], "it is where it was");
        assert_eq!(ledger.newest("r").await.unwrap().unwrap().job_key, "j");
        assert_eq!(stored().await, first, "and goes nowhere else");
        assert!(ledger.lease_next().await.unwrap().is_none());
        let (row, entries) = ledger.job("j").await.unwrap().unwrap();
        assert_eq!((row.resting, row.ended_code), (None, None));
        let last = entries.last().unwrap();
        assert_eq!((last.event.as_str(), last.detail.as_str()), ("cancelled", "reported"));
        assert!(entries.iter().all(|entry| !entry.detail.contains("/x")), "no path is in the trail");
    }
    assert!(ledger.cancel("j").await.is_err(), "it has ended");
    // What was never delivered is cancelled as before, widened or not.
    ledger.accept(&job("new", "n")).await.unwrap();
    assert!(ledger.widen("new", "{}", &first).await.unwrap());
    ledger.cancel("new").await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Reported, JobState::Failed]);
}

pub(super) async fn held(site: Site) {
    let ledger = site.worker(LONG).await;
    let refusal = report(JobState::Refused);
    ledger.accept(&job("j", "r")).await.unwrap();
    let leased = lease(&ledger).await;
    ledger.store_held(&leased, None, &refusal, "SexConflict", LONG).await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Held]);
    let rows = ledger.jobs(&JobFilter { states: vec![JobState::Held], last: None }).await.unwrap();
    assert_eq!(rows[0].resting.as_deref(), Some("SexConflict"));
    assert!(rows[0].rests_until.is_some());
    assert_eq!(ledger.report("j").await.unwrap(), Some(refusal.clone()), "a person can look at it");
    // It takes nobody's turn and is no report that waits for its delivery.
    assert!(ledger.lease_next().await.unwrap().is_none());
    assert!(ledger.lease_stored().await.unwrap().is_none());
    assert!(ledger.lease_key("j").await.unwrap().is_none());
    assert_eq!(ledger.outbox_age().await.unwrap(), None);
    assert!(ledger.newest("r").await.unwrap().is_none());
    let late = ledger.settle(&leased, JobState::Refused, None).await;
    assert!(matches!(late, Err(LedgerError::LeaseLost { .. })), "its worker has it no more");
    assert_eq!(ledger.accept(&job("j", "r")).await.unwrap(), Accepted::Before(JobState::Held));
    assert!(ledger.widen("j", "{}", r#"{"wide":1}"#).await.unwrap(), "it may go to more places");
    assert_eq!(states(&ledger).await, [JobState::Held], "and is held all the same");
    let retried = ledger.retry("j").await;
    assert!(matches!(retried, Err(LedgerError::WrongState { state: JobState::Held, .. })));

    ledger.let_go("j").await.unwrap();
    assert_eq!(states(&ledger).await, [JobState::Composed]);
    assert!(matches!(ledger.let_go("j").await, Err(LedgerError::WrongState { .. })));
    assert!(matches!(ledger.let_go("other").await, Err(LedgerError::UnknownJob { .. })));
    let released = lease(&ledger).await;
    assert_eq!((&released.composed, released.request.as_str()), (&Some(refusal.clone()), r#"{"wide":1}"#));
    ledger.settle(&released, JobState::Refused, None).await.unwrap();
    let story = ["accepted", "composed", "held", "widened", "released", "settled"];
    assert_eq!(events(&ledger, "j").await, story);

    // Its time is over at once; and, where the clock was set back, it has not begun.
    for (key, lasts) in [("k", Duration::ZERO), ("l", LONG)] {
        ledger.accept(&job(key, key)).await.unwrap();
        let leased = lease(&ledger).await;
        ledger.store_held(&leased, None, &refusal, "SexConflict", lasts).await.unwrap();
        site.execute("UPDATE job SET rests_since_ms = rests_until_ms WHERE state = 'held'").await;
        let due = lease(&ledger).await;
        assert_eq!((due.job_key.as_str(), &due.composed), (key, &Some(refusal.clone())));
        assert_eq!(events(&ledger, key).await, ["accepted", "composed", "held", "released"]);
        ledger.settle(&due, JobState::Refused, None).await.unwrap();
    }
}

pub(super) async fn held_replaced(site: Site) {
    let ledger = site.worker(LONG).await;
    for key in ["old", "mistake"] {
        ledger.accept(&job(key, key)).await.unwrap();
        let leased = lease(&ledger).await;
        ledger.store_held(&leased, None, &report(JobState::Refused), "NameConflict", LONG).await.unwrap();
    }
    carry(&ledger, &job("new", "old"), JobState::Reported).await;
    let states = async || states(&ledger).await;
    assert_eq!(states().await, [JobState::Superseded, JobState::Held, JobState::Reported]);
    let rows = ledger.jobs(&JobFilter::default()).await.unwrap();
    assert_eq!((&rows[0].resting, rows[0].rests_until), (&None, None), "nobody has to look any more");
    assert!(ledger.let_go("old").await.is_err());
    ledger.cancel("mistake").await.unwrap();
    assert_eq!(states().await, [JobState::Superseded, JobState::Failed, JobState::Reported]);
    ledger.retry("mistake").await.unwrap();
    assert_eq!(
        lease(&ledger).await.composed,
        Some(report(JobState::Refused)),
        "the same bytes, not held again"
    );
}
