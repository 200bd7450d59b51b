//! The product's side of what is measured beside other programs (`benches/peers/`).
//!
//! It is given its work on the command line and asked over standard input, line by line: `time SECONDS` is answered with the
//! seconds of each run in as much time, three at least, one of a series; `answer` with what the work gave, so that whoever asks
//! can tell that both sides did the same. It ends with its input.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use chiasm_benches::enlarged::enlarge;
use dicom_ingest::decode::{decode, each_frame};
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::volume::{Plan, TakeFrame, Volume, Wanted};
use fusion::evaluation::{auroc, average_precision, brier, log_loss};
use models::bench::cost::layers;
use models::bench::forward::Loaded;
use models::import::import;
use models::network::Architecture;
use models::{Device, DeviceChoice};
use serde_json::json;
use worker::bench::file::Program;
use worker::bench::machine::Machine;

/// How often work is run at least.
#[derive(Debug, Clone, Copy)]
struct Runs {
    /// Before anything is asked.
    warm_up: usize,
    /// Timed together.
    least: usize,
}

const RUNS: Runs = Runs { warm_up: 3, least: 3 };
/// A run over a series decodes many pictures, and the one that gives the answer comes first.
const RUNS_OF_A_SERIES: Runs = Runs { warm_up: 0, least: 1 };
/// Height and width of the pictures that are scored.
const SIDE: usize = 224;

/// Repetition of the weights that a checksum gives to places.
const PLACES: usize = 1009;

/// A piece of work. What it gave is summed up only where it is asked to show it.
type Work = Box<dyn FnMut(Show) -> anyhow::Result<Vec<f64>>>;

/// Whether a run is one of many that are timed, or shows what it gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Nothing,
    Answer,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let work = match words.as_slice() {
        ["about"] => return about(),
        ["studies", folder, count] => return studies(Path::new(folder), count.parse()?),
        ["score", weights, pictures, batch] => {
            score(Path::new(weights), Path::new(pictures), batch.parse()?)?
        }
        ["decode", file] => decoding(&[PathBuf::from(file)])?,
        ["series", folder] => decoding(&files(Path::new(folder))?)?,
        ["volume", folder] => volume(Path::new(folder)),
        ["evaluate", scores, labels] => evaluate(Path::new(scores), Path::new(labels))?,
        _ => bail!(
            "one of: about | studies FOLDER COUNT | score WEIGHTS PICTURES BATCH | decode FILE | series FOLDER | volume FOLDER | \
             evaluate SCORES LABELS"
        ),
    };
    serve(work, if words.first() == Some(&"series") { RUNS_OF_A_SERIES } else { RUNS })
}

fn serve(mut work: Work, runs: Runs) -> anyhow::Result<()> {
    for _ in 0..runs.warm_up {
        work(Show::Nothing)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("time", seconds)) => timed(&mut work, runs.least, seconds.parse()?)?,
            None if line == "answer" => work(Show::Answer)?,
            _ => bail!("`time SECONDS` or `answer`, not `{line}`"),
        };
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    Ok(())
}

