//! What an answer of a DICOMweb server means: pure functions from status and body to a verdict.

use serde_json::Value;

use crate::deliver::trouble::Trouble;
use crate::deliver::web::{Answer, Body};
use crate::deliver::{TerminalCode, TransientCode};

/// Referenced SOP Instance UID (0008,1155).
const REFERENCED_INSTANCE: &str = "00081155";
/// SOP Instance UID (0008,0018).
const INSTANCE: &str = "00080018";
/// Failure Reason (0008,1197).
const FAILURE_REASON: &str = "00081197";
/// Failed SOP Sequence (0008,1198).
const FAILED: &str = "00081198";
/// Referenced SOP Sequence (0008,1199).
const STORED: &str = "00081199";
/// Failure reason: the archive has an instance of this UID (PS3.18 Table I.2-2).
const DUPLICATE: u64 = 0x0111;

/// What became of an instance that was sent.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The archive has it.
    Stored,
    /// The answer does not say: look, and if it is not there, it is this.
    Unclear(Trouble),
    /// It is not stored.
    Not(Trouble),
}

/// Judges the answer to storing one instance (PS3.18 10.5.3).
pub(super) fn judge(answer: &Answer, sop_instance_uid: &str) -> Verdict {
    match answer.status {
        200..=299 | 409 => {}
        _ => return Verdict::Not(failure(answer)),
    }
    let body = match body(answer) {
        Ok(body) => body,
        Err(_) if answer.status == 409 => return Verdict::Unclear(refused(TerminalCode::Conflict, answer)),
        Err(trouble) => return Verdict::Unclear(trouble),
    };
    let items = |sequence: &str| body[sequence]["Value"].as_array().cloned().unwrap_or_default();
    let is_this = |item: &Value| item[REFERENCED_INSTANCE]["Value"][0] == sop_instance_uid;
    if let Some(failed) = items(FAILED).iter().find(|item| is_this(item)) {
        return match failed[FAILURE_REASON]["Value"][0].as_u64() {
            Some(DUPLICATE) => Verdict::Stored,
            Some(0xA700..=0xA7FF) => Verdict::Not(Trouble::now(TransientCode::TargetFull)),
            Some(0x0110) => Verdict::Not(Trouble::now(TransientCode::ServerFailed)),
            Some(0x0124) => Verdict::Not(Trouble::now(TransientCode::PermissionDenied)),
            Some(0x0122) => Verdict::Not(Trouble::now(TransientCode::SopClassRefused)),
            reason => Verdict::Not(Trouble::good(TerminalCode::Rejected, reason_of(answer.status, reason))),
        };
    }
    if answer.status != 409 && items(STORED).iter().any(is_this) {
        return Verdict::Stored;
    }
    Verdict::Unclear(match answer.status {
        409 => refused(TerminalCode::Conflict, answer),
        _ => Trouble::now(TransientCode::AnswerNotUnderstood),
    })
}

fn reason_of(status: u16, reason: Option<u64>) -> String {
    match reason {
        Some(reason) => format!("the PACS answered {status} with failure reason {reason:04X}"),
        None => format!("the PACS answered {status} with a failure and no reason"),
    }
}

/// Whether the answer to a search names the instance. No match is 204, an empty list, or 404 of a study.
pub(super) fn found(answer: &Answer, sop_instance_uid: &str) -> Result<bool, Trouble> {
    match answer.status {
        204 | 404 => return Ok(false),
        200 => {}
        201..=299 => return Err(Trouble::now(TransientCode::AnswerNotUnderstood)),
        _ => return Err(failure(answer)),
    }
    let body = body(answer)?;
    let Some(instances) = body.as_array() else {
        return Err(Trouble::now(TransientCode::AnswerNotUnderstood));
    };
    Ok(instances.iter().any(|instance| instance[INSTANCE]["Value"][0] == sop_instance_uid))
}

/// Judges the answer to a search for a study that does not exist.
pub(super) fn is_dicomweb(answer: &Answer) -> Result<(), Trouble> {
    match answer.status {
        204 => Ok(()),
        200 if body(answer)?.is_array() => Ok(()),
        200..=299 => Err(Trouble::now(TransientCode::AnswerNotUnderstood)),
        _ => Err(failure(answer)),
    }
}

