//! The models of tables whose risks a site's reports carry: what `chiasm fusion train` wrote, read once and checked before any study.
//!
//! A report asks each of them with the features of the record at t0, so that every column has to be one. What is wrong is told with a
//! code, by `chiasm config check` and by whatever would make a report.

mod fault;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use fusion::learned::fused::{FusedModel, Vectors};
use fusion::learned::tabular::{TabularConfig, TabularModel};
use fusion::{AssessInput, Risk};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::config::site::RiskConfig;
use crate::job::hex;
use crate::readings::Readings;

pub use fault::{RiskModelError, RiskModelFault};

/// Most bytes of a model file or a card.
const MOST_BYTES: u64 = 16 << 20;
/// Most characters of a model's identifier.
const MOST_CHARACTERS: usize = 64;
/// Title of the part of a card that holds the calibration curve.
const CURVE: &str = "\n### Calibration curve\n";

/// A model of a table, and whose reports carry its risk.
#[derive(Debug, Clone)]
pub struct RiskModel {
    /// The model.
    pub model: Learned,
    /// Its card, Markdown.
    pub card: String,
    /// The card's calibration curve: predicted, observed, cases.
    pub curve: Vec<(f64, f64, u32)>,
    /// What tells model and card from every other.
    identity: String,
    /// Pipelines; all where none is named.
    pipelines: Vec<String>,
}

/// A model of a table, with or without pictures.
#[derive(Debug, Clone)]
pub enum Learned {
    /// Of the record alone.
    Record(Box<TabularModel>),
    /// Late fusion of the image model's findings and the record.
    Fused(Box<FusedModel>),
}

impl Learned {
    /// What it reads of the record, what it predicts, and for whom.
    pub fn config(&self) -> &TabularConfig {
        match self {
            Self::Record(model) => model.config(),
            Self::Fused(model) => &model.config().table,
        }
    }

    /// SHA-256 of the model file.
    pub fn digest(&self) -> &str {
        match self {
            Self::Record(model) => model.digest(),
            Self::Fused(model) => model.digest(),
        }
    }

    /// Rows, patients and outcomes that it was fitted on.
    pub fn fitted_on(&self) -> [usize; 3] {
        match self {
            Self::Record(model) => model.fitted_on(),
            Self::Fused(model) => model.fitted_on(),
        }
    }

    /// How it is calibrated, in one sentence.
    pub fn calibration(&self) -> String {
        match self {
            Self::Record(model) => model.calibration(),
            Self::Fused(model) => model.calibration(),
        }
    }

    /// Its risk of an examination; `others` are the risks that are computed before, of which it may read a formula's.
    pub fn assess(&self, input: &AssessInput<'_>, others: &[Risk]) -> Risk {
        match self {
            Self::Record(model) => fusion::assess_tabular(model, input),
            Self::Fused(model) => fusion::assess_fused(model, input, others),
        }
    }
}

/// The models of a site, by the names of their configuration.
#[derive(Debug, Clone, Default)]
pub struct RiskModels {
    all: Vec<RiskModel>,
}

impl RiskModels {
    /// Reads and checks every model that the site configured, against the names of its image models too.
    pub fn open(config: &Config, readings: &Readings) -> Result<Self, RiskModelError> {
        let mut faults = Vec::new();
        let models = opened(config, Some(readings), &mut faults);
        faults.into_iter().next().map_or(Ok(models), Err)
    }

    /// Everything that is wrong with the models that the site configured. Where a pipeline cannot be opened, which is told elsewhere, its
    /// bundle is not compared.
    pub fn faults(config: &Config) -> Vec<RiskModelError> {
        let mut faults = Vec::new();
        if !config.risks.is_empty() {
            opened(config, Readings::open(config).ok().as_ref(), &mut faults);
        }
        faults
    }

    /// The models whose risks the reports of a pipeline carry.
    pub fn of<'a>(&'a self, pipeline: &'a str) -> impl Iterator<Item = &'a RiskModel> {
        self.all.iter().filter(move |own| is_of(&own.pipelines, pipeline))
    }

    /// What of them can change a report of a pipeline, as text for the job key; empty where there are none.
    pub fn versions(&self, pipeline: &str) -> String {
        let models = self.of(pipeline);
        models.fold(String::new(), |text, own| {
            format!("{text};risk={}={}", own.model.config().id, own.identity)
        })
    }
}

