//! What a process that reads files gives up before it sees the first one.
//!
//! Everywhere: memory, CPU time, size of written files, open files, processes and core dumps, by the system's resource
//! limits. On Linux besides, where the kernel has them: Landlock (no file, no TCP port, no signal to others) and seccomp (no
//! system call but those that computing, memory, threads and the one open connection need). Both forbid new privileges.
//! None of it can be taken back.

use rlimit::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Open files of a process that opens none: standard input, output and error, and the connection.
const MOST_OPEN: u64 = 4;
/// Processes and threads of the user; one of ours starts no process, and threads for some frames of JPEG and JPEG 2000.
const MOST_PROCESSES: u64 = 4096;

/// What one process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Address space, in bytes.
    pub memory_bytes: u64,
    /// CPU time of its whole life, in seconds.
    pub cpu_seconds: u64,
}

/// What the system holds a process to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Every resource limit was set.
    pub limited: bool,
    /// Landlock keeps it from files.
    pub without_files: bool,
    /// Seccomp keeps it from every system call that it does not need, sockets, programs and processes among them.
    pub without_calls: bool,
}

impl Confinement {
    /// What the system lacks, for the log.
    pub fn lacking(&self) -> Vec<&'static str> {
        let checks = [
            (self.limited, "resource limits"),
            (self.without_files, "Landlock"),
            (self.without_calls, "seccomp"),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, name)| name).collect()
    }
}

/// Gives up what a reader of files does not need. The process must have opened what it wants to use.
pub fn confine(bounds: &Bounds) -> Confinement {
    // First, while one more file may be open: a set of Landlock's rules is one until it holds.
    let without_files = system::without_files();
    let limits = [
        (Resource::AS, bounds.memory_bytes),
        (Resource::CPU, bounds.cpu_seconds),
        (Resource::FSIZE, 0),
        (Resource::NOFILE, MOST_OPEN),
        (Resource::NPROC, MOST_PROCESSES),
        (Resource::CORE, 0),
    ];
    // Every limit is tried, whatever became of those before it.
    let limited = limits.into_iter().filter(|(resource, most)| lower(*resource, *most)).count();
    Confinement { limited: limited == limits.len(), without_files, without_calls: system::without_calls() }
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, most: u64) -> bool {
    let Ok((_, hard)) = getrlimit(resource) else { return false };
    let most = most.min(hard);
    setrlimit(resource, most, most).is_ok()
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;

    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
        RulesetStatus, Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition,
        SeccompFilter, SeccompRule, apply_filter_all_threads,
    };

    /// No access to any file, no TCP port, no signal to and no abstract socket of another process: all that the kernel knows
    /// of these, with no exception.
    pub(super) fn without_files() -> bool {
        let restrict = || {
            Ruleset::default()
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(AccessFs::from_all(ABI::V6))?
                .handle_access(AccessNet::from_all(ABI::V6))?
                .scope(Scope::from_all(ABI::V6))?
                .create()?
                .restrict_self()
        };
        restrict().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
    }

    /// Every system call that is not allowed fails as if the kernel did not have it. The C library then starts threads by
    /// `clone`, whose flags a filter can see, and not by `clone3`.
    pub(super) fn without_calls() -> bool {
        let filter = || -> Option<BpfProgram> {
            let filter = SeccompFilter::new(
                allowed()?,
                SeccompAction::Errno(u32::try_from(libc::ENOSYS).ok()?),
                SeccompAction::Allow,
                std::env::consts::ARCH.try_into().ok()?,
            );
            filter.ok()?.try_into().ok()
        };
        filter().is_some_and(|filter| apply_filter_all_threads(&filter).is_ok())
    }

    fn allowed() -> Option<BTreeMap<i64, Vec<SeccompRule>>> {
        let always = [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_readv,
            libc::SYS_writev,
            libc::SYS_close,
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_brk,
            libc::SYS_futex,
            libc::SYS_rt_sigaction,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_sigaltstack,
            libc::SYS_getpid,
            libc::SYS_gettid,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_clock_gettime,
            libc::SYS_clock_nanosleep,
            libc::SYS_nanosleep,
            libc::SYS_sched_yield,
            libc::SYS_sched_getaffinity,
            libc::SYS_getrandom,
            libc::SYS_set_robust_list,
            libc::SYS_rseq,
            libc::SYS_restart_syscall,
        ];
        let bits = |bits: i32| u64::try_from(bits).ok();
        let when = |argument, length, is, value| {
            Some(vec![SeccompRule::new(vec![SeccompCondition::new(argument, length, is, value).ok()?]).ok()?])
        };
        let not_executable = || when(2, Length::Dword, Is::MaskedEq(bits(libc::PROT_EXEC)?), 0);
        let thread = bits(libc::CLONE_THREAD)?;
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            always.into_iter().map(|call| (call, Vec::new())).collect();
        // No new code, a thread but no process, and a signal (an abort) to itself alone.
        rules.insert(libc::SYS_mmap, not_executable()?);
        rules.insert(libc::SYS_mprotect, not_executable()?);
        rules.insert(libc::SYS_clone, when(0, Length::Qword, Is::MaskedEq(thread), thread)?);
        rules.insert(libc::SYS_tgkill, when(0, Length::Dword, Is::Eq, u64::from(std::process::id()))?);
        Some(rules)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn without_files() -> bool {
        false
    }

    pub(super) fn without_calls() -> bool {
        false
    }
}
