//! Servers go and come back, connections break, the FHIR server fails, the disk is full, the clock is wrong.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chiasm_tests::fhir_server::FaultRule;
use chiasm_tests::site::nemesis::{Blow, blackhole, faults};
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;

use super::{PATIENCE, distributed, modes, turn};

#[test]
fn broker_and_database_restart_and_connections_break_and_nothing_is_lost() {
    let _turn = turn();
    let Some((mut site, servers)) = distributed(Plan::new(12)) else { return };
    let studies = site.studies(160);
    site.submit(&studies[..100], Lane::Routine);
    site.start_ready(2);
    let until = |site: &Site, more: u64| {
        let due = site.ended() + more;
        wait_until("more jobs end", PATIENCE, || site.ended() >= due);
    };
    until(&site, 5);
    servers.strike(Blow::BrokerRestart);
    until(&site, 5);
    servers.strike(Blow::BrokerKill);
    // Submitting goes on against a broker that has just come back.
    site.submit(&studies[100..], Lane::Routine);
    until(&site, 5);
    servers.strike(Blow::PostgresKill);
    until(&site, 5);
    for way in
        [site.ways.broker.as_ref(), site.ways.postgres.as_ref(), Some(&site.ways.fhir)].into_iter().flatten()
    {
        way.cut();
        until(&site, 5);
    }
    for way in
        [site.ways.broker.as_ref(), site.ways.postgres.as_ref(), Some(&site.ways.fhir)].into_iter().flatten()
    {
        blackhole(way, Duration::from_secs(site.plan().lease_s + 1));
        until(&site, 5);
    }
    site.wait_until_done(PATIENCE);
    assert!(site.workers.iter_mut().all(chiasm_tests::site::workers::Worker::is_running), "no worker ended");
    site.check().assert();
}

#[test]
fn a_fhir_server_that_fails_often_gets_each_report_once() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(42));
        let studies = site.studies(30);
        site.fhir.fault_by_rule(Some(FaultRule { seed: 42, per_mille: 300, faults: faults() }));
        site.submit(&studies, Lane::Routine);
        site.start_ready(2);
        wait_until("half of the reports are written", PATIENCE, || site.fhir.accepted().len() >= 15);
        site.fhir.fault_by_rule(None);
        site.wait_until_done(PATIENCE);
        assert!(site.fhir.seen().iter().any(|seen| seen.fault.is_some()));
        site.check().assert_without_rewrites();
    }
}

#[test]
fn a_fhir_server_that_is_down_pauses_nothing_for_good() {
    let _turn = turn();
    let mut site = Site::open(Mode::Embedded, Plan::new(43));
    let studies = site.studies(10);
    site.fhir.stop();
    site.submit(&studies, Lane::Routine);
    site.start_ready(1);
    wait_until("a report rests in the ledger", PATIENCE, || {
        site.open_work().is_some_and(|open| open.get("composed").is_some_and(|count| *count >= 1))
    });
    assert!(site.workers[0].get("/livez").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")));
    site.fhir.restart();
    site.wait_until_done(PATIENCE);
    site.check().assert_without_rewrites();
}

#[test]
fn a_full_disk_at_a_target_loses_nothing() {
    let _turn = turn();
    let mut site = Site::open(Mode::Embedded, Plan::new(28));
    let reports = site.folder().join("reports");
    let Some(_mounted) = SmallDisk::mount(&reports) else {
        eprintln!("skipped: a small tmpfs cannot be mounted here (it needs root)");
        return;
    };
    let filler = reports.join("filler");
    std::fs::create_dir(&filler).unwrap();
    // Whether writing fails at the first byte or in the middle, it fails.
    drop(std::fs::write(filler.join("bundle.json"), vec![0; 32 << 20]));
    let studies = site.studies(6);
    site.submit(&studies, Lane::Routine);
    site.start(&Start::default().with("CHIASM__WORKER__MIN_FREE_DISK_MIB", 0));
    site.wait_until_ready(0);
    wait_until("reports rest in the ledger", PATIENCE, || {
        site.open_work().is_some_and(|open| open.get("composed").is_some_and(|count| *count >= 1))
    });
    std::fs::remove_dir_all(&filler).unwrap();
    site.wait_until_done(PATIENCE);
    site.check().assert_without_rewrites();
}

/// A tmpfs of 16 MiB, which holds the reports of this test and little more; it is unmounted when this is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "chiasm"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

#[test]
fn workers_whose_clocks_differ_by_an_hour_lose_and_double_nothing() {
    let _turn = turn();
    if Command::new("faketime").arg("--version").output().is_err() {
        eprintln!("skipped: faketime is not installed (Debian: faketime)");
        return;
    }
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(61));
        let studies = site.studies(24);
        site.submit(&studies, Lane::Routine);
        for offset in ["+1h", "-1h"] {
            let under = ["faketime", "-f", offset].map(str::to_owned).to_vec();
            site.start(&Start { under, ..Start::default() });
        }
        site.start(&Start::default());
        site.wait_until_done(PATIENCE);
        site.check().assert_without_rewrites();
    }
}
