use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::issue::is_place;
use super::*;

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, says_json: true, retry_after: None, body: Body::Whole(body.into()) }
}

/// The verdict in words: what is done, and the code.
fn verdict(answer: &Answer) -> (&'static str, &'static str) {
    let code = |trouble: &Trouble| match trouble {
        Trouble::Now { code, .. } => code.as_str(),
        Trouble::Good { code, .. } => code.as_str(),
    };
    match judge(answer, 2) {
        Verdict::Stored => ("stored", ""),
        Verdict::Unclear(trouble) => ("look", code(&trouble)),
        Verdict::Conflict(trouble) => ("conflict", code(&trouble)),
        Verdict::Not(trouble) => ("not", code(&trouble)),
    }
}

fn response(statuses: &[&str]) -> Value {
    let entries: Vec<_> = statuses.iter().map(|status| json!({ "response": { "status": status } })).collect();
    json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries })
}

fn outcome(severity: &str, code: &str) -> Value {
    let issue = json!({ "severity": severity, "code": code, "diagnostics": "Canary^Carla" });
    json!({ "resourceType": "OperationOutcome", "issue": [issue] })
}

#[test]
fn every_status_has_its_verdict() {
    let cases = [
        (100, ("not", "Rejected")),
        (301, ("not", "RedirectRefused")),
        (307, ("not", "RedirectRefused")),
        (308, ("not", "RedirectRefused")),
        (400, ("not", "Rejected")),
        (401, ("not", "AuthenticationFailed")),
        (403, ("not", "PermissionDenied")),
        (404, ("not", "Rejected")),
        (408, ("not", "ServerBusy")),
        (409, ("conflict", "Conflict")),
        (410, ("not", "Rejected")),
        (412, ("conflict", "Conflict")),
        (413, ("not", "Rejected")),
        (422, ("not", "Rejected")),
        (425, ("not", "ServerBusy")),
        (429, ("not", "ServerBusy")),
        (500, ("not", "ServerFailed")),
        (501, ("not", "ServerFailed")),
        (502, ("not", "ServerFailed")),
        (503, ("not", "ServerBusy")),
        (504, ("not", "ServerFailed")),
    ];
    for (status, expected) in cases {
        assert_eq!(verdict(&answer(status, "")), expected, "{status}");
    }
}

