//! The commands against a real ledger.

use std::time::Duration;

use clap::Parser;
use serde_json::Value;

use super::{Ledger, answer};
use crate::cli::{Cli, Command};
use crate::lane::Lane;
use crate::ledger::{EndedWhy, JobState, NewJob, ReportBytes, SqliteLedger};
use crate::outcome::{Outcome, State};

const KEYS: [&str; 4] = ["aa01", "aa02", "bb01", "cc01"];

/// Four jobs: one was refused, one rests before its delivery, one was not delivered for good, and one waits.
async fn ledger(folder: &std::path::Path) -> SqliteLedger {
    let ledger = SqliteLedger::open(folder, Duration::from_hours(1)).unwrap();
    for key in KEYS {
        let job = NewJob {
            job_key: key.into(),
            report_key: format!("report-{key}"),
            lane: if key == "cc01" { Lane::Stat } else { Lane::Routine },
            study_uid: "1.2.3".into(),
            request: "{}".into(),
            accepted_at: "2026-01-02T03:04:05Z".into(),
        };
        ledger.accept(&job).await.unwrap();
    }
    let outcome = Outcome {
        next_step: Some("Read it without this program.".into()),
        ..Outcome::without_result(State::Refused, "NotApplicableView", "the view is lateral")
    };
    let report = ReportBytes {
        ends: JobState::Refused,
        outcome: serde_json::to_string(&outcome).unwrap(),
        bundle: None,
        html: b"page".to_vec(),
        sr: None,
        overlay: None,
        segmentation: None,
    };
    for key in &KEYS[..3] {
        let job = ledger.lease_key(key).await.unwrap().unwrap();
        ledger.store_report(&job, None, &report).await.unwrap();
        match *key {
            "aa01" => ledger.settle(&job, JobState::Refused, None).await.unwrap(),
            "aa02" => ledger.defer(&job, Duration::from_hours(1), "AuthenticationFailed").await.unwrap(),
            _ => {
                let reason =
                    "target `ehr` does not take the report (Rejected): the server answered 422: value";
                let why = EndedWhy { code: "Rejected", reason };
                ledger.settle(&job, JobState::Failed, Some(why)).await.unwrap();
            }
        }
    }
    ledger
}

/// Runs `chiasm jobs ARGUMENTS`, and gives the exit code and what was printed.
async fn jobs(ledger: &SqliteLedger, arguments: &str) -> anyhow::Result<(u8, String)> {
    let cli = Cli::parse_from(["chiasm", "jobs"].into_iter().chain(arguments.split(' ')));
    let Command::Jobs(command) = cli.command else { panic!("not `chiasm jobs`") };
    let mut out = Vec::new();
    let code = answer(&command, ledger, &mut out).await?;
    Ok((code, String::from_utf8(out).unwrap()))
}

async fn shown(ledger: &SqliteLedger, key: &str) -> Value {
    let (code, text) = jobs(ledger, &format!("show {key} --json")).await.unwrap();
    assert_eq!(code, 0);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn jobs_are_listed_for_people_and_machines() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let (_, text) = jobs(&ledger, "list").await.unwrap();
    let expected = "\
        aa01  refused    routine 2026-01-02T03:04:05Z  1.2.3  NotApplicableView\n\
        aa02  composed   routine 2026-01-02T03:04:05Z  1.2.3  AuthenticationFailed\n\
        bb01  failed     routine 2026-01-02T03:04:05Z  1.2.3  Rejected: target `ehr` does not take the report (Rejected): the server answered 422: value\n\
        cc01  accepted   stat    2026-01-02T03:04:05Z  1.2.3\n";
    assert_eq!(text, expected);
    let (_, text) = jobs(&ledger, "list --in failed --in accepted --last 1 --json").await.unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["job"], &line["lane"], &line["code"]), (&"cc01".into(), &"stat".into(), &Value::Null));
    assert!(Cli::try_parse_from(["chiasm", "jobs", "list", "--in", "done"]).is_err());
}

