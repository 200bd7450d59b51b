//! A study is released when as much of it is here as the archive states that it holds, and by time where it states nothing.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chiasm_tests::gateway::{Fault, Gateway};
use chiasm_tests::orthanc::{LOGIN, Orthanc};
use chiasm_tests::receiver::{Receiver, ReceivingSite, files};
use chiasm_tests::site::workers::wait_until;
use chiasm_tests::{lines, phantom_series, study_uid};

const PATIENCE: Duration = Duration::from_mins(2);

/// A site whose receiver asks the archive at this URL.
fn site(folder: &Path, quiet_s: u32, archive: &str) -> ReceivingSite {
    let password = folder.join("password");
    fs::write(&password, LOGIN.1).unwrap();
    fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
    let keys = format!(
        "quiet_s = {quiet_s}\ncount_from = 'pacs'\nhttp_listen = '127.0.0.1:0'\n\
         [sources.pacs]\nkind = 'dicomweb'\nurl = '{archive}/dicom-web'\nuser = '{}'\n\
         password = {{ file = '{}' }}\ntimeout_s = 5",
        LOGIN.0,
        password.display()
    );
    ReceivingSite::new(folder, &keys)
}

/// Waits until the archive has answered so since the receiver began.
fn wait_for_answer(receiver: &Receiver, answer: &str) {
    let line = format!("chiasm_receive_archive_answers_total{{answer=\"{answer}\"}} ");
    wait_until("the archive is asked", PATIENCE, || {
        let metrics = receiver.get("/metrics");
        metrics.lines().filter_map(|one| one.strip_prefix(&line)).any(|count| count.trim() != "0")
    });
}

fn send(site: &ReceivingSite, receiver: &Receiver, name: &str, instances: &[Vec<u8>]) {
    let (is_stored, said) = receiver.call("storescu", &[], &files(&site.folder.join(name), instances));
    assert!(is_stored, "{said}");
}

#[test]
fn a_study_is_released_when_all_that_the_archive_states_is_here() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start_pacs(&folder.path().join("orthanc")) else { return };
    let instances = phantom_series(57, 3);
    let uid = study_uid(&instances[0]);
    for instance in &instances {
        orthanc.store(instance);
    }
    let site = site(folder.path(), 3600, &orthanc.url());
    let mut receiver = site.receiver(&[]);
    send(&site, &receiver, "first", &instances[..2]);
    wait_for_answer(&receiver, "more");
    assert_eq!(site.own("open"), 1, "one is missing");
    send(&site, &receiver, "rest", &instances[2..]);
    site.wait_for_release();
    let metrics = receiver.get("/metrics");
    assert!(!metrics.contains(&uid), "{metrics}");
    assert_eq!(receiver.stop(), Some(0));
    let logged = receiver.logged();
    assert!(logged.contains("because=\"whole\"") && !logged.contains(&uid), "{logged}");

    let output = site.run(&["worker", "--once", "--device", "cpu", "--json"]);
    let outcomes = lines(&output);
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &"reported".into()), "{outcomes:?}");
    assert_eq!(outcomes[0]["study_uid"], uid.as_str());
}

#[test]
fn the_quiet_time_rules_where_the_archive_is_away() {
    let folder = tempfile::tempdir().unwrap();
    // The server behind it is never asked.
    let archive = Gateway::start(SocketAddr::from(([127, 0, 0, 1], 9)));
    archive.spoil(Fault::Status(503, "ServiceUnavailable"), "/studies", usize::MAX);
    let site = site(folder.path(), 2, &archive.url());
    let mut receiver = site.receiver(&[]);
    let instances = phantom_series(58, 2);
    let uid = study_uid(&instances[0]);
    send(&site, &receiver, "sent", &instances);
    site.wait_for_release();
    wait_for_answer(&receiver, "unanswered");
    assert_eq!(receiver.stop(), Some(0));
    let logged = receiver.logged();
    assert!(logged.contains("because=\"quiet\"") && logged.contains("code=\"SourceBusy\""), "{logged}");
    assert!(!logged.contains(&uid), "{logged}");
    assert!(archive.seen().iter().all(|line| line.contains("includefield=00201208")), "{:?}", archive.seen());
    let outcomes = lines(&site.run(&["worker", "--once", "--device", "cpu", "--json"]));
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &"reported".into()), "{outcomes:?}");
}
