//! A small FHIR server on this machine that pages, is busy on request, and writes down what it was asked.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::*;
use crate::identity::Identifier;

/// What the server is to do, and what it saw.
#[derive(Default)]
struct Server {
    base: String,
    /// Where the second page of Observations lies, if not here.
    elsewhere: Option<String>,
    patients: Vec<&'static str>,
    /// So many answers are "busy" first.
    busy: usize,
    /// What a busy server asks for, if anything.
    retry_after: Option<&'static str>,
    seen: Vec<(String, Option<String>)>,
}

type Shared = Arc<Mutex<Server>>;

async fn start() -> (Shared, String) {
    let shared: Shared = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    shared.lock().unwrap().base.clone_from(&base);
    shared.lock().unwrap().patients = vec!["p1"];
    let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (shared, base)
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, request: Request) -> Response {
    let mut server = shared.lock().unwrap();
    let query = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    server.seen.push((query.clone(), authorization));
    if server.busy > 0 {
        server.busy -= 1;
        let mut busy = (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response();
        if let Some(text) = server.retry_after {
            busy.headers_mut().insert("retry-after", HeaderValue::from_static(text));
        }
        return busy;
    }
    let entry = |resource: Value| json!({ "resource": resource, "search": { "mode": "match" } });
    let observation = |id: &str, value: f64| {
        entry(
            json!({ "resourceType": "Observation", "id": id, "status": "final", "subject": { "reference": "Patient/p1" },
            "code": { "coding": [{ "system": "http://loinc.org", "code": "1988-5" }] },
            "effectiveDateTime": format!("2024-05-0{id}T08:00:00Z"),
            "valueQuantity": { "value": value, "code": "mg/L", "system": "http://unitsofmeasure.org" } }),
        )
    };
    let (entries, next) = match request.uri().path() {
        "/fhir/Patient" => {
            let patient = |id: &&str| {
                entry(json!({ "resourceType": "Patient", "id": id,
                "identifier": [{ "system": "urn:oid:2.25.1", "value": "P-1" }] }))
            };
            (server.patients.iter().map(patient).collect(), None)
        }
        "/fhir/Observation" if query.contains("page=2") => (vec![observation("1", 5.0)], None),
        "/fhir/Observation" => {
            let own = format!("{}/Observation?page=2", server.base);
            (vec![observation("2", 7.0)], Some(server.elsewhere.clone().unwrap_or(own)))
        }
        "/fhir/MedicationStatement" => return StatusCode::NOT_FOUND.into_response(),
        _ => (Vec::new(), None),
    };
    let link: Vec<Value> = next.iter().map(|url| json!({ "relation": "next", "url": url })).collect();
    axum::Json(json!({ "resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries }))
        .into_response()
}

fn records(base: &str) -> FhirRecords {
    let config = FhirConfig {
        url: base.to_owned(),
        token: Some(crate::config::secret::Secret::new("tok".into())),
        smart: None,
        ca_file: None,
        timeout: Duration::from_secs(10),
    };
    let name: Name = "ehr".parse().unwrap();
    let system = Some("urn:oid:2.25.1".into());
    let mut records = FhirRecords::new(&name, &config, Some("2015-01-01".into()), system).unwrap();
    records.sleep = |rest| {
        RESTED.with_borrow_mut(|rested| rested.push(rest.as_secs()));
        Box::pin(std::future::ready(()))
    };
    records
}

thread_local! {
    /// How long was waited between tries on this thread, in seconds. A test runs on one thread.
    static RESTED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn person() -> Person {
    Person { identifiers: vec![Identifier { value: "P-1".into(), issuers: Vec::new() }], ..Person::default() }
}

#[tokio::test]
async fn a_record_is_searched_page_by_page_and_does_not_depend_on_their_order() {
    let (server, base) = start().await;
    server.lock().unwrap().busy = 2;
    let Held::Bundle(bundle) = records(&base).fetch(&person()).await.unwrap() else { panic!("no record") };
    let record = fusion::Record::from_json(&bundle).unwrap();
    let t0 = "2024-05-05T00:00:00Z".parse().unwrap();
    let table = fusion::features(&record, t0, &jiff::tz::TimeZone::UTC);
    assert_eq!(table.number("crp"), Some(7.0));
    assert_eq!(table.feature("crp").unwrap().windows[0].count, 2, "both pages");
    let text = String::from_utf8(bundle).unwrap();
    assert!(text.find("\"id\":\"1\"").unwrap() < text.find("\"id\":\"2\"").unwrap(), "ordered by id");
    let seen = &server.lock().unwrap().seen;
    assert!(seen[0].0.contains("identifier=urn%3Aoid%3A2.25.1%7CP-1"), "{}", seen[0].0);
    assert!(
        seen.iter()
            .any(|(query, _)| query.contains("_lastUpdated=ge2015-01-01") && query.contains("patient=p1"))
    );
    assert!(seen.iter().all(|(_, token)| token.as_deref() == Some("Bearer tok")));
}

#[tokio::test]
async fn the_token_never_leaves_the_origin() {
    let (server, base) = start().await;
    let (other, there) = start().await;
    server.lock().unwrap().elsewhere = Some(format!("{there}/Observation?page=2"));
    let error = records(&base).fetch(&person()).await.unwrap_err();
    assert!(matches!(error, RecordFetchError::Elsewhere { what: "Observation" }), "{error}");
    assert!(other.lock().unwrap().seen.is_empty(), "nothing was sent there");
}

#[tokio::test]
async fn nobody_or_several_is_no_record() {
    let (server, base) = start().await;
    server.lock().unwrap().patients = vec![];
    assert_eq!(records(&base).fetch(&person()).await.unwrap(), Held::Nobody);
    server.lock().unwrap().patients = vec!["p1", "p2"];
    assert_eq!(records(&base).fetch(&person()).await.unwrap(), Held::Several(2));
    assert!(matches!(records(&base).fetch(&Person::default()).await, Err(RecordFetchError::NoPatientId)));
}

/// Seconds that the server is left alone, tries, and whether the record comes, for a server that is busy for the first
/// `busy` answers and asks for `retry_after`.
async fn patience(busy: usize, retry_after: Option<&'static str>) -> (Vec<u64>, usize, bool) {
    let (server, base) = start().await;
    server.lock().unwrap().busy = busy;
    server.lock().unwrap().retry_after = retry_after;
    RESTED.with_borrow_mut(Vec::clear);
    let fetched = records(&base).fetch(&person()).await;
    if let Err(error) = &fetched {
        assert!(matches!(error, RecordFetchError::Away { code: "ServerBusy", .. }), "{error}");
    }
    let tries = server.lock().unwrap().seen.iter().filter(|(query, _)| query.contains("/Patient?")).count();
    (RESTED.take(), tries, fetched.is_ok())
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks_and_not_waited_for_longer_than_a_request_is_held()
{
    assert_eq!(patience(2, Some("7")).await, (vec![7, 7], 3, true), "as asked");
    assert_eq!(patience(3, None).await, (vec![1, 2, 4], 4, true), "of our own");
    assert_eq!(patience(1, Some("soon")).await, (vec![1], 2, true), "what is no time asks for nothing");
    assert_eq!(patience(1, Some("30")).await, (vec![30], 2, true), "the longest");
    assert_eq!(patience(1, Some("31")).await, (vec![], 1, false), "longer: the request rests on the queue");
    assert_eq!(patience(9, Some("0")).await, (vec![0, 0, 0], 4, false), "four tries");
    let past = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(patience(1, past).await, (vec![0], 2, true), "a date that has passed");
    let far = Some("Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(patience(1, far).await, (vec![], 1, false), "a date that is far");
}