#[test]
fn success_is_believed_only_when_every_entry_says_so() {
    let cases = [
        (response(&["201 Created", "200"]), ("stored", "")),
        (response(&["201 Created"]), ("look", "AnswerNotUnderstood")),
        (response(&["201 Created", "422 Unprocessable", "500"]), ("not", "TransactionBroken")),
        (response(&["201 Created", "500"]), ("not", "TransactionBroken")),
        (json!({ "resourceType": "Bundle", "type": "batch-response" }), ("look", "AnswerNotUnderstood")),
        (json!({ "resourceType": "Patient" }), ("look", "AnswerNotUnderstood")),
        (json!([]), ("look", "AnswerNotUnderstood")),
        (outcome("information", "informational"), ("look", "AnswerContradictory")),
        (outcome("error", "exception"), ("look", "AnswerContradictory")),
        (outcome("fatal", "no-store"), ("look", "AnswerContradictory")),
        (outcome("error", "invariant"), ("look", "Rejected")),
        (outcome("warning", "invariant"), ("look", "AnswerContradictory")),
    ];
    for (body, expected) in cases {
        assert_eq!(verdict(&answer(200, body.to_string())), expected, "{body}");
    }
    assert_eq!(verdict(&answer(200, "<html>")), ("look", "AnswerNotUnderstood"));
    assert_eq!(verdict(&answer(200, r#"{"resourceType":"Bund"#)), ("look", "AnswerNotUnderstood"));
    assert_eq!(verdict(&answer(204, "")), ("look", "AnswerNotUnderstood"));
    let cut = Answer { status: 200, says_json: true, retry_after: None, body: Body::TooLong };
    assert_eq!(verdict(&cut), ("look", "AnswerTooLong"));
}

#[test]
fn a_broken_transaction_says_how_many_entries_are_missing() {
    let body = response(&["201 Created", "422 Canary^Carla"]).to_string();
    let Verdict::Not(Trouble::Good { reason, .. }) = judge(&answer(200, body), 2) else { panic!("terminal") };
    assert!(reason.contains("1 of 2 entries") && reason.contains("status 422;"), "{reason}");
    assert!(!reason.contains("Canary"), "{reason}");
}

#[test]
fn a_servers_rest_is_kept() {
    let rest = Some(Duration::from_secs(7));
    let busy = Answer { retry_after: rest, ..answer(503, "") };
    let Verdict::Not(Trouble::Now { retry_after, .. }) = judge(&busy, 1) else { panic!("transient") };
    assert_eq!(retry_after, rest);
}

#[test]
fn a_reason_keeps_codes_and_places_and_no_text_of_the_server() {
    let body = json!({
        "resourceType": "OperationOutcome",
        "text": { "div": "Canary" },
        "issue": [
            { "severity": "error", "code": "value", "expression": ["Bundle.entry[12].resource.subject"],
              "diagnostics": "Canary^Carla born 1950-02-03", "details": { "text": "Canary" } },
            { "severity": "warning", "code": "invariant" },
            { "severity": "fatal", "code": "Canary", "expression": ["Observation.where(value='Canary')"] },
            { "severity": "error", "code": "processing", "expression": ["Canary.x", "Task.Canary", "Task.status"] },
        ]
    });
    let answer = answer(422, body.to_string());
    let Verdict::Not(Trouble::Good { reason, .. }) = judge(&answer, 1) else { panic!("terminal") };
    assert_eq!(
        reason,
        "the server answered 422: value at Bundle.entry[12].resource.subject, another issue, processing at Task.status"
    );
}

#[test]
fn a_reason_keeps_the_numbers_of_hapis_messages_and_not_the_messages() {
    let reason = |diagnostics: &str| {
        let issue = json!({ "severity": "error", "code": "processing", "diagnostics": diagnostics });
        let body = json!({ "resourceType": "OperationOutcome", "issue": [issue] });
        let Verdict::Not(Trouble::Good { reason, .. }) = judge(&answer(400, body.to_string()), 1) else {
            panic!("terminal")
        };
        reason.replace("the server answered 400: processing", "")
    };
    assert_eq!(reason("HAPI-1094: Resource Patient/canary not found, specified in path: x"), " HAPI-1094");
    assert_eq!(reason("HAPI-0550: HAPI-0825: Error: Canary"), " HAPI-0550 HAPI-0825");
    for other in ["Canary: HAPI-1094: x", "HAPI-Canary: x", "HAPI-19500203: x", ""] {
        assert_eq!(reason(other), "", "{other}");
    }
}

#[test]
fn the_reason_is_bounded() {
    let place = format!("Bundle.{}", "a".repeat(30));
    let issue = json!({ "severity": "error", "code": "processing", "expression": [place] });
    let body = json!({ "resourceType": "OperationOutcome", "issue": vec![issue; 1000] });
    let Verdict::Not(Trouble::Good { reason, .. }) = judge(&answer(400, body.to_string()), 1) else {
        panic!("terminal")
    };
    assert!(reason.len() < 500, "{}", reason.len());
}

#[test]
fn the_version_on_the_server_is_told_by_its_job_key() {
    let report = |system: &str, value: &str| {
        let identifier = json!([{ "value": "1" }, { "system": system, "value": value }]);
        json!({ "resourceType": "DiagnosticReport", "identifier": identifier }).to_string()
    };
    let found = |answer: Answer| {
        found(&answer, "j").map_err(|trouble| match trouble {
            Trouble::Now { code, .. } => code.as_str(),
            Trouble::Good { code, .. } => code.as_str(),
        })
    };
    assert_eq!(found(answer(200, report(JOB_KEYS, "j"))), Ok(Found::This));
    let another = |version: Option<&str>| Ok(Found::Another { version: version.map(str::to_owned) });
    assert_eq!(found(answer(200, report(JOB_KEYS, "k"))), another(None));
    assert_eq!(found(answer(200, report("urn:x", "j"))), another(None));
    assert_eq!(found(answer(200, r#"{"resourceType":"DiagnosticReport"}"#)), another(None));
    for (version, kept) in [("7", Some("7")), ("a-1.b", Some("a-1.b")), ("7\"", None), ("", None)] {
        let body = json!({ "resourceType": "DiagnosticReport", "meta": { "versionId": version } });
        assert_eq!(found(answer(200, body.to_string())), another(kept), "{version}");
    }
    assert_eq!(found(answer(404, "")), Ok(Found::Nothing));
    assert_eq!(found(answer(410, "")), Ok(Found::Nothing));
    assert_eq!(found(answer(200, "<html>")), Err("AnswerNotUnderstood"));
    assert_eq!(found(answer(200, outcome("error", "value").to_string())), Err("AnswerNotUnderstood"));
    assert_eq!(found(answer(302, "")), Err("RedirectRefused"));
    assert_eq!(found(answer(401, "")), Err("AuthenticationFailed"));
    assert_eq!(found(answer(503, "")), Err("ServerBusy"));
    assert_eq!(found(answer(400, "")), Err("Rejected"));
}

#[test]
fn another_version_that_a_person_signed_is_left_alone() {
    let code = |status: &str, job_key: &str| {
        let identifier = json!([{ "system": JOB_KEYS, "value": job_key }]);
        let body = json!({ "resourceType": "DiagnosticReport", "status": status, "identifier": identifier });
        match found(&answer(200, body.to_string()), "j") {
            Ok(_) => "found",
            Err(Trouble::Good { code, .. }) => code.as_str(),
            Err(Trouble::Now { code, .. }) => code.as_str(),
        }
    };
    for status in ["final", "amended", "corrected", "appended"] {
        assert_eq!((code(status, "k"), code(status, "j")), ("AlreadySigned", "found"), "{status}");
    }
    for status in
        ["registered", "partial", "preliminary", "cancelled", "entered-in-error", "unknown", "Canary"]
    {
        assert_eq!(code(status, "k"), "found", "{status}");
    }
}

proptest! {
    #[test]
    fn no_answer_panics(status in 0u16..700, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let answer = answer(status, body);
        prop_assert!(!matches!(judge(&answer, 1), Verdict::Stored));
        prop_assert!(found(&answer, "j").map_or(true, |found| found != Found::This));
    }

    #[test]
    fn no_place_carries_text(text in ".{0,40}") {
        let kept = is_place(&format!("Bundle.{text}"));
        prop_assert!(!kept || text.bytes().all(|b| b.is_ascii_alphanumeric() || b".[]".contains(&b)));
    }
}
