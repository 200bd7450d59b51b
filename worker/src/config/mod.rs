//! Configuration: raw text first, then values that are valid. Precedence: flag, environment, file, default.
//!
//! File and environment are merged into one tree of keys (`tree`), read into the raw form (`raw`) and checked
//! (`valid`); all that is wrong is told at once. Secrets are read here, and only here is the environment read.

mod effective;
mod environment;
mod problem;
mod raw;
pub mod secret;
pub mod site;
#[cfg(test)]
mod tests;
mod tree;
mod valid;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

pub use effective::Setting;
pub use environment::Environment;
pub use problem::{Problem, Problems};
pub use tree::Origin;

use problem::Findings;
use site::{
    HttpConfig, LedgerConfig, LogConfig, ModelsConfig, OrthancConfig, PipelineConfig, Places, QueueConfig,
    ReceiveConfig, RetryConfig, RiskConfig, WorkerConfig,
};
use tree::Tree;

use crate::message::Name;
use crate::message::adapters::AdapterMapping;
use crate::report::Language;
use crate::report::document::Site;

/// The shipped, commented configuration file.
pub const EXAMPLE: &str = include_str!("../../chiasm.toml");

/// Why a configuration is not usable. No text of it holds a secret: not a line of the file, nor a value that could be
/// one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("could not read the configuration `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration `{path}` is no TOML: line {line}, column {column}: {problem}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What the parser said.
        problem: String,
    },
    /// Keys or values are wrong.
    #[error("the configuration is not valid: {0}; `chiasm.toml` in the repository shows every key")]
    Invalid(Problems),
}

/// What a site configures.
#[derive(Debug, Clone)]
pub struct Config {
    /// Distinguishes sites that share a ledger or a FHIR server; part of every key.
    pub tenant: String,
    /// The zone of DICOM times that state no offset (0008,0201).
    pub site_zone: TimeZone,
    /// The zone's name, for reports.
    pub site_zone_name: String,
    /// FHIR identifier system of the site's Patient ID, for reports without a record.
    pub patient_id_system: Option<String>,
    /// Folder of this machine's state: the embedded queue and ledger.
    pub state: PathBuf,
    /// Which queue.
    pub queue: QueueConfig,
    /// When a request that cannot be read yet is tried again.
    pub retry: RetryConfig,
    /// Which ledger.
    pub ledger: LedgerConfig,
    /// Sources, records and targets by name.
    pub places: Places,
    /// The pipelines that the site adds to the built-in one.
    pub pipelines: BTreeMap<Name, PipelineConfig>,
    /// Models of tables whose risks reports carry beside the built-in ones.
    pub risks: BTreeMap<Name, RiskConfig>,
    /// The one that a request means that names none; the built-in one where there is none.
    pub default_pipeline: Option<Name>,
    /// Which models are used, and what they may take of the device.
    pub models: ModelsConfig,
    /// Bounds of the worker.
    pub worker: WorkerConfig,
    /// What is served over HTTP.
    pub http: HttpConfig,
    /// An Orthanc whose changes are polled.
    pub orthanc: Option<OrthancConfig>,
    /// How studies are received over DICOM, where they are.
    pub receive: Option<ReceiveConfig>,
    /// How other systems' messages name what is configured here.
    pub mapping: AdapterMapping,
    /// The language of reports.
    pub language: Language,
    /// Whether FHIR says a learned model's interval as its confidence too.
    pub states_confidence: bool,
    /// Whether the map of where a model looked goes to the targets as a DICOM image too.
    pub makes_overlay: bool,
    /// Whose reports they are, and which service the archive has.
    pub site: Site,
    /// How logs and traces are written.
    pub log: LogConfig,
}

/// What the command line says; it wins over environment and file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// `--site-zone`.
    pub site_zone: Option<String>,
    /// `--language`.
    pub language: Option<Language>,
    /// `--state`.
    pub state: Option<PathBuf>,
}

/// A valid configuration with what is to be said about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What somebody should know.
    pub warnings: Vec<Problem>,
    /// Every key with its value and origin; no secrets.
    pub settings: Vec<Setting>,
}

