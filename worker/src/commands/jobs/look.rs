//! Jobs as lines, and one job with its whole story; for people and for machines.

use std::io::Write;

use serde_json::{Value, json};

use super::next_step::next_step;
use super::short;
use crate::ledger::{AuditEntry, JobRow, JobState};
use crate::outcome::Outcome;

/// One line a job.
pub(super) fn list(jobs: &[JobRow], json: bool, out: &mut impl Write) -> std::io::Result<()> {
    for job in jobs {
        if json {
            writeln!(out, "{}", line(job))?;
            continue;
        }
        let key = short(&job.job_key);
        let code = match (why(job).0.unwrap_or_default(), &job.ended_reason) {
            (code, Some(reason)) if job.resting.is_none() => format!("{code}: {reason}"),
            (code, _) => code,
        };
        let text = format!(
            "{key}  {:<10} {:<7} {}  {}  {code}",
            job.state.as_str(),
            job.lane.as_str(),
            job.accepted_at,
            job.study_uid
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Where a job stands, why, the next step, and what happened to it.
pub(super) fn show(
    job: &JobRow,
    entries: &[AuditEntry],
    json: bool,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let (code, reason) = why(job);
    let next_step = next_step(job, outcome(job).as_ref());
    if json {
        let mut object = line(job);
        object["next_step"] = json!(next_step);
        object["outcome"] =
            job.outcome.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).into();
        object["audit"] = json!(entries);
        return writeln!(out, "{object}");
    }
    let mut field = |name: &str, value: &str| writeln!(out, "{name:<11}{value}");
    field("job", &job.job_key)?;
    field("report", &job.report_key)?;
    field("study", &job.study_uid)?;
    field("state", job.state.as_str())?;
    field("lane", job.lane.as_str())?;
    field("accepted", &job.accepted_at)?;
    field("attempts", &job.attempts.to_string())?;
    match (&job.resting, job.rests_until) {
        (Some(resting), Some(until)) => field("rests", &format!("until {until}: {resting}"))?,
        (Some(resting), None) => field("rests", resting)?,
        (None, _) => {}
    }
    if let (Some(code), None) = (&code, &job.resting) {
        field("code", code)?;
    }
    if let Some(reason) = reason {
        field("reason", &reason)?;
    }
    field("next step", &next_step)?;
    writeln!(out, "what happened:")?;
    for AuditEntry { at, actor, event, detail } in entries {
        let text = format!("  {at}  {event:<10} {detail}");
        writeln!(out, "{}  by {actor}", text.trim_end())?;
    }
    Ok(())
}

/// The line of a job for machines. These names stay stable.
fn line(job: &JobRow) -> Value {
    let (code, reason) = why(job);
    json!({
        "job": job.job_key, "report": job.report_key, "study_uid": job.study_uid, "state": job.state,
        "lane": job.lane, "accepted_at": job.accepted_at, "attempts": job.attempts,
        "resting": job.resting, "rests_until": job.rests_until.map(|until| until.to_string()),
        "code": code, "reason": reason,
    })
}

/// Code and reason of how a job stands: of its rest, of its end, else of its report, for which it may be held.
fn why(job: &JobRow) -> (Option<String>, Option<String>) {
    let outcome = outcome(job);
    if job.state == JobState::Held {
        return outcome.map_or((job.resting.clone(), None), |outcome| (outcome.code, outcome.reason));
    }
    if let Some(code) = &job.resting {
        return (Some(code.clone()), None);
    }
    if let Some(code) = &job.ended_code {
        return (Some(code.clone()), job.ended_reason.clone());
    }
    outcome.map_or((None, None), |outcome| (outcome.code, outcome.reason))
}

fn outcome(job: &JobRow) -> Option<Outcome> {
    job.outcome.as_deref().and_then(|text| serde_json::from_str(text).ok())
}
