//! The poller and the intake against an Orthanc that answers as it is told, and a queue that remembers.
//!
//! `tests/tests/orthanc.rs` polls a real Orthanc.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;

use super::changes::{PollError, Poller};
use super::hook::intake;
use crate::config::secret::Secret;
use crate::config::site::{Begin, HttpConfig, OrthancConfig};
use crate::config::{Config, Environment, Flags, Loaded};
use crate::message::tests::queue::Remembering;
use crate::message::{self, adapters::AdapterMapping};
use crate::queue::Queue;
use crate::telemetry::http::IntakeError;

const UID: &str = "2.25.96552079911562930055011876154727440353";
const STUDY: &str = "515d7987-b06e84b5-bd68a6ce-d6fa04f9-be53f642";
const OTHER: &str = "6b313cec-838d66a1-3c83cd94-78aaa1c5-391f3eb2";

type Answers = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

/// Serves `answers` by path and query on a free port; everything else is 404.
async fn serve(answers: Answers) -> String {
    async fn answer(State(answers): State<Answers>, uri: Uri) -> (StatusCode, String) {
        let found = answers.lock().unwrap().get(&uri.to_string()).cloned();
        let (status, body) = found.unwrap_or((404, String::new()));
        (StatusCode::from_u16(status).unwrap(), body)
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(answers);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn change(sequence: u64, kind: &str, id: &str, date: &str) -> serde_json::Value {
    serde_json::json!({"Seq": sequence, "ChangeType": kind, "ID": id, "Date": date, "Path": "", "ResourceType": "Study"})
}

fn page(changes: &[serde_json::Value], last: u64) -> (u16, String) {
    (200, serde_json::json!({"Changes": changes, "Done": true, "Last": last}).to_string())
}

fn study(uid: &str) -> (u16, String) {
    let patient = serde_json::json!({"PatientName": "Canary^Carla"});
    (
        200,
        serde_json::json!({"MainDicomTags": {"StudyInstanceUID": uid}, "PatientMainDicomTags": patient})
            .to_string(),
    )
}

fn orthanc(url: &str) -> OrthancConfig {
    OrthancConfig {
        url: url.to_owned(),
        login: None,
        ca_file: None,
        source: "archive".parse().unwrap(),
        poll: Duration::from_secs(1),
        begin: Begin::Now,
    }
}

fn poller(url: &str, queue: &Arc<Remembering>, state: &Path, begin: Begin) -> Poller {
    let config = OrthancConfig { begin, ..orthanc(url) };
    Poller::new(&config, Arc::clone(queue) as Arc<dyn Queue>, state).unwrap()
}

#[tokio::test]
async fn what_was_not_confirmed_is_read_again_with_the_same_id() {
    let (answers, queue, state) =
        (Answers::default(), Arc::new(Remembering::default()), tempfile::tempdir().unwrap());
    let url = serve(Arc::clone(&answers)).await;
    let log =
        [change(1, "NewStudy", STUDY, "20260317T093000"), change(2, "StableStudy", STUDY, "20260317T093100")];
    for place in ["/changes?since=0&limit=500", "/changes?since=1&limit=500"] {
        answers.lock().unwrap().insert(place.into(), page(&log, 2));
    }
    answers.lock().unwrap().insert(format!("/studies/{STUDY}"), study(UID));
    answers
        .lock()
        .unwrap()
        .insert(format!("/studies/{STUDY}/statistics"), (200, r#"{"CountInstances": "3"}"#.into()));
    queue.go_away(true);
    let failed = poller(&url, &queue, state.path(), Begin::Oldest).poll().await.unwrap_err();
    assert!(matches!(failed, PollError::Queue(_)));
    queue.go_away(false);
    assert_eq!(poller(&url, &queue, state.path(), Begin::Now).poll().await.unwrap(), 1);
    assert_eq!(poller(&url, &queue, state.path(), Begin::Oldest).poll().await.unwrap(), 0);
    assert_eq!(queue.ids(), [format!("orthanc-2-{STUDY}")]);
    let body = queue.published()[0].body.clone();
    let request = message::read(&body, Timestamp::now(), &AdapterMapping::default()).unwrap();
    assert_eq!((request.study_uid.as_str(), request.expected_instances), (UID, Some(3)));
    assert_eq!(request.time, "2026-03-17T09:31:00Z".parse().unwrap());
    assert_eq!(request.source.unwrap().as_str(), "archive");
    assert!(!String::from_utf8_lossy(&body).contains("Canary"));
}

#[tokio::test]
async fn an_orthanc_that_is_ill_holds_up_and_one_strange_study_does_not() {
    let (answers, queue, state) =
        (Answers::default(), Arc::new(Remembering::default()), tempfile::tempdir().unwrap());
    let url = serve(Arc::clone(&answers)).await;
    let log = [
        change(1, "StableStudy", "../../etc/passwd", "20260317T093000"),
        change(2, "StableStudy", "00000000-00000000-00000000-00000000-00000000", "20260317T093000"),
        change(3, "StableStudy", OTHER, "20260317T093000"),
        change(4, "StableStudy", STUDY, "a date of Orthanc's own"),
    ];
    for since in 0..4 {
        let changes = &log[since..];
        answers.lock().unwrap().insert(format!("/changes?since={since}&limit=500"), page(changes, 4));
    }
    answers.lock().unwrap().insert(format!("/studies/{OTHER}"), study("1.02"));
    answers.lock().unwrap().insert(format!("/studies/{STUDY}"), (503, "Canary^Carla".into()));
    let poller = poller(&url, &queue, state.path(), Begin::Oldest);
    let error = poller.poll().await.unwrap_err();
    assert!(matches!(&error, PollError::Orthanc(_)) && !error.to_string().contains("Canary"), "{error}");
    answers.lock().unwrap().insert(format!("/studies/{STUDY}"), study(UID));
    assert!(poller.poll().await.is_ok(), "a study that was deleted meanwhile is passed over");
    assert_eq!(queue.ids(), [""; 0], "no statistics: deleted");
}

#[tokio::test]
async fn a_log_that_begins_anew_is_read_from_its_start() {
    let (answers, queue, state) =
        (Answers::default(), Arc::new(Remembering::default()), tempfile::tempdir().unwrap());
    let url = serve(Arc::clone(&answers)).await;
    let old = change(7, "NewInstance", OTHER, "20260317T093000");
    answers.lock().unwrap().insert("/changes?last=".into(), page(std::slice::from_ref(&old), 7));
    answers.lock().unwrap().insert("/changes?since=6&limit=500".into(), page(&[old], 7));
    answers.lock().unwrap().insert(format!("/studies/{STUDY}"), study(UID));
    answers
        .lock()
        .unwrap()
        .insert(format!("/studies/{STUDY}/statistics"), (200, r#"{"CountInstances": 1}"#.into()));
    let poller = poller(&url, &queue, state.path(), Begin::Now);
    assert_eq!(poller.poll().await.unwrap(), 0);
    // Another database has grown past the number that was stored.
    let log: Vec<_> = (1..=6)
        .map(|sequence| change(sequence, "NewInstance", OTHER, "20260318T093000"))
        .chain([change(7, "StableStudy", STUDY, "20260318T093000")])
        .collect();
    answers.lock().unwrap().insert("/changes?since=6&limit=500".into(), page(&log[6..], 7));
    answers.lock().unwrap().insert("/changes?since=0&limit=500".into(), page(&log, 7));
    assert_eq!(poller.poll().await.unwrap(), 1);
    // A third one is still short.
    answers.lock().unwrap().insert("/changes?since=6&limit=500".into(), page(&[], 2));
    answers.lock().unwrap().insert(
        "/changes?since=0&limit=500".into(),
        page(&[change(2, "StableStudy", STUDY, "20260319T093000")], 2),
    );
    assert_eq!(poller.poll().await.unwrap(), 1);
    assert_eq!(queue.ids(), [format!("orthanc-7-{STUDY}"), format!("orthanc-2-{STUDY}")]);
}

#[tokio::test]
async fn strange_answers_are_typed_errors_without_their_words() {
    let (answers, queue, state) =
        (Answers::default(), Arc::new(Remembering::default()), tempfile::tempdir().unwrap());
    let url = serve(Arc::clone(&answers)).await;
    let poller = poller(&url, &queue, state.path(), Begin::Oldest);
    for (status, body) in [
        (401, String::new()),
        (302, "Canary^Carla".into()),
        (200, "Canary^Carla".into()),
        (200, "{\"Changes\": [\"Canary^Carla\"]}".into()),
        (200, format!("\"{}\"", "x".repeat(5 << 20))),
    ] {
        answers.lock().unwrap().insert("/changes?since=0&limit=500".into(), (status, body));
        let error = anyhow::Error::from(poller.poll().await.unwrap_err());
        assert!(!format!("{error:#}").contains("Canary"), "{error:#}");
    }
    let nobody = super::Client::new(&orthanc("http://127.0.0.1:1")).unwrap();
    assert!(nobody.newest_change().await.unwrap_err().to_string().ends_with("Orthanc does not answer"));
    for url in ["ftp://a", "file:///etc/passwd", "http://user:pw@a/", "a"] {
        let error = super::Client::new(&orthanc(url)).unwrap_err();
        assert!(matches!(error, super::OrthancError::Url) && !error.to_string().contains("pw"));
    }
}

/// A site with an intake.
fn site(orthanc_url: Option<&str>) -> Config {
    let config = Loaded::read(&Flags::default(), &Environment::default()).unwrap().config;
    let http =
        HttpConfig { intake_token: Some(Secret::new("0123456789abcdef".into())), ..HttpConfig::default() };
    Config { http, orthanc: orthanc_url.map(orthanc), ..config }
}

#[tokio::test]
async fn the_intake_takes_a_body_only_when_the_queue_confirmed() {
    let queue = Arc::new(Remembering::default());
    let shared = Arc::clone(&queue) as Arc<dyn Queue>;
    let intake = intake(&site(None), &shared).unwrap().unwrap();
    assert_eq!(intake.token().expose(), "0123456789abcdef");
    let body = format!("{{\"StudyInstanceUID\": \"{UID}\"}}").into_bytes();
    assert_eq!(refusal(intake.take(br#"{"StudyInstanceUID": "../x"}"#).await), "BadField");
    assert_eq!(refusal(intake.take(&vec![b' '; message::MAX_BYTES + 1]).await), "MessageTooLarge");
    assert!(queue.ids().is_empty());
    intake.take(&body).await.unwrap();
    assert_eq!(queue.ids().len(), 1);
    queue.go_away(true);
    assert!(matches!(intake.take(&body).await, Err(IntakeError::Unavailable(_))));
}

fn refusal(taken: Result<(), IntakeError>) -> &'static str {
    match taken {
        Err(IntakeError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_intake_asks_orthanc_for_the_study_of_an_event() {
    let (answers, queue) = (Answers::default(), Arc::new(Remembering::default()));
    let shared = Arc::clone(&queue) as Arc<dyn Queue>;
    let url = serve(Arc::clone(&answers)).await;
    let event = serde_json::json!({
        "specversion": "1.0", "id": "e-1", "source": "https://orthanc-server-identifer",
        "type": "orthanc-server-extensions.change-event", "time": "2026-03-17T09:30:00Z",
        "data": {"change_type": 9, "resource_type": 1, "resource_id": STUDY}
    });
    let event = event.to_string().into_bytes();
    let alone = intake(&site(None), &shared).unwrap().unwrap();
    assert_eq!(refusal(alone.take(&event).await), "OrthancUnknown");
    let intake = intake(&site(Some(&url)), &shared).unwrap().unwrap();
    assert_eq!(refusal(intake.take(&event).await), "StudyGone");
    answers.lock().unwrap().insert(format!("/studies/{STUDY}"), study(UID));
    answers.lock().unwrap().insert(format!("/studies/{STUDY}/statistics"), (500, String::new()));
    assert!(matches!(intake.take(&event).await, Err(IntakeError::Unavailable(_))));
    answers
        .lock()
        .unwrap()
        .insert(format!("/studies/{STUDY}/statistics"), (200, r#"{"CountInstances": 1}"#.into()));
    intake.take(&event).await.unwrap();
    assert_eq!(queue.ids(), ["e-1"]);
}

#[test]
fn there_is_no_intake_without_a_token() {
    let queue = Arc::new(Remembering::default()) as Arc<dyn Queue>;
    let config = Config { http: HttpConfig::default(), ..site(None) };
    assert!(intake(&config, &queue).unwrap().is_none());
}
