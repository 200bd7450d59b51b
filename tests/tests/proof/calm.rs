//! No fault but what others send: the same request many times, in any order, and forged ones; and STAT overtakes.

use std::time::Duration;

use chiasm_tests::site::check::End;
use chiasm_tests::site::nemesis::Nemesis;
use chiasm_tests::site::submit::request;
use chiasm_tests::site::workers::Start;
use chiasm_tests::site::{Mode, Plan, Site};
use jiff::Timestamp;
use worker::lane::Lane;
use worker::queue::Message;

use super::{PATIENCE, modes, turn};

#[test]
fn requests_that_come_five_times_in_any_order_to_two_workers_make_one_report_each() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(5));
        let studies = site.studies(12);
        let now = Timestamp::now();
        let mut messages: Vec<Message> = studies
            .iter()
            .flat_map(|study| {
                (0..5).map(move |copy| {
                    let lane = if copy % 2 == 0 { Lane::Routine } else { Lane::Stat };
                    request(study, &format!("copy-{copy}-of-{}", &study[5..]), now, lane)
                })
            })
            .collect();
        Nemesis::new(5).shuffle(&mut messages);
        site.publish(&messages);
        site.expect(&studies, &End::reported());
        site.start_ready(2);
        site.wait_until_done(PATIENCE);
        let verdict = site.check();
        verdict.assert_without_rewrites();
        assert_eq!(verdict.writes, studies.len());
        // And once more when all have ended: nothing changes.
        site.publish(&messages);
        site.wait_until_done(PATIENCE);
        let again = site.check();
        again.assert_without_rewrites();
        assert_eq!(again.writes, studies.len());
    }
}

#[test]
fn forged_messages_become_dead_letters_with_a_reason_and_block_nothing() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(66));
        let studies = site.studies(3);
        let good = request(&studies[0], "good", Timestamp::now(), Lane::Routine);
        let forge = |old: &str, new: &str| {
            let body = String::from_utf8(good.body.clone()).unwrap();
            assert!(body.contains(old), "{old} is not in {body}");
            Message { body: body.replacen(old, new, 1).into_bytes(), ..good.clone() }
        };
        let study = format!("\"{}\"", studies[0]);
        let with_source = |source: &str| forge("\"data\":{", &format!("\"data\":{{\"source\":\"{source}\","));
        let mut forged = vec![
            with_source("file:///etc/passwd"),
            with_source("http://169.254.169.254/latest/meta-data"),
            with_source("../../etc"),
            with_source("nowhere"),
            forge(&study, "\"../../etc/passwd\""),
            forge(&study, "\"1.2.3\\u0000.4\""),
            forge("v1", "v7"),
            Message { body: b"\x00\xff not JSON".to_vec(), ..good.clone() },
            Message { body: Vec::new(), ..good.clone() },
            Message { body: vec![b'['; 60_000], ..good.clone() },
            Message { body: vec![b' '; 70_000], ..good.clone() },
        ];
        let count = forged.len();
        forged.extend(studies.iter().map(|study| request(study, study, Timestamp::now(), Lane::Routine)));
        Nemesis::new(66).shuffle(&mut forged);
        site.publish(&forged);
        site.expect(&studies, &End::reported());
        site.start_ready(1);
        site.wait_until_done(PATIENCE);
        chiasm_tests::site::workers::wait_until("all dead letters are there", PATIENCE, || {
            site.dead_letters().len() == count
        });
        let letters = site.dead_letters();
        for letter in &letters {
            assert!(!letter.reason.is_empty() && !letter.code.is_empty(), "{letter:?}");
            let shown = format!("{letter:?}");
            for secret in ["etc", "169.254", "nowhere", "meta-data"] {
                assert!(!shown.contains(secret), "the reason repeats what was sent: {shown}");
            }
            site.expect_dead(&letter.code, 1);
        }
        site.check().assert_without_rewrites();
    }
}

#[test]
fn stat_overtakes_routine_work_that_waits() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(9));
        let (routine, stat) = (site.studies(40), site.studies(4));
        site.submit(&routine, Lane::Routine);
        site.submit(&stat, Lane::Stat);
        site.start_ready(1);
        site.wait_until_done(PATIENCE);
        site.check().assert_without_rewrites();
        // In order of their writing at the receiving end.
        let stat: std::collections::BTreeSet<_> = stat.into_iter().collect();
        let order = site.studies_in_order_of_writing();
        let last = order.iter().rposition(|study| stat.contains(study)).unwrap();
        assert!(last < 22, "the last of 4 STAT studies was written as number {last} of {}", order.len());
    }
}

#[test]
fn a_worker_that_ends_when_nothing_is_left_ends() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(77));
        let studies = site.studies(5);
        site.submit(&studies, Lane::Routine);
        site.start(&Start { once: true, ..Start::default() });
        let ended = site.workers[0].ends_within(Duration::from_mins(1));
        assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", site.workers[0].logged());
        site.wait_until_done(Duration::from_secs(5));
        site.check().assert_without_rewrites();
    }
}

#[test]
fn a_study_that_grows_gets_a_newer_version_of_its_one_report() {
    let _turn = turn();
    for mode in modes() {
        let mut site = Site::open(mode, Plan::new(88));
        let studies = site.studies(4);
        site.submit(&studies, Lane::Routine);
        site.start_ready(2);
        site.wait_until_done(PATIENCE);
        site.grow(&studies[..2]);
        let again: Vec<_> =
            studies.iter().map(|study| request(study, study, Timestamp::now(), Lane::Routine)).collect();
        site.publish(&again);
        chiasm_tests::site::workers::wait_until("the older versions are superseded", PATIENCE, || {
            site.ended() == 6
        });
        site.wait_until_done(PATIENCE);
        let verdict = site.check();
        verdict.assert_without_rewrites();
        assert_eq!((verdict.states["reported"], verdict.states["superseded"], verdict.writes), (4, 2, 6));
    }
}

/// The modes are what they are called: a test of the tests' premise.
#[test]
fn the_embedded_mode_needs_no_server() {
    let _turn = turn();
    let site = Site::open(Mode::Embedded, Plan::new(1));
    assert!(site.ways.broker.is_none() && site.ways.postgres.is_none());
    assert!(site.open_work().is_some_and(|open| open.is_empty()));
    assert!(site.folder().join("state").is_dir());
}
