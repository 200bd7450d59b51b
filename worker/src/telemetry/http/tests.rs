//! The server as its clients see it, over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::*;
use crate::lane::Lane;
use crate::telemetry::metrics::Metrics;

#[derive(Default)]
struct State {
    dead: AtomicBool,
    reasons: Mutex<Vec<String>>,
}

#[async_trait]
impl Probe for State {
    fn is_live(&self) -> bool {
        !self.dead.load(Ordering::SeqCst)
    }

    async fn not_ready(&self) -> Vec<String> {
        self.reasons.lock().unwrap().clone()
    }
}

struct Door {
    token: Secret,
    taken: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Intake for Door {
    fn token(&self) -> &Secret {
        &self.token
    }

    async fn take(&self, body: &[u8]) -> Result<(), IntakeError> {
        match body {
            b"bad" => Err(MessageRefusal { code: "NotStableStudy", reason: "it is not".into() }.into()),
            b"later" => Err(IntakeError::Unavailable("no broker".into())),
            body => {
                self.taken.lock().unwrap().push(body.to_vec());
                Ok(())
            }
        }
    }
}

struct Running {
    address: SocketAddr,
    state: Arc<State>,
    ended: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    runtime: Runtime,
}

fn start(intake: Option<Arc<dyn Intake>>) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let state = Arc::new(State::default());
    let metrics = Metrics::new("digest");
    metrics.record_delivery(Lane::Stat);
    let server = runtime.block_on(bind("http.listen", "127.0.0.1:0".parse().unwrap())).unwrap();
    let address = server.address().unwrap();
    let ended = CancellationToken::new();
    let probe: Arc<dyn Probe> = Arc::clone(&state) as Arc<dyn Probe>;
    let served = runtime.spawn(serve(server, probe, Arc::new(metrics), intake, ended.clone()));
    Running { address, state, ended, served, runtime }
}

impl Running {
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that refuses early may close before all is sent.
        stream.write_all(request.as_bytes()).unwrap_or_default();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_default();
        String::from_utf8(answer).unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
    }

    fn post(&self, authorization: &str, body: &str) -> String {
        let length = body.len();
        self.ask(&format!(
            "POST /intake/orthanc HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn stop(self) {
        self.ended.cancel();
        self.runtime.block_on(self.served).unwrap();
        assert!(TcpStream::connect(self.address).is_err(), "still listening");
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn probes_tell_what_is_so() {
    let running = start(None);
    assert_eq!(status(&running.get("/livez")), "200");
    let answer = running.get("/readyz");
    assert!(answer.ends_with("{\"ready\":true,\"reasons\":[]}"), "{answer}");
    running.state.dead.store(true, Ordering::SeqCst);
    running.state.reasons.lock().unwrap().push("disk: nearly full".into());
    assert_eq!(status(&running.get("/livez")), "503");
    let answer = running.get("/readyz");
    assert_eq!(status(&answer), "503");
    assert!(answer.ends_with("{\"ready\":false,\"reasons\":[\"disk: nearly full\"]}"), "{answer}");
    running.stop();
}

#[test]
fn metrics_are_open_metrics() {
    let running = start(None);
    let answer = running.get("/metrics");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.contains("chiasm_deliveries_total{lane=\"stat\"} 1"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    assert_eq!(status(&running.get("/")), "404");
    running.stop();
}

#[test]
fn the_door_opens_for_the_token_alone() {
    let door = Arc::new(Door { token: Secret::new("right-token".into()), taken: Mutex::default() });
    let running = start(Some(Arc::clone(&door) as Arc<dyn Intake>));
    for wrong in ["", "Bearer", "Bearer ", "Bearer wrong-token", "Bearer right-token2", "Basic right-token"] {
        assert_eq!(status(&running.post(wrong, "{}")), "401", "{wrong}");
    }
    assert!(door.taken.lock().unwrap().is_empty());
    assert_eq!(status(&running.post("Bearer right-token", "{}")), "202");
    assert_eq!(*door.taken.lock().unwrap(), [b"{}".to_vec()]);
    let refused = running.post("bearer right-token", "bad");
    assert_eq!(status(&refused), "400");
    assert!(refused.contains("NotStableStudy"), "{refused}");
    let later = running.post("Bearer right-token", "later");
    assert_eq!(status(&later), "503");
    assert!(later.contains("retry-after: 10") && !later.contains("no broker"), "{later}");
    assert_eq!(status(&running.post("Bearer right-token", &"x".repeat(64 * 1024 + 1))), "413");
    running.stop();
    let closed = start(None);
    assert_eq!(status(&closed.post("Bearer right-token", "{}")), "404");
    closed.stop();
}

#[test]
fn a_slow_client_holds_up_nobody_and_is_closed() {
    let running = start(None);
    let slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(running.address).unwrap();
            stream.write_all(b"GET /livez HT").unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(status(&running.get("/livez")), "200");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        // Closed by the server: the end of the stream, not a time-out.
        stream.read_to_end(&mut rest).unwrap();
    }
    running.stop();
}

#[test]
fn great_headers_are_refused() {
    let running = start(None);
    let large = format!("GET /livez HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert!(["431", ""].contains(&status(&running.ask(&large))));
    let many = "X: 1\r\n".repeat(100);
    let answer = running.ask(&format!("GET /livez HTTP/1.1\r\nHost: h\r\n{many}\r\n"));
    assert_eq!(status(&answer), "431", "{answer}");
    assert_eq!(status(&running.get("/livez")), "200");
    running.stop();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let running = start(None);
    let error = running.runtime.block_on(bind("http.listen", running.address)).unwrap_err();
    assert!(error.to_string().contains("http.listen"), "{error}");
    running.stop();
}
