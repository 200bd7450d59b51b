//! A thousand deliveries through a bad network to a server that fails, lies and is busy: afterwards it holds every report
//! once, with the bytes that were stored. What never answers is in [`super::faults`]: here nothing may end by a clock, or a
//! slow machine would bring a request twice by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use chiasm_tests::fhir_server::{Fault, FhirServer, Route};
use chiasm_tests::proxy::{Fault as Weather, Proxy};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use worker::config::site::FhirConfig;
use worker::deliver::fhir::FhirTarget;
use worker::deliver::{DeliverError, Target as _};

use super::{PATIENT, parcel, report_of, server, sha256};

/// Deliveries, and how many of them bring a second version of an earlier report.
const DELIVERIES: usize = 1000;
const AGAIN: usize = 100;

/// Most tries of one delivery.
const TRIES: usize = 40;

/// What goes wrong with a transaction, and in how many of 1000 tries.
fn of_transactions() -> Vec<(u32, Fault)> {
    vec![
        // nothing is stored
        (30, Fault::Lost),
        (20, Fault::ResetMidRequest(700)),
        (25, Fault::Status(500, "exception")),
        (15, Fault::Status(502, "transient")),
        (25, Fault::Busy(503, "3".into())),
        (25, Fault::Busy(429, "120".into())),
        (10, Fault::Status(409, "conflict")),
        (15, Fault::Status(412, "conflict")),
        (20, Fault::NotJson),
        (15, Fault::OutcomeInSuccess("exception")),
        (30, Fault::Promise),
        // it is stored, and the answer does not say so
        (30, Fault::AnswerLost),
        (30, Fault::ResetMidAnswer),
        (30, Fault::ResetAfterAnswer),
        (25, Fault::FailureStored(500)),
        (15, Fault::FailureStored(503)),
        (15, Fault::ConflictStored),
        (20, Fault::NotJsonStored),
        (20, Fault::TruncatedJson),
        // the network brings it twice
        (20, Fault::Twice),
    ]
}

/// What goes wrong with the questions before and after.
fn of_questions() -> Vec<(u32, Fault)> {
    vec![
        (20, Fault::Status(500, "exception")),
        (20, Fault::Busy(503, "1".into())),
        (20, Fault::Lost),
        (20, Fault::ResetMidAnswer),
        (20, Fault::TruncatedJson),
        (10, Fault::NotJson),
    ]
}

/// What the way to the server does.
fn of_the_way() -> Vec<(u32, Weather)> {
    vec![(40, Weather::Refuse), (20, Weather::Late(Duration::from_millis(1))), (3, Weather::Slow(20_000))]
}

/// One of these, or none.
fn drawn<T>(random: &mut ChaCha8Rng, from: Vec<(u32, T)>) -> Option<T> {
    let mut number = random.random_range(0..1000);
    for (per_mille, what) in from {
        if number < per_mille {
            return Some(what);
        }
        number -= per_mille;
    }
    None
}

/// A worker that delivers, and everything between it and the server.
struct Worker {
    server: FhirServer,
    proxy: Proxy,
    target: FhirTarget,
    random: ChaCha8Rng,
    /// Faults, codes of errors and rests that a server asked for, each with how often it came.
    met: BTreeMap<String, usize>,
}

impl Worker {
    fn new(seed: u64) -> Self {
        let server = server();
        let proxy = Proxy::start(server.address());
        let url = format!("http://{}/fhir", proxy.address());
        let config = FhirConfig { url, token: None, smart: None, ca_file: None, timeout: PATIENT };
        let target = FhirTarget::new("ehr".parse().unwrap(), &config, None).unwrap();
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { server, proxy, target, random, met: BTreeMap::new() }
    }

