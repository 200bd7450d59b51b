//! The models of tables whose risks a site's reports carry: what `chiasm fusion train` wrote, read once and checked before any study.
//!
//! A report asks each of them with the features of the record at t0, so that every column has to be one. What is wrong is told with a
//! code, by `chiasm config check` and by whatever would make a report.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use fusion::learned::ModelFileError;
use fusion::learned::fused::{FusedModel, Vectors};
use fusion::learned::tabular::{NotOfRecord, TabularConfig, TabularModel};
use fusion::{AssessInput, Risk};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::config::site::RiskConfig;
use crate::job::hex;
use crate::readings::Readings;

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

/// What is wrong with a model of a site.
#[derive(Debug, thiserror::Error)]
pub enum RiskModelFault {
    /// A file cannot be read.
    #[error("could not read `{path}`; `chiasm fusion train --out` writes it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any model.
    #[error("`{path}` has more than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that are read.
        limit: u64,
    },
    /// The file is no model of a table.
    #[error(transparent)]
    File(#[from] ModelFileError),
    /// The model reads what no record states.
    #[error(transparent)]
    Record(#[from] NotOfRecord),
    /// The model reads of pictures what a report does not have.
    #[error(
        "the model reads what a network's last layers see of a picture, which a report does not have: train it on the findings' logits \
         (`chiasm fusion embed --logits`, and `vectors = \"logits\"` in `[image]`), or on the table alone"
    )]
    Pictures,
    /// The model keeps networks of its own.
    #[error(
        "the model keeps the gated networks (L2), whose last digits depend on the processor; a report's must not: only late fusion (L1) is \
         carried by reports"
    )]
    Level,
    /// No report with the risk is read with the model's bundle.
    #[error(
        "`image.bundle` of the model's configuration is `{bundle}`, and no pipeline whose reports carry the risk reads with that bundle \
         (`chiasm fusion embed` tells the digest)"
    )]
    Bundle {
        /// The digest that is stated; empty where none is.
        bundle: String,
    },
    /// The card is of another model.
    #[error("`card.md` does not name the digest {digest} of `model.json`: it is the card of another model")]
    Card {
        /// Digest of the model file.
        digest: String,
    },
    /// The model's identifier cannot name a risk of a report.
    #[error("the model's `id` is `{id}`: {why}; name it otherwise and train it again")]
    Identifier {
        /// The identifier.
        id: String,
        /// Why.
        why: &'static str,
    },
}

/// A model of a site that is not used.
#[derive(Debug, thiserror::Error)]
#[error("{code}: the model of `risks.{name}` is not used")]
pub struct RiskModelError {
    /// Its name in the configuration.
    pub name: String,
    /// The stable code of what is wrong.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub source: RiskModelFault,
}

