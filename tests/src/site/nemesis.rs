//! What goes wrong during a soak, drawn from a seed.

use std::fmt;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Site;
use super::remote;
use super::servers::Servers;
use super::workers::{Start, wait_until};
use crate::fhir_server::{Fault, FaultRule};
use crate::proxy::{self, Proxy};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// SIGKILL to a worker, and a new one in its place.
    Kill,
    /// A worker that dies at a failpoint, and a new one in its place that dies at another.
    Failpoint,
    /// SIGSTOP to a worker for longer than its lease, then SIGCONT.
    Stall,
    /// SIGTERM to a worker, and a new one in its place.
    Drain,
    /// Two SIGTERM to a worker, and a new one in its place.
    DrainTwice,
    /// All connections to one of the servers are cut.
    Cut,
    /// Nothing passes to or from one of the servers for a while.
    Blackhole,
    /// The way to one of the servers is slow for a while.
    Slow,
    /// The FHIR server fails now and then for a while.
    Fhir,
    /// The S3 server, which holds studies and takes reports, fails now and then for a while.
    S3,
    /// The DICOMweb server fails now and then for a while.
    Pacs,
    /// The broker is stopped and started again.
    BrokerRestart,
    /// The broker is killed and started again.
    BrokerKill,
    /// The database is killed and started again.
    PostgresKill,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Draws blows and deals them.
#[derive(Debug)]
pub struct Nemesis {
    random: ChaCha8Rng,
}

impl Nemesis {
    /// Its choices begin at this seed.
    pub fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// One of these, each as likely as its weight.
    ///
    /// # Panics
    /// Where all weights are 0.
    pub fn draw(&mut self, weights: &[(Blow, u32)]) -> Blow {
        let mut at = self.random.random_range(0..weights.iter().map(|(_, weight)| weight).sum());
        for (blow, weight) in weights {
            if at < *weight {
                return *blow;
            }
            at -= weight;
        }
        Blow::Kill
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    /// A time up to `longest`.
    pub fn time(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.random_range(0.0..1.0))
    }

