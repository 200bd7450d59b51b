//! A real browser for a test: headless Chromium, spoken to over pipes (Chrome DevTools Protocol).
//!
//! The protocol goes over the descriptors 3 and 4 of the browser, which a shell makes of its standard input and output: no
//! port is opened, nothing else of the machine can speak to it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::watchdog;

/// How long an answer or an event may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Names of the browser's program: Debian's, Ubuntu's, Google's.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Without a network, without what a browser does for a person. No sandbox, because it cannot be set up by root or within a
/// container, and the only page is ours.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
];

/// A running browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    next: u64,
    events: Vec<Value>,
}

impl Chromium {
    /// Starts one with its profile in `folder`; `None` with a line that says what is skipped where there is no Chromium.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start(folder: &Path) -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("skipped: no Chromium (Debian package chromium)");
            return None;
        };
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#])
            .arg(program)
            .args(ARGUMENTS)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        watchdog::ends_with_us(&child);
        let to = child.stdin.take().expect("a pipe");
        let from = listen(child.stdout.take().expect("a pipe"));
        let mut chromium = Self { child, to, from, session: String::new(), next: 0, events: Vec::new() };
        let target = chromium.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            chromium.ask("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        attached["sessionId"].as_str().expect("a session").clone_into(&mut chromium.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            chromium.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(chromium)
    }

    /// Opens a file and waits until it is loaded.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        let answer = self.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        assert!(answer.get("errorText").is_none(), "{answer}");
        self.wait_for("Page.loadEventFired");
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    /// Where it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let answer = self.ask(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses and lets go of a key, as a person does.
    pub fn press(&mut self, key: &str, code: &str, text: &str) {
        let number = match key {
            "Tab" => 9,
            " " => 32,
            _ => 13,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.ask(
                "Input.dispatchKeyEvent",
                json!({"type": kind, "key": key, "code": code, "text": text, "windowsVirtualKeyCode": number}),
            );
        }
    }

    /// Shows the page as on a screen of this width, in light or dark.
    pub fn screen(&mut self, width: u32, height: u32, is_dark: bool) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}),
        );
        let scheme = if is_dark { "dark" } else { "light" };
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// What the page looks like now, as PNG in base64.
    ///
    /// # Panics
    /// Where there is no picture.
    pub fn picture(&mut self) -> String {
        let answer = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        answer["data"].as_str().expect("a picture").to_owned()
    }

    /// The page as PDF in base64, on the paper that its style sheet names.
    ///
    /// # Panics
    /// Where there is none.
    pub fn print(&mut self) -> String {
        let wanted = json!({"preferCSSPageSize": true, "printBackground": true});
        self.ask("Page.printToPDF", wanted)["data"].as_str().expect("a PDF").to_owned()
    }

    /// The accessibility tree, as `(role, name)` of what is not ignored.
    ///
    /// # Panics
    /// Where there is none.
    pub fn accessible(&mut self) -> Vec<(String, String)> {
        self.ask("Accessibility.enable", json!({}));
        let tree = self.ask("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    /// What the page did that a report must not do: messages in the console, exceptions, dialogs, violations of its policy,
    /// and requests for anything but itself and what is inside it.
    pub fn misdeeds(&mut self) -> Vec<String> {
        // an answer comes after all events before it
        self.value("1");
        let said = self.events.iter().filter_map(|event| {
            let (method, parameters) = (event["method"].as_str()?, &event["params"]);
            match method {
                "Runtime.consoleAPICalled"
                | "Runtime.exceptionThrown"
                | "Log.entryAdded"
                | "Page.javascriptDialogOpening" => Some(format!("{method}: {parameters}")),
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str().unwrap_or_default();
                    let is_own = url.starts_with("data:") || parameters["type"] == "Document";
                    (!is_own).then(|| format!("a request for {url}"))
                }
                _ => None,
            }
        });
        said.collect()
    }

    /// Calls a method and waits for its answer; events on the way are kept.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method});
        message["params"] = parameters;
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser reads");
        loop {
            let answer = self.receive(method);
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.keep(answer);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|known| known["method"] == event) {
            let next = self.receive(event);
            self.keep(next);
        }
    }

    /// A dialog would stop the page for ever: it is noted and closed.
    fn keep(&mut self, event: Value) {
        let is_dialog = event["method"] == "Page.javascriptDialogOpening";
        self.events.push(event);
        if is_dialog {
            self.ask("Page.handleJavaScriptDialog", json!({"accept": false}));
        }
    }

    fn receive(&self, what: &str) -> Value {
        match self.from.recv_timeout(DEADLINE) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => panic!("the browser does not answer: {what}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the browser has ended: {what}"),
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // it closes what it started itself; where it does not, it is killed
        let close = json!({"id": self.next + 1, "method": "Browser.close"}).to_string();
        let _gone = self.to.write_all(close.as_bytes()).and_then(|()| self.to.write_all(&[0]));
        while let Ok(_event) = self.from.recv_timeout(Duration::from_secs(5)) {}
        let _killed = self.child.kill();
        let _waited = self.child.wait();
        watchdog::has_ended(&self.child);
    }
}

fn program() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "programs are looked for where a shell looks")]
    let folders = std::env::var("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// Messages end with a zero byte.
fn listen(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut message = Vec::new();
        while reader.read_until(0, &mut message).is_ok_and(|length| length > 0) {
            let json = message.strip_suffix(&[0]).unwrap_or(&message);
            let Ok(value) = serde_json::from_slice(json) else { return };
            if sender.send(value).is_err() {
                return;
            }
            message.clear();
        }
    });
    receiver
}