fn opened(config: &Config, readings: Option<&Readings>, faults: &mut Vec<RiskModelError>) -> RiskModels {
    let bundles = readings.into_iter().flat_map(Readings::all);
    let mut taken: Vec<String> = bundles.map(|reading| reading.bundle.id().to_owned()).collect();
    let mut all: Vec<RiskModel> = Vec::new();
    for (name, own) in &config.risks {
        match RiskModel::open(own, readings, &taken) {
            Ok(model) => {
                taken.push(model.model.config().id.clone());
                all.push(model);
            }
            Err(fault) => {
                let (name, code) = (name.to_string(), fault.code());
                faults.push(RiskModelError { name, code, source: Box::new(fault) });
            }
        }
    }
    RiskModels { all }
}

impl RiskModel {
    /// Reads the files of a folder and checks that reports can carry the risk; `taken` are identifiers of others.
    fn open(own: &RiskConfig, readings: Option<&Readings>, taken: &[String]) -> Result<Self, RiskModelFault> {
        let model = learned(&read(&own.folder.join("model.json"))?)?;
        check_id(&model.config().id, taken)?;
        if let (Learned::Fused(fused), Some(readings)) = (&model, readings) {
            let stated = fused.config().image.bundle.as_deref().unwrap_or_default();
            let mut carrying = readings.all().iter().filter(|one| is_of(&own.pipelines, &one.pipeline.id));
            if !carrying.any(|reading| reading.identity == stated) {
                return Err(RiskModelFault::Bundle { bundle: stated.to_owned() });
            }
        }
        let card = read(&own.folder.join("card.md"))?;
        let identity = format!("{}/{}", model.digest(), hex(&Sha256::digest(&card)));
        let card = String::from_utf8_lossy(&card).into_owned();
        if !card.contains(model.digest()) {
            return Err(RiskModelFault::Card { digest: model.digest().to_owned() });
        }
        let pipelines = own.pipelines.clone();
        Ok(Self { curve: curve(&card), model, card, identity, pipelines })
    }
}

/// The model of a file, where everything that it reads is what a report has.
fn learned(file: &[u8]) -> Result<Learned, RiskModelFault> {
    if !has_pictures(file) {
        let model = TabularModel::from_json(file)?;
        model.config().check_record()?;
        return Ok(Learned::Record(Box::new(model)));
    }
    let model = FusedModel::late_from_json(file)?.ok_or(RiskModelFault::Level)?;
    if model.config().image.vectors != Vectors::Logits {
        return Err(RiskModelFault::Pictures);
    }
    model.config().check_record()?;
    Ok(Learned::Fused(Box::new(model)))
}

/// Whether the reports of a pipeline are among these; all are where none is named.
fn is_of(pipelines: &[String], pipeline: &str) -> bool {
    pipelines.is_empty() || pipelines.iter().any(|name| name == pipeline)
}

fn read(path: &Path) -> Result<Vec<u8>, RiskModelFault> {
    let failed = |source| RiskModelFault::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(RiskModelFault::TooLarge { path: path.to_owned(), limit: MOST_BYTES });
    }
    Ok(bytes)
}

/// Whether a model file is one of a table with pictures.
fn has_pictures(file: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind {
        config: Pictured,
    }
    #[derive(serde::Deserialize)]
    struct Pictured {
        image: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Kind>(file).is_ok_and(|kind| kind.config.image.is_some())
}

/// Whether an identifier is one word, as codes of FHIR and DICOM are, and no other risk or model has it.
fn check_id(id: &str, taken: &[String]) -> Result<(), RiskModelFault> {
    let wrong = |why| Err(RiskModelFault::Identifier { id: id.to_owned(), why });
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if id.is_empty() || id.len() > MOST_CHARACTERS || !id.chars().all(is_word) {
        return wrong("a risk is named by 1 to 64 letters, digits, `.`, `_` and `-`");
    }
    if fusion::assess::IDS.contains(&id) {
        return wrong("a built-in risk has this name");
    }
    if taken.iter().any(|other| other == id) {
        return wrong("another model of the site has this name");
    }
    Ok(())
}

/// The calibration curve as the card states it; empty where it states none.
fn curve(card: &str) -> Vec<(f64, f64, u32)> {
    let Some((_, after)) = card.split_once(CURVE) else { return Vec::new() };
    let part = after.split("\n#").next().unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let predicted: f64 = cells.next()?.parse().ok()?;
        let observed: f64 = cells.next()?.parse().ok()?;
        Some((predicted, observed, cells.next()?.parse().ok()?))
    };
    part.lines().filter_map(row).collect()
}
