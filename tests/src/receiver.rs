//! `chiasm receive` for a test: on a free port, with a site of its own, and dcmtk's programs as senders.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::site::workers::wait_until;
use crate::{chiasm, watchdog};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// The title of the only caller that the test's receiver knows.
pub const CALLER: &str = "PACS";

/// A site with a receiver.
#[derive(Debug)]
pub struct ReceivingSite {
    /// Its folder.
    pub folder: PathBuf,
    config: PathBuf,
}

/// A running receiver; it is killed when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl ReceivingSite {
    /// Writes its configuration into `folder`; `keys` are lines of `[receive]`.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn new(folder: &Path, keys: &str) -> Self {
        for name in ["received", "reports"] {
            fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        let config = folder.join("chiasm.toml");
        let text = format!(
            "state = 'state'\ndefault_source = 'received'\ndefault_targets = ['reports']\n\
             [sources.received]\nkind = 'folder'\npath = 'received'\n\
             [targets.reports]\nkind = 'folder'\npath = 'reports'\n[worker]\nmin_free_disk_mib = 1\n\
             [receive]\nlisten = '127.0.0.1:0'\nsource = 'received'\ncalling_aes = ['{CALLER}', 'ORTHANC']\n\
             min_free_disk_mib = 1\n{keys}\n"
        );
        fs::write(&config, text).expect("a written configuration");
        Self { folder: folder.to_owned(), config }
    }

    /// Starts its receiver with these variables in the environment.
    ///
    /// # Panics
    /// Where it does not begin to listen.
    pub fn receiver(&self, environment: &[(&str, &str)]) -> Receiver {
        let log = self.folder.join("receiver.log");
        let out = File::create(&log).expect("a log file");
        let child = Command::new(chiasm())
            .args(["receive", "--config"])
            .arg(&self.config)
            .envs(environment.iter().copied())
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .expect("the receiver starts");
        watchdog::ends_with_us(&child);
        let mut receiver = Receiver { child, log, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        wait_until("the receiver listens", PATIENCE, || receiver.logged().contains("receiver started"));
        let logged = receiver.logged();
        let address = logged.rsplit("address=").next().and_then(|rest| rest.split_whitespace().next());
        receiver.address = address.and_then(|address| address.parse().ok()).expect("an address in the log");
        receiver
    }

    /// Runs a command of the program with the site's configuration.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let all = arguments.iter().map(Path::new);
        crate::run(&all.chain([Path::new("--config"), &self.config]).collect::<Vec<_>>())
    }

    /// The stored files of a study by name, without what is not whole.
    pub fn stored(&self, study_uid: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("received").join(study_uid)).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    /// How many files lie in a folder of the receiver's own: `arriving`, `open`, `releasing`.
    pub fn own(&self, part: &str) -> usize {
        fs::read_dir(self.folder.join("received/.receive").join(part)).map_or(0, Iterator::count)
    }

    /// Waits until every study that was received is asked for.
    pub fn wait_for_release(&self) {
        wait_until("all studies are released", PATIENCE, || self.own("open") + self.own("releasing") == 0);
    }
}

impl Receiver {
    /// Everything that it logged so far.
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it answers to a GET of this path, head and body.
    ///
    /// # Panics
    /// Where it serves no HTTP.
    pub fn get(&self, path: &str) -> String {
        let logged = self.logged();
        let address = logged.split("http=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let mut stream = TcpStream::connect(address.expect("an address in the log")).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Ends it as a crash does, and waits for it.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        watchdog::has_ended(&self.child);
    }

    /// Tells it to stop, and gives its exit code.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status().expect("`kill` runs");
        let code = self.child.wait().expect("it ends").code();
        watchdog::has_ended(&self.child);
        code
    }

    /// One of dcmtk's programs, calling this receiver; the AE titles come first in `arguments` where they are others.
    pub fn command(&self, program: &str, arguments: &[&str], files: &[PathBuf]) -> Command {
        let mut command = Command::new(program);
        command.args(["-v", "-aet", CALLER, "-aec", "CHIASM"]).args(arguments);
        command.arg(self.address.ip().to_string()).arg(self.address.port().to_string()).args(files);
        command
    }

    /// Runs it and gives whether it succeeded, and what it said.
    ///
    /// # Panics
    /// Where there is no such program.
    pub fn call(&self, program: &str, arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
        let output = self.command(program, arguments, files).output().expect("dcmtk is installed");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Sends bytes, and gives what comes back until the receiver closes the connection.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = std::net::TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // It may have closed the connection before everything was written.
        stream.write_all(bytes).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        answer
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes instances as files of a new folder.
///
/// # Panics
/// Where they cannot be written.
pub fn files(folder: &Path, instances: &[Vec<u8>]) -> Vec<PathBuf> {
    fs::create_dir_all(folder).expect("a folder");
    let file = |(number, bytes): (usize, &Vec<u8>)| {
        let path = folder.join(format!("{number:04}"));
        fs::write(&path, bytes).expect("a written file");
        path
    };
    instances.iter().enumerate().map(file).collect()
}
