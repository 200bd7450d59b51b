//! The bounds of the worker.

use std::time::Duration;

use super::super::problem::Findings;
use super::super::raw::{RawQueue, RawWorker};
use super::super::site::{RetryConfig, WorkerConfig};

const MIB: u64 = 1024 * 1024;
/// The largest number of MiB: one TiB.
const MOST_MIB: u64 = 1024 * 1024;
/// With less address space than this, the program itself does not start.
const LEAST_DECODER_MIB: u64 = 512;
const YEAR_H: u64 = 365 * 24;

pub(super) fn worker(raw: &RawWorker, lease_s: u64, findings: &mut Findings) -> WorkerConfig {
    let mut small = |key: &str, value, least, most| {
        let value = findings.within(key, value, least, most);
        u16::try_from(value).unwrap_or(u16::MAX)
    };
    let jobs_at_once = small("worker.jobs_at_once", raw.jobs_at_once, 1, 1000);
    let stat_jobs_at_once = small("worker.stat_jobs_at_once", raw.stat_jobs_at_once, 1, 1000);
    let decoders = small("worker.decoders", raw.decoders, 1, 1000);
    let max_batch = small("worker.max_batch", raw.max_batch, 1, 1000);
    let poison_after = small("worker.poison_after", raw.poison_after, 1, 1000);
    let memory_mib = findings.within("worker.memory_mib", raw.memory_mib, 1, MOST_MIB);
    let decoder_memory_mib =
        findings.within("worker.decoder_memory_mib", raw.decoder_memory_mib, LEAST_DECODER_MIB, MOST_MIB);
    let max_study_mib = findings.within("worker.max_study_mib", raw.max_study_mib, 1, MOST_MIB);
    if max_study_mib > memory_mib {
        findings.wrong(
            "worker.max_study_mib",
            format!(
                "is {max_study_mib}, more than `memory_mib` ({memory_mib}): such a study would wait for ever"
            ),
        );
    }
    let min_free_disk_mib = findings.within("worker.min_free_disk_mib", raw.min_free_disk_mib, 0, MOST_MIB);
    let mut seconds =
        |key: &str, value, least, most| Duration::from_secs(findings.within(key, value, least, most));
    let grace = seconds("worker.grace_s", raw.grace_s, 1, 3600);
    let decoder_timeout = seconds("worker.decoder_timeout_s", raw.decoder_timeout_s, 1, 3600);
    let lease = seconds("ledger.lease_s", lease_s, 5, 3600);
    let deliver_for = seconds("worker.deliver_for_h", raw.deliver_for_h, 1, YEAR_H) * 3600;
    let hold_for = seconds("worker.hold_h", raw.hold_h, 0, YEAR_H) * 3600;
    WorkerConfig {
        jobs_at_once,
        stat_jobs_at_once,
        decoders: decoders.into(),
        decoder_memory_bytes: decoder_memory_mib * MIB,
        decoder_timeout,
        max_batch: max_batch.into(),
        max_wait: Duration::from_millis(findings.within("worker.max_wait_ms", raw.max_wait_ms, 0, 60_000)),
        device_timeout: Duration::from_secs(findings.within(
            "worker.device_timeout_s",
            raw.device_timeout_s,
            1,
            3_600,
        )),
        memory_bytes: memory_mib * MIB,
        max_study_bytes: max_study_mib * MIB,
        min_free_disk_bytes: min_free_disk_mib * MIB,
        max_undelivered: findings.within("worker.max_undelivered", raw.max_undelivered, 1, 1_000_000_000),
        grace,
        poison_after: poison_after.into(),
        deliver_for,
        hold_for,
        lease,
    }
}

pub(super) fn retry(raw: &RawQueue, findings: &mut Findings) -> RetryConfig {
    let retries = findings.within("queue.retries", raw.retries, 0, 100);
    let after = findings.within("queue.retry_after_s", raw.retry_after_s, 1, 600);
    RetryConfig { retries: u32::try_from(retries).unwrap_or(u32::MAX), after: Duration::from_secs(after) }
}
