//! `chiasm bench`: measures, prints, and writes what was measured.

mod pipeline;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use fusion::evaluation::plot::Plot;
use models::bench::Precision;
use models::bench::forward::Subject;
use models::device::ShadingLanguage;
use models::network::Architecture;
use models::{Bundle, Device};
use serde_json::{Value, json};

use super::Usage;
use crate::bench::compare::{Verdict, compare};
use crate::bench::file::{BenchFile, Figure, Program, SCHEMA};
use crate::bench::machine::Machine;
use crate::bench::model::Sweep;
use crate::bench::plot::{Across, Bar, Curve, bars, curves};
use crate::bench::timing::Plan;
use crate::bench::{device as device_bench, model as model_bench, text};
use crate::cli::DeviceArg;
use crate::cli::bench::{
    BenchCommand, CompareArgs, DeviceBenchArgs, ModelBenchArgs, PrecisionArg, ShaderArg,
};
use crate::training::raster;

/// How much of the time of a model's rounds goes to the bounds it is held against.
const ROOF_SECONDS: f64 = 0.5;

/// Measures.
pub(super) fn run(command: &BenchCommand) -> anyhow::Result<u8> {
    match command {
        BenchCommand::Device(args) => device(args),
        BenchCommand::Model(args) => model(args),
        BenchCommand::Pipeline(args) => pipeline::pipeline(args),
        BenchCommand::Soak(args) => pipeline::soak(args),
        BenchCommand::Compare(args) => compare_files(args),
    }
}

/// Before anything is measured.
struct Begun {
    taken: jiff::Timestamp,
    machine: Machine,
}

impl Begun {
    fn now() -> Self {
        Self { taken: jiff::Timestamp::now(), machine: Machine::describe() }
    }

    fn file(
        self,
        kind: &str,
        device: Option<&str>,
        settings: Value,
        figures: Vec<Figure>,
        detail: Value,
    ) -> BenchFile {
        let arguments = std::env::args_os().skip(1).map(|own| own.to_string_lossy().into_owned());
        BenchFile {
            schema: SCHEMA.to_owned(),
            kind: kind.to_owned(),
            taken: self.taken,
            command: std::iter::once("chiasm".to_owned()).chain(arguments).collect(),
            program: Program::own(),
            machine: self.machine,
            device: device.map(str::to_owned),
            settings,
            figures,
            detail,
        }
    }
}

/// Prints the table, and writes the file and its plots where that was asked for. Each plot comes with what its name has beside
/// the file's.
fn finish(file: &BenchFile, table: &str, plots: &[(&str, &Plot)], json: Option<&Path>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{table}", text::head(file))?;
    let Some(path) = json else { return Ok(()) };
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).with_context(|| format!("could not write `{}`", path.display()))
    };
    let mut bytes = serde_json::to_vec_pretty(file)?;
    bytes.push(b'\n');
    write(path, &bytes)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    for (own, plot) in plots {
        write(&path.with_file_name(format!("{stem}{own}.svg")), plot.svg().as_bytes())?;
        write(&path.with_file_name(format!("{stem}{own}.png")), &raster::png(plot)?)?;
    }
    writeln!(out, "written to {} (plots: .svg, .png)", path.display())?;
    Ok(())
}

fn device(args: &DeviceBenchArgs) -> anyhow::Result<u8> {
    let begun = Begun::now();
    let device = open(args.device, args.shader)?;
    let measure = &args.measure;
    let plan = Plan::new(measure.rounds, measure.seconds);
    let precisions = device_bench::precisions(&device);
    let (figures, roofs) = device_bench::measure(&device, &precisions, plan, measure.seed)?;
    let mut words = text::figures(&figures);
    if let Some(adapter) = device.adapter() {
        words += &text::adapter(adapter);
    }
    words += &text::shaders(ShadingLanguage::built());
    // copies have another unit: the plot shows what is counted in FLOP
    let rates: Vec<Bar> = figures
        .iter()
        .filter(|figure| figure.unit == "GFLOP/s")
        .map(|figure| Bar { name: figure.name.clone(), parts: vec![figure.summary.median] })
        .collect();
    let plot = bars("device", "Rates through Burn", "GFLOP/s", &rates);
    let detail = device_bench::detail(&device, &roofs);
    let settings = json!({ "seed": measure.seed });
    let file = begun.file("device", Some(device.description()), settings, figures, detail);
    finish(&file, &words, &[("", &plot)], measure.json.as_deref())?;
    Ok(0)
}