fn timed(work: &mut Work, least: usize, seconds: f64) -> anyhow::Result<Vec<f64>> {
    let (all, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < least || all.elapsed().as_secs_f64() < seconds {
        let began = Instant::now();
        std::hint::black_box(work(Show::Nothing)?);
        samples.push(began.elapsed().as_secs_f64());
    }
    Ok(samples)
}

/// Program, machine, and what a picture of the scored network costs.
fn about() -> anyhow::Result<()> {
    let architecture = densenet()?;
    let flop: u64 = layers(&architecture, 1, SIDE, SIDE).iter().map(models::bench::cost::Layer::flop).sum();
    let about =
        json!({ "program": Program::own(), "machine": Machine::describe(), "densenet121_flop": flop });
    writeln!(std::io::stdout(), "{about}")?;
    Ok(())
}

/// Phantom studies of 2048 x 2048 as a site's archive has them, `studies/<Study Instance UID>/`, and one record each in `records/`.
fn studies(folder: &Path, count: u64) -> anyhow::Result<()> {
    let (archive, records) = (folder.join("studies"), folder.join("records"));
    for place in [&archive, &records] {
        std::fs::create_dir_all(place)?;
    }
    for seed in 1..=count {
        let made = worker::demo::write(&folder.join("made"), seed, None)?;
        let phantom = made.study.join("phantom.dcm");
        enlarge(&phantom)?;
        let bytes = std::fs::read(phantom)?;
        let instance =
            read_header(&bytes, &Limits::default()).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
        std::fs::rename(&made.study, archive.join(instance.study_uid.as_str()))?;
        std::fs::rename(&made.record, records.join(format!("{seed}.json")))?;
    }
    std::fs::remove_dir_all(folder.join("made"))?;
    Ok(())
}

fn densenet() -> anyhow::Result<Architecture> {
    Ok(Architecture::preset("densenet121", 3, 1000)?)
}

/// Values in memory to outputs in memory.
fn score(weights: &Path, pictures: &Path, batch: usize) -> anyhow::Result<Work> {
    let architecture = densenet()?;
    let imported = import(weights, &architecture).context("the weights")?;
    let device = Device::open(DeviceChoice::Cpu)?;
    let loaded = Loaded::of_weights(&architecture, SIDE, &imported.state, &device)?;
    let values: Vec<f32> = numbers(pictures)?.into_iter().map(f32::from_le_bytes).collect();
    let count = batch * 3 * SIDE * SIDE;
    let values = values.get(..count).context("too few pictures")?.to_vec();
    Ok(Box::new(move |_| Ok(loaded.outputs(values.clone())?.into_iter().map(f64::from).collect())))
}

/// Bytes of files in memory to stored values, one file after the other: pre-scan, header, digest and pixels. What each gave is
/// summed up.
fn decoding(paths: &[PathBuf]) -> anyhow::Result<Work> {
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
    let files = paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Box::new(move |show| {
        let mut sums = vec![0.0; 3];
        for bytes in &files {
            let decoded =
                decode(bytes, &Limits::default()).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
            let own = checksum(show, decoded.frames[0].stored.iter().map(f64::from));
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        Ok(sums)
    }))
}

/// The files of a folder, by name.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The files of a folder to a volume of Hounsfield units: reading, headers, plan and pixels.
fn volume(folder: &Path) -> Work {
    let folder = folder.to_owned();
    Box::new(move |show| {
        let files = files(&folder)?.iter().map(std::fs::read).collect::<std::io::Result<Vec<_>>>()?;
        let limits = Limits::default();
        let said = |refusal: dicom_ingest::refusal::Refusal| anyhow::anyhow!(refusal.message);
        let headers = files
            .iter()
            .map(|file| read_header(file, &limits))
            .collect::<Result<Vec<_>, _>>()
            .map_err(said)?;
        let plan = Plan::new(&headers.iter().collect::<Vec<_>>()).map_err(said)?;
        let frames = |instance: usize, take: &mut TakeFrame<'_>| each_frame(&files[instance], &limits, take);
        let volume = Volume::read(&plan, Wanted::AS_IT_IS, &frames).map_err(said)?;
        Ok(checksum(show, volume.values.iter().copied().map(f64::from)))
    })
}

/// Area under the curve, average precision, Brier score and log loss.
fn evaluate(scores: &Path, labels: &Path) -> anyhow::Result<Work> {
    let scores: Vec<f64> = numbers(scores)?.into_iter().map(f64::from_le_bytes).collect();
    let labels: Vec<bool> = std::fs::read(labels)?.into_iter().map(|label| label != 0).collect();
    Ok(Box::new(move |_| {
        let all = [
            auroc(&scores, &labels),
            average_precision(&scores, &labels),
            brier(&scores, &labels),
            log_loss(&scores, &labels),
        ];
        all.into_iter().map(|own| own.context("a measure that is not defined")).collect()
    }))
}

/// How many values there are, their sum, and their sum with weights by place; whole numbers, so that the order does not count.
fn checksum(show: Show, values: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
    let count = values.len() as f64;
    if show == Show::Nothing {
        return vec![count];
    }
    let sums = values.enumerate().fold((0.0, 0.0), |(plain, placed), (index, value)| {
        (plain + value, placed + value * (index % PLACES) as f64)
    });
    vec![count, sums.0, sums.1]
}

/// The numbers of a file, each as its bytes.
fn numbers<const SIZE: usize>(path: &Path) -> anyhow::Result<Vec<[u8; SIZE]>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.as_chunks::<SIZE>().0.to_vec())
}
