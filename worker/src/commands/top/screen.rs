//! The page that `chiasm top` shows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Seen;
use crate::telemetry::metrics::Samples;

const MIB: f64 = 1024.0 * 1024.0;

/// Workers, queue, ledger, stages, and what ended without a result.
pub(super) fn page(workers: &[Seen]) -> String {
    let mut page = String::new();
    let mut line = |text: String| {
        page.push_str(text.trim_end());
        page.push('\n');
    };
    line(format!(
        "{:<32} {:<9} {:<7} {:>9} {:>13} {:>12} {:>10}",
        "worker", "takes", "device", "under way", "studies MiB", "resident MiB", "ended/h"
    ));
    for worker in workers {
        line(match &worker.now {
            None => format!("{:<32} does not answer", worker.url),
            Some((_, samples)) => row(worker, samples),
        });
    }
    let seen: Vec<&Samples> = workers.iter().filter_map(|worker| Some(&worker.now.as_ref()?.1)).collect();
    if seen.is_empty() {
        return page;
    }
    let mut depths = greatest_by(&seen, "chiasm_queue_depth_messages", "lane");
    depths.push_str(&format_one("resting", greatest(&seen, "chiasm_queue_resting_messages"), ""));
    depths.push_str(&format_one("dead", greatest(&seen, "chiasm_queue_dead_messages"), ""));
    depths.push_str(&format_one("oldest", greatest(&seen, "chiasm_queue_oldest_age_seconds"), " s"));
    line(format!("\nqueue    {depths}"));
    line(format!("ledger   {}", greatest_by(&seen, "chiasm_ledger_jobs", "state")));
    let waiting = greatest(&seen, "chiasm_outbox_oldest_age_seconds");
    line(format!(
        "outbox   {}{}",
        format_one("reports", greatest(&seen, "chiasm_outbox_reports"), ""),
        format_one("oldest", waiting, " s")
    ));
    line(format!("stages   {}", stages(workers)));
    let without = sums_by(&seen, "chiasm_jobs_ended_total", "code");
    let without: String = without
        .iter()
        .filter(|(code, _)| !code.is_empty())
        .map(|(code, n)| format_one(code, Some(*n), ""))
        .collect();
    line(format!("codes    {without}"));
    page
}

fn row(worker: &Seen, samples: &Samples) -> String {
    let is = |name: &str, yes, no| if samples.value(name).unwrap_or(0.0) > 0.0 { yes } else { no };
    let number = |name: &str| samples.value(name).unwrap_or(0.0);
    let under_way: f64 = samples.by("chiasm_jobs_under_way", "lane").values().sum();
    let studies = format!(
        "{:.0}/{:.0}",
        number("chiasm_memory_used_bytes") / MIB,
        number("chiasm_memory_budget_bytes") / MIB
    );
    format!(
        "{:<32} {:<9} {:<7} {under_way:>9} {studies:>13} {:>12.0} {:>10}",
        worker.url,
        is("chiasm_ready", "studies", "nothing"),
        is("chiasm_device_up", "up", "down"),
        number("chiasm_process_resident_memory_bytes") / MIB,
        per_hour(worker).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
    )
}

/// Studies that ended an hour, between the last two looks.
fn per_hour(worker: &Seen) -> Option<f64> {
    let ended = |samples: &Samples| samples.by("chiasm_jobs_ended_total", "state").values().sum::<f64>();
    let ((then, before), (now, after)) = (worker.before.as_ref()?, worker.now.as_ref()?);
    let seconds = now.duration_since(*then).as_secs_f64();
    // A worker that was started anew counts from nothing.
    (seconds > 0.0).then(|| (ended(after) - ended(before)).max(0.0) / seconds * 3600.0)
}

/// The mean time of each stage since the workers started.
fn stages(workers: &[Seen]) -> String {
    let seen: Vec<&Samples> = workers.iter().filter_map(|worker| Some(&worker.now.as_ref()?.1)).collect();
    let seconds = sums_by(&seen, "chiasm_stage_duration_seconds_sum", "stage");
    let counts = sums_by(&seen, "chiasm_stage_duration_seconds_count", "stage");
    let mut text = String::new();
    for (stage, count) in counts {
        if count > 0.0 {
            let mean = seconds.get(stage).copied().unwrap_or(0.0) / count;
            // Writing to a text cannot fail.
            write!(text, "{stage} {:.1} ms   ", mean * 1000.0).unwrap_or_default();
        }
    }
    text
}

/// Every worker tells the same of a shared queue or ledger: the greatest counts.
fn greatest(seen: &[&Samples], name: &str) -> Option<f64> {
    seen.iter().filter_map(|samples| samples.value(name)).max_by(f64::total_cmp)
}

fn greatest_by(seen: &[&Samples], name: &str, label: &str) -> String {
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    for samples in seen {
        for (key, value) in samples.by(name, label) {
            let entry = most.entry(key).or_insert(value);
            *entry = entry.max(value);
        }
    }
    most.iter().map(|(key, value)| format_one(key, Some(*value), "")).collect()
}

fn sums_by<'a>(seen: &[&'a Samples], name: &str, label: &str) -> BTreeMap<&'a str, f64> {
    let mut sums = BTreeMap::new();
    for samples in seen {
        for (key, value) in samples.by(name, label) {
            *sums.entry(key).or_insert(0.0) += value;
        }
    }
    sums
}

fn format_one(name: &str, value: Option<f64>, unit: &str) -> String {
    value.map_or_else(String::new, |value| format!("{name} {value:.0}{unit}   "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::lane::Lane;
    use crate::ledger::JobState;
    use crate::queue::QueueStatus;
    use crate::telemetry::http::Exposition;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn the_page_tells_workers_queue_stages_and_codes() {
        let metrics = Metrics::new("digest");
        let samples = || Samples::parse(&metrics.encode());
        metrics.set_ready(true);
        let began = Instant::now();
        let before = Some((began, samples()));
        metrics.record_device_success();
        metrics.record_stage("decode", Duration::from_millis(12));
        metrics.record_job_ended(Lane::Stat, JobState::Refused, Some("Truncated"), Duration::from_secs(1));
        metrics.set_queue(&QueueStatus {
            kind: "embedded",
            stat: 1,
            routine: 20,
            unsettled: None,
            resting: 0,
            dead: 3,
            oldest_s: None,
        });
        let now = Some((began + Duration::from_secs(2), samples()));
        let away = Seen { url: "http://away:9464".into(), now: None, before: None };
        let page = page(&[Seen { url: "http://here:9464".into(), now, before }, away]);
        let row = page.lines().find(|line| line.starts_with("http://here:9464")).unwrap();
        assert!(row.contains("studies") && row.contains("up") && row.ends_with("1800"), "{row}");
        assert!(page.contains("http://away:9464                 does not answer"), "{page}");
        assert!(page.contains("queue    routine 20   stat 1   resting 0   dead 3"), "{page}");
        assert!(page.contains("decode 12.0 ms"), "{page}");
        assert!(page.contains("codes    Truncated 1"), "{page}");
    }
}
