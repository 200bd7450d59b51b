//! Who chooses the ids of what is written.
//!
//! A report has an id of ours: it can be read before it is known whether it was ever written, and a second write is a second version
//! and no second report. A server that lets nobody choose ids (`updateCreate` is false, or it refuses such a write) gives its own:
//! then the report is found by its identifier, which exactly one must have.

use super::answer::{self, Found, Lies};
use super::letter::is_id;
use super::search_set::SearchSet;
use crate::deliver::trouble::Trouble;
use crate::deliver::web::{Answer, Body};
use crate::deliver::{TerminalCode, TransientCode};

/// Who chooses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// They are ours.
    Ours,
    /// They are the server's.
    Servers,
}

/// Judges the answer to a search for the report by its identifier. More than one is a trouble for good: which of them is the report
/// nobody here can tell, and none is ever deleted.
pub(super) fn found(answer: &Answer, job_key: &str) -> Result<Lies, Trouble> {
    let bytes = match answer {
        Answer { status: 200, body: Body::Whole(bytes), .. } => bytes,
        Answer { status: 200, body: Body::TooLong, .. } => {
            return Err(Trouble::now(TransientCode::AnswerTooLong));
        }
        answer => return Err(answer::failed_search(answer)),
    };
    let not_understood = || Trouble::now(TransientCode::AnswerNotUnderstood);
    let set = SearchSet::read(bytes).ok_or_else(not_understood)?;
    let reports: Vec<_> = set.of("DiagnosticReport").collect();
    match &reports[..] {
        [] => Ok(Lies { found: Found::Nothing, id: None }),
        [report] if is_id(&report.id) => {
            let found = answer::version(report.json.as_bytes(), job_key)?;
            Ok(Lies { found, id: Some(report.id.clone()) })
        }
        [_] => Err(not_understood()),
        several => {
            let reason = format!("it holds {} reports with the identifier of this one", several.len());
            Err(Trouble::good(TerminalCode::SeveralReports, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::report::fhir::JOB_KEYS;

    fn page(reports: &[Value]) -> Answer {
        let entries: Vec<_> = reports.iter().map(|report| json!({ "resource": report })).collect();
        let page = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
        answer(200, page.to_string())
    }

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, says_json: true, retry_after: None, body: Body::Whole(body.into()) }
    }

    fn report(id: &str, job_key: &str, status: &str) -> Value {
        let identifier = json!([{ "system": JOB_KEYS, "value": job_key }]);
        json!({
            "resourceType": "DiagnosticReport", "id": id, "status": status, "identifier": identifier,
            "meta": { "versionId": "3" }
        })
    }

    fn code(answer: &Answer) -> &'static str {
        match found(answer, "j") {
            Ok(_) => "found",
            Err(Trouble::Now { code, .. }) => code.as_str(),
            Err(Trouble::Good { code, .. }) => code.as_str(),
        }
    }

    #[test]
    fn exactly_one_report_or_none_has_the_identifier() {
        let lies = |reports: &[Value]| found(&page(reports), "j").ok().unwrap();
        assert_eq!(lies(&[]), Lies { found: Found::Nothing, id: None });
        let outcome = json!({ "resourceType": "OperationOutcome" });
        let own = report("17", "j", "final");
        assert_eq!(lies(&[outcome, own.clone()]), Lies { found: Found::This, id: Some("17".into()) });
        let another = Found::Another { version: Some("3".into()) };
        assert_eq!(lies(&[report("17", "k", "preliminary")]), Lies { found: another, id: Some("17".into()) });
        assert_eq!(code(&page(&[own, report("18", "k", "preliminary")])), "SeveralReports");
        assert_eq!(code(&page(&[report("17", "k", "final")])), "AlreadySigned");
        assert_eq!(code(&page(&[report("../17", "j", "final")])), "AnswerNotUnderstood");
        assert_eq!(code(&answer(200, "{}")), "AnswerNotUnderstood");
        assert_eq!(code(&answer(404, "")), "Rejected");
        assert_eq!(code(&answer(503, "")), "ServerBusy");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(found(&answer(200, bytes), "j").is_err());
        }
    }
}
