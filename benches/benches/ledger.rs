//! How long is a job in the ledger: accepted, leased, its report stored, settled? On SQLite, and on PostgreSQL where
//! `CHIASM_BENCH_POSTGRES` names an empty database (`postgres://user@host/name`, without password).

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;
use worker::config::site::{LedgerConfig, PostgresConfig};
use worker::lane::Lane;
use worker::ledger::{self, Accepted, JobState, Ledger, NewJob, ReportBytes};

/// Longer than any benchmark.
const LEASE: Duration = Duration::from_hours(1);
/// Bytes of a report's parts, as the ledger stores those of the demo: of the overlay what it is drawn from.
const BUNDLE: usize = 1_000_000;
const PAGE: usize = 400_000;
const SR: usize = 8_000;
const OVERLAY: usize = 4_000;
/// Bytes of a model's output: pictures in base64.
const OUTPUT: usize = 300_000;

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let learned = Learned::drawn();
    let mut kinds = vec![("SQLite", LedgerConfig::Sqlite)];
    kinds.extend(postgres().map(|config| ("PostgreSQL", LedgerConfig::Postgres(config))));
    let mut group = crate::group(criterion, "ledger");
    // a step is a small part of the walk that it is timed in
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(100));
    for (kind, config) in kinds {
        let ledger = runtime.block_on(ledger::open(&config, folder.path(), LEASE)).expect("a ledger");
        for (step, name) in ["accept", "lease", "store report", "settle"].into_iter().enumerate() {
            let mut number = 0;
            group.bench_function(BenchmarkId::new(name, kind), |bench| {
                bench.iter_custom(|walks| {
                    let walk = |_| {
                        number += 1;
                        runtime.block_on(walk(&ledger, &learned, &format!("{name} {number}")))[step]
                    };
                    (0..walks).map(walk).sum()
                });
            });
        }
    }
    group.finish();
}

/// What is stored of a study.
struct Learned {
    output: String,
    report: ReportBytes,
}

impl Learned {
    /// Letters as base64 has them, drawn from a seed: a database that packs what it stores finds little to pack.
    fn drawn() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = |count| -> Vec<u8> {
            (0..count).map(|_| letters[random.random_range(0..letters.len())]).collect()
        };
        let output = String::from_utf8(bytes(OUTPUT)).expect("letters");
        let report = ReportBytes {
            ends: JobState::Reported,
            outcome: r#"{"state":"reported"}"#.to_owned(),
            bundle: Some(bytes(BUNDLE)),
            html: bytes(PAGE),
            sr: Some(bytes(SR)),
            overlay: Some(bytes(OVERLAY)),
            segmentation: None,
        };
        Self { output, report }
    }
}

/// Carries one job through the ledger; the time of each step.
async fn walk(ledger: &Arc<dyn Ledger>, learned: &Learned, key: &str) -> [Duration; 4] {
    let new = NewJob {
        job_key: key.to_owned(),
        report_key: format!("report of {key}"),
        lane: Lane::Routine,
        study_uid: "2.25.7001".to_owned(),
        request: format!(r#"{{"files":"{}"}}"#, "x".repeat(600)),
        accepted_at: "2026-01-02T03:04:05Z".to_owned(),
    };
    let mut times = [Duration::ZERO; 4];
    let mut began = Instant::now();
    let mut step = |at: usize| {
        times[at] = began.elapsed();
        began = Instant::now();
    };
    let accepted = ledger.accept(&new).await.expect("an answer");
    step(0);
    let job = ledger.lease_key(key).await.expect("an answer").expect("a leased job");
    step(1);
    ledger.store_report(&job, Some(&learned.output), &learned.report).await.expect("a stored report");
    step(2);
    ledger.settle(&job, JobState::Reported, None).await.expect("a settled job");
    step(3);
    assert_eq!(accepted, Accepted::New);
    times
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is told of a server by its caller")]
fn postgres() -> Option<PostgresConfig> {
    let url = std::env::var("CHIASM_BENCH_POSTGRES").ok()?;
    Some(PostgresConfig { url, password: None, ca_file: None, allow_plaintext: false, connections: 2 })
}
