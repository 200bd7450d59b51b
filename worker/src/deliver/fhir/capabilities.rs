//! What the server says that it can do: its CapabilityStatement (<http://hl7.org/fhir/R4/capabilitystatement.html>), which is read
//! at the worker's start, with every probe, and before the first delivery. Pure: the asking is the target's.
//!
//! What a statement does not say is not held against the server. A server of another release of FHIR, or one that takes no
//! transactions, gets nothing: it would store reports that mean something else to it, or parts of them.

use serde::Deserialize;

use super::answer;
use crate::config::site::FhirRelease;
use crate::deliver::trouble::Trouble;
use crate::deliver::web::{Answer, Body};
use crate::deliver::{TerminalCode, TransientCode};

/// The most bytes that are read of a statement. Some servers write megabytes; a longer one says nothing.
pub(super) const STATEMENT_BYTES: usize = 16 * 1024 * 1024;

/// What bears on a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Whether a report may be written under an id of ours that is not there yet (`updateCreate`).
    pub(super) takes_our_ids: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    resource_type: String,
    fhir_version: Option<String>,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rest {
    mode: Option<String>,
    interaction: Vec<Interaction>,
    resource: Vec<Resource>,
}

#[derive(Deserialize)]
struct Interaction {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    r#type: String,
    update_create: Option<bool>,
}

/// Reads the answer to `metadata` of a server that is to speak this release.
pub(super) fn read(answer: &Answer, release: FhirRelease) -> Result<Capabilities, Trouble> {
    match answer.status {
        200..=299 if answer.says_json => {}
        200..=299 => return Err(Trouble::now(TransientCode::AnswerNotUnderstood)),
        _ => return Err(unanswered(answer)),
    }
    let Body::Whole(bytes) = &answer.body else { return Ok(Capabilities::default()) };
    let statement: Statement =
        serde_json::from_slice(bytes).map_err(|_| Trouble::now(TransientCode::AnswerNotUnderstood))?;
    if statement.resource_type != "CapabilityStatement" {
        return Err(Trouble::now(TransientCode::AnswerNotUnderstood));
    }
    if statement.fhir_version.is_some_and(|version| !speaks(&version, release)) {
        return Err(Trouble::now(TransientCode::FhirVersionUnsupported));
    }
    let Some(rest) = statement.rest.iter().find(|rest| rest.mode.as_deref() != Some("client")) else {
        return Ok(Capabilities::default());
    };
    if !rest.interaction.is_empty() && !rest.interaction.iter().any(|one| one.code == "transaction") {
        return Err(Trouble::now(TransientCode::TransactionUnsupported));
    }
    let reports = rest.resource.iter().find(|resource| resource.r#type == "DiagnosticReport");
    Ok(Capabilities { takes_our_ids: reports.and_then(|reports| reports.update_create) })
}

/// Whether a version of FHIR is one of the release. R4B has the same resources as R4, as far as a bundle of ours holds them.
fn speaks(version: &str, release: FhirRelease) -> bool {
    let begins: &[&str] = match release {
        FhirRelease::R4 => &["4.0", "4.3"],
        FhirRelease::R5 => &["5.0"],
    };
    begins.iter().any(|begin| {
        version.strip_prefix(begin).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

/// There is no statement. That says nothing against any report: it is the address that is wrong.
fn unanswered(answer: &Answer) -> Trouble {
    match answer::failure(answer) {
        Trouble::Good { code: TerminalCode::Rejected, .. } => {
            Trouble::now(TransientCode::AnswerNotUnderstood)
        }
        trouble => trouble,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, says_json: true, retry_after: None, body: Body::Whole(body.into()) }
    }

    fn statement(version: &str, rest: &Value) -> Answer {
        let body = json!({ "resourceType": "CapabilityStatement", "fhirVersion": version, "rest": rest });
        answer(200, body.to_string())
    }

    fn code(answer: &Answer, release: FhirRelease) -> &'static str {
        match read(answer, release) {
            Ok(_) => "fits",
            Err(Trouble::Now { code, .. }) => code.as_str(),
            Err(Trouble::Good { code, .. }) => code.as_str(),
        }
    }

    #[test]
    fn a_server_of_another_release_is_none_of_ours() {
        for (version, r4, r5) in [
            ("4.0.1", true, false),
            ("4.0", true, false),
            ("4.3.0", true, false),
            ("5.0.0", false, true),
            ("3.0.2", false, false),
            ("1.0.2", false, false),
            ("6.0.0-ballot3", false, false),
            ("4.01", false, false),
            ("", false, false),
        ] {
            let expected = |fits| if fits { "fits" } else { "FhirVersionUnsupported" };
            let answer = statement(version, &json!([]));
            assert_eq!(code(&answer, FhirRelease::R4), expected(r4), "{version}");
            assert_eq!(code(&answer, FhirRelease::R5), expected(r5), "{version}");
        }
    }

    #[test]
    fn what_a_statement_says_counts_and_what_it_does_not_say_does_not() {
        let with = |interactions: &Value, reports: &Value| {
            let resource = json!([{ "type": "Patient", "updateCreate": true }, reports]);
            let rest = json!([
                { "mode": "client", "interaction": [{ "code": "batch" }] },
                { "mode": "server", "interaction": interactions, "resource": resource },
            ]);
            read(&statement("4.0.1", &rest), FhirRelease::R4)
        };
        let transaction = json!([{ "code": "batch" }, { "code": "transaction" }]);
        for (said, expected) in [
            (json!({ "type": "DiagnosticReport", "updateCreate": true }), Some(true)),
            (json!({ "type": "DiagnosticReport", "updateCreate": false }), Some(false)),
            (json!({ "type": "DiagnosticReport" }), None),
            (json!({ "type": "Task", "updateCreate": false }), None),
        ] {
            assert_eq!(with(&transaction, &said).unwrap().takes_our_ids, expected, "{said}");
            assert_eq!(with(&json!([]), &said).unwrap().takes_our_ids, expected, "{said}");
            let none = with(&json!([{ "code": "batch" }]), &said);
            assert!(matches!(none, Err(Trouble::Now { code: TransientCode::TransactionUnsupported, .. })));
        }
        let bare = answer(200, r#"{"resourceType":"CapabilityStatement"}"#);
        assert_eq!(read(&bare, FhirRelease::R4).unwrap(), Capabilities::default());
        let long = Answer { body: Body::TooLong, ..answer(200, "") };
        assert_eq!(read(&long, FhirRelease::R4).unwrap(), Capabilities::default());
    }

    #[test]
    fn what_answers_otherwise_is_no_fhir_server_for_now() {
        let cases = [
            (Answer { says_json: false, ..statement("4.0.1", &json!([])) }, "AnswerNotUnderstood"),
            (answer(200, "<html>"), "AnswerNotUnderstood"),
            (answer(200, r#"{"resourceType":"OperationOutcome"}"#), "AnswerNotUnderstood"),
            (answer(404, ""), "AnswerNotUnderstood"),
            (answer(410, ""), "AnswerNotUnderstood"),
            (answer(401, ""), "AuthenticationFailed"),
            (answer(503, ""), "ServerBusy"),
            (answer(302, ""), "RedirectRefused"),
        ];
        for (answer, expected) in cases {
            assert_eq!(code(&answer, FhirRelease::R4), expected, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn no_statement_panics(status in 0u16..700, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let fits = read(&answer(status, body), FhirRelease::R4).is_ok();
            prop_assert!(!fits || (200..300).contains(&status));
        }
    }
}
