//! What is seen from outside, and what is done to studies at their source.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use worker::ledger::JobFilter;
use worker::queue::DeadLetter;

use super::Site;

impl Site {
    /// What lies on the dead-letter queue; nothing where the queue does not answer now.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.runtime.block_on(self.queue.dead_letters(10_000)).unwrap_or_default()
    }

    /// Studies in the order in which their reports were first written to the FHIR server.
    ///
    /// # Panics
    /// Where the ledger does not answer.
    pub fn studies_in_order_of_writing(&self) -> Vec<String> {
        let rows =
            self.runtime.block_on(self.ledger.jobs(&JobFilter::default())).expect("the ledger answers");
        let studies: BTreeMap<_, _> = rows.into_iter().map(|row| (row.job_key, row.study_uid)).collect();
        let written =
            self.fhir.accepted().into_iter().filter_map(|write| studies.get(&write.job_key?).cloned());
        let mut order = Vec::new();
        for study in written {
            if !order.contains(&study) {
                order.push(study);
            }
        }
        order
    }

    /// Adds an instance to each of these studies at the source.
    pub fn grow(&mut self, studies: &[String]) {
        let source = self.folder.join("studies");
        for study in studies {
            self.cohort.grow(study, &source);
        }
    }

    /// Puts other bytes in the place of a study's file.
    ///
    /// # Panics
    /// Where they cannot be written.
    pub fn spoil(&self, study: &str, bytes: &[u8]) {
        fs::write(self.folder.join("studies").join(study).join("image"), bytes).expect("a written file");
    }

    /// Rewrites a study so that its Patient ID is one patient's and its Patient's Name another's.
    pub fn mix_up(&mut self, study: &str, with: &str) {
        let source = self.folder.join("studies");
        self.cohort.mix_up(study, with, &source);
    }

    /// The path of every file and folder of the site, but of the reports, the studies and the records.
    pub fn file_names(&self) -> String {
        let mut names = String::new();
        for part in ["state", "logs"] {
            walk(&self.folder.join(part), &mut names);
        }
        names
    }
}

fn walk(folder: &Path, names: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        names.push_str(&entry.path().to_string_lossy());
        names.push('\n');
        if entry.path().is_dir() {
            walk(&entry.path(), names);
        }
    }
}

/// Takes whatever is posted to it over HTTP, such as traces.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// Starts one; it lives as long as the process.
    ///
    /// # Panics
    /// Where no port can be had.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                std::thread::spawn(move || take(stream, &into));
            }
        });
        Self { address, taken }
    }

    /// Where to post to.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every byte so far, headers too; what is no text is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.taken.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Answers each request with 200 once it seems to have come to its end.
fn take(mut stream: TcpStream, into: &Mutex<Vec<u8>>) {
    drop(stream.set_read_timeout(Some(Duration::from_mins(1))));
    let mut request = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(read) = stream.read(&mut piece) {
        if read == 0 {
            break;
        }
        request.extend_from_slice(&piece[..read]);
        if is_whole(&request) {
            into.lock().unwrap_or_else(PoisonError::into_inner).append(&mut request);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                break;
            }
        }
    }
    into.lock().unwrap_or_else(PoisonError::into_inner).append(&mut request);
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_none_or(|length| request.len() >= end + 4 + length)
}
