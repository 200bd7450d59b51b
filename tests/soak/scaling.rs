//! Studies a second by the number of workers on one RabbitMQ and one PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chiasm_tests::site::check::End;
use chiasm_tests::site::submit::request_to;
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use jiff::Timestamp;
use serde_json::{Value, json};
use worker::bench::file::{BenchFile, Program, SCHEMA};
use worker::bench::machine::Machine;
use worker::bench::scaling::Scaling;
use worker::lane::Lane;

const PATIENCE: Duration = Duration::from_mins(10);
/// Workers of a run.
const COUNTS: [usize; 3] = [1, 2, 4];
/// Runs of each, in turns; another number leads each time.
const ROUNDS: usize = 5;
/// Studies of a run that do not count, for each worker.
const WARM: usize = 8;
/// Studies of a run that count, whatever the number of workers.
const STUDIES: usize = 120;
const SEED: u64 = 6;

/// Measures, and writes the file and its plot beside `figures`: `figures-workers.json`, `figures-workers.svg`.
pub(crate) fn workers(mode: Mode<'_>, figures: &Path) -> Value {
    let (taken, machine) = (Timestamp::now(), Machine::describe());
    let mut site = Site::open(mode, Plan { patients: 40, ..Plan::new(SEED) });
    let mut rates: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for turn in 0..COUNTS.len() {
            let count = COUNTS[(round + turn) % COUNTS.len()];
            let rate = run(&mut site, count);
            eprintln!("round {}, {count} workers: {rate:.2} studies/s", round + 1);
            rates.entry(count).or_default().push(rate);
        }
    }
    let scaling = Scaling::new(&rates);
    let file = BenchFile {
        schema: SCHEMA.to_owned(),
        kind: "workers".to_owned(),
        taken,
        command: ["chiasm-soak", "figures", "--only", "workers"].map(str::to_owned).to_vec(),
        program: Program::own(),
        machine,
        device: Some("the CPU, in a process of each worker".to_owned()),
        settings: json!({
            "studies": STUDIES, "warm_up_a_worker": WARM, "jobs_at_once": site.plan().jobs_at_once, "side": 256,
            "target": "folder", "queue": "RabbitMQ", "ledger": "PostgreSQL", "seed": SEED,
        }),
        figures: scaling.figures.clone(),
        detail: json!({ "exponent_of_workers": scaling.exponent }),
    };
    let stem = figures.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let beside = |ending: &str| figures.with_file_name(format!("{stem}-workers.{ending}"));
    let text = serde_json::to_string_pretty(&file).expect("JSON");
    fs::write(beside("json"), text + "\n").expect("the file is written");
    fs::write(beside("svg"), scaling.plot().svg()).expect("the plot is written");
    let medians: BTreeMap<String, f64> =
        scaling.points.iter().map(|(workers, median)| (format!("{workers:.0}"), *median)).collect();
    json!({ "studies_a_second": medians, "exponent": scaling.exponent })
}

/// Studies a second of so many new workers, from the first request to the last study that ended. Each has its models loaded
/// and some studies done before.
fn run(site: &mut Site, count: usize) -> f64 {
    let start = Start::default().with("RUST_LOG", "warn");
    for _ in 0..count {
        site.start(&start);
    }
    for number in 0..count {
        site.wait_until_ready(number);
    }
    publish(site, WARM * count);
    site.wait_until_done(PATIENCE);
    let before = site.ended();
    let began = Instant::now();
    publish(site, STUDIES);
    wait_until("every study has ended", PATIENCE, || site.ended() >= before + STUDIES as u64);
    let seconds = began.elapsed().as_secs_f64();
    site.wait_until_done(PATIENCE);
    for worker in &mut site.workers {
        worker.signal("TERM");
    }
    for worker in &mut site.workers {
        assert!(worker.ends_within(PATIENCE).is_some(), "a worker ends when it is told to");
    }
    site.workers.clear();
    STUDIES as f64 / seconds
}

/// New studies, and a request to the folder alone for each: no server of the tests takes part of the processors.
fn publish(site: &mut Site, count: usize) {
    let studies = site.studies(count);
    let now = Timestamp::now();
    let ask = |study: &String| request_to(study, study, now, Lane::Routine, &["reports"]);
    let messages: Vec<_> = studies.iter().map(ask).collect();
    site.expect(&studies, &End::reported());
    site.publish(&messages);
}