impl Loaded {
    /// Reads flags, environment and file. Relative paths in the file are relative to the file's folder.
    pub fn read(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let mut findings = Findings::default();
        let mut tree = Tree::default();
        if let Some(path) = &flags.file {
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            tree.add_file(&keys_of(path)?, folder, &mut findings);
        }
        tree.add_environment(environment, &mut findings);
        // The parser of the command line has taken these variables for flags.
        let origin = |variable: &str, flag, value: &str| match environment.value(variable) {
            Some(text) if text == value => Origin::Environment(variable.to_owned()),
            _ => Origin::Flag(flag),
        };
        if let Some(zone) = &flags.site_zone {
            tree.add("site_zone", zone.clone(), origin("CHIASM_SITE_ZONE", "--site-zone", zone));
        }
        if let Some(language) = flags.language.map(Language::tag) {
            tree.add(
                "report.language",
                language.to_owned(),
                origin("CHIASM_LANGUAGE", "--language", language),
            );
        }
        if let Some(state) = flags.state.as_ref().map(|state| state.to_string_lossy().into_owned()) {
            let origin = origin("CHIASM_STATE", "--state", &state);
            tree.add("state", state, origin);
        }
        let raw = tree.raw().map_err(|problem| {
            ConfigError::Invalid(Problems(vec![Problem { key: "chiasm.toml".into(), origin: None, problem }]))
        })?;
        let config = valid::config(&raw, environment, &mut findings);
        let Findings { problems, warnings } = findings;
        if problems.is_empty() {
            let settings = effective::settings(&raw, &tree);
            Ok(Self { config, warnings: with_origins(warnings, &tree), settings })
        } else {
            Err(ConfigError::Invalid(Problems(with_origins(problems, &tree))))
        }
    }
}

impl Config {
    /// Reads `file`, or takes the defaults where there is none, and the environment; `site_zone` from the command line
    /// wins. Warnings are logged.
    pub fn load(file: Option<&Path>, site_zone: Option<String>) -> Result<Self, ConfigError> {
        Self::load_with(&Flags { file: file.map(Path::to_owned), site_zone, ..Flags::default() })
    }

    /// Reads file and environment; what the command line says wins. Warnings are logged.
    pub fn load_with(flags: &Flags) -> Result<Self, ConfigError> {
        let Loaded { config, warnings, .. } = Loaded::read(flags, &Environment::of_process())?;
        for warning in warnings {
            tracing::warn!(key = warning.key, "configuration: {}", warning.problem);
        }
        Ok(config)
    }

    /// The part of the configuration that changes a report, as text for the job key.
    pub fn fingerprint(&self) -> String {
        // English is what every report was written in before there was a choice: its keys stay.
        let language = match self.language {
            Language::English => String::new(),
            Language::German => format!(";language={}", self.language.tag()),
        };
        let confidence = if self.states_confidence { ";confidence" } else { "" };
        let overlay = if self.makes_overlay { "" } else { ";no overlay" };
        let own = Some(&self.site).filter(|site| **site != Site::default());
        let site = own.map(|site| format!(";site={site:?}")).unwrap_or_default();
        format!(
            "tenant={};zone={};system={}{language}{confidence}{overlay}{site}",
            self.tenant,
            self.site_zone_name,
            self.patient_id_system.as_deref().unwrap_or("")
        )
    }
}

fn keys_of(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        ConfigError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1,
            problem: error.message().lines().next().unwrap_or("").to_owned(),
        }
    })
}

/// Says where a value came from when it was not the file.
fn with_origins(problems: Vec<Problem>, tree: &Tree) -> Vec<Problem> {
    let named = |mut problem: Problem| {
        if problem.origin.is_none() {
            problem.origin = match tree.origin_of_key(&problem.key) {
                Some(origin @ (Origin::Environment(_) | Origin::Flag(_))) => Some(origin.to_string()),
                _ => None,
            };
        }
        problem
    };
    problems.into_iter().map(named).collect()
}
