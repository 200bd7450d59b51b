//! Studies of a bucket and of a PACS, and reports to a bucket, while the ways to them fail and workers die.

use chiasm_tests::site::nemesis::{Blow, Nemesis};
use chiasm_tests::site::remote::{Remote, faults};
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;

use super::{PATIENCE, modes, turn};

/// As many studies of the folder as of each server.
fn studies(site: &mut Site, each: usize) -> Vec<String> {
    let origins = site.remote.as_ref().map(Remote::origins).unwrap_or_default();
    let mut studies = site.studies(each);
    for origin in origins {
        studies.extend(site.studies_at(origin, each));
    }
    studies
}

#[test]
fn sources_and_a_bucket_that_fail_now_and_then_lose_and_double_nothing() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan { remote: true, ..Plan::new(51) });
        let studies = studies(&mut site, 6);
        let remote = site.remote.as_ref().unwrap();
        remote.to_s3.spoil_some(faults(), 300, 51);
        if let Some((_, gateway)) = &remote.pacs {
            gateway.spoil_some(faults(), 300, 52);
        }
        site.submit(&studies, Lane::Routine);
        site.start_ready(2);
        wait_until("some answers were spoiled", PATIENCE, || {
            let remote = site.remote.as_ref().unwrap();
            remote.to_s3.spoiled() >= 3
                && remote.pacs.as_ref().is_none_or(|(_, gateway)| gateway.spoiled() >= 1)
        });
        let remote = site.remote.as_ref().unwrap();
        remote.to_s3.pass();
        if let Some((_, gateway)) = &remote.pacs {
            gateway.pass();
        }
        site.wait_until_done(PATIENCE);
        site.check().assert_without_rewrites();
    }
}

#[test]
fn workers_that_die_over_fetched_studies_lose_and_double_nothing() {
    let _turn = turn();
    let mut site = Site::open(Mode::Embedded, Plan { remote: true, ..Plan::new(53) });
    let studies = studies(&mut site, 4);
    site.submit(&studies, Lane::Routine);
    let mut nemesis = Nemesis::new(53);
    for point in ["fetched", "accepted", "leased", "analysed", "stored"] {
        let number = site.start(&Start::dying_at(point));
        site.workers[number].ends_within(PATIENCE);
        assert!(site.workers[number].died_at_a_failpoint(), "{}", site.workers[number].logged());
    }
    site.start_ready(2);
    for blow in [Blow::S3, Blow::Pacs, Blow::Kill] {
        nemesis.strike(blow, &mut site, None);
    }
    site.wait_until_done(PATIENCE);
    let verdict = site.check();
    verdict.assert();
    assert_eq!(verdict.states.get("reported"), Some(&studies.len()));
}
