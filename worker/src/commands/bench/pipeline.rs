//! `chiasm bench pipeline` and `chiasm bench soak`.

use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Begun, finish};
use crate::bench::file::{Better, Figure};
use crate::bench::ground::Ground;
use crate::bench::pipeline::{Bench, Run};
use crate::bench::plot::{Across, Bar, Curve, bars, curves};
use crate::bench::statistics::{Summary, exponent, slope};
use crate::bench::text;
use crate::cli::bench::{PipelineBenchArgs, SoakBenchArgs, WayArgs};

/// Measures the whole way with several numbers of decoders.
pub(super) fn pipeline(args: &PipelineBenchArgs) -> anyhow::Result<u8> {
    let begun = Begun::now();
    let way = &args.way;
    let mut decoders: Vec<usize> = args.decoders.iter().map(|count| *count as usize).collect();
    decoders.sort_unstable();
    decoders.dedup();
    let (ground, bench) = open(way)?;
    let mut index = 0;
    // a first run warms caches, the device and the pool of processes up
    bench.run(&ground, index, decoders.first().copied().unwrap_or(1))?;
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); decoders.len()];
    for _ in 0..args.rounds {
        for (count, runs) in decoders.iter().zip(&mut runs) {
            index += 1;
            runs.push(bench.run(&ground, index, *count)?);
        }
    }
    let figures: Vec<Figure> = runs.iter().flat_map(|runs| figures(runs)).collect();
    let rate = |runs: &Vec<Run>| runs.iter().map(Run::rate).sum::<f64>() / runs.len() as f64;
    let points: Vec<(f64, f64)> =
        decoders.iter().zip(&runs).map(|(count, runs)| (*count as f64, rate(runs))).collect();
    let grows = exponent(&points);
    let words = text::pipeline(&runs, grows);
    let last = runs.last().and_then(|runs| runs.last());
    let rows: Vec<Bar> = last.map(stage_bars).unwrap_or_default();
    let plot = bars("pipeline", "Stages of a study", "ms", &rows);
    let curve = Curve { name: "studies a second".to_owned(), points };
    let titles = ["Studies a second by readers", "processes that read files", "1/s"];
    let scaling = curves("pipeline-decoders", titles, Across::Doubling, &[curve]);
    let settings = json!({ "studies": way.studies, "seed": way.seed });
    let detail = json!({ "runs": runs, "exponent_of_decoders": grows });
    let file = begun.file("pipeline", Some(&bench.device()), settings, figures, detail);
    finish(&file, &words, &[("", &plot), ("-decoders", &scaling)], way.json.as_deref())?;
    Ok(0)
}

