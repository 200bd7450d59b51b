//! A study that stops its worker every time.

use chiasm_tests::site::check::End;
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Plan, Site};
use worker::lane::Lane;
use worker::service::failpoint::of_study;

use super::{PATIENCE, modes, turn};

/// `worker.poison_after` of the shipped configuration.
const POISON_AFTER: usize = 5;

#[test]
fn a_study_that_stops_its_worker_each_time_ends_as_a_dead_letter_and_the_rest_is_worked_off() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(13));
        let studies = site.studies(12);
        let (poison, innocent) = (studies[4..5].to_vec(), [&studies[..4], &studies[5..]].concat());
        // The decoder has no file that kills it, so this study is made one: whoever has read it dies.
        let deadly = Start::dying_at(format!("fetched@{}", of_study(&poison[0])));
        site.submit(&studies, Lane::Routine);
        site.expect(&poison, &End::failed("StoppedTheWorker"));
        site.expect_dead("StoppedTheWorker", 1);
        site.start(&deadly);
        let mut deaths = 0;
        wait_until("the poison is a dead letter", PATIENCE, || {
            if !site.workers[0].is_running() {
                assert!(site.workers[0].died_at_a_failpoint(), "{}", site.workers[0].logged());
                deaths += 1;
                site.start_again(0, &deadly);
            }
            !site.dead_letters().is_empty()
        });
        assert!((POISON_AFTER..=POISON_AFTER + 2).contains(&deaths), "it took {deaths} deaths");
        site.wait_until_done(PATIENCE);
        assert!(site.workers[0].is_running(), "the worker outlived the poison");
        let verdict = site.check();
        verdict.assert_without_rewrites();
        assert_eq!(verdict.states["reported"], innocent.len());
    }
}
