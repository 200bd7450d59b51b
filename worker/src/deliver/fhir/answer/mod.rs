//! What an answer means: pure functions from status and body to a verdict.

mod issue;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use self::issue::{Issue, reason};
use super::letter::is_id;
use crate::deliver::trouble::Trouble;
use crate::deliver::web::{Answer, Body};
use crate::deliver::{TerminalCode, TransientCode};
use crate::report::fhir::JOB_KEYS;

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The server stored it.
    Stored,
    /// The status says success and the rest does not: look, and if the report is not there, it is this.
    Unclear(Trouble),
    /// The server holds something that stands against it: look, and if it is not this version, it is this.
    Conflict(Trouble),
    /// It is not stored.
    Not(Trouble),
}

/// Judges the answer to a transaction of `entries` entries.
pub(super) fn judge(answer: &Answer, entries: usize) -> Verdict {
    match answer.status {
        200..=299 => judge_success(answer, entries),
        409 | 412 => Verdict::Conflict(refused(TerminalCode::Conflict, answer)),
        _ => Verdict::Not(failure(answer)),
    }
}

/// What lies on the server under the report's id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This version, whatever became of it there.
    This,
    /// Another version that nobody signed, with its number where the server tells it.
    Another { version: Option<String> },
    /// Nothing, or something that was deleted.
    Nothing,
}

/// The same, and the id of what is there where the server chose it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lies {
    pub(super) found: Found,
    pub(super) id: Option<String>,
}

/// The states of a report that a person has put their name to
/// (<http://hl7.org/fhir/R4/valueset-diagnostic-report-status.html>). This program writes none of them.
const SIGNED: [&str; 4] = ["final", "amended", "corrected", "appended"];

/// Judges the answer to reading the report. Another version that a person signed is a trouble for good: nothing may take
/// its place.
pub(super) fn found(answer: &Answer, job_key: &str) -> Result<Found, Trouble> {
    match answer.status {
        404 | 410 => return Ok(Found::Nothing),
        200 => {}
        201..=299 => return Err(Trouble::now(TransientCode::AnswerNotUnderstood)),
        _ => return Err(failure(answer)),
    }
    match &answer.body {
        Body::TooLong => Err(Trouble::now(TransientCode::AnswerTooLong)),
        Body::Whole(bytes) => version(bytes, job_key),
    }
}

/// Which version of the report this resource is.
pub(super) fn version(resource: &[u8], job_key: &str) -> Result<Found, Trouble> {
    let not_understood = || Trouble::now(TransientCode::AnswerNotUnderstood);
    let resource: Resource = serde_json::from_slice(resource).map_err(|_| not_understood())?;
    if resource.of != "DiagnosticReport" {
        return Err(not_understood());
    }
    let is_this = |identifier: &Identifier| {
        identifier.system.as_deref() == Some(JOB_KEYS) && identifier.value.as_deref() == Some(job_key)
    };
    if resource.identifier.iter().any(is_this) {
        return Ok(Found::This);
    }
    if let Some(status) = SIGNED.into_iter().find(|signed| resource.status.as_deref() == Some(signed)) {
        let reason =
            format!("it holds another version of the report that a person signed: its status is `{status}`");
        return Err(Trouble::good(TerminalCode::AlreadySigned, reason));
    }
    Ok(Found::Another { version: resource.meta.version_id.filter(|version| is_id(version)) })
}

/// Whether a transaction was refused because it writes something under an id that the server did not choose: 405, as the standard has
/// it (<http://hl7.org/fhir/R4/http.html#upsert>), or what HAPI answers.
pub(super) fn refuses_our_ids(answer: &Answer) -> bool {
    let issues = || json::<Resource>(&answer.body).map(|outcome| outcome.issue).unwrap_or_default();
    answer.status == 405
        || (400..500).contains(&answer.status)
            && issues().iter().any(|issue| issue.numbers().contains(&"HAPI-0959"))
}

