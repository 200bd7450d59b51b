//! Figures of this machine: measured, not asserted.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use chiasm_tests::site::check::End;
use chiasm_tests::site::servers::Servers;
use chiasm_tests::site::submit::{request, request_to};
use chiasm_tests::site::workers::{Start, wait_until};
use chiasm_tests::site::{Mode, Plan, Site};
use jiff::Timestamp;
use serde_json::{Value, json};
use worker::lane::Lane;
use worker::queue::Message;

use crate::{Figure, FiguresArgs, scaling};

const PATIENCE: Duration = Duration::from_mins(10);

/// How one of them is measured.
type Measure<'a> = &'a dyn Fn(Mode<'_>) -> Value;

/// Measures everything and writes it to a file.
pub(crate) fn run(args: &FiguresArgs) -> bool {
    let alone = args.only == [Figure::Sink];
    let servers = if alone { None } else { Servers::start() };
    let mode = match &servers {
        Some(servers) => Mode::Distributed(servers),
        None if alone => Mode::Embedded,
        None => return false,
    };
    let workers = |mode: Mode<'_>| scaling::workers(mode, &args.json);
    let all: [(Figure, &str, Measure<'_>); 6] = [
        (Figure::Overhead, "overhead", &overhead),
        (Figure::Accepting, "accepting", &accepting),
        (Figure::StatLatency, "stat_latency", &stat_latency),
        (Figure::Recovery, "recovery", &recovery),
        (Figure::Workers, "workers", &workers),
        (Figure::Sink, "sink", &sink),
    ];
    let is_wanted = |figure: &Figure| {
        if args.only.is_empty() { *figure != Figure::Sink } else { args.only.contains(figure) }
    };
    let wanted = all.into_iter().filter(|(figure, ..)| is_wanted(figure));
    let figures: BTreeMap<&str, Value> = wanted.map(|(_, name, measure)| (name, measure(mode))).collect();
    let text = serde_json::to_string_pretty(&figures).expect("JSON");
    eprintln!("{text}");
    fs::write(&args.json, text).expect("the figures are written");
    true
}

/// CPU time of a worker for a study: of its own process, of the one that the networks run in, and of those that read files;
/// with a FHIR server as the only target, with a PACS beside it, and with a folder too.
fn overhead(mode: Mode<'_>) -> Value {
    let targets = [&["ehr"][..], &["ehr", "pacs"], &["ehr", "pacs", "reports"]];
    let each = targets.iter().map(|targets| (targets.join("+"), overhead_to(mode, targets)));
    Value::Object(each.collect())
}

fn overhead_to(mode: Mode<'_>, targets: &[&str]) -> Value {
    const WARM: usize = 20;
    const STUDIES: usize = 300;
    let mut site = Site::open(mode, Plan { jobs_at_once: 1, ..Plan::new(1) });
    let start = Start::default()
        .with("RAYON_NUM_THREADS", 1)
        .with("CHIASM__WORKER__DECODERS", 1)
        .with("RUST_LOG", "warn");
    site.start(&start);
    site.wait_until_ready(0);
    let publish = |site: &mut Site, count: usize| {
        let studies = site.studies(count);
        let now = Timestamp::now();
        let ask = |study: &String| request_to(study, study, now, Lane::Routine, targets);
        site.publish(&studies.iter().map(ask).collect::<Vec<_>>());
        site.expect(&studies, &End::reported());
        site.wait_until_done(PATIENCE);
    };
    publish(&mut site, WARM);
    let (before, stages_before) = (used(&site), stages(&site));
    let began = Instant::now();
    publish(&mut site, STUDIES);
    let seconds = began.elapsed().as_secs_f64();
    let (after, stages_after) = (used(&site), stages(&site));
    assert_eq!(site.ended(), (WARM + STUDIES) as u64, "every study has ended");
    let each = |total: f64| 1000.0 * total / STUDIES as f64;
    let stages: BTreeMap<&String, f64> = stages_after
        .iter()
        .map(|(stage, after)| (stage, each(after - stages_before.get(stage).copied().unwrap_or(0.0))))
        .collect();
    let [own, networks, decoders] = [0, 1, 2].map(|at| each(after[at] - before[at]));
    json!({
        "studies": STUDIES, "wall_seconds": seconds, "cpu_ms_a_study": own + networks + decoders,
        "networks_cpu_ms_a_study": networks, "decoders_cpu_ms_a_study": decoders, "own_cpu_ms_a_study": own,
        "stage_ms_a_study": stages,
    })
}

/// CPU seconds so far: of the worker's process, of its device's, and of those that read files.
fn used(site: &Site) -> [f64; 3] {
    let worker = &site.workers[0];
    [worker.used().map_or(0.0, |(seconds, _)| seconds), worker.used_by_networks(), worker.used_by_decoders()]
}

/// Seconds spent in each stage so far.
fn stages(site: &Site) -> BTreeMap<String, f64> {
    let metrics = site.workers[0].get("/metrics").unwrap_or_default();
    let sums = metrics.lines().filter_map(|line| {
        let line = line.strip_prefix("chiasm_stage_duration_seconds_sum{stage=\"")?;
        let (stage, seconds) = line.split_once("\"} ")?;
        Some((stage.to_owned(), seconds.trim().parse().ok()?))
    });
    sums.collect()
}

/// How many small requests a second the queue accepts durably.
fn accepting(mode: Mode<'_>) -> Value {
    const REQUESTS: usize = 5_000;
    let mut site = Site::open(mode, Plan::new(2));
    let studies = site.studies(500);
    let messages = requests(&studies, REQUESTS, Lane::Routine);
    let began = Instant::now();
    site.publish(&messages);
    let library = REQUESTS as f64 / began.elapsed().as_secs_f64();
    let one_by_one = 500;
    let began = Instant::now();
    for message in &messages[..one_by_one] {
        site.publish(std::slice::from_ref(message));
    }
    let singly = one_by_one as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    site.submit(&studies, Lane::Routine);
    let program = studies.len() as f64 / began.elapsed().as_secs_f64();
    json!({ "pipelined_a_second": library, "one_by_one_a_second": singly, "chiasm_submit_a_second": program })
}

/// From a STAT request to its report on the FHIR server: on an idle worker, and behind ten thousand routine requests.
fn stat_latency(mode: Mode<'_>) -> Value {
    const SAMPLES: usize = 100;
    const ROUTINE: usize = 10_000;
    let mut site = Site::open(mode, Plan::new(3));
    site.start_ready(1);
    let warm = site.studies(5);
    site.submit(&warm, Lane::Routine);
    site.wait_until_done(PATIENCE);
    let idle = latencies(&mut site, SAMPLES);
    let behind = site.studies(1_500);
    let waiting = requests(&behind, ROUTINE, Lane::Routine);
    site.publish(&waiting);
    let done = site.ended();
    wait_until("routine work is under way", PATIENCE, || site.ended() > done + 3);
    let busy = latencies(&mut site, SAMPLES);
    let ratio = percentile(&busy, 99) / percentile(&idle, 99);
    json!({
        "idle_ms": { "p50": percentile(&idle, 50), "p99": percentile(&idle, 99) },
        "behind_10000_ms": { "p50": percentile(&busy, 50), "p99": percentile(&busy, 99) },
        "p99_ratio": ratio,
    })
}

/// Milliseconds of so many STAT requests, one after the other, in ascending order.
fn latencies(site: &mut Site, samples: usize) -> Vec<f64> {
    let studies = site.studies(samples);
    let mut times: Vec<f64> = studies
        .iter()
        .map(|study| {
            let began = Instant::now();
            site.publish(&[request(study, &study[5..], Timestamp::now(), Lane::Stat)]);
            let bundle = site.folder().join("reports").join(study).join("bundle.json");
            // the folder is the last target: who reads it sees the whole file
            while !bundle.exists() {
                assert!(began.elapsed() < PATIENCE, "the STAT study is not read");
                std::thread::sleep(Duration::from_millis(1));
            }
            1000.0 * began.elapsed().as_secs_f64()
        })
        .collect();
    site.expect(&studies, &End::reported());
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(ascending: &[f64], percent: usize) -> f64 {
    let at = (ascending.len() * percent).div_ceil(100).max(1) - 1;
    ascending.get(at).copied().unwrap_or(f64::NAN)
}

/// From SIGKILL of the only worker to the next job that ends, with a new worker started at once.
fn recovery(mode: Mode<'_>) -> Value {
    const KILLS: usize = 15;
    let mut site = Site::open(mode, Plan { lease_s: 60, ..Plan::new(4) });
    let studies = site.studies(600);
    site.submit(&studies, Lane::Routine);
    site.start_ready(1);
    let mut times = Vec::new();
    for _ in 0..KILLS {
        let due = site.ended() + 5;
        wait_until("jobs end", PATIENCE, || site.ended() >= due);
        site.workers[0].kill();
        let (began, ended) = (Instant::now(), site.ended());
        site.start_again(0, &Start::default());
        wait_until("the next job ends", PATIENCE, || site.ended() > ended);
        times.push(1000.0 * began.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    json!({ "kills": KILLS, "p50_ms": percentile(&times, 50), "longest_ms": percentile(&times, 100) })
}

/// Memory of a worker and its processes over reports to a folder, with queue and ledger in one SQLite file and no server at
/// all: whether it grows. The rise is the slope of a straight line over the second half.
fn sink(_mode: Mode<'_>) -> Value {
    const REPORTS: usize = 10_000;
    const PIECE: usize = 250;
    let mut site = Site::open(Mode::Embedded, Plan { patients: 40, ..Plan::new(5) });
    site.start_ready(1);
    let began = Instant::now();
    let mut seen: Vec<(usize, [u64; 3])> = Vec::new();
    for piece in 1..=REPORTS / PIECE {
        let studies = site.studies(PIECE);
        let now = Timestamp::now();
        let ask = |study: &String| request_to(study, study, now, Lane::Routine, &["reports"]);
        site.publish(&studies.iter().map(ask).collect::<Vec<_>>());
        site.expect(&studies, &End::reported());
        site.wait_until_done(PATIENCE);
        let memory = site.workers[0].memory();
        eprintln!("{:>6} reports  resident MiB {:?}", piece * PIECE, memory.map(|bytes| bytes >> 20));
        seen.push((piece * PIECE, memory));
    }
    assert_eq!(site.ended(), REPORTS as u64, "every study has ended");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let late = &seen[seen.len() / 2..];
    let rises = [0, 1, 2]
        .map(|at| slope(late.iter().map(|(reports, memory)| (*reports as f64 / 1000.0, mib(memory[at])))));
    json!({
        "reports": REPORTS, "wall_seconds": began.elapsed().as_secs_f64(),
        "rise_mib_a_thousand": { "worker": rises[0], "networks": rises[1], "decoders": rises[2] },
        "resident_mib": seen.iter().map(|(reports, memory)| json!({
            "reports": reports, "worker": mib(memory[0]), "networks": mib(memory[1]), "decoders": mib(memory[2]),
        })).collect::<Vec<_>>(),
    })
}

/// The slope of the straight line through points by least squares.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), one| (x + one.0 / count, y + one.1 / count));
    let (above, below) = points.fold((0.0, 0.0), |(above, below), one| {
        (above + (one.0 - x) * (one.1 - y), below + (one.0 - x) * (one.0 - x))
    });
    above / below
}

/// So many requests for these studies, in turn.
fn requests(studies: &[String], count: usize, lane: Lane) -> Vec<Message> {
    let now = Timestamp::now();
    (0..count).map(|at| request(&studies[at % studies.len()], &format!("request-{at}"), now, lane)).collect()
}
