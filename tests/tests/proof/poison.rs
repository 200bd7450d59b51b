//! A study that stops its worker every time.

use chiasm_tests::site::check::End;
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;
use worker::service::failpoint::of_study;

use super::{PATIENCE, modes, turn};

/// `worker.poison_after` of these sites.
const POISON_AFTER: u16 = 3;

/// No file kills a worker that is known, so one study is made deadly: whoever has read it dies, or whoever begins its job.
#[test]
fn a_study_that_stops_its_worker_each_time_ends_as_a_dead_letter_and_the_rest_is_worked_off() {
    let _turn = turn();
    for mode in modes() {
        for place in [0, 2, 5] {
            let deaths = poisoned(mode, place, "fetched");
            let expected = usize::from(POISON_AFTER)..=usize::from(POISON_AFTER) + 2;
            assert!(expected.contains(&deaths), "it took {deaths} deaths");
        }
        // Once the ledger holds the job, its first two starts are beside others.
        let deaths = poisoned(mode, 3, "leased");
        let expected = usize::from(POISON_AFTER)..=usize::from(POISON_AFTER) + 4;
        assert!(expected.contains(&deaths), "it took {deaths} deaths");
    }
}

/// Works off eight studies of which one is deadly, and gives how many workers died of it.
fn poisoned(mode: Mode<'_>, place: usize, point: &str) -> usize {
    let mut site = Site::open(mode, Plan { poison_after: POISON_AFTER, ..Plan::new(13) });
    let studies = site.studies(8);
    let poison = studies[place..=place].to_vec();
    let deadly = Start::dying_at(format!("{point}@{}", of_study(&poison[0])));
    site.submit(&studies, Lane::Routine);
    site.expect(&poison, &End::failed("StoppedTheWorker"));
    site.start(&deadly);
    let mut deaths = 0;
    wait_until("all jobs have ended", PATIENCE, || {
        if !site.workers[0].is_running() {
            assert!(site.workers[0].died_at_a_failpoint(), "{}", site.workers[0].logged());
            deaths += 1;
            site.start_again(0, &deadly);
        }
        site.ended() == studies.len() as u64
    });
    site.expect_dead("StoppedTheWorker", 1);
    site.wait_until_done(PATIENCE);
    assert!(site.workers[0].is_running(), "the worker outlived the poison");
    let verdict = site.check();
    verdict.assert_without_rewrites();
    assert_eq!(verdict.states["reported"], studies.len() - 1, "no other study was counted with it");
    deaths
}
