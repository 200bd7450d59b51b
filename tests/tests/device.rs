//! The device's process is killed, stopped and asked again while studies are under way: no study is lost, and the worker
//! goes on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use chiasm_tests::site::workers::{Start, Worker, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;

const PATIENCE: Duration = Duration::from_mins(2);

fn signal(name: &str, pid: u32) {
    // The process may be gone by now: that is what is tested.
    drop(Command::new("kill").args(["-s", name, &pid.to_string()]).output().unwrap());
}

fn metric(worker: &Worker, name: &str) -> f64 {
    let text = worker.get("/metrics").unwrap_or_default();
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().last()?.parse().ok());
    value.unwrap_or(f64::NAN)
}

#[test]
fn a_device_process_that_is_killed_under_load_costs_no_study() {
    let mut site = Site::open(Mode::Embedded, Plan::new(21));
    site.start_ready(1);
    let studies = site.studies(24);
    site.submit(&studies, Lane::Routine);
    let mut killed = Vec::new();
    wait_until("four device processes were killed under load", PATIENCE, || {
        // Each is killed once it has scored something.
        let due = site.ended() > 3 * killed.len() as u64;
        if let Some(pid) = site.workers[0].device_process().filter(|pid| due && !killed.contains(pid)) {
            signal("KILL", pid);
            killed.push(pid);
        }
        killed.len() == 4
    });
    site.wait_until_done(PATIENCE);
    let verdict = site.check();
    verdict.assert();
    // A picture that met two deaths in a row may have failed its job; each such job says so and is nowhere else.
    assert_eq!(verdict.states["reported"], studies.len());
    assert!(site.workers[0].is_running(), "the worker outlives its device");
    assert!(metric(&site.workers[0], "chiasm_device_openings_total") >= 4.0);
    assert!(metric(&site.workers[0], "chiasm_device_resident_memory_bytes{}") > 1e6);
    assert!(site.workers[0].is_ready());
}

#[test]
fn a_device_process_that_hangs_is_replaced() {
    let mut site = Site::open(Mode::Embedded, Plan::new(22));
    let number = site.start(&Start::default().with("CHIASM__WORKER__DEVICE_TIMEOUT_S", 2));
    site.wait_until_ready(number);
    let hanging = site.workers[number].device_process().unwrap();
    signal("STOP", hanging);
    let studies = site.studies(4);
    site.submit(&studies, Lane::Stat);
    site.wait_until_done(PATIENCE);
    site.check().assert();
    assert_ne!(site.workers[number].device_process(), Some(hanging));
    assert!(site.workers[number].logged().contains("gave no answer within 2 s"));
}

#[test]
fn the_device_process_ends_with_its_worker_however_that_ends() {
    let mut site = Site::open(Mode::Embedded, Plan::new(23));
    site.start_ready(1);
    let device = site.workers[0].device_process().unwrap();
    site.workers[0].kill();
    wait_until("the orphan is gone", PATIENCE, || {
        // Where nobody reaps orphans, a dead one is still listed.
        fs::read_to_string(format!("/proc/{device}/stat"))
            .map_or(true, |stat| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim().starts_with('Z')))
    });
}
