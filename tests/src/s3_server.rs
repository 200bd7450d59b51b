//! A real S3 server for a test: `tests/s3-server` over a temporary folder, on a port of its own. It ends with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Access key and secret of the test's server.
pub const ACCESS_KEY: (&str, &str) = ("chiasm-tests", "a-secret-of-tests");

/// The one bucket.
pub const BUCKET: &str = "archive";

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct S3Server {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl S3Server {
    /// Starts one whose buckets are folders in `folder`; [`BUCKET`] is made.
    ///
    /// # Panics
    /// Where it was not built, or does not come up.
    pub fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder.join(BUCKET)).expect("a bucket");
        let (child, address) = spawn(folder, 0).expect("the S3 server comes up");
        Self { child, address, folder: folder.to_owned() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bucket's folder: a file in it is an object.
    pub fn bucket(&self) -> PathBuf {
        self.folder.join(BUCKET)
    }

    /// Kills it and starts it again on the same port.
    ///
    /// # Panics
    /// Where it does not come up again.
    pub fn restart(&mut self) {
        self.kill();
        let began = Instant::now();
        loop {
            if let Some((child, _)) = spawn(&self.folder, self.address.port()) {
                self.child = child;
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the S3 server comes up again");
        }
    }

    fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server and its address; `None` where it ends at once.
fn spawn(folder: &Path, port: u16) -> Option<(Child, SocketAddr)> {
    let mut child = Command::new(program())
        .arg(folder)
        .args([&port.to_string(), ACCESS_KEY.0, ACCESS_KEY.1])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the S3 server starts");
    let mut line = String::new();
    let said = child.stdout.take().expect("its output");
    BufReader::new(said).read_line(&mut line).expect("its address");
    let Ok(address) = line.trim().parse() else {
        child.wait().ok();
        return None;
    };
    TcpStream::connect(address).ok().map(|_| (child, address))
}

/// The program lies beside the profile's folder.
fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let beside = own.ancestors().skip(1).take(3).map(|folder| folder.join("s3-server/release/s3-server"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.expect(
        "build the S3 server first: cargo build --release --manifest-path tests/s3-server/Cargo.toml \
         --target-dir \"$CARGO_TARGET_DIR/s3-server\" (./test does)",
    )
}
