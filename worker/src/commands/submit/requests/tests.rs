//! From the command line to what the queue confirmed.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::message::adapters::AdapterMapping;
use crate::message::tests::queue::Remembering;

fn arguments(line: &[&str]) -> SubmitArgs {
    let cli = Cli::try_parse_from(["chiasm", "submit"].iter().chain(line)).unwrap();
    let Command::Submit(args) = cli.command else { panic!("submit was asked") };
    args
}

fn refused(line: &[&str]) -> bool {
    Cli::try_parse_from(["chiasm", "submit"].iter().chain(line)).is_err()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn options_become_a_request_that_the_reader_reads() {
    let line = [
        "--study",
        "1.2.3",
        "1.2.4",
        "1.2.3",
        "--source",
        "archive",
        "--record",
        "ehr",
        "--target",
        "a",
        "b",
        "a",
        "--stat",
        "--expected-instances",
        "2",
        "--shadow",
        "--correlation-id",
        "c-1",
        "--pipeline",
        "p",
    ];
    let now = Timestamp::now();
    let requests = requests(&arguments(&line), now).unwrap();
    assert_eq!(requests.len(), 2);
    let queue = Remembering::default();
    let mut said = Vec::new();
    assert_eq!(block_on(publish(&queue, &requests, false, &mut said)).unwrap(), 0);
    assert_eq!(
        String::from_utf8(said).unwrap(),
        "study 1.2.3: accepted (stat)\nstudy 1.2.4: accepted (stat)\n"
    );
    for (message, request) in queue.published().iter().zip(&requests) {
        assert_eq!(message.lane, Lane::Stat);
        assert_eq!(message::read(&message.body, now, &AdapterMapping::default()).unwrap(), *request);
    }
    assert_eq!(requests[0].targets.len(), 2);
    assert_ne!(requests[0].id, requests[1].id);
}

#[test]
fn the_priority_chooses_the_lane() {
    for (line, lane) in [
        (&["--study", "1.2"][..], Lane::Routine),
        (&["--study", "1.2", "--priority", "199"], Lane::Routine),
        (&["--study", "1.2", "--priority", "200"], Lane::Stat),
    ] {
        assert_eq!(requests(&arguments(line), Timestamp::now()).unwrap()[0].lane, lane);
    }
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    for line in [
        &[][..],
        &["--study", "1.02"],
        &["--study", "../etc/passwd"],
        &["--study", "1.2", "--source", "file:///etc/passwd"],
        &["--study", "1.2", "--target", "http://169.254.169.254/"],
        &["--study", "1.2", "--priority", "256"],
        &["--study", "1.2", "--stat", "--priority", "1"],
        &["--study", "1.2", "--expected-instances", "0"],
        &["--study", "1.2", "--out", "reports"],
        &["archive", "--study", "1.2"],
        &["archive", "--shadow"],
        &["--schema", "request", "--study", "1.2"],
    ] {
        assert!(refused(line), "{line:?}");
    }
    for line in [
        &["--study", "1.2", "--record", "../records"][..],
        &["--study", "1.2", "--correlation-id", "Canary^Carla"],
        &["--studies", "/nowhere/at/all"],
    ] {
        assert!(requests(&arguments(line), Timestamp::now()).is_err(), "{line:?}");
    }
    assert!(!refused(&["--schema"]) && !refused(&["archive", "--out", "reports"]));
}

#[test]
fn a_list_names_its_bad_line() {
    let list = |text: &str| listed(&mut text.as_bytes(), Path::new("list"));
    let uids = list("# studies of May\n1.2.3\r\n\n 1.2.4 # the other one\n1.2.5").unwrap();
    assert_eq!(uids.iter().map(Uid::as_str).collect::<Vec<_>>(), ["1.2.3", "1.2.4", "1.2.5"]);
    assert!(list("1.2.3\nCanary^Carla\n").unwrap_err().0.starts_with("line 2 of `list`"));
    assert!(list(&"1".repeat(1 << 20)).is_err());
}

#[test]
fn what_was_not_confirmed_is_not_called_accepted() {
    let lines: Vec<_> = (0..GROUP * 2 + 100).map(|study| format!("1.2.{study}")).collect();
    let text = lines.join("\n");
    let studies = listed(&mut text.as_bytes(), Path::new("list")).unwrap();
    let args = SubmitArgs { study: studies, ..arguments(&["--study", "1.2"]) };
    let requests = requests(&args, Timestamp::now()).unwrap();
    let (queue, mut said) = (Remembering::with_room(GROUP + 1), Vec::new());
    assert_eq!(block_on(publish(&queue, &requests, true, &mut said)).unwrap(), 1);
    let said = String::from_utf8(said).unwrap();
    let count =
        |state: &str| said.lines().filter(|line| line.contains(&format!("\"state\":\"{state}\""))).count();
    assert_eq!((count("accepted"), count("unconfirmed"), count("not_sent")), (GROUP, GROUP, 100));
    assert_eq!(queue.ids().len(), GROUP);
}
