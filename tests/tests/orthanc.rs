//! Stable studies of a real Orthanc become requests: polled from its log, and told by the Lua hook.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chiasm_tests::orthanc::{LOGIN, Orthanc};
use chiasm_tests::{phantom, workspace};
use jiff::Timestamp;
use worker::config::secret::Secret;
use worker::config::site::{Begin, HttpConfig, OrthancConfig};
use worker::config::{Config, Environment, Flags, Loaded};
use worker::lane::Lane;
use worker::message::adapters::AdapterMapping;
use worker::message::{self, JobRequest};
use worker::orthanc::changes::Poller;
use worker::orthanc::hook::intake;
use worker::queue::{
    Consumer, DeadAction, DeadLetter, DeadSelection, Message, Queue, QueueError, QueueStatus,
};

/// A queue that only remembers what was published: what a broker does with it is tested with brokers.
#[derive(Debug, Default)]
struct Published(Mutex<Vec<Message>>);

impl Published {
    fn requests(&self) -> Vec<JobRequest> {
        let read = |message: &Message| {
            message::read(&message.body, Timestamp::now(), &AdapterMapping::default()).unwrap()
        };
        self.0.lock().unwrap().iter().map(read).collect()
    }
}

#[async_trait]
impl Queue for Published {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        self.publish_all(std::slice::from_ref(message)).await
    }

    async fn publish_all(&self, messages: &[Message]) -> Result<(), QueueError> {
        self.0.lock().unwrap().extend_from_slice(messages);
        Ok(())
    }

    async fn consume(&self, _: Lane, _: u16) -> Result<Box<dyn Consumer>, QueueError> {
        Err(QueueError::Unusable { reason: "nobody consumes here".into() })
    }

    async fn announce(&self, _: &str, _: &str, _: &[u8]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn status(&self) -> Result<QueueStatus, QueueError> {
        Err(QueueError::Unusable { reason: "nobody asks here".into() })
    }

    async fn dead_letters(&self, _: usize) -> Result<Vec<DeadLetter>, QueueError> {
        Ok(Vec::new())
    }

    async fn settle_dead(&self, _which: &DeadSelection, _action: DeadAction) -> Result<u64, QueueError> {
        Ok(0)
    }

    async fn is_reachable(&self) -> bool {
        true
    }
}

fn poller(orthanc: &Orthanc, queue: &Arc<Published>, state: &Path, begin: Begin) -> Poller {
    let config = OrthancConfig {
        url: orthanc.url(),
        login: Some((LOGIN.0.to_owned(), Secret::new(LOGIN.1.to_owned()))),
        ca_file: None,
        source: "archive".parse().unwrap(),
        poll: Duration::from_secs(1),
        begin,
    };
    Poller::new(&config, Arc::clone(queue) as Arc<dyn Queue>, state).unwrap()
}

#[tokio::test]
async fn polling_asks_once_for_a_stable_study_across_restarts_and_a_lost_database() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut orthanc) = Orthanc::start(&folder.path().join("orthanc"), None) else { return };
    let (queue, state) = (Arc::new(Published::default()), folder.path().join("state"));

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

    let requests = queue.requests();
    assert_eq!(requests.len(), 2);
    for (request, seed) in requests.iter().zip([21, 22]) {
        assert_eq!(request.study_uid.as_str(), study_uid(&phantom(seed)));
        assert_eq!(request.expected_instances, Some(1));
        assert_eq!(request.source.as_ref().unwrap().as_str(), "archive");
        assert!(request.id.starts_with("orthanc-"));
    }
    assert_no_patient(&queue);
}

#[tokio::test]
async fn an_archive_can_be_asked_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start(&folder.path().join("orthanc"), None) else { return };
    let queue = Arc::new(Published::default());
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
    let hook = (workspace().join("deploy/orthanc/chiasm.lua"), environment.to_vec());
    let Some(orthanc) = Orthanc::start(&folder.path().join("orthanc"), Some(hook)) else { return };
    let received = tokio::task::spawn_blocking(move || post(&listener));
    orthanc.store(&phantom(25));
    let (authorization, body) =
        tokio::time::timeout(Duration::from_secs(60), received).await.unwrap().unwrap();

    let queue = Arc::new(Published::default());
    let intake = intake(&site(&orthanc), &(Arc::clone(&queue) as Arc<dyn Queue>)).unwrap().unwrap();
    assert_eq!(authorization, Some(format!("Bearer {}", intake.token().expose())));
    intake.take(&body).await.unwrap();
    let requests = queue.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].study_uid.as_str(), study_uid(&phantom(25)));
    assert_eq!(requests[0].expected_instances, Some(1));
    assert_no_patient(&queue);
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

fn study_uid(instance: &[u8]) -> String {
    let object = dicom_object::from_reader(instance).unwrap();
    let element = object.element(dicom_dictionary_std::tags::STUDY_INSTANCE_UID).unwrap();
    element.to_str().unwrap().trim_end_matches('\0').to_owned()
}

fn assert_no_patient(queue: &Published) {
    for message in queue.0.lock().unwrap().iter() {
        let body = String::from_utf8_lossy(&message.body).into_owned();
        for canary in ["Canary", "CANARY", chiasm_tests::PATIENT_ID, "19500203", "1950-02-03"] {
            assert!(!body.contains(canary), "{body}");
        }
    }
}
