//! What `cargo bench` measured, as one file of `chiasm bench` (kind `criterion`), a table and plots.
//!
//! `chiasm-bench-collect CRITERION OUT`: CRITERION is the folder that criterion wrote (`$CRITERION_HOME`), OUT gets
//! `criterion.json`, `criterion.md` and `criterion-*.svg`. Where a benchmark has sizes, its growth is fitted as a power.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::bench::file::{BenchFile, Better, Figure, Program, SCHEMA};
use worker::bench::machine::Machine;
use worker::bench::plot::{Across, Bar, Curve, bars, curves};
use worker::bench::statistics::exponent;
use worker::bench::text::short;

/// Groups whose sizes make a curve, and what the sizes are.
const CURVES: [(&str, &str); 5] = [
    ("volume", "slices"),
    ("features", "resources of the record"),
    ("score", "pictures of a batch"),
    ("evaluate", "rows"),
    ("end to end", "processes that read files"),
];

/// What criterion writes about a benchmark.
#[derive(Deserialize)]
struct About {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Value>,
    full_id: String,
}

/// What it measured: how often the work was done in each sample, and the nanoseconds of it.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

struct Measured {
    about: About,
    figure: Figure,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [criterion, out] = arguments.as_slice() else { bail!("chiasm-bench-collect CRITERION OUT") };
    let mut measured = Vec::new();
    collect(criterion, &mut measured)?;
    measured.sort_by(|one, other| one.about.full_id.cmp(&other.about.full_id));
    if measured.is_empty() {
        bail!("`{}` holds no measurement: run `cargo bench -p chiasm-benches` first", criterion.display());
    }
    fs::create_dir_all(out)?;
    let growth = growth(&measured);
    let write = |name: &str, text: &str| {
        fs::write(out.join(name), text).with_context(|| format!("could not write `{name}`"))
    };
    for (group, across) in CURVES {
        let own: Vec<Curve> = growth
            .iter()
            .filter(|own| own.group == group)
            .map(|own| Curve { name: own.name.clone(), points: own.points.clone() })
            .collect();
        if !own.is_empty() {
            let plot =
                curves("criterion", [&format!("{group}, by size"), across, "ms"], Across::Doubling, &own);
            write(&format!("criterion-{}.svg", group.replace(' ', "-")), &plot.svg())?;
        }
    }
    let decoding: Vec<Bar> = measured
        .iter()
        .filter(|own| {
            own.about.group_id == "decode" && own.about.function_id.as_deref() == Some("radiograph")
        })
        .map(|own| Bar {
            name: own.about.value_str.clone().unwrap_or_default(),
            parts: vec![own.figure.summary.median],
        })
        .collect();
    write(
        "criterion-decode.svg",
        &bars("criterion", "A radiograph from bytes to stored values", "ms", &decoding).svg(),
    )?;
    write("criterion.md", &markdown(&measured, &growth))?;
    write("criterion.json", &format!("{}\n", serde_json::to_string_pretty(&file(measured, &growth))?))?;
    Ok(())
}

/// Every benchmark below a folder.
fn collect(folder: &Path, measured: &mut Vec<Measured>) -> anyhow::Result<()> {
    let (about, sample) = (folder.join("new/benchmark.json"), folder.join("new/sample.json"));
    if about.is_file() {
        let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
        let about: About = serde_json::from_slice(&read(&about)?)?;
        let sample: Sample = serde_json::from_slice(&read(&sample)?)?;
        let milliseconds =
            sample.times.iter().zip(&sample.iters).map(|(time, count)| time / count / 1e6).collect();
        let figure = Figure::new(about.full_id.clone(), "ms", Better::Less, vec![milliseconds]);
        measured.push(Measured { figure: figure.context("a measurement without samples")?, about });
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, measured)?;
        }
    }
    Ok(())
}

/// How the time of one benchmark grows with its size.
struct Growth {
    group: String,
    name: String,
    /// Size and milliseconds.
    points: Vec<(f64, f64)>,
    /// Of `time = c * size^exponent`.
    exponent: f64,
}

fn growth(measured: &[Measured]) -> Vec<Growth> {
    let mut sizes: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for own in measured {
        let About { group_id, function_id, value_str, .. } = &own.about;
        let size = value_str.as_ref().and_then(|size| size.parse::<f64>().ok());
        if let (Some(name), Some(size)) = (function_id, size) {
            let points = sizes.entry((group_id.clone(), name.clone())).or_default();
            points.push((size, own.figure.summary.median));
        }
    }
    let fitted = |((group, name), mut points): ((String, String), Vec<(f64, f64)>)| {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let exponent = exponent(&points)?;
        Some(Growth { group, name, points, exponent })
    };
    sizes.into_iter().filter_map(fitted).collect()
}

/// What a benchmark works off in a second, in words; empty where it states no amount.
fn rate(own: &Measured) -> String {
    let amount = |unit: &str| own.about.throughput.as_ref().and_then(|own| own.get(unit)?.as_f64());
    let second = own.figure.summary.median / 1e3;
    match (amount("Bytes"), amount("Elements")) {
        (Some(bytes), _) => format!("{} MB/s", short(bytes / second / 1e6)),
        (None, Some(elements)) => format!("{} /s", short(elements / second)),
        (None, None) => String::new(),
    }
}

fn markdown(measured: &[Measured], growth: &[Growth]) -> String {
    let mut text = "| benchmark | median ms | least to most | rate |\n|---|---|---|---|\n".to_owned();
    for own in measured {
        let summary = &own.figure.summary;
        let (median, least, most) = (short(summary.median), short(summary.least), short(summary.most));
        writeln!(text, "| {} | {median} | {least} to {most} | {} |", own.about.full_id, rate(own))
            .unwrap_or_default();
    }
    text.push_str("\n| growth | sizes | exponent |\n|---|---|---|\n");
    for own in growth {
        let sizes: Vec<String> = own.points.iter().map(|point| short(point.0)).collect();
        writeln!(text, "| {}, {} | {} | {:.2} |", own.group, own.name, sizes.join(", "), own.exponent)
            .unwrap_or_default();
    }
    text
}

fn file(measured: Vec<Measured>, growth: &[Growth]) -> BenchFile {
    let growth: Vec<Value> = growth
        .iter()
        .map(|own| json!({"group": own.group, "name": own.name, "points": own.points, "exponent": own.exponent}))
        .collect();
    BenchFile {
        schema: SCHEMA.to_owned(),
        kind: "criterion".to_owned(),
        taken: jiff::Timestamp::now(),
        command: ["cargo", "bench", "--workspace", "--bench", "speed"].map(str::to_owned).to_vec(),
        program: Program::own(),
        machine: Machine::describe(),
        device: Some("CPU".to_owned()),
        settings: json!({}),
        figures: measured.into_iter().map(|own| own.figure).collect(),
        detail: json!({ "growth": growth, "samples": "each is the mean of the runs that criterion timed together" }),
    }
}
