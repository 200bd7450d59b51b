//! A receiver that is killed has everything that it said it has, and the next one goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use chiasm_tests::rabbitmq::RabbitMq;
use chiasm_tests::receiver::{ReceivingSite, files};
use chiasm_tests::site::workers::wait_until;
use chiasm_tests::{lines, phantom_series, study_uid};

use super::is_same;

#[test]
fn what_was_acknowledged_survives_a_kill_and_the_rest_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    let mut receiver = site.receiver(&[]);
    let instances = phantom_series(53, 24);
    let uid = study_uid(&instances[0]);
    let sent = files(&folder.path().join("sent"), &instances);

    let sending = receiver
        .command("storescu", &[], &sent)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("some instances are stored", Duration::from_mins(2), || site.stored(&uid).len() >= 5);
    receiver.kill();
    let output = sending.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let acknowledged = String::from_utf8_lossy(&said).matches("Store Response (Success)").count();
    let stored = site.stored(&uid);
    assert!(acknowledged >= 4 && acknowledged < sent.len(), "{}", String::from_utf8_lossy(&said));
    // at most the last one is stored and was not acknowledged
    assert!((acknowledged..=acknowledged + 1).contains(&stored.len()));
    for path in &stored {
        let bytes = fs::read(path).unwrap();
        assert!(instances.iter().any(|sent| is_same(sent, &bytes)), "whole, as it was sent");
    }
    assert_eq!(site.own("open"), 1, "the study waits to be released");

    // the next receiver: everything again, then it is quiet
    let mut receiver = site.receiver(&[("CHIASM__RECEIVE__QUIET_S", "1")]);
    assert_eq!(site.own("arriving"), 0, "what was half written is gone");
    let (is_stored, said) = receiver.call("storescu", &[], &sent);
    assert!(is_stored, "{said}");
    assert_eq!(site.stored(&uid).len(), sent.len());
    site.wait_for_release();
    receiver.kill();
    let output = site.run(&["worker", "--once", "--device", "cpu", "--json"]);
    let outcomes = lines(&output);
    assert!(outcomes.iter().all(|outcome| outcome["state"] == "reported"), "{outcomes:?}");
    assert_eq!(
        lines(&site.run(&["jobs", "list", "--json"])).len(),
        1,
        "one job, however often it was asked for"
    );
}

#[test]
fn a_study_that_a_killed_receiver_had_not_released_is_released_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    let mut receiver = site.receiver(&[]);
    let instances = phantom_series(54, 2);
    let sent = files(&folder.path().join("sent"), &instances);
    let (is_stored, said) = receiver.call("storescu", &[], &sent);
    assert!(is_stored, "{said}");
    receiver.kill();
    assert_eq!(site.own("open"), 1);

    // the second of two that would store in one folder does not start
    let receiver = site.receiver(&[("CHIASM__RECEIVE__QUIET_S", "1")]);
    let second = site.run(&["receive"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another receiver stores there"));
    site.wait_for_release();
    assert!(receiver.logged().contains("unreleased=1"));
    let output = site.run(&["worker", "--once", "--device", "cpu", "--json"]);
    let outcomes = lines(&output);
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &"reported".into()), "{outcomes:?}");
}

#[test]
fn a_receiver_starts_while_the_broker_is_away_and_releases_when_it_is_there() {
    let Some(broker) = RabbitMq::start("") else { return };
    broker.stop();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let queue = format!(
        "quiet_s = 1\n[queue]\nkind = 'rabbitmq'\nurl = '{}'\npassword = {{ file = '{}' }}",
        broker.url(),
        password.display()
    );
    let site = ReceivingSite::new(folder.path(), &queue);
    let mut receiver = site.receiver(&[]);
    let sent = files(&folder.path().join("sent"), &phantom_series(55, 2));
    let (is_stored, said) = receiver.call("storescu", &[], &sent);
    assert!(is_stored, "{said}");
    wait_until("a release was tried", Duration::from_mins(1), || {
        receiver.logged().contains("a study was not released")
    });
    assert_ne!(site.own("open") + site.own("releasing"), 0, "it waits");
    broker.restart();
    site.wait_for_release();
    let output = site.run(&["worker", "--once", "--device", "cpu", "--json"]);
    let outcomes = lines(&output);
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &"reported".into()), "{outcomes:?}");
    assert_eq!(receiver.stop(), Some(0));
}
