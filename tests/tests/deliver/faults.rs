//! Every single thing that can go wrong with one delivery, alone and twice in a row.

use std::time::Duration;

use chiasm_tests::fhir_server::{Fault, Route};
use worker::deliver::{DeliverError, Target as _};

use super::{HASTY, PATIENT, PLACE, parcel, report, server, sha256, target};

/// One fault, the code of the try that meets it (none: it succeeds all the same), and the request limit.
struct Cell {
    fault: Fault,
    code: Option<&'static str>,
    limit: Duration,
}

fn cells() -> Vec<Cell> {
    let cell = |fault, code| Cell { fault, code, limit: PATIENT };
    let hasty = |fault, code| Cell { fault, code, limit: HASTY };
    vec![
        cell(Fault::Status(500, "exception"), Some("ServerFailed")),
        cell(Fault::Status(502, "transient"), Some("ServerFailed")),
        cell(Fault::Status(504, "timeout"), Some("ServerFailed")),
        cell(Fault::Busy(503, "7".into()), Some("ServerBusy")),
        cell(Fault::Busy(429, "Fri, 31 Dec 9999 23:59:59 GMT".into()), Some("ServerBusy")),
        cell(Fault::Status(425, "transient"), Some("ServerBusy")),
        cell(Fault::Status(408, "timeout"), Some("ServerBusy")),
        cell(Fault::Status(401, "expired"), Some("AuthenticationFailed")),
        cell(Fault::Status(403, "forbidden"), Some("PermissionDenied")),
        cell(Fault::Status(400, "structure"), Some("Rejected")),
        cell(Fault::Status(404, "not-found"), Some("Rejected")),
        cell(Fault::Status(410, "deleted"), Some("Rejected")),
        cell(Fault::Status(422, "invariant"), Some("Rejected")),
        cell(Fault::Status(412, "multiple-matches"), Some("Conflict")),
        // another worker writes the same model's device: sent again at once
        cell(Fault::Status(409, "conflict"), None),
        cell(Fault::ConflictStored, None),
        cell(Fault::Lost, Some("ConnectionCut")),
        cell(Fault::AnswerLost, Some("ConnectionCut")),
        cell(Fault::ResetMidRequest(1000), Some("ConnectionCut")),
        cell(Fault::ResetMidAnswer, Some("ConnectionCut")),
        hasty(Fault::Hang, Some("TimedOut")),
        hasty(Fault::HangStored, Some("TimedOut")),
        cell(Fault::Delay(Duration::from_millis(50)), None),
        hasty(Fault::Delay(HASTY * 100), Some("TimedOut")),
        cell(Fault::OutcomeInSuccess("exception"), Some("AnswerContradictory")),
        cell(Fault::OutcomeInSuccess("invariant"), Some("Rejected")),
        cell(Fault::NotJson, Some("AnswerNotUnderstood")),
        // what the answer does not say, a look at the server does
        cell(Fault::NotJsonStored, None),
        cell(Fault::TruncatedJson, None),
        cell(Fault::Huge(100 * 1024 * 1024), None),
        cell(Fault::Redirect("http://127.0.0.1:9/fhir".into()), Some("RedirectRefused")),
        cell(Fault::BrokenTransaction, Some("TransactionBroken")),
    ]
}

#[tokio::test]
async fn every_fault_is_typed_and_after_it_the_same_bytes_arrive_once() {
    for Cell { fault, code, limit } in cells() {
        let server = server();
        let target = target(&server, None, limit);
        let report = report("job-1");
        server.fault(Route::Transaction, fault.clone());

        let first = target.deliver(&parcel("job-1", &report, false)).await;
        assert_eq!(first.as_ref().err().map(DeliverError::code), code, "{fault:?}");
        if let Err(error) = first {
            let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            for canary in ["Canary", "TEST0001", "127.0.0.1"] {
                assert!(!text.contains(canary), "{fault:?}: {text}");
            }
            let receipts = target.deliver(&parcel("job-1", &report, true)).await;
            let receipts = receipts.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!(receipts["diagnostic_report"], format!("{}/{PLACE}", server.url()));
        }
        let accepted = server.accepted();
        assert_eq!(accepted.len(), 1, "{fault:?}: written more than once");
        assert_eq!(accepted[0].sha256, sha256(&report), "{fault:?}: other bytes");
        assert_eq!(server.versions(PLACE).len(), 1, "{fault:?}");
        assert_eq!(server.doubled(), Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test]
async fn each_fault_twice_in_a_row_and_again_while_looking_changes_nothing() {
    for Cell { fault, limit, .. } in cells() {
        let server = server();
        let target = target(&server, None, limit);
        let report = report("job-1");
        for _ in 0..2 {
            server.fault(Route::Transaction, fault.clone());
        }
        server.fault(Route::Read, Fault::Status(500, "exception"));
        server.fault(Route::Read, Fault::TruncatedJson);
        server.fault(Route::Read, Fault::Lost);
        let mut tries = 0;
        while let Err(error) = target.deliver(&parcel("job-1", &report, tries > 0)).await {
            tries += 1;
            assert!(tries < 10, "{fault:?}: {error}");
        }
        assert_eq!(server.doubled(), Vec::<String>::new(), "{fault:?}");
        let accepted = server.accepted();
        assert_eq!(accepted.len(), 1, "{fault:?}: written more than once");
        assert_eq!(accepted[0].sha256, sha256(&report), "{fault:?}");
    }
}