    /// Shuffles.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.random.random_range(0..=end));
        }
    }

    /// Deals a blow. `servers` are the site's; it needs them in the distributed mode.
    pub fn strike(&mut self, blow: Blow, site: &mut Site, servers: Option<&Servers>) {
        let number = self.below(site.workers.len());
        match blow {
            Blow::Kill => site.start_again(number, &Start::default()),
            Blow::Failpoint => self.failpoints(number, site),
            Blow::Stall => {
                let beyond = Duration::from_secs(site.plan().lease_s) + self.time(Duration::from_secs(2));
                site.workers[number].signal("STOP");
                std::thread::sleep(beyond);
                site.workers[number].signal("CONT");
            }
            Blow::Drain | Blow::DrainTwice => {
                self.terminate(number, site, blow == Blow::DrainTwice);
                site.start_again(number, &Start::default());
            }
            Blow::Cut | Blow::Blackhole | Blow::Slow => self.weather(blow, site),
            Blow::Fhir => {
                let seed = self.random.random();
                site.fhir.fault_by_rule(Some(FaultRule { seed, per_mille: 300, faults: faults() }));
                site.pacs.fault_by_rule(Some(FaultRule { seed: !seed, per_mille: 300, faults: faults() }));
                std::thread::sleep(self.time(Duration::from_secs(3)));
                site.fhir.fault_by_rule(None);
                site.pacs.fault_by_rule(None);
            }
            Blow::S3 | Blow::Pacs => self.spoil(blow, site),
            Blow::BrokerRestart | Blow::BrokerKill | Blow::PostgresKill => {
                if let Some(servers) = servers {
                    servers.strike(blow);
                }
            }
        }
    }

    /// A third of the answers is spoiled for up to three seconds.
    fn spoil(&mut self, blow: Blow, site: &Site) {
        let Some(remote) = &site.remote else { return };
        let gateway = match (&remote.pacs, blow) {
            (Some((_, gateway)), Blow::Pacs) => gateway,
            _ => &remote.to_s3,
        };
        gateway.spoil_some(remote::faults(), 300, self.random.random());
        std::thread::sleep(self.time(Duration::from_secs(3)));
        gateway.pass();
    }

    fn terminate(&mut self, number: usize, site: &mut Site, twice: bool) {
        let grace = Duration::from_secs(site.plan().grace_s + 15);
        let worker = &mut site.workers[number];
        // before it has begun there is nothing to drain, and the signal simply ends it
        wait_until("the worker has begun", grace, || worker.has_begun() || !worker.is_running());
        let was_running = worker.is_running();
        worker.signal("TERM");
        if twice {
            std::thread::sleep(self.time(Duration::from_millis(20)));
            worker.signal("TERM");
        }
        let ended = worker.ends_within(if twice { Duration::from_secs(10) } else { grace });
        let code = ended.and_then(|status| status.code());
        let is_right = code == Some(0) || twice && code == Some(143);
        assert!(is_right || !was_running, "told to stop (twice: {twice}), the worker ended as {ended:?}");
    }

    fn failpoints(&mut self, number: usize, site: &mut Site) {
        use worker::service::failpoint::POINTS;
        for _ in 0..2 {
            let point = POINTS[self.below(POINTS.len())];
            site.start_again(number, &Start::dying_at(format!("{point}:{}", 1 + self.below(3))));
            // where there is too little left to do, it does not get there
            site.workers[number].ends_within(Duration::from_secs(5));
        }
        site.start_again(number, &Start::default());
    }

    fn weather(&mut self, blow: Blow, site: &Site) {
        let ways = [
            Some(&site.ways.fhir),
            Some(&site.ways.pacs),
            site.ways.broker.as_ref(),
            site.ways.postgres.as_ref(),
        ];
        let ways: Vec<_> = ways.into_iter().flatten().collect();
        let way = ways[self.below(ways.len())];
        let longest = Duration::from_secs(2 * site.plan().lease_s);
        match blow {
            Blow::Blackhole => blackhole(way, self.time(longest)),
            Blow::Slow => {
                way.set(proxy::Fault::Late(Duration::from_millis(30)));
                std::thread::sleep(self.time(longest));
                way.set(proxy::Fault::Pass);
            }
            _ => way.cut(),
        }
    }
}

/// Nothing passes for this time, then the connections that stood are reset: the bytes between are lost.
pub fn blackhole(way: &Proxy, time: Duration) {
    way.set(proxy::Fault::Blackhole);
    std::thread::sleep(time);
    way.cut();
    way.set(proxy::Fault::Pass);
}

impl Servers {
    /// Restarts or kills one of them.
    ///
    /// # Panics
    /// Where it does not come back.
    pub fn strike(&self, blow: Blow) {
        match blow {
            Blow::BrokerRestart => {
                self.broker.stop();
                self.broker.restart();
            }
            Blow::BrokerKill => {
                self.broker.kill();
                self.broker.restart();
            }
            Blow::PostgresKill => self.postgres.lock().expect("nobody failed with it").restart(),
            _ => {}
        }
    }
}

/// What a FHIR server or a PACS does to quick requests.
pub fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(500, "exception"),
        Fault::Status(502, "transient"),
        Fault::Busy(503, "1".into()),
        Fault::Busy(429, "1".into()),
        Fault::Status(408, "timeout"),
        Fault::Lost,
        Fault::AnswerLost,
        Fault::ResetMidRequest(1000),
        Fault::ResetMidAnswer,
        Fault::TruncatedJson,
        Fault::NotJson,
        Fault::NotJsonStored,
        Fault::OutcomeInSuccess("exception"),
        Fault::Delay(Duration::from_millis(300)),
        Fault::ConflictStored,
    ]
}

/// Moments over a time at which blows are dealt.
#[derive(Debug)]
pub struct Rhythm {
    next: Instant,
    every: Duration,
}

impl Rhythm {
    /// A blow about every so often, the first after one such time.
    pub fn every(every: Duration) -> Self {
        Self { next: Instant::now() + every, every }
    }

    /// Waits until the next moment.
    pub fn wait(&mut self) {
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = Instant::now() + self.every;
    }
}
