//! Where something was measured: processor, memory, system, and how busy the machine was.
//!
//! Nothing here names the machine or who uses it.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine, as the system describes it. What a system does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's model.
    pub cpu: Option<String>,
    /// Processors that this program may use.
    pub cores: usize,
    /// Main memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The system's name and version.
    pub system: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
    /// Runnable processes, mean of a minute, before anything was measured: well above 0 means a busy machine.
    pub load_before: Option<f64>,
}

impl Machine {
    /// Reads what the system tells.
    pub fn describe() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self {
            cpu: field(&cpuinfo, "model name", ':'),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: field(&meminfo, "MemTotal", ':').and_then(|text| kibibytes(&text)),
            system: field(&release, "PRETTY_NAME", '=').map(|name| name.trim_matches('"').to_owned()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
            load_before: load(),
        }
    }
}

/// Runnable processes, mean of the last minute.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The most memory that this process has held since [`forget_peak`], in bytes.
pub fn peak_memory() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM", ':').and_then(|text| kibibytes(&text))
}

/// The peak of [`peak_memory`] begins anew; `false` where the system does not let it.
pub fn forget_peak() -> bool {
    // proc_pid_clear_refs(5): 5 resets the peak resident set size
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The value of the first line that begins with `name`.
fn field(text: &str, name: &str, separator: char) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// `2048 kB` in bytes.
fn kibibytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_systems_files_are_found() {
        let text = "processor\t: 0\nmodel name\t: A Processor @ 2 GHz: fast\nmodel name\t: another\n";
        assert_eq!(field(text, "model name", ':').as_deref(), Some("A Processor @ 2 GHz: fast"));
        assert_eq!(field(text, "model", ':'), None);
        assert_eq!(kibibytes("   2048 kB"), Some(2_097_152));
        assert_eq!(kibibytes("2048"), None);
        assert_eq!(kibibytes(&format!("{} kB", u64::MAX)), None);
    }

    #[test]
    fn this_machine_has_a_processor() {
        assert!(Machine::describe().cores >= 1);
    }
}
