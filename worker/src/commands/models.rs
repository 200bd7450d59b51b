//! `chiasm models`: training, and what is known of the models that are built in.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use dicom_ingest::reader::InProcess;
use fusion::LateFusionModel;
use fusion::evaluation::plot::plots;
use fusion::learned::TrainOptions;
use indicatif::{ProgressBar, ProgressStyle};
use models::Bundle;

use super::{Usage, bundles, evaluate, model_list, train};
use crate::cli::{DeviceArg, ModelsCommand, TrainFusionArgs};
use crate::config::Config;
use crate::pipeline::Stages;
use crate::service;
use crate::telemetry::metrics::Metrics;
use crate::training::fusion as fusion_input;
use crate::training::raster;

/// Seed of the fusion's repeated splits.
const FUSION_SEED: u64 = 20_261_121;

/// Trains or shows a model.
pub(super) fn run(command: &ModelsCommand) -> anyhow::Result<u8> {
    match command {
        ModelsCommand::Train(args) => train::run(args),
        ModelsCommand::TrainFusion(args) => train_fusion(args),
        ModelsCommand::Evaluate(args) => evaluate::run(args),
        ModelsCommand::Card { id } => card(id),
        ModelsCommand::Import(args) => bundles::import(args),
        ModelsCommand::List(args) => model_list::run(args),
        ModelsCommand::Show(args) => bundles::show(args),
        ModelsCommand::Verify(args) => bundles::verify(args),
        ModelsCommand::Sign(args) => bundles::sign(args),
        ModelsCommand::Key(args) => bundles::key(args),
        ModelsCommand::Explain(args) => bundles::explain(args),
    }
}

fn train_fusion(args: &TrainFusionArgs) -> anyhow::Result<u8> {
    // A training set is of known origin.
    let stages = Stages::new(Config::load(None, None)?, Arc::new(InProcess::default()))?;
    let decoded = bar("{bar:30} {pos}/{len} exams scored");
    let device = service::device_on_demand(
        &stages,
        DeviceArg::Cpu,
        &Metrics::new(stages.readings.built_in().bundle.digest()),
    );
    let exams = fusion_input::exams(&args.data, &stages, &&device, &mut |done, of| {
        decoded.set_length(of as u64);
        decoded.set_position(done as u64);
    })
    .context("the training data could not be read")?;
    decoded.finish_and_clear();
    tracing::info!(exams = exams.len(), "training begins");
    let bundle = &stages.readings.built_in().bundle;
    let labels: Vec<String> = bundle.model_card().labels.iter().map(|label| label.name.clone()).collect();
    let mut options = TrainOptions::new(bundle.digest(), &labels, FUSION_SEED);
    options.created = Some(jiff::Zoned::now().date().to_string());
    let trained = fusion::learned::train(&exams, &options)?;
    write_fusion(&trained, &args.out)?;
    writeln!(std::io::stdout(), "{}", trained.card)?;
    Ok(0)
}

fn write_fusion(trained: &fusion::learned::Trained, out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("could not make `{}`", out.display()))?;
    let writing = || format!("could not write to `{}`", out.display());
    trained.write_to(out).with_context(writing)?;
    for (name, report) in &trained.reports {
        for plot in plots(report) {
            let file = out.join(format!("{}-{}", name.to_lowercase(), plot.name));
            std::fs::write(file.with_extension("svg"), plot.svg()).with_context(writing)?;
            std::fs::write(file.with_extension("png"), raster::png(&plot)?).with_context(writing)?;
        }
    }
    Ok(())
}

fn card(id: &str) -> anyhow::Result<u8> {
    let bundle = Bundle::embedded()?;
    let card = match id {
        id if id == bundle.id() => bundle.card().to_owned(),
        "icu-concurrent" => LateFusionModel::embedded_card().to_owned(),
        folder if Path::new(folder).is_dir() => return bundles::card(Path::new(folder)),
        _ => bail!(Usage(format!(
            "there is no model `{id}`; there are `{}` and `icu-concurrent`",
            bundle.id()
        ))),
    };
    writeln!(std::io::stdout(), "{card}")?;
    Ok(0)
}

pub(super) fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