/// Runs again and again, and looks at memory and latency.
pub(super) fn soak(args: &SoakBenchArgs) -> anyhow::Result<u8> {
    let begun = Begun::now();
    let way = &args.way;
    let (ground, bench) = open(way)?;
    let decoders = args.decoders as usize;
    // what a first run allocates and warms up is no growth
    bench.run(&ground, 0, decoders)?;
    let began = Instant::now();
    let minutes = || began.elapsed().as_secs_f64() / 60.0;
    let mut runs: Vec<(f64, Run)> = Vec::new();
    while runs.len() < 3 || minutes() < args.minutes {
        let run = bench.run(&ground, runs.len() + 1, decoders)?;
        runs.push((minutes(), run));
    }
    let memory = |of: fn(&Run) -> Option<u64>| -> Vec<(f64, f64)> {
        let point = |(at, run): &(f64, Run)| Some((*at, of(run)? as f64 / 1_048_576.0));
        runs.iter().filter_map(point).collect()
    };
    let (worker, device) = (memory(|run| run.resident_bytes.0), memory(|run| run.resident_bytes.1));
    let latency = |of: fn(&Summary) -> f64| -> Vec<(f64, f64)> {
        let point = |(at, run): &(f64, Run)| Some((*at, of(&Summary::of(&run.study_ms)?)));
        runs.iter().filter_map(point).collect()
    };
    let (median, p99) = (latency(|own| own.median), latency(|own| own.p99));
    let only: Vec<Run> = runs.iter().map(|(_, run)| run.clone()).collect();
    let mut figures = figures(&only);
    for (name, points) in [("resident, worker", &worker), ("resident, device process", &device)] {
        let samples = points.iter().map(|point| vec![point.1]).collect();
        figures.extend(Figure::new(name, "MiB", Better::Less, samples));
    }
    let hourly = |points: &[(f64, f64)]| slope(points).map(|minute| 60.0 * minute);
    let (grows, slows) = ((hourly(&worker), hourly(&device)), hourly(&median));
    let words = format!("{}\n{}", text::figures(&figures), text::growth(grows, slows));
    let curve = |name: &str, points: &[(f64, f64)]| Curve { name: name.to_owned(), points: points.to_vec() };
    let both = [curve("worker", &worker), curve("device process", &device)];
    let plot = curves("soak", ["Resident memory", "minutes", "MiB"], Across::Even, &both);
    let both = [curve("median", &median), curve("99th percentile", &p99)];
    let latency = curves("soak-latency", ["Stages of a study", "minutes", "ms"], Across::Even, &both);
    let settings = json!({ "studies": way.studies, "seed": way.seed, "decoders": args.decoders });
    let series: Vec<Value> = runs.iter().map(|(at, run)| json!({ "minutes": at, "run": run })).collect();
    let detail = json!({
        "series": series,
        "growth_mib_per_hour": { "worker": grows.0, "device": grows.1 },
        "growth_ms_per_hour": slows,
    });
    let file = begun.file("soak", Some(&bench.device()), settings, figures, detail);
    finish(&file, &words, &[("", &plot), ("-latency", &latency)], way.json.as_deref())?;
    Ok(0)
}

fn open(way: &WayArgs) -> anyhow::Result<(Ground, Bench)> {
    let ground = Ground::new(way.dir.as_deref())?;
    ground.studies(way.studies, way.seed)?;
    let config = ground.config(0, 1)?;
    let bench = Bench::open(&config, way.device).context("the device could not be opened")?;
    Ok((ground, bench))
}

/// The figures of runs with the same number of decoders, one round a run.
fn figures(runs: &[Run]) -> Vec<Figure> {
    let Some(first) = runs.first() else { return Vec::new() };
    let with = format!("{} decoders", first.decoders);
    let each = |of: &dyn Fn(&Run) -> f64| runs.iter().map(|run| vec![of(run)]).collect::<Vec<_>>();
    let mut all = Vec::new();
    all.extend(Figure::new(format!("studies, {with}"), "1/s", Better::More, each(&Run::rate)));
    let studies = runs.iter().map(|run| run.study_ms.clone()).collect();
    all.extend(Figure::new(format!("one study, {with}"), "ms", Better::Less, studies));
    for stage in first.stage_s.keys() {
        let of = |run: &Run| {
            1e3 * run.stage_s.get(stage).copied().unwrap_or(0.0) / run.study_ms.len().max(1) as f64
        };
        let name = format!("stage {stage}, {with}");
        all.extend(Figure::new(name, "ms", Better::Less, each(&of)).filter(|own| own.summary.most > 0.0));
    }
    all
}

fn stage_bars(run: &Run) -> Vec<Bar> {
    let studies = run.study_ms.len().max(1) as f64;
    let mut rows: Vec<Bar> = run
        .stage_s
        .iter()
        .filter(|(_, seconds)| **seconds > 0.0)
        .map(|(stage, seconds)| Bar { name: stage.clone(), parts: vec![1e3 * seconds / studies] })
        .collect();
    rows.sort_by(|a, b| b.parts[0].total_cmp(&a.parts[0]));
    rows
}
