//! A FHIR server for tests: it stores transactions, keeps every version of every resource and a log of what it accepted,
//! and misbehaves on request.
//!
//! It speaks real HTTP over a real socket from a thread of its own, so that a connection can be cut at any byte, and it
//! can be stopped and started again on the same port with its data. It is strict where servers differ: every write is a
//! new version, even of the same bytes, so that a second write cannot hide.

pub(crate) mod fault;
pub(crate) mod http;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use fault::{Fault, FaultRule, Route};
pub use store::{Accepted, JOB_KEYS, Version, sha256};

use fault::Faults;
use http::{Head, Reply};
use store::Store;

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
    /// What went wrong on purpose.
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    faults: Faults,
    seen: Vec<Seen>,
    token: Option<String>,
    /// What it says that it can do, where that is not what it can.
    capabilities: Option<serde_json::Value>,
    /// What another system writes immediately before the next transaction.
    meanwhile: Option<serde_json::Value>,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct FhirServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl FhirServer {
    /// Starts an empty server on a free port of this machine.
    ///
    /// # Panics
    /// Where no port can be had.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (address, running) = Running::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &state);
        Self { address, state, running: Some(running) }
    }

    /// Stops it at once: connections are cut, its data stays.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Starts it again on the same port with its data.
    ///
    /// # Panics
    /// Where the port is taken meanwhile.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(Running::start(self.address, &self.state).1);
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request of this kind that has no fault yet meets this one.
    pub fn fault(&self, on: Route, fault: Fault) {
        self.state().faults.queue(on, fault);
    }

    /// Transactions meet faults by this rule, after those that are queued; `None` ends it.
    pub fn fault_by_rule(&self, rule: Option<FaultRule>) {
        self.state().faults.set_rule(rule);
    }

    /// Requests without this bearer token are answered 401; `None` lets everybody in.
    pub fn require_token(&self, token: Option<&str>) {
        self.state().token = token.map(|token| format!("Bearer {token}"));
    }

    /// Puts a resource there, as another system would; it counts as no transaction.
    ///
    /// # Panics
    /// Where it has no type or id.
    pub fn put(&self, resource: &serde_json::Value) {
        self.state().store.put(resource.clone());
    }

    /// Its CapabilityStatement is another from now on.
    pub fn say_capabilities(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut statement = store::capabilities();
        change(&mut statement);
        self.state().capabilities = Some(statement);
    }

    /// It lets nobody choose ids from now on: what is not there yet cannot be put under an id. Its statement does not change.
    pub fn choose_ids(&self) {
        self.state().store.choose_ids();
    }

    /// Its resources no longer say which version they are.
    pub fn hide_versions(&self) {
        self.state().store.hide_versions();
    }

    /// Puts a resource there immediately before the next transaction, when its client has looked already.
    pub fn put_meanwhile(&self, resource: serde_json::Value) {
        self.state().meanwhile = Some(resource);
    }

    /// The truth: every transaction that was stored, in order.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.state().store.accepted().to_vec()
    }

    /// All versions of `Type/id`, oldest first.
    pub fn versions(&self, place: &str) -> Vec<Version> {
        self.state().store.versions(place)
    }

    /// What lies at `Type/id` now.
    pub fn resource(&self, place: &str) -> Option<serde_json::Value> {
        self.state().store.newest(place).cloned()
    }

    /// Every `Type/id` of a type.
    pub fn places(&self, kind: &str) -> Vec<String> {
        self.state().store.places(&format!("{kind}/"))
    }

    /// Job keys that more than one version of a report carries, or that came with different bytes.
    pub fn doubled(&self) -> Vec<String> {
        self.state().store.doubled()
    }

    /// Every request so far, those that met a fault too.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many requests of this kind came so far.
    pub fn count(&self, route: Route) -> usize {
        self.state().seen.iter().filter(|seen| Route::of(&seen.method, &seen.path) == route).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for FhirServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn start(address: SocketAddr, state: &Arc<Mutex<State>>) -> (SocketAddr, Self) {
        let (stop, stopped) = oneshot::channel();
        let (bound, address_bound) = std::sync::mpsc::channel();
        let state = Arc::clone(state);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind(address).await.expect("a port");
                bound.send(listener.local_addr().expect("an address")).expect("who started it waits");
                tokio::select! {
                    () = accept(listener, state) => {}
                    _ = stopped => {}
                }
            });
            // with the runtime, every connection ends
        });
        let address = address_bound.recv().expect("the server starts");
        (address, Self { stop, thread })
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("the server does not panic");
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(http::serve(stream, Window(Arc::clone(&state))));
    }
}

/// Answers the requests of one connection.
struct Window(Arc<Mutex<State>>);

impl http::Desk for Window {
    fn fault(&self, head: &Head) -> Option<Fault> {
        let mut state = lock(&self.0);
        let fault = state.faults.next(Route::of(&head.method, &head.path));
        state.seen.push(Seen {
            method: head.method.clone(),
            path: head.path.clone(),
            authorization: head.authorization.clone(),
            content_type: head.content_type.clone(),
            cache_control: head.cache_control.clone(),
            fault: fault.clone(),
        });
        fault
    }

    fn answer(&self, head: &Head, body: &[u8], fault: Option<Fault>) -> Reply {
        let mut state = lock(&self.0);
        if state.token.is_some() && state.token != head.authorization {
            return Reply::json(401, &store::outcome("login"));
        }
        if fault == Some(Fault::Promise) {
            return Reply::json(200, &store::promise(body));
        }
        if fault.as_ref().is_some_and(|fault| !fault.is_stored()) {
            return Fault::spoil(fault, Reply::Cut);
        }
        let (status, body) = match Route::of(&head.method, &head.path) {
            Route::Transaction => {
                if let Some(resource) = state.meanwhile.take() {
                    state.store.put(resource);
                }
                if fault == Some(Fault::Twice) {
                    state.store.transaction(body);
                }
                state.store.transaction(body)
            }
            Route::Metadata => (200, state.capabilities.clone().unwrap_or_else(store::capabilities)),
            Route::Read | Route::Search => state.store.read(&head.path),
            Route::Other => (405, store::outcome("not-supported")),
        };
        Fault::spoil(fault, Reply::json(status, &body))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
