//! Jobs that were submitted by path, under the death of their worker at every point: nothing lost, nothing doubled, the
//! same bytes. What comes through a queue is in `proof`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chiasm_tests::site::workers::SIGABRT;
use chiasm_tests::{chiasm, lines, phantom_study, run};

/// Studies on the queue.
const STUDIES: u64 = 3;

/// The points at which a worker can die with a job that the ledger gave it, in order.
const POINTS: [&str; 5] = ["leased", "analysed", "stored", "delivered", "settled"];

#[test]
fn a_worker_that_dies_at_any_point_loses_no_job_and_doubles_none() {
    let folder = tempfile::tempdir().unwrap();
    let submitted = folder.path().join("submitted");
    let studies = folder.path().join("studies");
    for seed in 0..STUDIES {
        phantom_study(&studies, seed);
    }
    let out = folder.path().join("out");
    submit(&studies, &out, &submitted);

    let undisturbed = folder.path().join("undisturbed");
    copy(&submitted, &undisturbed);
    assert!(work(&undisturbed).status.success());
    let expected = reports(&out);
    assert_eq!(
        expected.len(),
        5 * usize::try_from(STUDIES).unwrap(),
        "page, PDF, bundle, structured report, overlay"
    );

    for (index, point) in POINTS.into_iter().enumerate() {
        for job in 1..=STUDIES {
            fs::remove_dir_all(&out).unwrap();
            let state = folder.path().join(format!("killed-{point}-{job}"));
            copy(&submitted, &state);
            die(&state, &format!("{point}:{job}"));
            if job < STUDIES {
                // A second crash, somewhere in the recovery.
                die(&state, POINTS[(index + 2) % POINTS.len()]);
            }
            assert!(work(&state).status.success(), "{point} {job}");
            assert_eq!(
                reports(&out),
                expected,
                "killed at `{point}` of job {job}: the files differ from an undisturbed run"
            );
            let jobs = jobs(&state);
            assert_eq!(jobs.len(), usize::try_from(STUDIES).unwrap());
            assert!(
                jobs.iter().all(|state| state == "reported"),
                "killed at `{point}` of job {job}: {jobs:?}"
            );
            assert!(lines(&work(&state)).is_empty(), "a settled job was taken again");
        }
    }
}

#[test]
fn submitting_again_after_a_kill_adds_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let (studies, out, state) =
        (folder.path().join("studies"), folder.path().join("out"), folder.path().join("state"));
    for seed in 0..STUDIES {
        phantom_study(&studies, seed);
    }
    let mut child = Command::new(chiasm())
        .args(["submit", "--json", "--state"])
        .arg(&state)
        .arg("--out")
        .arg(&out)
        .arg(&studies)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.contains("\"new\":true"));
    assert!(!jobs(&state).is_empty(), "what was said to be accepted is in the ledger");
    submit(&studies, &out, &state);
    submit(&studies, &out, &state);
    assert_eq!(jobs(&state), ["accepted"; 3]);
}

fn submit(studies: &Path, out: &Path, state: &Path) {
    let arguments = [Path::new("submit"), studies, Path::new("--out"), out, Path::new("--state"), state];
    assert!(run(&arguments).status.success());
}

fn work(state: &Path) -> std::process::Output {
    let arguments = ["worker", "--once", "--device", "cpu", "--json", "--state"].map(Path::new);
    run(&arguments.into_iter().chain([state]).collect::<Vec<_>>())
}

/// Runs a worker that dies at this point.
fn die(state: &Path, point: &str) {
    let status = Command::new(chiasm())
        .args(["worker", "--once", "--device", "cpu", "--state"])
        .arg(state)
        .env("CHIASM_FAILPOINT", point)
        // One job after the other, so that it is known which of them has reached the point.
        .env("CHIASM__WORKER__JOBS_AT_ONCE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGABRT), "it did not die at `{point}`");
}

fn jobs(state: &Path) -> Vec<String> {
    let arguments = ["jobs", "list", "--json", "--state"].map(Path::new);
    let output = run(&arguments.into_iter().chain([state]).collect::<Vec<_>>());
    lines(&output).iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect()
}

/// Every file of the reports with its bytes; a file that was left half written would be one too many.
fn reports(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for study in fs::read_dir(out).unwrap() {
        for file in fs::read_dir(study.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// Copies a ledger while nobody writes to it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}
