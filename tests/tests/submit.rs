//! `chiasm submit` by UID: from the command line over the embedded queue to a delivered report.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use chiasm_tests::{chiasm, lines, phantom_study, run, study_uid};
use serde_json::Value;

/// A site with one source and one target in `folder`.
fn site(folder: &Path, queue: &str) -> std::path::PathBuf {
    let file = folder.join("chiasm.toml");
    let text = format!(
        "state = 'state'\ndefault_source = 'archive'\ndefault_targets = ['reports']\n\
         [sources.archive]\nkind = 'folder'\npath = 'archive'\n\
         [targets.reports]\nkind = 'folder'\npath = 'reports'\n[queue]\n{queue}\n[worker]\nmin_free_disk_mib = 1\n"
    );
    fs::write(&file, text).unwrap();
    file
}

fn submit(site: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(chiasm())
        .args(["submit", "--json", "--config"])
        .arg(site)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn states(output: &Output) -> Vec<String> {
    lines(output).iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_study_that_was_asked_for_by_uid_is_reported_once_to_every_target() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "kind = 'embedded'");
    let file = phantom_study(&folder.path().join("made"), 40);
    fs::create_dir(folder.path().join("reports")).unwrap();
    let uid = study_uid(&fs::read(&file).unwrap());
    let study = folder.path().join("archive").join(&uid);
    fs::create_dir_all(&study).unwrap();
    fs::copy(&file, study.join("image")).unwrap();

    let listed = format!("# worklist\n{uid}\n{uid}\n");
    for (arguments, input) in [
        (&["--studies", "-", "--expected-instances", "1", "--correlation-id", "c-1"][..], listed.as_str()),
        (&["--study", &uid, "--stat"], ""),
    ] {
        let output = submit(&site, arguments, input);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(states(&output), ["accepted"]);
    }

    let config = ["worker", "--once", "--device", "cpu", "--json", "--config"].map(Path::new);
    let output = run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let outcomes: Vec<Value> = lines(&output);
    assert_eq!(outcomes.len(), 1, "two requests, one job: {outcomes:?}");
    assert_eq!(outcomes[0]["state"], "reported");
    let report = folder.path().join("reports").join(&uid);
    assert!(report.join("bundle.json").exists() && report.join("report.html").exists());
    assert!(report.join("report.dcm").exists());

    // Asked for again, for another target: it goes there too, the same bytes, and is not analysed again.
    fs::create_dir(folder.path().join("others")).unwrap();
    let wider = fs::read_to_string(&site).unwrap() + "[targets.others]\nkind = 'folder'\npath = 'others'\n";
    fs::write(&site, wider).unwrap();
    let output = submit(&site, &["--study", &uid, "--target", "others"], "");
    assert_eq!(states(&output), ["accepted"], "{}", String::from_utf8_lossy(&output.stderr));
    let again = run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>());
    let outcomes: Vec<Value> = lines(&again);
    assert_eq!((outcomes.len(), &outcomes[0]["state"]), (1, &Value::from("reported")));
    let other = folder.path().join("others").join(&uid);
    for file in ["bundle.json", "report.html", "report.dcm"] {
        assert_eq!(fs::read(report.join(file)).unwrap(), fs::read(other.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_broker_that_is_away_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = site(folder.path(), &format!("kind = 'rabbitmq'\nurl = 'amqp://guest@{free}/%2f'"));
    let output = submit(&site, &["--study", "1.2.3"], "");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!states(&output).contains(&"accepted".to_owned()));
    assert!(!output.stderr.is_empty());
}

#[test]
fn wrong_usage_ends_with_2_and_schemas_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "kind = 'embedded'");
    for (arguments, input) in [
        (&["--study", "1.02"][..], ""),
        (&["--study", "1.2.3", "--source", "file:///etc/passwd"], ""),
        (&["--study", "1.2.3", "--record", "../record.json"], ""),
        (&["--studies", "-"], "1.2.3\nCanary^Carla\n"),
        (&[], ""),
    ] {
        let output = submit(&site, arguments, input);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(!String::from_utf8_lossy(&output.stderr).contains("Canary"));
    }
    for (kind, id) in [
        (&["--schema"][..], "urn:chiasm:schema:imaging.job.requested.v1"),
        (&["--schema", "status"], "urn:chiasm:schema:imaging.job.status.v1"),
    ] {
        let output = run(&[&["submit"], kind].concat());
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(schema["$id"], id);
    }
}
