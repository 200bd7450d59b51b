//! A STOW-RS and QIDO-RS server that keeps every copy of an instance, so that a second write cannot hide. Its faults are
//! those of the FHIR server beside it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::fhir_server::fault::Faults;
use crate::fhir_server::http::{self, Head, Reply};
use crate::fhir_server::{Fault, FaultRule, Route};

/// Every copy of every instance, by SOP Instance UID.
pub type Copies = BTreeMap<String, Vec<Vec<u8>>>;

#[derive(Debug, Default)]
struct State {
    copies: Copies,
    studies: BTreeMap<String, String>,
    faults: Faults,
    stores: usize,
    searches: usize,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct StowServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StowServer {
    /// Starts an empty server on a free port of this machine.
    ///
    /// # Panics
    /// Where no port can be had.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::channel();
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let listener = TcpListener::bind(any).await.expect("a port");
                bound.send(listener.local_addr().expect("an address")).expect("who started it waits");
                let accept = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(http::serve(stream, Desk(Arc::clone(&serving))));
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the server starts");
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL of its services.
    pub fn url(&self) -> String {
        format!("http://{}/dicom-web", self.address)
    }

    /// The next request to store (or to search) meets this fault.
    pub fn fault(&self, on: Route, fault: Fault) {
        lock(&self.state).faults.queue(on, fault);
    }

    /// Requests to store meet faults by this rule; `None` ends it.
    pub fn fault_by_rule(&self, rule: Option<FaultRule>) {
        lock(&self.state).faults.set_rule(rule);
    }

    /// Every copy of every instance so far.
    pub fn copies(&self) -> Copies {
        lock(&self.state).copies.clone()
    }

    /// Requests to store and to search so far.
    pub fn requests(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.stores, state.searches)
    }
}

impl Drop for StowServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Desk(Arc<Mutex<State>>);

impl http::Desk for Desk {
    fn fault(&self, head: &Head) -> Option<Fault> {
        let mut state = lock(&self.0);
        match route(head) {
            Route::Transaction => state.stores += 1,
            _ => state.searches += 1,
        }
        state.faults.next(route(head))
    }

    fn answer(&self, head: &Head, body: &[u8], fault: Option<Fault>) -> Reply {
        let mut state = lock(&self.0);
        if fault.as_ref().is_some_and(|fault| !fault.is_stored()) {
            return Fault::spoil(fault, Reply::Cut);
        }
        let reply = match route(head) {
            Route::Transaction => match instance(head, body) {
                Some(file) => state.store(file),
                None => Reply::json(400, &json!({"error": "no multipart/related of one DICOM file"})),
            },
            Route::Read => Reply::json(200, &state.search(&head.path)),
            Route::Metadata | Route::Search | Route::Other => Reply::json(405, &json!({})),
        };
        Fault::spoil(fault, reply)
    }
}

impl State {
    fn store(&mut self, file: &[u8]) -> Reply {
        let Ok(header) = read_header(file, &Limits::default()) else {
            return Reply::json(409, &json!({"00081198": {"vr": "SQ", "Value": []}}));
        };
        let uid = header.sop_instance_uid.to_string();
        self.copies.entry(uid.clone()).or_default().push(file.to_vec());
        self.studies.insert(uid.clone(), header.study_uid.to_string());
        let item = json!({"00081150": {"vr": "UI", "Value": [header.sop_class_uid.as_str()]},
                          "00081155": {"vr": "UI", "Value": [uid]}});
        Reply::json(200, &json!({"00081199": {"vr": "SQ", "Value": [item]}}))
    }

    /// `studies/{study}/instances?SOPInstanceUID={instance}`, or `studies?...`, which finds nothing here.
    fn search(&self, path: &str) -> Value {
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let study = place.split("/studies/").nth(1).and_then(|rest| rest.split('/').next());
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("SOPInstanceUID="));
        let found = self.studies.iter().filter(|(uid, of)| {
            study == Some(of.as_str()) && wanted.is_none_or(|wanted| wanted == uid.as_str())
        });
        found.map(|(uid, _)| json!({"00080018": {"vr": "UI", "Value": [uid]}})).collect()
    }
}

fn route(head: &Head) -> Route {
    match head.method.as_str() {
        "POST" if head.path.starts_with("/dicom-web/studies") => Route::Transaction,
        "GET" => Route::Read,
        _ => Route::Other,
    }
}

/// The one file of a `multipart/related` body.
fn instance<'a>(head: &Head, body: &'a [u8]) -> Option<&'a [u8]> {
    let content_type = head.content_type.as_deref()?;
    let is_dicom =
        content_type.starts_with("multipart/related") && content_type.contains("application/dicom");
    let boundary = content_type.split("boundary=").nth(1)?.trim_matches('"');
    let (first, last) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}--"));
    let find = |text: &str, from: usize| {
        let at = body.get(from..)?.windows(text.len()).position(|part| part == text.as_bytes())?;
        Some(from + at)
    };
    let head_at = find(&first, 0)? + first.len();
    let begin = find("\r\n\r\n", head_at)? + 4;
    let end = find(&last, begin)?;
    body.get(begin..end).filter(|_| is_dicom)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
