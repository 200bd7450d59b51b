//! The processes that read files are killed and stopped while studies are under way: every study ends in exactly one state,
//! and the worker goes on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;

const PATIENCE: Duration = Duration::from_mins(2);

fn signal(name: &str, pid: u32) {
    // The process may be gone by now: that is what is tested.
    drop(Command::new("kill").args(["-s", name, &pid.to_string()]).output().unwrap());
}

#[test]
fn decode_processes_that_are_killed_under_load_cost_no_study() {
    let mut site = Site::open(Mode::Embedded, Plan::new(31));
    site.start_ready(1);
    let studies = site.studies(24);
    site.submit(&studies, Lane::Routine);
    let mut killed = Vec::new();
    wait_until("six decode processes were killed under load", PATIENCE, || {
        // One after the other, while studies end between them.
        let due = site.ended() > 2 * killed.len() as u64;
        let processes = site.workers[0].children("decode-process");
        if let Some(pid) = processes.into_iter().find(|pid| due && !killed.contains(pid)) {
            signal("KILL", pid);
            killed.push(pid);
        }
        killed.len() == 6
    });
    site.wait_until_done(PATIENCE);
    let verdict = site.check();
    verdict.assert();
    assert_eq!(verdict.states["reported"], studies.len());
    assert!(site.workers[0].is_running(), "the worker outlives its processes");
    assert!(site.workers[0].logged().contains("a process that reads files was lost"));
    assert!(site.workers[0].is_ready());
}

#[test]
fn a_decode_process_that_is_stopped_costs_no_more_than_its_file() {
    let mut site = Site::open(Mode::Embedded, Plan::new(32));
    let number = site.start(&Start::default().with("CHIASM__WORKER__DECODER_TIMEOUT_S", 2));
    site.wait_until_ready(number);
    let stopped = site.workers[number].children("decode-process");
    for pid in &stopped {
        signal("STOP", *pid);
    }
    assert_eq!(stopped.len(), 1, "the first is there from the start");
    let studies = site.studies(4);
    site.submit(&studies, Lane::Stat);
    site.wait_until_done(PATIENCE);
    assert!(site.workers[number].logged().contains("gave no answer within 2 s"));
    assert!(!site.workers[number].children("decode-process").contains(&stopped[0]), "it was replaced");
    assert!(site.workers[number].is_running());
}

#[test]
fn decode_processes_end_with_their_worker_however_that_ends() {
    let mut site = Site::open(Mode::Embedded, Plan::new(33));
    site.start_ready(1);
    let process = site.workers[0].children("decode-process")[0];
    site.workers[0].kill();
    wait_until("the orphan is gone", PATIENCE, || {
        // Where nobody reaps orphans, a dead one is still listed.
        fs::read_to_string(format!("/proc/{process}/stat"))
            .map_or(true, |stat| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim().starts_with('Z')))
    });
}
