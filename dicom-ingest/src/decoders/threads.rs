//! On how many threads a process decodes one picture of JPEG 2000.
//!
//! OpenJPEG is told by the environment, before the process runs: whatever else it could be told by is not safe Rust.

/// Threads of a process at most: each takes 8 MiB of its address space, for its stack.
const MOST: usize = 8;

/// The threads of the process in the seat with this index, where `all` are for the first. The one that works alone has them all;
/// together they have a few more than that.
pub(super) fn share(all: usize, index: usize) -> usize {
    (all / (index + 1)).clamp(1, MOST)
}

/// What the environment of a process with so many threads says.
pub(super) fn environment(threads: usize) -> [(&'static str, String); 2] {
    // One is the process's own: OpenJPEG would start another and wait for it.
    let started = if threads > 1 { threads } else { 0 };
    // With an arena for each, glibc reserves 64 MiB of address space a thread, which a file could need.
    [("OPJ_NUM_THREADS", started.to_string()), ("MALLOC_ARENA_MAX", "1".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_has_all_and_each_has_one() {
        let shares = |all| [0, 1, 2, 3, 8].map(|index| share(all, index));
        assert_eq!(shares(0), [1, 1, 1, 1, 1]);
        assert_eq!(shares(2), [2, 1, 1, 1, 1]);
        assert_eq!(shares(6), [6, 3, 2, 1, 1]);
        assert_eq!(shares(64), [8, 8, 8, 8, 7]);
    }

    #[test]
    fn one_thread_starts_none() {
        assert_eq!(environment(1)[0].1, "0");
        assert_eq!(environment(3)[0].1, "3");
    }
}
