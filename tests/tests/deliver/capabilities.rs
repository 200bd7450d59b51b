//! What the server says that it can do, and what is done with it.

use chiasm_tests::fhir_server::Route;
use serde_json::{Value, json};
use worker::deliver::Target as _;

use super::{PATIENT, parcel, report, server, target};

/// What another kind of server says, the code of that, and a word of the next step.
type Said = (fn(&mut Value), &'static str, &'static str);

fn statements() -> [Said; 4] {
    [
        (|said| said["fhirVersion"] = "3.0.2".into(), "FhirVersionUnsupported", "fhir_version"),
        (|said| said["fhirVersion"] = "5.0.0".into(), "FhirVersionUnsupported", "fhir_version"),
        (
            |said| said["rest"][0]["interaction"] = json!([{ "code": "batch" }]),
            "TransactionUnsupported",
            "transaction",
        ),
        (|said| said["resourceType"] = "OperationOutcome".into(), "AnswerNotUnderstood", "server"),
    ]
}

#[tokio::test]
async fn a_server_of_another_kind_is_sent_nothing_and_the_report_waits() {
    for (change, code, next_step) in statements() {
        let server = server();
        server.say_capabilities(change);
        let target = target(&server, None, PATIENT);
        let report = report("job-1");
        for error in [
            target.deliver(&parcel("job-1", &report, false)).await.unwrap_err(),
            target.probe().await.unwrap_err(),
        ] {
            assert_eq!((error.code(), error.is_transient()), (code, true));
            assert!(error.to_string().contains(next_step), "{error}");
        }
        assert_eq!(server.count(Route::Transaction), 0, "{code}");
        // it is mended, or was another's address: the report goes there
        server.say_capabilities(|_| ());
        target.deliver(&parcel("job-1", &report, true)).await.unwrap();
        assert_eq!(server.accepted().len(), 1);
    }
}

#[tokio::test]
async fn a_server_is_asked_once_what_it_can_do() {
    let server = server();
    let target = target(&server, None, PATIENT);
    for key in ["job-1", "job-2", "job-3"] {
        target.deliver(&parcel(key, &report(key), false)).await.unwrap();
    }
    assert_eq!(server.count(Route::Metadata), 1);
    target.probe().await.unwrap();
    assert_eq!(server.count(Route::Metadata), 2, "a probe asks again");
}

#[tokio::test]
async fn a_statement_that_says_little_stands_against_nothing() {
    let server = server();
    server.say_capabilities(|said| {
        said.as_object_mut().unwrap().retain(|name, _| name == "resourceType");
    });
    let target = target(&server, None, PATIENT);
    target.deliver(&parcel("job-1", &report("job-1"), false)).await.unwrap();
    assert_eq!(server.accepted().len(), 1);
}
