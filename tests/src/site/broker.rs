//! A real RabbitMQ broker in a folder of its own on ports of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::free_port;
use crate::watchdog;

/// How long the broker may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// Debian's own start script insists on its system user; the one below it does not.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A running broker; it ends when this is dropped or the test run ends.
#[derive(Debug)]
pub struct Broker {
    folder: tempfile::TempDir,
    port: u16,
    inner_port: u16,
    server: Option<Child>,
}

impl Broker {
    /// Starts an empty broker, or says on standard error why there is none.
    ///
    /// # Panics
    /// Where RabbitMQ is installed and does not start.
    pub fn start() -> Option<Self> {
        if !Path::new(SERVER).exists() {
            eprintln!("skipped: RabbitMQ is not installed (Debian: rabbitmq-server)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("chiasm-broker-").tempdir().expect("a folder");
        watchdog::remove_at_the_end(folder.path());
        let (port, inner_port) = (free_port(), free_port());
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.file.level = warning\nraft.wal_max_size_bytes = 33554432\n\
             disk_free_limit.absolute = 50MB\n"
        );
        fs::write(folder.path().join("rabbitmq.conf"), settings).expect("a written file");
        let mut broker = Self { folder, port, inner_port, server: None };
        broker.go();
        Some(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Stops it as an administrator does, and starts it again with its data.
    pub fn restart(&mut self) {
        self.end("TERM");
        self.go();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    /// Starts it again with its data.
    pub fn start_again(&mut self) {
        self.kill();
        self.go();
    }

    fn go(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        let log = File::create(at("output")).expect("a log file");
        let server = Command::new(SERVER)
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", format!("chiasm-{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.inner_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("the broker starts");
        watchdog::ends_with_us_and_its_group(&server);
        self.server = Some(server);
        let began = Instant::now();
        while !self.answers() {
            let output = || fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "RabbitMQ does not answer: {}", output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// True when it greets as AMQP 0-9-1 does.
    fn answers(&self) -> bool {
        let greeted = || -> std::io::Result<u8> {
            let mut stream = TcpStream::connect(self.address())?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"AMQP\0\0\x09\x01")?;
            let mut first = [0];
            stream.read_exact(&mut first)?;
            Ok(first[0])
        };
        // 1 is a method frame: `connection.start`
        greeted().is_ok_and(|kind| kind == 1)
    }

    /// Ends the script and the machine that it runs.
    fn end(&mut self, signal: &str) {
        if let Some(mut server) = self.server.take() {
            let group = format!("-{}", server.id());
            let sent = Command::new("kill").args(["-s", signal, "--", &group]).status();
            assert!(sent.is_ok(), "`kill` runs");
            let began = Instant::now();
            while server.try_wait().expect("a child can be asked").is_none()
                || TcpStream::connect((Ipv4Addr::LOCALHOST, self.inner_port)).is_ok()
            {
                assert!(began.elapsed() < PATIENCE, "RabbitMQ did not stop");
                std::thread::sleep(Duration::from_millis(20));
            }
            watchdog::group_has_ended(&server);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