/// An answer whose status is none of success.
fn failure(answer: &Answer) -> Trouble {
    let code = match answer.status {
        401 => TransientCode::AuthenticationFailed,
        403 => TransientCode::PermissionDenied,
        408 | 425 | 429 | 503 => TransientCode::ServerBusy,
        507 => TransientCode::TargetFull,
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
    Trouble::good(code, format!("the PACS answered {}", answer.status))
}

fn body(answer: &Answer) -> Result<Value, Trouble> {
    match &answer.body {
        Body::TooLong => Err(Trouble::now(TransientCode::AnswerTooLong)),
        Body::Whole(bytes) => {
            serde_json::from_slice(bytes).map_err(|_| Trouble::now(TransientCode::AnswerNotUnderstood))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, says_json: true, retry_after: None, body: Body::Whole(body.into()) }
    }

    fn fate(answer: &Answer) -> String {
        let code = |trouble| match trouble {
            Trouble::Now { code, .. } => code.as_str(),
            Trouble::Good { code, .. } => code.as_str(),
        };
        match judge(answer, "1.2.3") {
            Verdict::Stored => "stored".into(),
            Verdict::Unclear(trouble) => format!("look, else {}", code(trouble)),
            Verdict::Not(trouble) => code(trouble).into(),
        }
    }

    fn failed(reason: u64, uid: &str) -> String {
        let item =
            json!({"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}});
        json!({"00081198": {"vr": "SQ", "Value": [item]}}).to_string()
    }

    #[test]
    fn every_answer_has_its_fate() {
        let stored = |uid: &str| {
            json!({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}}]}})
                .to_string()
        };
        for (status, body, expected) in [
            (200, stored("1.2.3"), "stored"),
            (202, stored("1.2.3"), "stored"),
            (200, stored("1.2.4"), "look, else AnswerNotUnderstood"),
            (200, "<html>".into(), "look, else AnswerNotUnderstood"),
            (200, String::new(), "look, else AnswerNotUnderstood"),
            (409, failed(0x0111, "1.2.3"), "stored"),
            (409, failed(0xA700, "1.2.3"), "TargetFull"),
            (202, failed(0xA700, "1.2.3"), "TargetFull"),
            (409, failed(0xC000, "1.2.3"), "Rejected"),
            (409, failed(0x0110, "1.2.3"), "ServerFailed"),
            (409, failed(0x0122, "1.2.3"), "SopClassRefused"),
            (409, failed(0xC000, "1.2.4"), "look, else Conflict"),
            (409, stored("1.2.3"), "look, else Conflict"),
            (409, "no".into(), "look, else Conflict"),
            (302, String::new(), "RedirectRefused"),
            (400, String::new(), "Rejected"),
            (401, String::new(), "AuthenticationFailed"),
            (403, String::new(), "PermissionDenied"),
            (404, String::new(), "Rejected"),
            (415, String::new(), "Rejected"),
            (429, String::new(), "ServerBusy"),
            (500, String::new(), "ServerFailed"),
            (503, String::new(), "ServerBusy"),
            (507, String::new(), "TargetFull"),
        ] {
            assert_eq!(fate(&answer(status, body.clone())), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_search_tells_whether_it_is_there() {
        let there = json!([{"00080018": {"vr": "UI", "Value": ["1.2.3"]}}]).to_string();
        for (status, body, expected) in [
            (200, there.as_str(), Some(true)),
            (200, "[]", Some(false)),
            (204, "", Some(false)),
            (404, "", Some(false)),
            (200, "{}", None),
            (200, "", None),
            (500, "", None),
        ] {
            assert_eq!(found(&answer(status, body), "1.2.3").ok(), expected, "{status} {body}");
        }
        assert!(is_dicomweb(&answer(200, "[]")).is_ok() && is_dicomweb(&answer(204, "")).is_ok());
        assert!(is_dicomweb(&answer(200, "<html>")).is_err() && is_dicomweb(&answer(404, "")).is_err());
    }

    proptest! {
        #[test]
        fn no_body_panics(status in 100_u16..600, body in ".{0,64}") {
            drop(fate(&answer(status, body.clone())));
            drop(found(&answer(status, body), "1.2.3"));
        }
    }
}
