//! A real PostgreSQL for tests: one server a test process, one database a test.
//!
//! The server runs in a temporary folder with its default, durable settings, as the user `postgres` where the tests run as
//! root. It hangs on a pipe from this process: when the process ends, however it ends, a shell stops the server and
//! removes the folder.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::config::secret::Secret;
use crate::config::site::PostgresConfig;

/// The server's superuser is `postgres` with this password.
pub(in crate::ledger) const PASSWORD: &str = "canary-postgres-password";

/// Starts the server ($1 its folder), again for every line on the standard input, and stops it at the end of the input.
const WATCH: &str = r#"
    folder=$1; shift
    start() { "$@" >>"$folder/log" 2>&1 </dev/null & server=$!; }
    stop() { kill -QUIT "$server" 2>/dev/null; wait "$server"; }
    trap '' INT TERM HUP
    start "$@"
    while read -r _again; do stop; start "$@"; done
    stop
    rm -rf "$folder"
"#;

/// A running server.
pub(in crate::ledger) struct Server {
    port: u16,
    watch: Mutex<Child>,
    databases: AtomicU32,
}

impl Server {
    /// The server that the tests of this process share; `None`, and a word on standard error, where PostgreSQL is not
    /// installed.
    pub(in crate::ledger) async fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let server = SHARED.get_or_init(|| Self::start(None)).as_ref()?;
        server.answers().await;
        Some(server)
    }

    /// Starts a server of its own for one test; with a certificate and its key it offers TLS.
    pub(in crate::ledger) fn start(tls: Option<(&Path, &Path)>) -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed, so that its ledger cannot be tested");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("chiasm-postgres-").tempdir().unwrap().keep();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        if let Some((certificate, key)) = tls {
            std::fs::copy(certificate, folder.join("server.pem")).unwrap();
            std::fs::copy(key, folder.join("server.key")).unwrap();
        }
        let owner = is_root().then_some("postgres");
        if let Some(owner) = owner {
            let owned = Command::new("chown").arg("-R").arg(owner).arg(&folder).status().unwrap();
            assert!(owned.success());
        }
        let data = folder.join("data");
        let made = as_user(owner, &programs.join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--username=postgres",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--pwfile",
            ])
            .arg(folder.join("password"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = as_user(owner, &programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400"]);
        server.arg("-p").arg(port.to_string()).arg("-k").arg(&folder);
        if tls.is_some() {
            for (name, file) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
                server.arg("-c").arg(format!("{name}={}", folder.join(file).display()));
            }
            server.args(["-c", "ssl=on"]);
        }
        let watch = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(&folder)
            .arg(server.get_program())
            .args(server.get_args())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        Some(Self { port, watch: Mutex::new(watch), databases: AtomicU32::new(0) })
    }

    /// Kills the server as a crash does, starts it again, and waits for the new one.
    pub(in crate::ledger) async fn crash_and_start(&self) {
        let before = self.started().await;
        self.watch.lock().unwrap().stdin.as_mut().unwrap().write_all(b"again\n").unwrap();
        let began = Instant::now();
        while self.started().await.is_none_or(|started| Some(started) == before) {
            assert!(began.elapsed() < Duration::from_mins(1), "PostgreSQL does not start again");
        }
    }

    /// When the server that answers was started; `None` while it is going down.
    async fn started(&self) -> Option<f64> {
        let statement = "SELECT extract(epoch FROM pg_postmaster_start_time())::float8";
        sqlx::query(statement).fetch_one(&mut self.answers().await).await.ok()?.try_get(0).ok()
    }

    /// Waits until the server answers, and gives a connection to it.
    pub(in crate::ledger) async fn answers(&self) -> PgConnection {
        self.connect("postgres").await
    }

    /// A connection to a database of the server.
    pub(in crate::ledger) async fn connect(&self, database: &str) -> PgConnection {
        let began = Instant::now();
        loop {
            let options = PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(self.port)
                .username("postgres")
                .password(PASSWORD)
                .database(database);
            match options.connect().await {
                Ok(connection) => return connection,
                Err(error) if began.elapsed() > Duration::from_mins(1) => panic!("no PostgreSQL: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// How to reach a new, empty database; and its name.
    pub(in crate::ledger) async fn database(&self) -> (PostgresConfig, String) {
        let name = format!("ledger_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut connection = self.answers().await;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let config = PostgresConfig {
            url: format!("postgres://postgres@127.0.0.1:{}/{name}", self.port),
            password: Some(Secret::new(PASSWORD.into())),
            ca_file: None,
            allow_plaintext: false,
            connections: 4,
        };
        (config, name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap();
        drop(watch.stdin.take());
        watch.wait().unwrap();
    }
}

/// The folder with the newest `initdb` and `postgres` of this machine.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = debian
        .chain(std::env::split_paths(&path))
        .filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

/// Whether the tests run as root, as which PostgreSQL refuses to run.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups").arg(program);
    command
}
