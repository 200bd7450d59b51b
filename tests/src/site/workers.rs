//! Workers as child processes of the real program, and everything that can be done to a process.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::free_port;
use crate::{chiasm, watchdog};

/// Signal number of `abort`: how a failpoint ends its process.
pub const SIGABRT: i32 = 6;

/// How a worker is started.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// `CHIASM_FAILPOINT`.
    pub failpoint: Option<String>,
    /// More of the environment, such as `CHIASM__WORKER__GRACE_S`.
    pub environment: Vec<(String, String)>,
    /// A program and its arguments that runs the worker, such as `faketime`.
    pub under: Vec<String>,
    /// Ends when nothing is left.
    pub once: bool,
}

impl Start {
    /// A worker that dies at this point.
    pub fn dying_at(point: impl Into<String>) -> Self {
        Self { failpoint: Some(point.into()), ..Self::default() }
    }

    /// With one more variable in its environment.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts are written at the call")]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// Whether it has a group of its own: what runs it is another process, and signals are for both.
    is_group: bool,
    ended: Option<ExitStatus>,
    /// Where it serves its probes and metrics.
    pub listen: SocketAddr,
    /// Its log: standard output and standard error.
    pub log: PathBuf,
    /// Its own state folder, where it has one.
    pub state: Option<PathBuf>,
}

impl Worker {
    /// Starts one with this configuration. Its log goes to `log`, after what is there.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(config: &Path, log: &Path, state: Option<&Path>, start: &Start) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut out = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        writeln!(out, "-- a worker starts, failpoint {:?}", start.failpoint).expect("a written line");
        let mut command = match start.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(chiasm());
                command
            }
            None => Command::new(chiasm()),
        };
        command.args(["worker", "--device", "cpu", "--config"]).arg(config);
        if start.once {
            command.arg("--once");
        }
        command
            .env_remove("CHIASM_FAILPOINT")
            .env("CHIASM__HTTP__LISTEN", listen.to_string())
            .env("RUST_LOG", "info,worker=debug")
            .envs(start.failpoint.as_ref().map(|point| ("CHIASM_FAILPOINT", point)))
            .envs(state.map(|state| ("CHIASM__STATE", state)))
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a second handle"))
            .stderr(out);
        let is_group = !start.under.is_empty();
        if is_group {
            command.process_group(0);
        }
        let child = command.spawn().expect("the worker starts");
        if is_group {
            watchdog::ends_with_us_and_its_group(&child);
        } else {
            watchdog::ends_with_us(&child);
        }
        Self { child, is_group, ended: None, listen, log: log.to_owned(), state: state.map(Path::to_owned) }
    }

    /// Sends a signal by name: `KILL`, `STOP`, `CONT`, `TERM`.
    ///
    /// # Panics
    /// Where there is no program `kill`.
    pub fn signal(&mut self, name: &str) {
        if self.is_running() {
            let sign = if self.is_group { "-" } else { "" };
            let whom = format!("{sign}{}", self.child.id());
            let sent = Command::new("kill").args(["-s", name, "--", &whom]).status();
            assert!(sent.is_ok(), "`kill` runs");
        }
    }

    /// Ends it as a crash does, and waits for it.
    pub fn kill(&mut self) {
        if self.is_running() {
            // no process can refuse
            if self.is_group {
                self.signal("KILL");
            } else {
                self.child.kill().expect("a signal is sent");
            }
            let status = self.child.wait().expect("it has ended");
            self.has_ended(status);
        }
    }

    /// True while the process is there, stopped or not.
    pub fn is_running(&mut self) -> bool {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait().expect("a child can be asked")
        {
            self.has_ended(status);
        }
        self.ended.is_none()
    }

    /// Waits until it ends by itself; `None` when it did not in this time.
    pub fn ends_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        while self.is_running() {
            if began.elapsed() > patience {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.ended
    }

    /// True when a failpoint ended it.
    pub fn died_at_a_failpoint(&self) -> bool {
        self.ended.is_some_and(|status| status.signal() == Some(SIGABRT))
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it serves at `path`; `None` where it does not answer. The status line is the first of the text.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.listen, Duration::from_millis(300)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// True when it says that it takes work.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Everything that it logged so far.
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// True once it has taken up its work since it was last started here.
    pub fn has_begun(&self) -> bool {
        let log = self.logged();
        log.rsplit_once("-- a worker starts").is_some_and(|(_, last)| last.contains("worker started"))
    }

    /// CPU seconds that it has used so far, user and system, and its resident memory in bytes.
    pub fn used(&self) -> Option<(f64, u64)> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        Some((cpu_seconds(&stat)?, resident(self.pid())))
    }

    /// Resident memory in bytes: its own, of the process that the networks run in, and of those that read files.
    pub fn memory(&self) -> [u64; 3] {
        let networks = self.device_process().map_or(0, resident);
        let decoders = self.children("decode-process").into_iter().map(resident).sum();
        [resident(self.pid()), networks, decoders]
    }

    /// The processes that it started and that run now, by the command that they were given.
    pub fn children(&self, command: &str) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let listed = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let pids = listed.flat_map(|pids| {
            pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        });
        let is_meant = |pid: &u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split('\0').any(|argument| argument == command)
        };
        pids.filter(is_meant).collect()
    }

    /// The process that its device lives in.
    pub fn device_process(&self) -> Option<u32> {
        self.children("device-process").first().copied()
    }

    /// CPU seconds of the process that the networks run in.
    pub fn used_by_networks(&self) -> f64 {
        self.device_process().map_or(0.0, used_by)
    }

    /// CPU seconds of the processes that read files.
    pub fn used_by_decoders(&self) -> f64 {
        self.children("decode-process").into_iter().map(used_by).sum()
    }

    fn has_ended(&mut self, status: ExitStatus) {
        if self.is_group {
            watchdog::group_has_ended(&self.child);
        } else {
            watchdog::has_ended(&self.child);
        }
        self.ended = Some(status);
        if let Ok(mut log) = File::options().append(true).open(&self.log) {
            writeln!(log, "-- this worker ended: {status}").expect("a written line");
        }
    }
}

/// CPU seconds of a process; none where it is gone.
fn used_by(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    stat.and_then(|stat| cpu_seconds(&stat)).unwrap_or(0.0)
}

/// Resident memory of a process in bytes; none where it is gone.
fn resident(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let pages =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(21)?.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * PAGE_BYTES)
}

/// User and system time of a line of `/proc`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_A_SECOND)
}

/// Units of `/proc/<pid>/stat` on Linux, for every architecture that this runs on.
const TICKS_A_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// Where it does not within `patience`.
pub fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < patience, "after {patience:?} still waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
