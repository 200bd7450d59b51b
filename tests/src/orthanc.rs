//! A real Orthanc for a test: on a free port, in a temporary folder, killed at the end.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Debian's program.
const PROGRAM: &str = "/usr/sbin/Orthanc";

/// Seconds until a study counts as stable.
const STABLE_AGE_S: u32 = 1;

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// User and password of the test's Orthanc.
pub const LOGIN: (&str, &str) = ("chiasm", "a-password-of-tests");

/// A Lua script with its environment.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The script.
    pub script: PathBuf,
    /// Variables of Orthanc's environment.
    pub environment: Vec<(String, String)>,
}

/// Debian's DICOMweb plugin.
const DICOM_WEB: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

/// AE titles of the test's Orthanc and of the only caller that it knows.
pub const TITLES: (&str, &str) = ("ORTHANC", "CHIASM");

/// A running Orthanc.
#[derive(Debug)]
pub struct Orthanc {
    child: Child,
    port: u16,
    dicom_port: Option<u16>,
    folder: PathBuf,
    hook: Option<Hook>,
}

impl Orthanc {
    /// Starts one with its database in `folder`; `None` with a line that says what is skipped where there is no Orthanc.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start(folder: &Path, hook: Option<&Hook>) -> Option<Self> {
        Self::open(folder, hook, false)
    }

    /// Starts one that takes studies over DICOMweb and over DICOM, from this machine alone.
    pub fn start_pacs(folder: &Path) -> Option<Self> {
        if !Path::new(DICOM_WEB).exists() {
            eprintln!("skipped: no {DICOM_WEB} (Debian package orthanc-dicomweb)");
            return None;
        }
        Self::open(folder, None, true)
    }

    fn open(folder: &Path, hook: Option<&Hook>, is_pacs: bool) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("skipped: no {PROGRAM} (Debian package orthanc)");
            return None;
        }
        // A port that is free now can be taken before Orthanc has it: then another one is tried.
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let dicom_port = is_pacs.then(free_port);
            let child = spawn(folder, port, dicom_port, hook);
            let folder = folder.to_owned();
            let mut orthanc = Self { child, port, dicom_port, folder, hook: hook.cloned() };
            orthanc.is_up().then_some(orthanc)
        });
        Some(started.expect("Orthanc comes up"))
    }

    /// Base URL of its REST interface.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Base URL of its DICOMweb services.
    pub fn dicom_web(&self) -> String {
        format!("{}/dicom-web", self.url())
    }

    /// Where it speaks DICOM.
    ///
    /// # Panics
    /// Where it does not.
    pub fn dicom(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.dicom_port.expect("a PACS")))
    }

    /// Where it speaks HTTP.
    pub fn http(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The files of all instances with this UID, as it hands them out.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn files(&self, sop_instance_uid: &str) -> Vec<Vec<u8>> {
        let found = self.ask("POST", "/tools/lookup", sop_instance_uid.as_bytes()).expect("an answer");
        let ids = found.as_array().expect("a list").iter().filter(|one| one["Type"] == "Instance");
        ids.map(|one| {
            let place = format!("/instances/{}/file", one["ID"].as_str().expect("an identifier"));
            self.exchange("GET", &place, b"").expect("a file")
        })
        .collect()
    }

    /// The picture that it shows of an instance, a PNG; `None` where it cannot draw it.
    pub fn rendered(&self, sop_instance_uid: &str) -> Option<Vec<u8>> {
        let found = self.ask("POST", "/tools/lookup", sop_instance_uid.as_bytes())?;
        let id = found.as_array()?.iter().find(|one| one["Type"] == "Instance")?["ID"].as_str()?.to_owned();
        let png = self.exchange("GET", &format!("/instances/{id}/rendered"), b"")?;
        png.starts_with(b"\x89PNG").then_some(png)
    }

    /// The files of a study, as it hands them out.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn study(&self, study_instance_uid: &str) -> Vec<Vec<u8>> {
        let found = self.ask("POST", "/tools/lookup", study_instance_uid.as_bytes()).expect("an answer");
        let studies = found.as_array().expect("a list").iter().filter(|one| one["Type"] == "Study");
        let instances = studies.flat_map(|study| {
            let place = format!("/studies/{}/instances", study["ID"].as_str().expect("an identifier"));
            let listed = self.ask("GET", &place, b"").expect("instances");
            listed.as_array().expect("a list").clone()
        });
        let file = |one: Value| {
            let place = format!("/instances/{}/file", one["ID"].as_str().expect("an identifier"));
            self.exchange("GET", &place, b"").expect("a file")
        };
        instances.map(file).collect()
    }

    /// Deletes a study by its identifier.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn delete(&self, study: &str) {
        self.ask("DELETE", &format!("/studies/{study}"), b"").expect("a deleted study");
    }

    /// How many studies and instances it holds.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn counts(&self) -> (u64, u64) {
        let said = self.ask("GET", "/statistics", b"").expect("statistics");
        let count = |name: &str| said[name].as_u64().expect("a number");
        (count("CountStudies"), count("CountInstances"))
    }

    /// Kills it and starts it again on the same port; with `emptied` its database is gone.
    ///
    /// # Panics
    /// Where it does not come up again.
    pub fn restart(&mut self, emptied: bool) {
        self.kill();
        if emptied {
            fs::remove_dir_all(self.folder.join("store")).expect("a database to remove");
        }
        self.child = spawn(&self.folder, self.port, self.dicom_port, self.hook.as_ref());
        assert!(self.is_up(), "Orthanc comes up again");
    }

    /// Stores an instance and gives Orthanc's identifier of its study.
    ///
    /// # Panics
    /// Where it is not stored.
    pub fn store(&self, instance: &[u8]) -> String {
        let answer = self.ask("POST", "/instances", instance).expect("an answer");
        answer["ParentStudy"].as_str().expect("a study").to_owned()
    }

    /// Sends a study to an application entity by C-STORE, and gives how many instances failed; `None` where the whole
    /// undertaking did.
    ///
    /// # Panics
    /// Where Orthanc takes no application entity.
    pub fn send(&self, study: &str, address: std::net::SocketAddr, called: &str) -> Option<u64> {
        let entity = json!({"AET": called, "Host": address.ip().to_string(), "Port": address.port()});
        self.exchange("PUT", "/modalities/receiver", entity.to_string().as_bytes()).expect("an entity");
        self.ask("POST", "/modalities/receiver/store", study.as_bytes())?["FailedInstancesCount"].as_u64()
    }

    /// Waits until Orthanc's log has this many stable studies.
    ///
    /// # Panics
    /// Where that takes longer than a minute.
    pub fn wait_for_stable(&self, studies: usize) {
        let began = Instant::now();
        loop {
            let log = self.ask("GET", "/changes?since=0&limit=1000", b"").expect("the log");
            let changes = log["Changes"].as_array().expect("changes");
            if changes.iter().filter(|change| change["ChangeType"] == "StableStudy").count() >= studies {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "no stable study: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_up(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            if self.ask("GET", "/system", b"").is_some() {
                return true;
            }
            if self.child.try_wait().expect("a child's state").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// One exchange; `None` without a JSON answer.
    fn ask(&self, method: &str, place: &str, body: &[u8]) -> Option<Value> {
        serde_json::from_slice(&self.exchange(method, place, body)?).ok()
    }

    /// One exchange over HTTP/1.0; gives the body of the answer.
    fn exchange(&self, method: &str, place: &str, body: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        let login = base64(format!("{}:{}", LOGIN.0, LOGIN.1).as_bytes());
        let head = format!(
            "{method} {place} HTTP/1.0\r\nAuthorization: Basic {login}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some(answer.split_off(end + 4))
    }

    fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

/// Its DICOM port listens on all interfaces, which no setting of this version changes: it takes calls of this machine's
/// one known application entity alone.
fn spawn(folder: &Path, port: u16, dicom_port: Option<u16>, hook: Option<&Hook>) -> Child {
    let scripts: Vec<_> = hook.iter().map(|hook| &hook.script).collect();
    let plugins: &[&str] = if dicom_port.is_some() { &[DICOM_WEB] } else { &[] };
    let store = folder.join("store");
    let configuration = json!({
        "StorageDirectory": store, "IndexDirectory": store, "HttpPort": port, "DicomServerEnabled": dicom_port.is_some(), "DicomPort": dicom_port.unwrap_or(4242),
        "DicomAet": TITLES.0, "DicomCheckCalledAet": true, "DicomCheckModalityHost": true, "DicomAlwaysAllowEcho": false,
        "DicomAlwaysAllowStore": false, "DicomModalities": {"caller": [TITLES.1, "127.0.0.1", 11112]},
        "DicomWeb": {"Enable": true, "Root": "/dicom-web/"}, "OverwriteInstances": false,
        "RemoteAccessAllowed": false, "AuthenticationEnabled": true, "RegisteredUsers": {LOGIN.0: LOGIN.1},
        "StableAge": STABLE_AGE_S, "LuaScripts": scripts, "Plugins": plugins
    });
    fs::create_dir_all(folder).expect("a folder");
    let file = folder.join("orthanc.json");
    fs::write(&file, configuration.to_string()).expect("a written configuration");
    Command::new(PROGRAM)
        .arg(&file)
        .envs(hook.iter().flat_map(|hook| hook.environment.iter().cloned()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Orthanc starts")
}

/// Base64 of RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) & 63];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
