//! What a collector receives, over a real socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use fusion::Phi;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::lane::Lane;

/// Takes requests for as long as the test runs and hands their bodies over.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (bodies, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bodies = bodies.clone();
            std::thread::spawn(move || answer(stream, &bodies));
        }
    });
    (url, received)
}

fn answer(stream: TcpStream, bodies: &Sender<(String, Vec<u8>)>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        drop(bodies.send((head, body)));
    }
}

fn holds(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_collector_receives_the_job_and_no_patient() {
    let (url, received) = collector();
    let traces = Traces::start(&url, None).unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let asker = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let outgoing = tracing::subscriber::with_default(subscriber, || {
        let _delivery = delivery_span(Lane::Stat, Some(asker)).entered();
        let _job = tracing::info_span!("job", job = "key-of-the-job").entered();
        let _stage = tracing::info_span!("stage", otel.name = "decode").entered();
        tracing::info!(patient = ?Phi::new("Canary^Jane"), "study decoded");
        tracing::info!(target: "hyper", "Canary^Joan in a library's line");
        tracing::debug!("Canary^June below the level");
        trace_parent()
    });
    let outgoing = outgoing.unwrap();
    assert!(outgoing.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && outgoing != asker, "{outgoing}");
    traces.finish();
    let (head, body) = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(head.starts_with("POST /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    for part in [
        "service.name",
        "chiasm",
        "delivery",
        "stat",
        "job",
        "key-of-the-job",
        "decode",
        "study decoded",
        "[phi]",
    ] {
        assert!(holds(&body, part.as_bytes()), "no `{part}`");
    }
    let trace =
        [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];
    assert!(holds(&body, &trace), "the trace of who asked is not followed");
    assert!(holds(&body, &[0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]), "the asker is no parent");
    assert!(!holds(&body, b"Canary"), "{}", String::from_utf8_lossy(&body));
}

#[test]
fn a_collector_that_is_away_holds_up_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // takes connections and never answers
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let traces = Traces::start(&url, None).unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let began = Instant::now();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..10_000 {
            drop(tracing::info_span!("job", job = "key").entered());
        }
    });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let began = Instant::now();
    traces.finish();
    assert!(began.elapsed() < FINISH_WITHIN + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn without_traces_there_is_no_parent_to_hand_on() {
    let _delivery = delivery_span(Lane::Routine, Some("nonsense")).entered();
    assert_eq!(trace_parent(), None);
}

#[test]
fn an_authority_that_is_none_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Traces::start("https://localhost:4318/v1/traces", Some(file.path())).unwrap_err();
    assert!(error.to_string().contains("log.otlp_url"), "{error}");
}
