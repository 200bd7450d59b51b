//! What the tests of the whole program share: where the binary and the data are, and how to run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map_or_else(|| tests.to_owned(), Path::to_owned)
}

/// The built program: it lies beside the folder of the test binaries.
///
/// # Panics
/// Where it was not built: run `cargo build --release -p worker` (`./test` does).
pub fn chiasm() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    let binary = folder.join("chiasm");
    assert!(binary.exists(), "build the program first: cargo build --release -p worker");
    binary
}

/// A folder of real studies and records, or `None` with a line that says what is skipped.
pub fn data(folder: &str) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "tests look for data where the caller says")]
    let root = std::env::var("CHIASM_DATA").map_or_else(|_| workspace().join("../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no `{folder}` in $CHIASM_DATA or ../shared/data");
    None
}

/// Runs the program on the CPU device with these arguments and waits.
///
/// # Panics
/// Where it cannot be started.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    Command::new(chiasm()).args(arguments).output().expect("the program starts")
}

/// The JSON lines of a run's standard output.
///
/// # Panics
/// Where a line is no JSON.
pub fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
