//! Workers die: at each named point, twice in a row, and at random moments.

use std::time::Duration;

use chiasm_tests::site::nemesis::Nemesis;
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use worker::lane::Lane;
use worker::service::failpoint::POINTS;

use super::{PATIENCE, distributed, modes, turn};

/// How long a worker may take to reach the point at which it is to die.
const UNTIL_DEATH: Duration = Duration::from_mins(1);

#[test]
fn dying_at_every_point_and_again_in_the_recovery_loses_and_doubles_nothing() {
    let _turn = turn();
    for mode in modes() {
        // Here workers die whatever they carry: no study is to blame.
        let mut site = Site::open(mode, Plan { poison_after: 1000, ..Plan::new(31) });
        for (index, point) in POINTS.iter().enumerate() {
            let studies = site.studies(3);
            site.submit(&studies, if index % 2 == 0 { Lane::Routine } else { Lane::Stat });
            // The second crash strikes what recovers: over the points, each follows another.
            for dies_at in [point, &POINTS[(index * 4 + 3) % POINTS.len()]] {
                let number = site.start(&Start::dying_at(*dies_at));
                let worker = &mut site.workers[number];
                assert!(
                    worker.ends_within(UNTIL_DEATH).is_some(),
                    "it did not reach `{dies_at}`: {}",
                    worker.logged()
                );
                assert!(worker.died_at_a_failpoint(), "at `{dies_at}`: {}", worker.logged());
            }
        }
        site.start_ready(1);
        site.wait_until_done(PATIENCE);
        let verdict = site.check();
        verdict.assert_without_rewrites();
        assert_eq!(verdict.states["reported"], 3 * POINTS.len());
        assert!(verdict.restarts > 0, "no job was taken up again: the points were not reached");
        site.workers.iter_mut().for_each(|worker| worker.signal("TERM"));
    }
}

#[test]
fn twenty_random_kills_over_two_hundred_jobs_lose_and_double_nothing() {
    let _turn = turn();
    let seed = 20;
    let Some((mut site, _)) = distributed(Plan::new(seed)) else { return };
    kills(&mut site, seed, 200, 20);
}

/// Two workers; whenever a twentieth of the jobs more has ended, one of them is killed and comes back.
fn kills(site: &mut Site, seed: u64, jobs: usize, kills: usize) {
    let mut nemesis = Nemesis::new(seed);
    let studies = site.studies(jobs);
    site.submit(&studies, Lane::Routine);
    site.start_ready(2);
    for kill in 0..kills {
        let due = (kill * jobs / (kills + 1)) as u64;
        wait_until("more jobs end", PATIENCE, || site.ended() >= due);
        std::thread::sleep(nemesis.time(Duration::from_millis(100)));
        let number = nemesis.below(2);
        site.start_again(number, &Start::default());
    }
    site.wait_until_done(PATIENCE);
    site.check().assert_without_rewrites();
}

#[test]
fn a_worker_that_is_told_to_stop_finishes_and_exits_0_and_told_twice_it_ends_at_once() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(15));
        let studies = site.studies(30);
        site.submit(&studies, Lane::Routine);
        for due in [4, 10] {
            site.start_ready(1);
            wait_until("jobs end", PATIENCE, || site.ended() >= due);
            let worker = site.workers.last_mut().unwrap();
            worker.signal("TERM");
            let ended = worker.ends_within(Duration::from_secs(30));
            assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", worker.logged());
        }
        assert!(site.ended() < 30, "it took more work after it was told to stop");
        site.start_ready(1);
        wait_until("more jobs end", PATIENCE, || site.ended() >= 16);
        let worker = site.workers.last_mut().unwrap();
        worker.signal("TERM");
        worker.signal("TERM");
        let ended = worker.ends_within(Duration::from_secs(5));
        assert!(matches!(ended.and_then(|status| status.code()), Some(0 | 143)), "{ended:?}");
        site.start_ready(1);
        site.wait_until_done(PATIENCE);
        site.check().assert_without_rewrites();
    }
}

#[test]
fn a_worker_that_stalls_beyond_its_lease_does_no_harm_when_it_goes_on() {
    let _turn = turn();
    let Some((mut site, _)) = distributed(Plan::new(60)) else { return };
    site.start_ready(2);
    for number in [0, 1] {
        let studies = site.studies(30);
        let due = site.ended() + 3;
        site.submit(&studies, Lane::Routine);
        wait_until("jobs end", PATIENCE, || site.ended() >= due);
        site.workers[number].signal("STOP");
        std::thread::sleep(Duration::from_secs(site.plan().lease_s + 2));
        site.workers[number].signal("CONT");
    }
    site.wait_until_done(PATIENCE);
    // It may have been about to write when it was stopped; then the same bytes are written again, under the same id.
    site.check().assert();
}

#[test]
fn a_grace_that_is_too_short_hands_the_rest_back() {
    let _turn = turn();
    let mut site = Site::open(Mode::Embedded, Plan { grace_s: 1, jobs_at_once: 16, ..Plan::new(16) });
    let studies = site.studies(40);
    site.submit(&studies, Lane::Routine);
    site.start_ready(1);
    wait_until("a job ends", PATIENCE, || site.ended() >= 1);
    site.fhir.stop();
    site.workers[0].signal("TERM");
    let ended = site.workers[0].ends_within(Duration::from_secs(30));
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", site.workers[0].logged());
    site.fhir.restart();
    site.start_ready(1);
    site.wait_until_done(PATIENCE);
    site.check().assert_without_rewrites();
}
