//! The embedded queue under kill -9: nothing lost, nothing doubled, the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chiasm_tests::{chiasm, lines, phantom_study, run};

/// Studies on the queue.
const STUDIES: u64 = 3;

/// Lines that the worker logs for one job: leased, model output stored, report stored, delivered, settled.
const STEPS_A_JOB: usize = 5;

#[test]
fn a_worker_killed_at_any_step_loses_no_job_and_doubles_none() {
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
    assert_eq!(expected.len(), 2 * usize::try_from(STUDIES).unwrap());

    let steps = STEPS_A_JOB * usize::try_from(STUDIES).unwrap();
    for step in 1..=steps {
        fs::remove_dir_all(&out).unwrap();
        let state = folder.path().join(format!("killed-{step}"));
        copy(&submitted, &state);
        kill_after(&state, step);
        // A second crash, somewhere in the recovery.
        kill_after(&state, 1 + step % 3);
        assert!(work(&state).status.success(), "step {step}");
        assert_eq!(
            reports(&out),
            expected,
            "killed after step {step}: the files differ from an undisturbed run"
        );
        let jobs = jobs(&state);
        assert_eq!(jobs.len(), usize::try_from(STUDIES).unwrap());
        assert!(jobs.iter().all(|state| state == "reported"), "killed after step {step}: {jobs:?}");
        assert!(lines(&work(&state)).is_empty(), "a settled job was taken again");
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

/// Runs the worker and kills it (SIGKILL) once it has logged `steps` steps.
fn kill_after(state: &Path, steps: usize) {
    let mut child = Command::new(chiasm())
        .args(["worker", "--once", "--device", "cpu", "--state"])
        .arg(state)
        .env("RUST_LOG", "worker=debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut seen = 0;
    for line in log.lines().map_while(Result::ok) {
        seen += usize::from(line.contains("DEBUG"));
        if seen == steps {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
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
