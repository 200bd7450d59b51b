//! `chiasm models evaluate`: what a model is worth on pictures it was not trained on.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use dicom_ingest::limits::Limits;
use models::evaluation::report::{Cohort, Evaluation, LabelColumn, evaluate};
use models::evaluation::{markdown, plot};
use models::train::Split;
use models::train::classifier::Picture;
use models::{Bundle, GreyImage, Scorer};

use super::Usage;
use super::models::bar;
use crate::cli::{DeviceArg, EvaluateArgs};
use crate::training::file::TrainingFile;
use crate::training::{pictures, radiographs, scores};

/// Pictures scored between two steps of the bar.
const STEP: usize = 64;

/// Evaluates and writes `evaluation.json`, `evaluation.md` and the figures.
pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<u8> {
    let (cohort, model, words) = match (&args.scores, &args.config, &args.data, &args.model) {
        (Some(path), ..) => {
            let cohort = scores::cohort(path).context("the table of scores could not be read")?;
            (cohort, "a table of scores".to_owned(), "The table's rows".to_owned())
        }
        (None, Some(config), Some(data), Some(model)) => scored(config, data, model)?,
        _ => bail!(Usage("give a configuration with --data and --model, or --scores".to_owned())),
    };
    let rounds = usize::try_from(args.rounds)?;
    let evaluation = evaluate(&cohort, (&model, &words), rounds, args.seed)?;
    let text = write(&evaluation, &args.out)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(0)
}

/// The validation part of `data`, scored by the bundle at `model`.
fn scored(config: &Path, data: &Path, model: &Path) -> anyhow::Result<(Cohort, String, String)> {
    let bundle = Bundle::open(model).context("the model's bundle could not be opened")?;
    let names: Vec<String> = bundle.model_card().labels.iter().map(|label| label.name.clone()).collect();
    let reading = bar("{bar:30} {pos}/{len} pictures read");
    let mut progress = |done: usize, of: usize| {
        reading.set_length(of as u64);
        reading.set_position(done as u64);
    };
    let limits = Limits::default();
    let (pictures, attributes) = match TrainingFile::open(config)? {
        TrainingFile::Classifier(file) => {
            let pictures = pictures::pictures(data, &file.data, &names, &limits, &mut progress)
                .context("the data could not be read")?;
            (validation(pictures), Vec::new())
        }
        TrainingFile::CxrFindings(_) => {
            let examples =
                radiographs::examples(data, &limits, &mut progress).context("the data could not be read")?;
            radiographs::validation(&examples)
        }
    };
    reading.finish_and_clear();
    let scorer = Scorer::load(&bundle, &crate::device::open(DeviceArg::Cpu)?)?;
    let scoring = bar("{bar:30} {pos}/{len} pictures scored, about {eta} left");
    scoring.set_length(pictures.len() as u64);
    let mut all = Vec::with_capacity(pictures.len());
    for chunk in pictures.chunks(STEP) {
        let images: Vec<&GreyImage> = chunk.iter().map(|picture| &picture.image).collect();
        all.extend(scorer.score(&images)?);
        scoring.inc(chunk.len() as u64);
    }
    scoring.finish_and_clear();
    let card = bundle.model_card();
    let label = |(index, label): (usize, &models::Label)| LabelColumn {
        name: label.name.clone(),
        positive: pictures.iter().map(|picture| picture.labels[index] > 0.5).collect(),
        probabilities: all.iter().map(|scores| scores.findings[index].probability).collect(),
        threshold: label.threshold_high,
    };
    let cohort = Cohort {
        patients: pictures.iter().map(|picture| picture.patient.clone()).collect(),
        labels: card.labels.iter().enumerate().map(label).collect(),
        attributes,
    };
    let name = format!("`{}` {} (weights {})", card.id, card.version, bundle.digest());
    Ok((cohort, name, "The validation part, which takes no part in training".to_owned()))
}

fn validation(pictures: Vec<Picture>) -> Vec<Picture> {
    pictures.into_iter().filter(|picture| picture.split == Split::Validation).collect()
}

/// Writes all files and gives the Markdown.
fn write(evaluation: &Evaluation, out: &Path) -> anyhow::Result<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for label in &evaluation.labels {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let mut name: String = label.name.chars().map(plain).take(64).collect();
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        names.push(name);
    }
    let file = |label: &str| {
        let index = evaluation.labels.iter().position(|own| own.name == label).unwrap_or(0);
        format!("{}.svg", names[index])
    };
    let text = markdown::report(evaluation, file);
    let put = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("could not write `{}`", path.display()))
    };
    std::fs::create_dir_all(out).with_context(|| format!("could not make `{}`", out.display()))?;
    for (label, name) in evaluation.labels.iter().zip(&names) {
        let figure = plot::figure(evaluation, label)?;
        put(&format!("{name}.svg"), figure.svg.as_bytes())?;
        put(&format!("{name}.png"), &figure.png)?;
    }
    put("evaluation.json", &serde_json::to_vec_pretty(evaluation)?)?;
    put("evaluation.md", text.as_bytes())?;
    Ok(text)
}
