//! The features of the record as data: codes, units, ranges, windows, statistics, missing policies.
//!
//! The file is `fusion/schemas/record-features.toml`; [`Schema::built_in`] is the one that is compiled in, and
//! [`Schema::parse`] reads another of the same form. What cannot be right is refused when it is loaded: a wrong check
//! digit, a unit that is not known, a range that is none, a ratio of what is not measured.
//!
//! | source | what |
//! |---|---|
//! | LOINC long common names | what a code measures; 3209-4 is coagulation factor **VIII** by LOINC, though some records display it as factor XIII |
//! | UCUM | units |
//! | the file | plausible ranges: what is possible in a living person, wide on purpose |
//!
//! A code is checked together with its unit: a value whose unit does not fit its code is refused.

mod check;
mod code;
mod comorbidity;
mod imaging;
mod note;
mod view_definitions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Group;
pub(crate) use code::{
    CodeList, DICOM, LOINC, MeasuredCode, RADLEX, RXNORM, SNOMED, Token, any_of, bare, is_icd10, starts,
};
pub(crate) use comorbidity::{Charlson, Comorbidity, Diagnoses};
pub(crate) use imaging::PriorImaging;
pub(crate) use note::{NoteAmount, NoteFeature, NoteSubject};

/// A feature schema: what is read of a record, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Identifier, without the version.
    pub id: String,
    /// Version; it changes with every code, unit, range, window or rule.
    pub version: u32,
    #[serde(default)]
    pub(crate) code_lists: BTreeMap<String, Vec<String>>,
    pub(crate) defaults: BTreeMap<String, Defaults>,
    #[serde(rename = "measurement")]
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) body_mass_index: BodyMassIndex,
    #[serde(rename = "ratio", default)]
    pub(crate) ratios: Vec<Ratio>,
    #[serde(rename = "kinetic", default)]
    pub(crate) kinetics: Vec<Kinetic>,
    #[serde(rename = "disease", default)]
    pub(crate) diseases: Vec<Disease>,
    #[serde(rename = "procedure", default)]
    pub(crate) procedures: Vec<Stated>,
    #[serde(rename = "examination", default)]
    pub(crate) examinations: Vec<Stated>,
    #[serde(rename = "scale", default)]
    pub(crate) scales: Vec<Scale>,
    #[serde(default)]
    pub(crate) prior_imaging: Vec<PriorImaging>,
    #[serde(rename = "family", default)]
    pub(crate) families: Vec<Family>,
    pub(crate) medication: MedicationRules,
    #[serde(rename = "drug", default)]
    pub(crate) drugs: Vec<Drug>,
    pub(crate) charlson: Charlson,
    pub(crate) diagnoses: Diagnoses,
    pub(crate) education: Education,
    pub(crate) smoking: Smoking,
    #[serde(rename = "note", default)]
    pub(crate) notes: Vec<NoteFeature>,
}

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is no schema.
    #[error("the feature schema is not readable: {0}")]
    Toml(String),
    /// What it says cannot be right; every finding, one a line.
    #[error("the feature schema is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

/// Whether a feature without a statement is missing or a count of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingPolicy {
    /// Missing, with its reason.
    Unknown,
    /// 0 where the record states other resources of the kind, else missing.
    Zero,
}

/// A statistic of a measured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The last value before t0.
    Last,
    /// Days from the last value to t0.
    AgeOfLast,
    /// Values in a window.
    Count,
    /// Their arithmetic mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Theil-Sen slope a year.
    Slope,
    /// The last less the one before.
    Delta,
}

/// What holds for the measurements of a group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    pub(crate) windows_days: Vec<u32>,
    pub(crate) max_age_days: f64,
    pub(crate) statistics: BTreeSet<Statistic>,
    pub(crate) missing: MissingPolicy,
}

/// A measured value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measurement {
    pub(crate) id: String,
    pub(crate) label: String,
    #[serde(default = "vital")]
    pub(crate) group: Group,
    pub(crate) codes: Vec<MeasuredCode>,
    /// Lower-case texts of `code` that say the same where there is no code at all.
    #[serde(default)]
    pub(crate) texts: Vec<String>,
    pub(crate) unit: String,
    /// A pure number is meant: no unit, `1` or an annotation alone fit.
    #[serde(default)]
    pub(crate) plain: bool,
    pub(crate) umol_per_mg: Option<f64>,
    /// Least and greatest plausible value, in the feature's unit.
    pub(crate) range: (f64, f64),
}

fn vital() -> Group {
    Group::Vital
}

/// Body mass index with what it is made from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyMassIndex {
    /// The index as it may be measured itself.
    pub(crate) index: Measurement,
    pub(crate) height: Measurement,
    pub(crate) weight: Measurement,
}

impl BodyMassIndex {
    /// All three.
    pub(crate) fn all(&self) -> [&Measurement; 3] {
        [&self.index, &self.height, &self.weight]
    }
}

/// A ratio of two measured values.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ratio {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) over: String,
    pub(crate) under: String,
    pub(crate) unit: String,
    /// Longest time between the two parts.
    pub(crate) max_gap_days: f64,
}

/// How a measured value moves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kinetic {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) of: String,
    pub(crate) statistic: KineticStatistic,
    pub(crate) unit: String,
}

/// What of the movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KineticStatistic {
    Velocity,
    DoublingTime,
}

