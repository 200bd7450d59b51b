//! A RabbitMQ broker of the tests' own: free ports, temporary folder, own node name and cookie. It never outlives the
//! process of the tests.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::Certificates;

/// Where Debian keeps the broker's scripts without the wrapper that changes the user.
const PROGRAMS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin"];

/// How long a broker may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts the port mapper and the broker in one process group, and ends the whole group when standard input ends:
/// when the tests end, however they do.
const WATCHDOG: &str = r#"
epmd -port "$ERL_EPMD_PORT" >/dev/null 2>&1 &
"$PROGRAMS/rabbitmq-server" >>"$HOME/server.log" 2>&1 </dev/null &
cat >/dev/null
rm -rf "$HOME"
kill -9 0
"#;

/// A running broker.
#[derive(Debug)]
pub struct RabbitMq {
    folder: TempDir,
    programs: PathBuf,
    node: String,
    port: u16,
    tls_port: u16,
    epmd_port: u16,
    dist_port: u16,
    watchdog: Mutex<Option<Child>>,
}

impl RabbitMq {
    /// One broker for all tests of this process that do not break it. `None` with a line that says what is skipped
    /// where RabbitMQ is not installed.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RabbitMq>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("")).as_ref()
    }

    /// Starts a broker with more lines in its `rabbitmq.conf`.
    pub fn start(more: &str) -> Option<Self> {
        Self::start_with(more, None)
    }

    /// Starts a broker that speaks TLS beside plain AMQP, and asks every TLS client for a certificate of the authority.
    pub fn start_tls(certificates: &Certificates) -> Option<Self> {
        let mut more = String::new();
        for (key, file) in [("cacertfile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key")] {
            writeln!(more, "ssl_options.{key} = {}", certificates.file(file).display()).expect("a string");
        }
        more.push_str("ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n");
        more.push_str(
            "auth_mechanisms.1 = EXTERNAL\nauth_mechanisms.2 = PLAIN\nssl_cert_login_from = common_name\n",
        );
        Self::start_with(&more, Some("rabbitmq_auth_mechanism_ssl"))
    }

    fn start_with(more: &str, plugin: Option<&str>) -> Option<Self> {
        let Some(programs) = PROGRAMS.map(PathBuf::from).into_iter().find(|path| path.is_dir()) else {
            eprintln!("skipped: rabbitmq-server is not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("rabbitmq").tempdir().expect("a folder");
        let [port, tls_port, epmd_port, dist_port] = free_ports();
        let node = format!("chiasm-{port}@localhost");
        let mut config = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.console.level = info\nlog.file = false\n\
             default_user = chiasm\ndefault_pass = secret\nloopback_users = none\n{more}"
        );
        if plugin.is_some() {
            writeln!(config, "listeners.ssl.1 = 127.0.0.1:{tls_port}").expect("a string");
        }
        fs::write(folder.path().join("rabbitmq.conf"), config).expect("a written file");
        let plugins = format!("[{}].\n", plugin.unwrap_or_default());
        fs::write(folder.path().join("enabled_plugins"), plugins).expect("a written file");
        let watchdog = Mutex::new(None);
        let broker = Self { folder, programs, node, port, tls_port, epmd_port, dist_port, watchdog };
        broker.restart();
        Some(broker)
    }

    /// The address of plain AMQP.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The address of AMQP over TLS.
    pub fn tls_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.tls_port))
    }

    /// The URL without the password, which is `secret`.
    pub fn url(&self) -> String {
        format!("amqp://chiasm@{}/%2f", self.address())
    }

    /// The URL with the password, for a client of the test's own.
    pub fn full_url(&self) -> String {
        format!("amqp://chiasm:secret@{}/%2f", self.address())
    }

    /// What the broker logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Starts the broker on its data of before, and waits until it answers.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&self) {
        let mut watchdog = self.watchdog.lock().expect("no panic before");
        assert!(watchdog.is_none(), "the broker runs already");
        let mut command = Command::new("sh");
        // What it leaves behind when it is killed, such as a core of its database, lies with its data.
        command.args(["-c", WATCHDOG]).current_dir(self.folder.path()).stdin(Stdio::piped()).process_group(0);
        self.environment(&mut command);
        *watchdog = Some(command.spawn().expect("sh starts"));
        let until = Instant::now() + PATIENCE;
        while !self.answers() {
            assert!(Instant::now() < until, "the broker did not start: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the broker in order: it closes its connections and writes everything down.
    ///
    /// # Panics
    /// Where it does not stop.
    pub fn stop(&self) {
        let pid = fs::read_to_string(self.pid_file()).expect("a pid file");
        signal("-TERM", pid.trim());
        let until = Instant::now() + PATIENCE;
        while signal("-0", pid.trim()) {
            assert!(Instant::now() < until, "the broker did not stop: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
        self.kill();
    }

    /// Kills the broker (SIGKILL). Without effect on one that does not run.
    ///
    /// # Panics
    /// Where a test panicked while it restarted the broker.
    pub fn kill(&self) {
        let Some(mut watchdog) = self.watchdog.lock().expect("no panic before").take() else { return };
        signal("-KILL", &format!("-{}", watchdog.id()));
        drop(watchdog.wait());
    }

    /// Stops the broker from running, or lets it go on: to its clients it is silent.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn freeze(&self, is_frozen: bool) {
        let pid = fs::read_to_string(self.pid_file()).expect("a pid file");
        assert!(signal(if is_frozen { "-STOP" } else { "-CONT" }, pid.trim()), "the broker runs");
    }

    /// Runs `rabbitmqctl` and gives its output.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.try_ctl(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "rabbitmqctl {arguments:?}: {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }

    fn try_ctl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.programs.join("rabbitmqctl"));
        command.arg("--quiet").args(arguments).stdin(Stdio::null());
        self.environment(&mut command);
        command.output().expect("rabbitmqctl starts")
    }

    fn environment(&self, command: &mut Command) {
        let folder = self.folder.path();
        // What it dumps when it is killed lies there too.
        command.current_dir(folder);
        let set = |command: &mut Command, name: &str, value: &Path| {
            command.env(name, value);
        };
        set(command, "HOME", folder);
        set(command, "PROGRAMS", &self.programs);
        set(command, "RABBITMQ_MNESIA_BASE", &folder.join("data"));
        set(command, "RABBITMQ_LOG_BASE", &folder.join("log"));
        set(command, "RABBITMQ_CONFIG_FILE", &folder.join("rabbitmq.conf"));
        set(command, "RABBITMQ_ADVANCED_CONFIG_FILE", &folder.join("advanced.config"));
        set(command, "RABBITMQ_CONF_ENV_FILE", &folder.join("rabbitmq-env.conf"));
        set(command, "RABBITMQ_ENABLED_PLUGINS_FILE", &folder.join("enabled_plugins"));
        set(command, "RABBITMQ_PID_FILE", &self.pid_file());
        command
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none");
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("server.pid")
    }

    /// Whether the broker greets a client. It listens only once everything of it has started.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1)) else {
            return false;
        };
        let mut greeting = [0; 1];
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
            && stream.read_exact(&mut greeting).is_ok()
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process, or to a group; false where there is none.
fn signal(signal: &str, process: &str) -> bool {
    let mut kill = Command::new("kill");
    let sent = kill.args([signal, "--", process]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    sent.is_ok_and(|status| status.success())
}

/// Ports that nobody listens on now.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
