//! Ends the servers and workers of a test run that was itself killed.
//!
//! A shell reads from a pipe what is running; the pipe closes when this process ends, however it ends, and the shell
//! ends what is left and removes its folders.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SCRIPT: &str = r#"
running=" " folders=" "
while read -r what which; do
  case $what in
    +) running="$running$which " ;;
    -) running="${running%% $which *} ${running#* $which }" ;;
    folder) folders="$folders$which " ;;
    keep) folders="${folders%% $which *} ${folders#* $which }" ;;
  esac
done
for one in $running; do kill -9 -- "$one" 2>/dev/null; done
sleep 1
for one in $folders; do rm -rf "$one"; done
"#;

static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// Ends this process with ours.
pub fn ends_with_us(child: &Child) {
    tell("+", &child.id().to_string());
}

/// Ends this process and its group, which bears its number, with ours.
pub fn ends_with_us_and_its_group(child: &Child) {
    tell("+", &format!("-{}", child.id()));
}

/// The group of this process is gone.
pub fn group_has_ended(child: &Child) {
    tell("-", &format!("-{}", child.id()));
}

/// This process was waited for: its number may be another's from now on.
pub fn has_ended(child: &Child) {
    tell("-", &child.id().to_string());
}

/// Removes this folder when we have ended, and what we started with us.
pub fn remove_at_the_end(folder: &Path) {
    tell("folder", &folder.display().to_string());
}

/// Leaves this folder after all.
pub fn keep(folder: &Path) {
    tell("keep", &folder.display().to_string());
}

fn tell(what: &str, which: &str) {
    let pipe = PIPE.get_or_init(|| Mutex::new(start()));
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{what} {which}").expect("the watchdog reads");
}

fn start() -> ChildStdin {
    let shell = Command::new("setsid")
        .args(["sh", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    shell.expect("a shell").stdin.take().expect("a pipe to it")
}