/// An answer to a search whose status is none of success.
pub(super) fn failed_search(answer: &Answer) -> Trouble {
    match answer.status {
        201..=299 => Trouble::now(TransientCode::AnswerNotUnderstood),
        _ => failure(answer),
    }
}

fn judge_success(answer: &Answer, entries: usize) -> Verdict {
    let resource: Resource = match json(&answer.body) {
        Ok(resource) => resource,
        Err(trouble) => return Verdict::Unclear(trouble),
    };
    if resource.of == "OperationOutcome" {
        return Verdict::Unclear(contradiction(answer, &resource.issue));
    }
    if resource.of != "Bundle" || resource.r#type.as_deref() != Some("transaction-response") {
        return Verdict::Unclear(Trouble::now(TransientCode::AnswerNotUnderstood));
    }
    let broken: Vec<&str> = resource
        .entry
        .iter()
        .map(|entry| entry.response.status.as_str())
        .filter(|status| !status.starts_with('2'))
        .collect();
    if let Some(status) = broken.first() {
        let (count, status) = (broken.len(), three_digits(status));
        let reason = format!(
            "the server stored the transaction in parts: {count} of {entries} entries were not taken, the first with \
             status {status}; compare what it holds with the report's page"
        );
        return Verdict::Not(Trouble::good(TerminalCode::TransactionBroken, reason));
    }
    if resource.entry.len() == entries {
        Verdict::Stored
    } else {
        Verdict::Unclear(Trouble::now(TransientCode::AnswerNotUnderstood))
    }
}

/// Success and failure at once. An issue with the report itself would come again; anything else may pass.
fn contradiction(answer: &Answer, issues: &[Issue]) -> Trouble {
    if issues.iter().any(Issue::is_about_the_report) {
        return Trouble::good(TerminalCode::Rejected, reason(answer.status, issues));
    }
    Trouble::Now { code: TransientCode::AnswerContradictory, retry_after: answer.retry_after, source: None }
}

/// An answer whose status is none of success.
pub(super) fn failure(answer: &Answer) -> Trouble {
    let code = match answer.status {
        401 => TransientCode::AuthenticationFailed,
        403 => TransientCode::PermissionDenied,
        408 | 425 | 429 | 503 => TransientCode::ServerBusy,
        500..=599 => TransientCode::ServerFailed,
        300..=399 => {
            let reason = format!(
                "the server answered {} and sent the request elsewhere; configure the URL where it belongs",
                answer.status
            );
            return Trouble::good(TerminalCode::RedirectRefused, reason);
        }
        _ => return refused(TerminalCode::Rejected, answer),
    };
    Trouble::Now { code, retry_after: answer.retry_after, source: None }
}

fn refused(code: TerminalCode, answer: &Answer) -> Trouble {
    let issues = json::<Resource>(&answer.body).map(|outcome| outcome.issue).unwrap_or_default();
    Trouble::good(code, reason(answer.status, &issues))
}

fn json<T: for<'de> Deserialize<'de>>(body: &Body) -> Result<T, Trouble> {
    match body {
        Body::TooLong => Err(Trouble::now(TransientCode::AnswerTooLong)),
        Body::Whole(bytes) => {
            serde_json::from_slice(bytes).map_err(|_| Trouble::now(TransientCode::AnswerNotUnderstood))
        }
    }
}

/// As much of any FHIR resource as an answer is judged by.
#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(rename = "resourceType")]
    of: String,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    meta: Meta,
    #[serde(default)]
    identifier: Vec<Identifier>,
    #[serde(default)]
    entry: Vec<Entry>,
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    version_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Identifier {
    system: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    response: Response,
}

#[derive(Debug, Deserialize)]
struct Response {
    status: String,
}

/// The number at the beginning of an entry's `status`, such as `412 Precondition Failed`.
fn three_digits(status: &str) -> &str {
    let digits = status.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.unwrap_or("unknown")
}
