//! Stable studies of a real Orthanc become requests: polled from its log, and told by the Lua hook.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chiasm_tests::orthanc::{Hook, LOGIN, Orthanc};
use chiasm_tests::{phantom, study_uid, workspace};
use jiff::Timestamp;
use worker::config::secret::Secret;
use worker::config::site::{Begin, HttpConfig, OrthancConfig, QueueConfig};
use worker::config::{Config, Environment, Flags, Loaded};
use worker::lane::Lane;
use worker::message::adapters::AdapterMapping;
use worker::message::{self, JobRequest};
use worker::orthanc::changes::Poller;
use worker::orthanc::hook::intake;
use worker::queue::{self, Queue};

/// The embedded queue of a test, and what was published to it.
struct Published(Arc<dyn Queue>);

impl Published {
    async fn open(state: &Path) -> Self {
        Self(queue::open(&QueueConfig::Embedded, state).await.unwrap())
    }

    /// Takes everything that waits; nothing is settled.
    async fn bodies(&self) -> Vec<Vec<u8>> {
        let waiting = u16::try_from(self.0.status().await.unwrap().routine).unwrap();
        let mut consumer = self.0.consume(Lane::Routine, waiting.max(1)).await.unwrap();
        // A delivery that is dropped comes again: all are kept until the last one is there.
        let mut deliveries = Vec::new();
        for _ in 0..waiting {
            deliveries.push(consumer.next().await.unwrap());
        }
        deliveries.into_iter().map(|delivery| delivery.body).collect()
    }
}

fn poller(orthanc: &Orthanc, queue: &Published, state: &Path, begin: Begin) -> Poller {
    let config = OrthancConfig {
        url: orthanc.url(),
        login: Some((LOGIN.0.to_owned(), Secret::new(LOGIN.1.to_owned()))),
        ca_file: None,
        source: "archive".parse().unwrap(),
        poll: Duration::from_secs(1),
        begin,
    };
    Poller::new(&config, Arc::clone(&queue.0), state).unwrap()
}

#[tokio::test]
async fn polling_asks_once_for_a_stable_study_across_restarts_and_a_lost_database() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut orthanc) = Orthanc::start(&folder.path().join("orthanc"), None) else { return };
    let state = folder.path().join("state");
    let queue = Published::open(&state).await;

    orthanc.store(&phantom(20));
    orthanc.wait_for_stable(1);
    let first = poller(&orthanc, &queue, &state, Begin::Now);
    assert_eq!(first.poll().await.unwrap(), 0, "what was there before is not asked for");

    orthanc.store(&phantom(21));
    orthanc.wait_for_stable(2);
    assert_eq!(first.poll().await.unwrap(), 1);
    assert_eq!(first.poll().await.unwrap(), 0);
    let again = poller(&orthanc, &queue, &state, Begin::Oldest);
    assert_eq!(again.poll().await.unwrap(), 0, "another process goes on where the first one stopped");
    orthanc.restart(false);
    assert_eq!(again.poll().await.unwrap(), 0);

    orthanc.restart(true);
    orthanc.store(&phantom(22));
    orthanc.wait_for_stable(1);
    assert_eq!(again.poll().await.unwrap(), 1, "the log of a new database is read from its start");
    assert_eq!(again.poll().await.unwrap(), 0);

    let requests = requests(&queue.bodies().await);
    let asked: Vec<_> = requests.iter().map(|request| request.study_uid.to_string()).collect();
    assert_eq!(asked, [21, 22].map(|seed| study_uid(&phantom(seed))));
    for request in &requests {
        assert_eq!(request.expected_instances, Some(1));
        assert_eq!(request.source.as_ref().unwrap().as_str(), "archive");
        assert!(request.id.starts_with("orthanc-"));
    }
}

#[tokio::test]
async fn an_archive_can_be_asked_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start(&folder.path().join("orthanc"), None) else { return };
    let queue = Published::open(&folder.path().join("state")).await;
    orthanc.store(&phantom(23));
    orthanc.store(&phantom(24));
    orthanc.wait_for_stable(2);
    let poller = poller(&orthanc, &queue, &folder.path().join("state"), Begin::Oldest);
    assert_eq!(poller.poll().await.unwrap(), 2);
    assert_eq!(poller.poll().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lua_hook_tells_of_a_stable_study() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/intake/orthanc", listener.local_addr().unwrap());
    let environment = [("CHIASM_INTAKE_URL", url.as_str()), ("CHIASM_INTAKE_TOKEN", "0123456789abcdef")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let hook =
        Hook { script: workspace().join("deploy/orthanc/chiasm.lua"), environment: environment.to_vec() };
    let Some(orthanc) = Orthanc::start(&folder.path().join("orthanc"), Some(&hook)) else { return };
    let received = tokio::task::spawn_blocking(move || post(&listener));
    orthanc.store(&phantom(25));
    let (authorization, body) =
        tokio::time::timeout(Duration::from_mins(1), received).await.unwrap().unwrap();

    let queue = Published::open(&folder.path().join("state")).await;
    let intake = intake(&site(&orthanc), &queue.0).unwrap().unwrap();
    assert_eq!(authorization, Some(format!("Bearer {}", intake.token().expose())));
    intake.take(&body).await.unwrap();
    let requests = requests(&queue.bodies().await);
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].study_uid.as_str(), study_uid(&phantom(25)));
    assert_eq!(requests[0].expected_instances, Some(1));
}

fn site(orthanc: &Orthanc) -> Config {
    let config = Loaded::read(&Flags::default(), &Environment::default()).unwrap().config;
    let http =
        HttpConfig { intake_token: Some(Secret::new("0123456789abcdef".into())), ..HttpConfig::default() };
    let orthanc = OrthancConfig {
        url: orthanc.url(),
        login: None,
        ca_file: None,
        source: "archive".parse().unwrap(),
        poll: Duration::from_secs(1),
        begin: Begin::Now,
    };
    Config { http, orthanc: Some(orthanc), ..config }
}

/// Takes one POST and gives its `Authorization` and its body.
fn post(listener: &TcpListener) -> (Option<String>, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    (authorization, body)
}

/// The requests of the bodies, none of which says anything of the patient.
fn requests(bodies: &[Vec<u8>]) -> Vec<JobRequest> {
    let read = |body: &Vec<u8>| {
        let text = String::from_utf8_lossy(body).into_owned();
        for canary in ["Canary", "CANARY", chiasm_tests::PATIENT_ID, "19500203", "1950-02-03"] {
            assert!(!text.contains(canary), "{text}");
        }
        message::read(body, Timestamp::now(), &AdapterMapping::default()).unwrap()
    };
    bodies.iter().map(read).collect()
}
