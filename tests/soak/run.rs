//! The soak: jobs come, workers die, servers go and come back, and in the end the checker looks.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use chiasm_tests::site::check::Verdict;
use chiasm_tests::site::nemesis::{Blow, Nemesis};
use chiasm_tests::site::remote::Remote;
use chiasm_tests::site::servers::Servers;
use chiasm_tests::site::workers::Start;
use chiasm_tests::site::{Mode, Plan, Site};
use serde_json::{Value, json};
use worker::lane::Lane;

use crate::{ModeArg, RunArgs};

/// Studies that are submitted at a time.
const PIECE: usize = 50;

/// Studies that wait at least, as long as there are more.
const BACKLOG: usize = 100;

/// Without any job ending for so long, the run fails.
const STANDSTILL: Duration = Duration::from_mins(4);

/// How often the state of the run is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What happens besides plain kills, and how often.
const BLOWS: [(Blow, u32); 14] = [
    (Blow::Kill, 1000),
    (Blow::Failpoint, 60),
    (Blow::Stall, 15),
    (Blow::Drain, 40),
    (Blow::DrainTwice, 40),
    (Blow::Cut, 60),
    (Blow::Blackhole, 15),
    (Blow::Slow, 15),
    (Blow::Fhir, 30),
    (Blow::S3, 30),
    (Blow::Pacs, 30),
    (Blow::BrokerRestart, 10),
    (Blow::BrokerKill, 10),
    (Blow::PostgresKill, 10),
];

/// Blows that need a broker and a database.
const OF_SERVERS: [Blow; 3] = [Blow::BrokerRestart, Blow::BrokerKill, Blow::PostgresKill];

/// Runs the soak; true when every invariant holds.
pub(crate) fn run(args: &RunArgs) -> bool {
    let seed = args.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        since.as_secs()
    });
    let servers = match args.mode {
        ModeArg::Embedded => None,
        ModeArg::Distributed => match Servers::start() {
            Some(servers) => Some(servers),
            None => return false,
        },
    };
    let mode = servers.as_ref().map_or(Mode::Embedded, Mode::Distributed);
    let mut site = Site::open(mode, Plan { patients: 40, remote: !args.local, ..Plan::new(seed) });
    site.keep_folder();
    let mut soak = Soak::new(args, seed, site, servers.as_ref());
    let finished = catch_unwind(AssertUnwindSafe(|| soak.go()));
    let holds = soak.report(finished.ok(), args);
    let Soak { site, .. } = soak;
    if holds {
        site.discard();
    } else {
        eprintln!("seed {seed}: an invariant failed; everything is kept in {}", site.folder().display());
    }
    holds
}

struct Soak<'a> {
    args: &'a RunArgs,
    seed: u64,
    site: Site,
    servers: Option<&'a Servers>,
    nemesis: Nemesis,
    began: Instant,
    submitted: usize,
    kills: usize,
    blows: BTreeMap<Blow, usize>,
    /// Studies by the source that has them.
    from: BTreeMap<&'static str, usize>,
    problems: Vec<String>,
    memory: Vec<Value>,
    told: Instant,
}

impl<'a> Soak<'a> {
    fn new(args: &'a RunArgs, seed: u64, site: Site, servers: Option<&'a Servers>) -> Self {
        let now = Instant::now();
        Self {
            args,
            seed,
            site,
            servers,
            nemesis: Nemesis::new(seed),
            began: now,
            submitted: 0,
            kills: 0,
            blows: BTreeMap::new(),
            from: BTreeMap::new(),
            problems: Vec::new(),
            memory: Vec::new(),
            told: now,
        }
    }

    fn go(&mut self) -> Verdict {
        self.submit_more();
        self.site.start_ready(self.args.workers);
        loop {
            let due = self.next_kill_at();
            self.wait_for(due);
            if self.is_over() {
                break;
            }
            let blow = self.draw();
            std::thread::sleep(self.nemesis.time(Duration::from_millis(150)));
            self.nemesis.strike(blow, &mut self.site, self.servers);
            *self.blows.entry(blow).or_default() += 1;
            self.kills += match blow {
                Blow::Kill | Blow::DrainTwice => 1,
                Blow::Failpoint => 3,
                _ => 0,
            };
        }
        self.site.wait_until_done(STANDSTILL);
        self.tell();
        self.site.check()
    }

    /// How many jobs are to have ended before the next blow.
    fn next_kill_at(&self) -> usize {
        (self.kills + 1) * self.args.jobs / (self.args.kills + 1)
    }

    fn is_over(&self) -> bool {
        match self.args.minutes {
            Some(minutes) => self.began.elapsed() >= Duration::from_secs(60 * minutes),
            None => self.kills >= self.args.kills,
        }
    }

    fn draw(&mut self) -> Blow {
        if self.args.kills_only {
            return Blow::Kill;
        }
        let possible: Vec<_> = BLOWS
            .into_iter()
            .filter(|(blow, _)| self.servers.is_some() || !OF_SERVERS.contains(blow))
            .collect();
        self.nemesis.draw(&possible)
    }

