//! `chiasm submit` by UID: from the command line over the embedded queue to a delivered report.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use chiasm_tests::{chiasm, lines, phantom_study, record, run, study_uid};
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
fn a_refusal_that_a_person_can_resolve_is_held_until_one_lets_it_go() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "kind = 'embedded'");
    let records = "default_record = 'ehr'\n".to_owned()
        + &fs::read_to_string(&site).unwrap()
        + "[records.ehr]\nkind = 'folder'\npath = 'ehr'\n";
    fs::write(&site, records).unwrap();
    let file = phantom_study(&folder.path().join("made"), 1);
    let uid = study_uid(&fs::read(&file).unwrap());
    let study = folder.path().join("archive").join(&uid);
    for made in [&study, &folder.path().join("reports"), &folder.path().join("ehr")] {
        fs::create_dir_all(made).unwrap();
    }
    fs::copy(&file, study.join("image")).unwrap();
    let put = |sex: &str| {
        let bundle = record(|bundle| bundle["entry"][0]["resource"]["gender"] = sex.into());
        fs::write(folder.path().join("ehr/carla.json"), bundle.to_string()).unwrap();
    };
    let work = || {
        assert_eq!(states(&submit(&site, &["--study", &uid], "")), ["accepted"]);
        let config = ["worker", "--once", "--device", "cpu", "--json", "--config"].map(Path::new);
        lines(&run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>()))
    };
    let jobs = |arguments: &[&str]| {
        let output =
            Command::new(chiasm()).arg("jobs").args(arguments).arg("--config").arg(&site).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let reports = folder.path().join("reports").join(&uid);

    put("male");
    let held = work();
    assert_eq!((held.len(), &held[0]["code"]), (1, &Value::from("SexConflict")), "{held:?}");
    assert!(!reports.exists(), "nothing goes out before a person has looked");
    assert!(work().is_empty(), "asked for again, it is held all the same");
    let listed = jobs(&["list", "--in", "held"]);
    assert!(listed.contains("held") && listed.contains("SexConflict"), "{listed}");

    // The record is put right: a new version takes its place.
    put("female");
    assert_eq!(work()[0]["state"], "reported");
    assert!(reports.join("report.html").exists());
    assert_eq!(jobs(&["list", "--in", "held"]), "");
    assert!(jobs(&["list"]).contains("superseded"));

    // Another conflict, and nobody can resolve it: the refusal goes out when a person lets it.
    put("other");
    assert_eq!(work()[0]["code"], "SexConflict");
    let listed = jobs(&["list", "--in", "held"]);
    let key = listed.split_whitespace().next().unwrap();
    assert!(jobs(&["release", key]).contains("released"));
    let config = ["worker", "--once", "--device", "cpu", "--json", "--config"].map(Path::new);
    let ended = lines(&run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>()));
    assert_eq!((&ended[0]["state"], &ended[0]["code"]), (&"refused".into(), &"SexConflict".into()));
    let page = fs::read_to_string(reports.join("report.html")).unwrap();
    assert!(page.contains("SexConflict"));
}

#[test]
fn the_news_that_the_images_are_gone_replaces_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "kind = 'embedded'\nretries = 0");
    let file = phantom_study(&folder.path().join("made"), 42);
    let uid = study_uid(&fs::read(&file).unwrap());
    let study = folder.path().join("archive").join(&uid);
    fs::create_dir_all(&study).unwrap();
    fs::create_dir(folder.path().join("reports")).unwrap();
    fs::copy(&file, study.join("image")).unwrap();
    let work = || {
        assert_eq!(states(&submit(&site, &["--study", &uid], "")), ["accepted"]);
        let config = ["worker", "--once", "--device", "cpu", "--json", "--config"].map(Path::new);
        lines(&run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>()))
    };
    assert_eq!(work()[0]["state"], "reported");
    let page = folder.path().join("reports").join(&uid).join("report.html");
    let report = fs::read(&page).unwrap();
    fs::remove_dir_all(&study).unwrap();
    assert!(work().is_empty(), "no job is made of it");
    assert_eq!(fs::read(&page).unwrap(), report);
    let config = ["queue", "dead", "list", "--config"].map(Path::new);
    let dead = run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>());
    let dead = String::from_utf8(dead.stdout).unwrap();
    assert!(dead.contains("StudyNotFound"), "{dead}");
}

#[test]
fn a_study_that_is_submitted_for_another_folder_is_written_there_too() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "kind = 'embedded'");
    // without them the worker takes nothing up
    for own in ["archive", "reports"] {
        fs::create_dir(folder.path().join(own)).unwrap();
    }
    let file = phantom_study(&folder.path().join("made"), 43);
    let uid = study_uid(&fs::read(&file).unwrap());
    for (out, state) in [("a", "accepted"), ("b", "composed"), ("b", "reported")] {
        let out = folder.path().join(out);
        let output = submit(&site, &[file.to_str().unwrap(), "--out", out.to_str().unwrap()], "");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(states(&output), [state]);
        let config = ["worker", "--once", "--device", "cpu", "--json", "--config"].map(Path::new);
        run(&config.into_iter().chain([site.as_path()]).collect::<Vec<_>>());
        assert!(out.join(&uid).join("report.html").exists());
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
