//! `chiasm models train`: a model from a configuration file and data.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use dicom_ingest::limits::Limits;
use indicatif::ProgressBar;
use models::Bundle;
use models::import::Backbone;
use models::train::{Material, Progress, TrainConfig, classifier, classifier_bundle};

use super::models::bar;
use crate::cli::TrainArgs;
use crate::training::file::{Classifier, Ensemble, TrainingFile};
use crate::training::{pictures, radiographs};

/// Trains, writes the bundle and prints its card.
pub(super) fn run(args: &TrainArgs) -> anyhow::Result<u8> {
    let file = match &args.config {
        Some(path) => TrainingFile::open(path)?,
        None => TrainingFile::CxrFindings(Box::new(Ensemble { recipe: TrainConfig::default() })),
    };
    let bundle = match file {
        TrainingFile::CxrFindings(file) => findings(args, file.recipe)?,
        TrainingFile::Classifier(file) => classifier(args, &file)?,
    };
    bundle.write(&args.out)?;
    tracing::info!(out = %args.out.display(), digest = bundle.digest(), "bundle written");
    writeln!(std::io::stdout(), "{}", bundle.card())?;
    Ok(0)
}

fn findings(args: &TrainArgs, recipe: TrainConfig) -> anyhow::Result<Bundle> {
    let decoded = bar("{bar:30} {pos}/{len} radiographs decoded");
    let examples = radiographs::examples(&args.data, &Limits::default(), &mut |done, of| {
        decoded.set_length(of as u64);
        decoded.set_position(done as u64);
    })
    .context("the training data could not be read")?;
    decoded.finish_and_clear();
    let negatives = match &args.negatives {
        Some(folder) => radiographs::photographs(folder).context("the photographs could not be read")?,
        None => Vec::new(),
    };
    let backbone = args.backbone.as_deref().map(Backbone::open).transpose();
    let backbone = backbone.context("the weights that the readout stands on could not be read")?;
    tracing::info!(radiographs = examples.len(), photographs = negatives.len(), "training begins");
    let config = TrainConfig { command: command_line(args, "CXR-NIH"), ..recipe };
    // what is too large is refused below
    let passes = config.folds.saturating_mul(config.epochs.saturating_add(config.frontal_epochs));
    let passes = Passes::new(passes);
    let checkpoints = args.checkpoints.as_deref();
    let material = Material { examples: &examples, negatives: &negatives, backbone: backbone.as_ref() };
    let trained = models::train::train(material, &config, checkpoints, &mut |event| passes.tell(&event))?;
    passes.bar.finish_and_clear();
    Ok(trained.bundle().clone())
}

fn classifier(args: &TrainArgs, file: &Classifier) -> anyhow::Result<Bundle> {
    let decoded = bar("{bar:30} {pos}/{len} pictures read");
    let names: Vec<String> = file.bundle.labels.iter().map(|label| label.name.clone()).collect();
    let pictures = pictures::pictures(&args.data, &file.data, &names, &Limits::default(), &mut |done, of| {
        decoded.set_length(of as u64);
        decoded.set_position(done as u64);
    })
    .context("the training data could not be read")?;
    decoded.finish_and_clear();
    tracing::info!(pictures = pictures.len(), "training begins");
    let passes = Passes::new(file.recipe.epochs);
    let checkpoints = args.checkpoints.as_deref();
    let trained = classifier::train(&pictures, &file.recipe, checkpoints, &|event| passes.tell(&event))?;
    passes.bar.finish_and_clear();
    let command = command_line(args, "DATA");
    Ok(classifier_bundle::bundle(&trained, &pictures, &file.recipe, &file.bundle, &command)?)
}

/// How the bundle is made again, with files and folders as their roles.
fn command_line(args: &TrainArgs, data: &str) -> String {
    let config = args.config.as_ref().and_then(|path| path.file_name());
    let config = config.map(|name| format!(" training/{}", name.to_string_lossy())).unwrap_or_default();
    let negatives = if args.negatives.is_some() { " --negatives PHOTOGRAPHS" } else { "" };
    let backbone = if args.backbone.is_some() { " --backbone WEIGHTS" } else { "" };
    format!("chiasm models train{config} --data {data}{negatives}{backbone} --out BUNDLE")
}

/// The passes of all networks on one bar with the time that is left, and a line in the log now and then.
struct Passes {
    bar: ProgressBar,
    made: RefCell<BTreeMap<(&'static str, usize), usize>>,
}

impl Passes {
    fn new(all: usize) -> Self {
        let bar = bar("{bar:30} {pos}/{len} passes, {elapsed} gone, about {eta} left {msg}");
        bar.set_length(all as u64);
        Self { bar, made: RefCell::default() }
    }

    fn tell(&self, event: &Progress) {
        match event {
            Progress::Epoch { stage, fold, epoch, epochs, loss, watched, done } => {
                self.at(stage.as_str(), *fold, if *done { *epochs } else { *epoch });
                self.bar.set_message(format!("({} {fold}: loss {loss:.4})", stage.as_str()));
                if epoch % 10 == 0 || *done || watched.is_some() {
                    tracing::info!(?stage, fold, epoch, epochs, loss, watched, "pass ended");
                }
            }
            Progress::Resumed { stage, fold, epoch, epochs, done } => {
                // passes that were made before say nothing of the time that is left
                self.at(stage.as_str(), *fold, if *done { *epochs } else { *epoch });
                self.bar.reset_eta();
                tracing::info!(?stage, fold, epoch, epochs, "going on from a checkpoint");
            }
            Progress::Fold { stage, fold, score } => tracing::info!(?stage, fold, score, "fold ended"),
        }
    }

    fn at(&self, stage: &'static str, fold: usize, passes: usize) {
        let mut made = self.made.borrow_mut();
        made.insert((stage, fold), passes);
        self.bar.set_position(made.values().map(|passes| *passes as u64).sum());
    }
}
