//! A gateway between an HTTP client and a real server that spoils answers on purpose: what a bad network, a busy service or
//! a wrong address does to a source of studies or to a bucket. Requests reach the server as they were sent, signatures
//! included.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use socket2::SockRef;

/// How long a server may think.
const PATIENCE: Duration = Duration::from_mins(1);

/// The longest head of a request.
const HEAD_BYTES: usize = 64 * 1024;

/// What is done to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The server is not asked; this status comes instead, with a body of S3's kind.
    Status(u16, &'static str),
    /// The server is not asked; the answer leads to this address.
    Redirect(String),
    /// The answer ends in the middle, as if the server had said all.
    Truncated,
    /// The connection is reset in the middle of the answer.
    Cut,
    /// One bit in the middle of the answer is another.
    Damaged,
    /// The connection is closed without an answer, though the server had the request.
    Lost,
    /// The server is not asked, and no answer comes.
    Silence,
    /// The answer comes as slowly as this: so many pieces of it with a tenth of a second between them.
    Slow(usize),
}

/// Which answers are spoiled.
#[derive(Debug, Clone)]
struct Rule {
    faults: Vec<Fault>,
    /// Requests whose first line holds this.
    on: String,
    /// How many more.
    times: usize,
    per_mille: u32,
    random: ChaCha8Rng,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    rule: Mutex<Option<Rule>>,
    seen: Mutex<Vec<String>>,
    spoiled: AtomicUsize,
    is_over: AtomicBool,
}

/// A gateway. It ends when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gateway {
    /// A gateway to a server, on a free port of this machine.
    ///
    /// # Panics
    /// Where there is none.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server,
            rule: Mutex::default(),
            seen: Mutex::default(),
            spoiled: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // A connection that breaks is the client's business.
                thread::spawn(move || drop(shared.pass(client)));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils the next so many answers to requests whose first line holds `on`.
    pub fn spoil(&self, fault: Fault, on: &str, times: usize) {
        self.set(Some(Rule {
            faults: vec![fault],
            on: on.to_owned(),
            times,
            per_mille: 1000,
            random: ChaCha8Rng::seed_from_u64(0),
        }));
    }

    /// Spoils some of all answers until [`Self::pass`], drawn from a seed.
    pub fn spoil_some(&self, faults: Vec<Fault>, per_mille: u32, seed: u64) {
        let random = ChaCha8Rng::seed_from_u64(seed);
        self.set(Some(Rule { faults, on: String::new(), times: usize::MAX, per_mille, random }));
    }

    /// Passes everything on.
    pub fn pass(&self) {
        self.set(None);
    }

    /// How many answers were spoiled so far.
    pub fn spoiled(&self) -> usize {
        self.shared.spoiled.load(Ordering::SeqCst)
    }

    /// The first lines of the requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, rule: Option<Rule>) {
        *self.shared.rule.lock().unwrap_or_else(PoisonError::into_inner) = rule;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listening thread.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// One request and its answer; the connection ends with it.
    fn pass(&self, mut client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
        let first = head.lines().next().unwrap_or_default().to_owned();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(first.clone());
        let fault = self.fault(&first);
        match &fault {
            Some(Fault::Status(status, code)) => {
                let body = format!(
                    "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>spoiled</Message></Error>"
                );
                let head = format!(
                    "HTTP/1.1 {status} Status\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                return client.write_all(&[head.as_bytes(), body.as_bytes()].concat());
            }
            Some(Fault::Redirect(to)) => {
                let head = format!(
                    "HTTP/1.1 307 Status\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                return client.write_all(head.as_bytes());
            }
            Some(Fault::Silence) => {
                client.set_read_timeout(Some(PATIENCE))?;
                return client.read(&mut [0]).map(drop);
            }
            _ => {}
        }
        let answer = self.ask(&head, &body)?;
        spoil(&mut client, answer, fault.as_ref())
    }

    fn fault(&self, first: &str) -> Option<Fault> {
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = rule.as_mut()?;
        if rule.times == 0 || !first.contains(&rule.on) || rule.random.random_range(0..1000) >= rule.per_mille
        {
            return None;
        }
        rule.times -= 1;
        self.spoiled.fetch_add(1, Ordering::SeqCst);
        let number = rule.random.random_range(0..rule.faults.len());
        Some(rule.faults[number].clone())
    }

    /// The server's whole answer.
    fn ask(&self, head: &str, body: &[u8]) -> Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        server.set_read_timeout(Some(PATIENCE))?;
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head = lines.collect::<Vec<_>>().join("\r\n");
        server.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn spoil(client: &mut TcpStream, mut answer: Vec<u8>, fault: Option<&Fault>) -> Result<()> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let middle = head + (answer.len() - head) / 2;
    match fault {
        Some(Fault::Truncated) => client.write_all(&answer[..middle])?,
        Some(Fault::Cut) => {
            client.write_all(&answer[..middle])?;
            return SockRef::from(&*client).set_linger(Some(Duration::ZERO));
        }
        Some(Fault::Damaged) => {
            if let Some(byte) = answer.get_mut(middle) {
                *byte ^= 1;
            }
            client.write_all(&answer)?;
        }
        Some(Fault::Lost) => {}
        Some(Fault::Slow(pieces)) => {
            for piece in answer.chunks(answer.len().div_ceil(*pieces).max(1)) {
                client.write_all(piece)?;
                thread::sleep(Duration::from_millis(100));
            }
        }
        _ => client.write_all(&answer)?,
    }
    client.shutdown(Shutdown::Write)
}

/// Head and body of a request; `None` at the end of the connection.
fn read_request(client: &mut TcpStream) -> Result<Option<(String, Vec<u8>)>> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut unread = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let count = client.read(&mut buffer)?;
        if count == 0 || unread.len() > HEAD_BYTES {
            return Ok(None);
        }
        unread.extend_from_slice(&buffer[..count]);
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut body = unread.split_off(end + 4);
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while body.len() < length.unwrap_or(0) {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&buffer[..count]);
    }
    Ok(Some((head, body)))
}
