//! What a person can do about a job as it stands.

use super::{CANCELLED, short};
use crate::deliver::next_step as of_target;
use crate::ledger::{JobRow, JobState};
use crate::outcome::Outcome;

/// The next step in one sentence.
pub(super) fn next_step(job: &JobRow, outcome: Option<&Outcome>) -> String {
    let retry = format!("`chiasm jobs retry {}`", short(&job.job_key));
    let of_report = outcome.and_then(|outcome| outcome.next_step.clone());
    match (job.state, job.ended_code.as_deref()) {
        (JobState::Accepted, _) => "Nothing: a worker takes it in its turn.".into(),
        (JobState::Leased, _) => "Nothing: a worker has it under way.".into(),
        (JobState::Composed, _) => match job.resting.as_deref().map(of_target) {
            Some(Some(step)) => format!("Its delivery is tried again by itself. If it stays: {step}."),
            Some(None) => "Nothing: its delivery is tried again by itself.".into(),
            None => "Nothing: its report is stored, and delivered next.".into(),
        },
        (JobState::Held, _) => held(job, of_report),
        (JobState::Reported | JobState::Superseded, _) => "Nothing.".into(),
        (JobState::Failed, Some(CANCELLED)) => {
            format!("Nothing; to read the study after all, run {retry}.")
        }
        (JobState::Failed, Some(code)) => {
            let step = of_target(code).unwrap_or("find out what the target has against it");
            format!("Its report is stored and not delivered: {step}; then run {retry}, which delivers it.")
        }
        (JobState::Refused | JobState::Failed, _) => {
            of_report.unwrap_or_else(|| format!("Look for this job in the worker's log; then run {retry}."))
        }
    }
}

/// What a person decides on, and what happens where nobody does.
fn held(job: &JobRow, of_report: Option<String>) -> String {
    let look = of_report.unwrap_or_else(|| "Look at the study and its record.".into());
    let until = job.rests_until.map(|until| format!(" on {until}")).unwrap_or_default();
    let release = format!("`chiasm jobs release {}`", short(&job.job_key));
    format!(
        "{look} A corrected study takes this one's place. {release} sends the refusal now; else it goes out by itself{until}."
    )
}