fn model(args: &ModelBenchArgs) -> anyhow::Result<u8> {
    let begun = Begun::now();
    let subject = subject(args)?;
    for batch in &args.batch {
        subject.check_batch(*batch as usize).map_err(|error| Usage(error.to_string()))?;
    }
    let device = open(args.device, args.shader)?;
    let measure = &args.measure;
    let precision = match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::F16 => Precision::F16,
    };
    let mut batches: Vec<usize> = args.batch.iter().map(|batch| *batch as usize).collect();
    batches.sort_unstable();
    batches.dedup();
    let sweep = Sweep {
        subject,
        batches,
        precision,
        plan: Plan::new(measure.rounds, measure.seconds),
        seed: measure.seed,
        layers: !args.no_layers,
    };
    let (_, roofs) = device_bench::measure(&device, &[precision], Plan::new(1, ROOF_SECONDS), measure.seed)?;
    let Some((_, roof)) = roofs.first() else { bail!("the device was not measured") };
    let swept = model_bench::measure(&sweep, *roof, &device)?;
    let name = sweep.subject.name();
    let words = format!("{}\n{}", text::figures(&swept.figures), text::model(&swept.detail));
    let points = swept.detail.batches.iter().map(|own| (own.batch as f64, own.images_per_second)).collect();
    let curve = Curve { name: format!("{name}, {}", precision.as_str()), points };
    let plot = curves(
        "model",
        ["Images a second by batch", "pictures of a batch", "images/s"],
        Across::Doubling,
        &[curve],
    );
    let settings = json!({
        "subject": name,
        "architectures": sweep.subject.parts().iter().map(|part| json!(part.network)).collect::<Vec<_>>(),
        "weights": match &sweep.subject { Subject::Bundle(bundle) => Some(bundle.digest()), Subject::Network { .. } => None },
        "precision": precision.as_str(),
        "seed": measure.seed,
    });
    let file = begun.file("model", Some(device.description()), settings, swept.figures, json!(swept.detail));
    finish(&file, &words, &[("", &plot)], measure.json.as_deref())?;
    Ok(0)
}

/// Opens the device, whose kernels are in the language that was asked for.
fn open(device: DeviceArg, shader: Option<ShaderArg>) -> anyhow::Result<Device> {
    let asked = shader.map(ShaderArg::language);
    // before a driver is touched
    asked.map_or(Ok(()), ShadingLanguage::check_built).map_err(|error| Usage(error.to_string()))?;
    let device = crate::device::open(device)?;
    if let Some(asked) = asked {
        asked.check_device(&device).map_err(|error| Usage(error.to_string()))?;
    }
    Ok(device)
}

fn subject(args: &ModelBenchArgs) -> anyhow::Result<Subject> {
    if let Some(name) = &args.arch {
        let architecture = Architecture::preset(name, args.channels as usize, args.outputs as usize)
            .map_err(|error| Usage(error.to_string()))?;
        return Ok(Subject::Network { name: name.clone(), architecture, side: args.side as usize });
    }
    let name = args.bundle.as_deref().unwrap_or_default();
    let embedded = Bundle::embedded()?;
    if name == embedded.id() {
        return Ok(Subject::Bundle(Box::new(embedded)));
    }
    if !Path::new(name).is_dir() {
        bail!(Usage(format!("there is no bundle `{name}`; `{}` is built in", embedded.id())));
    }
    Ok(Subject::Bundle(Box::new(Bundle::open(Path::new(name)).context("the bundle could not be opened")?)))
}

fn compare_files(args: &CompareArgs) -> anyhow::Result<u8> {
    let (before, after) = (BenchFile::read(&args.before)?, BenchFile::read(&args.after)?);
    let comparison =
        compare(&before, &after).map_err(|error| anyhow::anyhow!("{}: {error}", error.code()))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&comparison)?)?;
    } else {
        write!(out, "{}", text::comparison(&comparison))?;
    }
    let worse = comparison.rows.iter().any(|row| row.verdict == Verdict::Worse);
    Ok(u8::from(args.fail_if_worse && worse))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_batch_that_cannot_be_held_is_wrong_usage() {
        let asked = "chiasm bench model --arch resnet18-3d --side 4096 --batch 1,1024 --device cpu";
        let cli = Cli::parse_from(asked.split(' '));
        let Command::Bench(command) = &cli.command else { unreachable!() };
        let error = run(command).unwrap_err().downcast::<Usage>().unwrap();
        assert!(error.to_string().ends_with("take a smaller batch, or smaller pictures"), "{error}");
    }
}