    /// Draws what goes wrong with the next try.
    fn spoil(&mut self) {
        let weather = drawn(&mut self.random, of_the_way()).unwrap_or(Weather::Pass);
        self.proxy.set(weather);
        // a connection that was kept and is dead when it is used
        if self.random.random_range(0..10) == 0 {
            self.proxy.cut();
        }
        if let Some(fault) = drawn(&mut self.random, of_transactions()) {
            self.server.fault(Route::Transaction, fault);
        }
        for route in [Route::Search, Route::Read] {
            if let Some(fault) = drawn(&mut self.random, of_questions()) {
                self.server.fault(route, fault);
            }
        }
    }

    /// Delivers as the outbox does: again and again, and after a final refusal because a person asks for it. Where nobody
    /// knows what became of a try, the next one says so.
    async fn deliver(&mut self, key: &str, place: &str) {
        let report = report_of(place, key, 20);
        // every third delivery begins as if an earlier worker had been killed
        let mut sent_before = self.random.next_u32().is_multiple_of(3);
        for _ in 0..TRIES {
            self.spoil();
            match self.target.deliver(&parcel(key, &report, sent_before)).await {
                Ok(receipts) => {
                    assert!(receipts["diagnostic_report"].ends_with(place), "{receipts:?}");
                    return;
                }
                Err(error) => self.note(&error),
            }
            sent_before = true;
        }
        panic!("{key} is not delivered after {TRIES} tries: {:?}", self.met);
    }

    fn note(&mut self, error: &DeliverError) {
        *self.met.entry(error.code().to_owned()).or_default() += 1;
        match error {
            DeliverError::Transient { retry_after: Some(rest), .. } => {
                assert!([1, 3, 120].contains(&rest.as_secs()), "{rest:?}");
                *self.met.entry("rests".to_owned()).or_default() += 1;
            }
            DeliverError::Transient { .. } => {}
            DeliverError::Terminal { code, .. } => assert_eq!(code.as_str(), "Conflict", "{error}"),
        }
    }
}

#[tokio::test]
async fn a_thousand_deliveries_through_random_faults_leave_every_report_there_once() {
    let seed = 20_261_129;
    eprintln!("seed {seed}");
    let mut worker = Worker::new(seed);
    let place = |number: usize| format!("DiagnosticReport/r-{}", number % (DELIVERIES - AGAIN));
    for number in 0..DELIVERIES {
        worker.deliver(&format!("job-{number}"), &place(number)).await;
    }

    let (server, met) = (&worker.server, &worker.met);
    let twice = server.seen().iter().filter(|seen| seen.fault == Some(Fault::Twice)).count();
    eprintln!("{met:?}, brought twice by the network: {twice}");
    // none is missing, and none is there under a second id
    assert_eq!(server.places("DiagnosticReport").len(), DELIVERIES - AGAIN);
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for accepted in server.accepted() {
        written.entry(accepted.job_key.unwrap()).or_default().push(accepted.sha256);
    }
    assert_eq!(written.len(), DELIVERIES, "seed {seed}");
    for number in 0..DELIVERIES {
        let (key, place) = (format!("job-{number}"), place(number));
        let expected = sha256(&report_of(&place, &key, 20));
        // the same bytes, each time that they came
        assert!(written[&key].iter().all(|one| *one == expected), "seed {seed}, {key}");
        let newest = server.versions(&place).last().and_then(|version| version.job_key.clone()).unwrap();
        let is_newest = number >= AGAIN;
        assert_eq!(newest == key, is_newest, "seed {seed}, {place} is {newest}");
    }
    // what the network itself brings twice is taken once: by then another version lies there than the one that was read
    assert!(twice >= 10, "seed {seed}");
    assert!(written.values().all(|digests| digests.len() == 1), "seed {seed}");
    assert_eq!(server.places("ImagingStudy").len(), 1, "created once, by whoever came first");
    // not `Unreachable`: whether a kept connection is found dead before it is used is the machine's affair
    for code in ["ConnectionCut", "ServerFailed", "ServerBusy", "AnswerContradictory", "Conflict", "rests"] {
        assert!(met.get(code).is_some_and(|count| *count >= 10), "{code} was hardly met: {met:?}");
    }
}