#[tokio::test]
async fn a_job_is_shown_with_its_reason_and_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let refused = shown(&ledger, "aa01").await;
    assert_eq!(refused["state"], "refused");
    assert_eq!(refused["code"], "NotApplicableView");
    assert_eq!(refused["reason"], "the view is lateral");
    assert_eq!(refused["next_step"], "Read it without this program.");
    assert_eq!(refused["outcome"]["state"], "refused");
    let events: Vec<_> = refused["audit"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
    assert_eq!(events, ["accepted", "composed", "settled"]);

    let resting = shown(&ledger, "aa02").await;
    assert_eq!(
        (&resting["resting"], &resting["state"]),
        (&"AuthenticationFailed".into(), &"composed".into())
    );
    assert!(resting["rests_until"].is_string());
    assert!(resting["next_step"].as_str().unwrap().contains("renew the token"));
    let failed = shown(&ledger, "b").await;
    assert_eq!(failed["job"], "bb01");
    assert_eq!(failed["code"], "Rejected");
    assert!(failed["reason"].as_str().unwrap().ends_with("the server answered 422: value"), "{failed}");
    let next_step = failed["next_step"].as_str().unwrap();
    assert!(next_step.contains("what the reason names") && next_step.contains("chiasm jobs retry bb01"));
    let (_, text) = jobs(&ledger, "list --in failed --json").await.unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["reason"], failed["reason"]);

    // a refusal of the FHIR server's patient is for a person, who is told what to do
    jobs(&ledger, "retry bb01").await.unwrap();
    let job = ledger.lease_key("bb01").await.unwrap().unwrap();
    let why = EndedWhy { code: "PatientConflict", reason: "its Patient is another" };
    ledger.settle(&job, JobState::Failed, Some(why)).await.unwrap();
    let failed = shown(&ledger, "bb01").await;
    assert_eq!((&failed["state"], &failed["code"]), (&"failed".into(), &"PatientConflict".into()));
    assert!(failed["next_step"].as_str().unwrap().contains("compare the images' patient"), "{failed}");

    let (_, text) = jobs(&ledger, "show aa01").await.unwrap();
    for line in
        ["job        aa01", "code       NotApplicableView", "next step  Read it without this program."]
    {
        assert!(text.lines().any(|shown| shown == line), "`{line}` in\n{text}");
    }
    assert!(text.lines().last().unwrap().contains("  settled    refused  by "), "{text}");
    let (_, text) = jobs(&ledger, "show aa02").await.unwrap();
    assert!(text.contains("rests      until ") && text.contains(": AuthenticationFailed\n"), "{text}");
}

#[tokio::test]
async fn a_held_job_says_what_to_look_at_and_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    let job = ledger.lease_key("cc01").await.unwrap().unwrap();
    let outcome = Outcome {
        next_step: Some("Check whose images these are.".into()),
        ..Outcome::without_result(State::Refused, "SexConflict", "the sex differs")
    };
    let report = ReportBytes {
        ends: JobState::Refused,
        outcome: serde_json::to_string(&outcome).unwrap(),
        bundle: None,
        html: b"page".to_vec(),
        sr: None,
        overlay: None,
        segmentation: None,
    };
    ledger.store_held(&job, None, &report, "SexConflict", Duration::from_hours(24)).await.unwrap();
    let (_, text) = jobs(&ledger, "list --in held").await.unwrap();
    assert_eq!(text, "cc01  held       stat    2026-01-02T03:04:05Z  1.2.3  SexConflict\n");
    let held = shown(&ledger, "cc01").await;
    assert_eq!((&held["reason"], &held["code"]), (&"the sex differs".into(), &"SexConflict".into()));
    let next_step = held["next_step"].as_str().unwrap();
    assert!(next_step.starts_with("Check whose images these are. "), "{next_step}");
    assert!(next_step.contains("`chiasm jobs release cc01`"), "{next_step}");
    assert_eq!(jobs(&ledger, "retry cc01").await.unwrap().0, 1, "to read it again finds the same");
    assert_eq!(jobs(&ledger, "release cc01").await.unwrap(), (0, "cc01  released\n".into()));
    assert_eq!(jobs(&ledger, "release cc01 aa01").await.unwrap(), (1, String::new()));
    assert_eq!(shown(&ledger, "cc01").await["state"], "composed");
}

#[tokio::test]
async fn failed_jobs_are_retried_and_waiting_ones_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    assert_eq!(jobs(&ledger, "cancel cc").await.unwrap(), (0, "cc01  cancelled\n".into()));
    assert_eq!(shown(&ledger, "cc01").await["code"], "Cancelled");
    assert_eq!(jobs(&ledger, "retry --all-failed").await.unwrap(), (0, "bb01  accepted anew\n".into()));
    assert_eq!(jobs(&ledger, "retry --all-failed").await.unwrap(), (0, "no job has failed\n".into()));
    assert_eq!(shown(&ledger, "bb01").await["state"], "composed");
    let some = jobs(&ledger, "retry cc01 aa01 nobody").await.unwrap();
    assert_eq!(some, (1, "cc01  accepted anew\n".into()), "what can be retried is");
    assert_eq!(shown(&ledger, "cc01").await["state"], "accepted");
    let refused = jobs(&ledger, "cancel aa01").await.unwrap_err().to_string();
    assert!(refused.contains("job `aa01` is refused"), "{refused}");
}

#[tokio::test]
async fn an_unknown_job_is_said_to_be_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(folder.path()).await;
    for arguments in ["show dd", "show aa", "cancel dd"] {
        let error = jobs(&ledger, arguments).await.unwrap_err();
        assert_eq!(crate::commands::exit_code_of(&error), 1);
        assert!(error.to_string().contains("chiasm jobs list"), "{error}");
    }
    for wrong in [&["retry"][..], &["retry", "--all-failed", "aa"]] {
        assert!(Cli::try_parse_from(["chiasm", "jobs"].iter().chain(wrong)).is_err());
    }
}