impl RiskModelFault {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "RiskModelRead",
            Self::File(ModelFileError::Unit(_)) => "RiskModelUnit",
            Self::TooLarge { .. } | Self::File(_) => "RiskModelFile",
            Self::Record(_) => "RiskModelColumn",
            Self::Pictures => "RiskModelPictures",
            Self::Level => "RiskModelLevel",
            Self::Bundle { .. } => "RiskModelBundle",
            Self::Card { .. } => "RiskModelCard",
            Self::Identifier { .. } => "RiskModelId",
        }
    }
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
            Err(source) => {
                faults.push(RiskModelError { name: name.to_string(), code: source.code(), source });
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
            if !carrying.any(|reading| reading.bundle.digest() == stated) {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use fusion::learned::tabular::{Table, TabularConfig, train_table};

    use super::*;

    /// A model of C-reactive protein, trained on 300 drawn patients; `change` alters its configuration.
    fn trained(folder: &Path, change: impl FnOnce(String) -> String) {
        let config = change(
            r#"
id = "drawn"
version = "1"
title = "t"
outcome = "o"
horizon = "h"
population = "p"
data = "made in code"
intended_use = "a test"
created = "2026-01-01"
patient = "who"
missing_flags = false
thresholds = [0.5]
seed = 1
label = { column = "y", positive = ["1"], negative = ["0"] }
numeric = [{ column = "crp", label = "CRP", unit = "mg/L", range = [0.0, 500.0] }]
"#
            .to_owned(),
        );
        let config: TabularConfig = toml::from_str(&config).unwrap();
        let names: Vec<String> =
            ["who", "y", config.numeric[0].column.as_str()].iter().map(|name| (*name).to_owned()).collect();
        let rows = (0..300_u32).map(|at| {
            let mixed = at.wrapping_mul(2_654_435_761) >> 8;
            let x = mixed % 100;
            vec![at.to_string(), u8::from(x > 30 + mixed / 7 % 40).to_string(), x.to_string()]
        });
        let made = train_table(&config, &Table::new(&names, rows.collect()).unwrap()).unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("model.json"), made.model.to_json()).unwrap();
        fs::write(folder.join("card.md"), made.card).unwrap();
    }

    fn open(folder: &Path) -> Result<RiskModel, RiskModelFault> {
        RiskModel::open(
            &RiskConfig { folder: folder.to_owned(), pipelines: Vec::new() },
            &["taken".to_owned()],
        )
    }

    fn code(folder: &Path) -> Option<&'static str> {
        open(folder).err().map(|fault| fault.code())
    }

    #[test]
    fn a_model_of_features_is_read_with_the_curve_of_its_card() {
        let folder = tempfile::tempdir().unwrap();
        trained(folder.path(), |config| config);
        let own = open(folder.path()).unwrap();
        assert!(own.curve.len() > 3, "{:?}", own.curve);
        assert!(own.curve.iter().all(|(predicted, observed, cases)| {
            (0.0..=1.0).contains(predicted) && (0.0..=1.0).contains(observed) && *cases > 0
        }));
        let models =
            RiskModels { all: vec![RiskModel { pipelines: vec!["chest".to_owned()], ..own.clone() }] };
        assert_eq!((models.of("chest").count(), models.of("other").count()), (1, 0));
        assert_eq!(models.versions("other"), "");
        let card = hex(&Sha256::digest(own.card.as_bytes()));
        assert_eq!(models.versions("chest"), format!(";risk=drawn={}/{card}", own.model.digest()));
    }

    #[test]
    fn what_a_report_could_not_carry_is_refused_with_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(code(path), Some("RiskModelRead"));
        trained(path, |config| config.replace("\"crp\"", "\"diameter\""));
        assert_eq!(code(path), Some("RiskModelColumn"));
        assert!(open(path).unwrap_err().to_string().contains("`diameter`"));
        for (id, why) in [("brock", "built-in"), ("taken", "another model"), ("two words", "letters")] {
            trained(path, |config| config.replace("id = \"drawn\"", &format!("id = \"{id}\"")));
            assert_eq!(code(path), Some("RiskModelId"));
            assert!(open(path).unwrap_err().to_string().contains(why), "{id}");
        }
        trained(path, |config| format!("{config}[record]\nrequires = [{{ feature = \"frailty\" }}]\n"));
        assert_eq!(code(path), Some("RiskModelColumn"));
        trained(path, |config| config);
        let file = fs::read_to_string(path.join("model.json")).unwrap();
        fs::write(path.join("model.json"), file.replace("\"mg/L\"", "\"g/L\"")).unwrap();
        assert_eq!(code(path), Some("RiskModelUnit"));
        fs::write(path.join("model.json"), format!("{file} ")).unwrap();
        assert_eq!(code(path), Some("RiskModelCard"), "another file than the card's");
        fs::write(path.join("model.json"), "{}").unwrap();
        assert_eq!(code(path), Some("RiskModelFile"));
        fs::write(path.join("model.json"), r#"{"config": {"image": {}}}"#).unwrap();
        assert_eq!(code(path), Some("RiskModelFile"), "no model with pictures either");
        // the committed one reads what the networks' last layers see
        let committed = include_str!("../../fusion/models/icu-at-exam/model.json");
        fs::write(path.join("model.json"), committed).unwrap();
        assert_eq!(code(path), Some("RiskModelPictures"));
    }
}