/// A disease and what answers whether there is one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disease {
    pub(crate) id: String,
    pub(crate) label: String,
    /// The disease itself: stated is yes, stated absent is no.
    #[serde(default)]
    pub(crate) whole: CodeList,
    /// Kinds of it: stated is yes; that one kind is absent says nothing.
    #[serde(default)]
    pub(crate) part: CodeList,
    /// What it is a kind of: stated absent is no; that there is some kind says nothing.
    #[serde(default)]
    pub(crate) wider: CodeList,
    /// Those of the above that say that there once was one: when that was is their onset's to say, and not when it was recorded.
    #[serde(default)]
    pub(crate) past: CodeList,
    /// A feature that says how long ago it was stated.
    pub(crate) years_since: Option<Named>,
}

/// Identity of a feature.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) label: String,
}

/// A procedure that was done, or an examination that was normal or abnormal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stated {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) snomed: Vec<String>,
}

/// A scale that a reader of images assigned.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) group: Group,
    /// Lower-case texts of the code.
    pub(crate) texts: Vec<String>,
    pub(crate) max_age_days: f64,
    pub(crate) values: Vec<ScaleValue>,
}

/// One value of a scale and the codes that mean it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleValue {
    pub(crate) value: u32,
    #[serde(default)]
    pub(crate) radlex: Vec<String>,
    /// Lower-case answers that mean it, where the code asks for the scale.
    pub(crate) words: Vec<String>,
}

/// A disease among first-degree relatives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    pub(crate) id: String,
    pub(crate) label: String,
    /// Codes that say that there is such a history.
    pub(crate) history: CodeList,
    /// Codes that say that there is none.
    #[serde(default)]
    pub(crate) no_history: CodeList,
    /// The disease itself, as a relative's.
    pub(crate) disease: CodeList,
}

/// From how many drugs on it is many.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MedicationRules {
    pub(crate) polypharmacy: usize,
    pub(crate) hyper_polypharmacy: usize,
}

/// A drug, by ingredient or by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drug {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) rxnorm: Vec<String>,
    /// Lower-case words that name it.
    pub(crate) names: Vec<String>,
    pub(crate) missing: MissingPolicy,
}

/// Codes of education.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Education {
    pub(crate) codes: Vec<Token>,
}

/// Codes of tobacco use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smoking {
    pub(crate) status: Vec<Token>,
    pub(crate) pack_years: Vec<Token>,
    pub(crate) cigarettes_per_day: Vec<Token>,
    pub(crate) years_smoked: Vec<Token>,
    pub(crate) time_since_quitting: Vec<Token>,
    pub(crate) quit_date: Vec<Token>,
    /// Words of the status, and what a record states for them; `unknown` says that nothing is known.
    pub(crate) answers: BTreeMap<String, Vec<Token>>,
}

/// The file that is compiled in.
const BUILT_IN: &str = include_str!("../../../schemas/record-features.toml");

impl Schema {
    /// The schema that is compiled in.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
    pub fn built_in() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| Self::parse(BUILT_IN).expect("the schema that is compiled in is valid"))
    }

    /// Reads and validates a schema.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let mut schema: Self =
            toml::from_str(text).map_err(|error| SchemaError::Toml(error.message().to_owned()))?;
        let findings = check::findings(&mut schema);
        if findings.is_empty() { Ok(schema) } else { Err(SchemaError::Invalid(findings)) }
    }

    /// `id/version`, as feature tables state it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.id, self.version)
    }

    /// The file that is compiled in, as it stands in the repository.
    pub fn built_in_text() -> &'static str {
        BUILT_IN
    }

    /// What holds for the measurements of a group; [`check`] makes sure that it is there.
    pub(crate) fn defaults(&self, group: Group) -> Option<&Defaults> {
        self.defaults.get(group.word())
    }

    /// Every measurement, also those of the body mass index.
    pub(crate) fn all_measurements(&self) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().chain(self.body_mass_index.all())
    }

    /// Every text that stands for a code of a measurement.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.all_measurements().flat_map(|one| one.texts.iter().map(String::as_str)).collect()
    }

    pub(crate) fn measurement(&self, id: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|found| found.id == id)
    }

    /// Unit that a feature's number has in a table; `None` where there is no such feature, or it is no number with a unit.
    pub fn unit_of(&self, id: &str) -> Option<&str> {
        let measured = self.all_measurements().map(|one| (one.id.as_str(), one.unit.as_str()));
        let ratios = self.ratios.iter().map(|one| (one.id.as_str(), one.unit.as_str()));
        let kinetics = self.kinetics.iter().map(|one| (one.id.as_str(), one.unit.as_str()));
        let ages = [("age", "a"), ("years-quit", "a"), ("years-smoked", "a")];
        let imaging = self.prior_imaging.iter();
        let imaging = imaging.flat_map(|one| [(one.id.as_str(), "1"), (one.days.id.as_str(), "d")]);
        let others = kinetics.chain(ages).chain(imaging);
        measured.chain(ratios).chain(others).find(|(own, _)| *own == id).map(|(_, unit)| unit)
    }

    /// SQL-on-FHIR v2 ViewDefinitions, one for each type of resource, which select the rows that the features are made
    /// from: file name and resource. They flatten; they know neither t0 nor windows.
    pub fn view_definitions(&self) -> Vec<(String, serde_json::Value)> {
        view_definitions::all(self)
    }
}