    /// Waits until so many jobs have ended, and looks after submissions and workers meanwhile.
    fn wait_for(&mut self, due: usize) {
        let mut moved = Instant::now();
        let mut before = 0;
        loop {
            let ended = usize::try_from(self.site.ended()).unwrap_or(usize::MAX);
            if ended > before {
                (before, moved) = (ended, Instant::now());
            }
            if self.submitted < ended + BACKLOG && !self.all_submitted() {
                self.submit_more();
            }
            self.look_after_workers();
            if self.told.elapsed() > TELL_EVERY {
                self.tell();
            }
            let nothing_left = self.all_submitted() && ended >= self.submitted;
            if ended >= due || nothing_left || self.args.minutes.is_some() && self.is_over() {
                return;
            }
            assert!(
                moved.elapsed() < STANDSTILL,
                "no job has ended for {STANDSTILL:?}: {:?}",
                self.site.open_work()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn all_submitted(&self) -> bool {
        self.args.minutes.is_none() && self.submitted >= self.args.jobs
    }

    fn submit_more(&mut self) {
        for _ in 0..=BACKLOG / PIECE {
            let left = if self.args.minutes.is_some() { PIECE } else { self.args.jobs - self.submitted };
            let count = PIECE.min(left);
            if count == 0 {
                return;
            }
            let studies = self.new_studies(count);
            let lane = if self.nemesis.below(5) == 0 { Lane::Stat } else { Lane::Routine };
            self.site.submit(&studies, lane);
            // Some requests come more than once.
            if self.nemesis.below(2) == 0 {
                self.site.submit(&studies[..count.div_ceil(10)], lane);
            }
            self.submitted += count;
        }
    }

    /// Four of ten pieces are of the folder, three of the bucket, three of the DICOMweb server.
    fn new_studies(&mut self, count: usize) -> Vec<String> {
        let origins = self.site.remote.as_ref().map(Remote::origins).unwrap_or_default();
        match self.nemesis.below(10) {
            drawn @ 0..6 if !origins.is_empty() => {
                let origin = origins[drawn % origins.len()];
                *self.from.entry(origin.name()).or_default() += count;
                self.site.studies_at(origin, count)
            }
            _ => {
                *self.from.entry("folder").or_default() += count;
                self.site.studies(count)
            }
        }
    }

    /// No worker ends by itself once it has begun; one that could not begin, because a server was away, is started again.
    fn look_after_workers(&mut self) {
        for number in 0..self.site.workers.len() {
            let worker = &mut self.site.workers[number];
            if worker.is_running() {
                continue;
            }
            if worker.has_begun() {
                self.problems.push(format!("a worker ended by itself: {}", worker.log.display()));
            }
            self.site.start_again(number, &Start::default());
        }
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        let ended = self.site.ended();
        let memory: Vec<u64> = self
            .site
            .workers
            .iter()
            .filter_map(chiasm_tests::site::workers::Worker::used)
            .map(|(_, bytes)| bytes >> 20)
            .collect();
        eprintln!(
            "{:>5.0} s  {ended:>6} of {} ended  {:>4} kills  resident MiB {memory:?}",
            self.began.elapsed().as_secs_f64(),
            self.submitted,
            self.kills
        );
        self.memory.push(json!({ "ended": ended, "resident_mib": memory }));
    }

    /// Writes the record, tells the result, and says whether all holds.
    fn report(&mut self, verdict: Option<Verdict>, args: &RunArgs) -> bool {
        let finished = verdict.is_some();
        let verdict = verdict.unwrap_or_default();
        self.problems.extend(verdict.problems.iter().cloned());
        let holds = finished && self.problems.is_empty();
        let seconds = self.began.elapsed().as_secs();
        let blows: BTreeMap<String, usize> =
            self.blows.iter().map(|(blow, count)| (blow.to_string(), *count)).collect();
        let record = json!({
            "holds": holds, "seed": self.seed, "mode": format!("{:?}", args.mode), "workers": args.workers,
            "submitted": self.submitted, "kills": self.kills, "blows": blows, "from": self.from, "seconds": seconds,
            "finished": finished, "problems": self.problems, "checked": verdict.json(), "memory": self.memory,
        });
        let text = serde_json::to_string_pretty(&record).expect("JSON");
        fs::write(&args.json, text).expect("the record is written");
        eprintln!("\nseed            {}", self.seed);
        eprintln!("mode            {:?}, {} workers", args.mode, args.workers);
        eprintln!("time            {seconds} s");
        eprintln!("accepted        {}", verdict.accepted);
        eprintln!("ended           {:?}", verdict.states);
        eprintln!("kills           {}", self.kills);
        eprintln!("blows           {blows:?}");
        eprintln!("studies from    {:?}", self.from);
        eprintln!("started again   {} times", verdict.restarts);
        eprintln!(
            "FHIR writes     {}, of them again with the same bytes {}",
            verdict.writes, verdict.rewrites
        );
        eprintln!("dead letters    {}", verdict.dead);
        eprintln!("problems        {}", self.problems.len());
        for problem in &self.problems {
            eprintln!("  {problem}");
        }
        eprintln!("record          {}", args.json.display());
        holds
    }
}
