//! A real PostgreSQL server for tests, in a folder of its own on a port of its own, with its durable settings.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::watchdog;

/// How long the server may take to start or stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server; it ends when this is dropped or the test run ends.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Starts an empty server, or says on standard error why there is none.
    ///
    /// # Panics
    /// Where PostgreSQL is installed and does not start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL's server is not installed (Debian: postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("chiasm-postgres-").tempdir().expect("a folder");
        watchdog::remove_at_the_end(folder.path());
        if is_root() {
            let chown = Command::new("chown").arg("postgres:").arg(folder.path()).status();
            assert!(
                chown.expect("chown runs").success(),
                "PostgreSQL refuses root, and there is no user `postgres`"
            );
        }
        let mut server = Self { folder, programs, port: free_port(), server: None };
        let made = server
            .program("initdb")
            .args([
                "--auth",
                "trust",
                "--username",
                "postgres",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--pgdata",
            ])
            .arg(server.data())
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb runs").success(), "initdb failed");
        server.go();
        Some(server)
    }

    /// Makes a database and gives its URL.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn database(&self, name: &str) -> String {
        let made = self
            .program("psql")
            .args([
                "--host",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--username",
                "postgres",
                "--quiet",
            ])
            .args(["--command", &format!("CREATE DATABASE {name}")])
            .status();
        assert!(made.expect("psql runs").success(), "database `{name}` could not be made");
        self.url(self.port, name)
    }

    /// The URL of a database behind another port, such as a proxy's.
    pub fn url(&self, port: u16, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{database}")
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as a loss of power would, as far as a process can tell.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            // `immediate` ends every backend without a checkpoint; killing the parent alone would leave them running
            let stopped = self
                .program("pg_ctl")
                .args(["stop", "--mode", "immediate", "--silent", "--pgdata"])
                .arg(self.data())
                .status();
            assert!(stopped.is_ok_and(|status| status.success()), "PostgreSQL did not stop");
            server.wait().expect("it has ended");
            watchdog::has_ended(&server);
        }
    }

    /// Starts it again with its data on its port.
    pub fn restart(&mut self) {
        self.kill();
        self.go();
    }

    fn go(&mut self) {
        let log = File::create(self.folder.path().join("log")).expect("a log file");
        let server = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", ""])
            .args(["-c", "max_connections=200", "-c", "fsync=on", "-c", "synchronous_commit=on"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        watchdog::ends_with_us(&server);
        self.server = Some(server);
        let began = Instant::now();
        while !self.answers() {
            assert!(began.elapsed() < PATIENCE, "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && self
                .program("pg_isready")
                .args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs, as the user that it insists on.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder of the newest server's programs: Debian keeps them off the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let programs = version.path().join("bin");
        programs.join("postgres").exists().then_some((number, programs))
    });
    newest.max().map(|(_, programs)| programs)
}

fn is_root() -> bool {
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|metadata| metadata.uid() == 0)
}

/// A port that nobody has at this moment.
///
/// # Panics
/// Where there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}
