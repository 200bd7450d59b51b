//! From a [`Record`] to dated, coded features: only what was known at the index time t0.
//!
//! A resource takes part when its availability time is at or before t0 ([`availability`](self)):
//! `Observation.issued` (else the end of the effective time), `Condition.recordedDate`,
//! `MedicationRequest.authoredOn`, `MedicationStatement.dateAsserted`, `FamilyMemberHistory.date`; where
//! these are absent, `meta.lastUpdated`, which can only be later. Notes follow the same rule ([`crate::record`]). Without any of them a resource is
//! undated and not used. What was known by t0 and changed after it is left out where it says that it is a correction, else used
//! and marked ([`FeatureTable::changed_after_t0`]). Missing is a value of its own, with its reason. The features and their rules are
//! data, `fusion/schemas/record-features.toml`; [`Schema`] reads it, and [`SCHEMA`] is its identifier.
//!
//! This module gives no clinical judgement and reads no clock.

mod comorbidity;
mod conditions;
mod demographics;
mod education;
mod family;
mod imaging;
mod known;
mod labs;
mod medication;
mod missing;
mod notes;
mod procedures;
mod rows;
mod scales;
mod schema;
mod smoking;
mod statistics;
mod tobacco;
mod units;
mod view;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::number::stored;
use crate::record::{Observation, Record};
pub(crate) use conditions::presence;
pub use known::{feature_label, is_feature};
pub use missing::MissingReason;
pub use rows::{CELLS, ROW_NAMES, cells, rows, to_text};
pub(crate) use scales::assigned;
pub(crate) use schema::RADLEX;
pub use schema::{MissingPolicy, Schema, SchemaError, Statistic};
pub use statistics::{doubling_time_months, theil_sen};
pub use units::{Conversion, convert};
pub(crate) use view::View;

/// Identifier and version of the feature set. It changes whenever a code, a unit, a range, a window or a rule changes.
pub const SCHEMA: &str = "chiasm-record-features/7";

/// The features of one record at one index time.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureTable {
    /// [`SCHEMA`] at the time it was made.
    pub schema: String,
    /// Index time: nothing that became known later is in the table.
    pub t0: Timestamp,
    /// Name of the zone in which dates without a zone were read.
    pub zone: String,
    /// All features of the schema, in its order; every one is there, missing or not.
    pub features: Vec<Feature>,
    /// What of the record was left out.
    pub excluded: Excluded,
    /// Resources that features, nodules or lesions come from and that were changed after t0 (`meta.lastUpdated`), sorted:
    /// what they say may be later than what they said then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_after_t0: Vec<String>,
}

impl std::fmt::Debug for FeatureTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FeatureTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl FeatureTable {
    /// The feature of this identifier.
    pub fn feature(&self, id: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.id == id)
    }

    /// The number of a feature, where it is a number.
    pub fn number(&self, id: &str) -> Option<f64> {
        match self.feature(id)?.value {
            FeatureValue::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The truth of a feature, where it is known.
    pub fn truth(&self, id: &str) -> Option<bool> {
        match self.feature(id)?.value {
            FeatureValue::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// The code of a feature, where it is one.
    pub fn code(&self, id: &str) -> Option<&str> {
        match &self.feature(id)?.value {
            FeatureValue::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The features that have a value, in the order of the schema.
    pub fn present(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(|feature| !matches!(feature.value, FeatureValue::Missing { .. }))
    }
}

/// How many resources were left out, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Known only after t0.
    pub after_t0: usize,
    /// Known by t0, but there only as a version that was corrected after t0.
    #[serde(default)]
    pub corrected_after_t0: usize,
    /// Without any time by which it was known.
    pub undated: usize,
    /// Entered in error, cancelled, preliminary or not yet done.
    pub status: usize,
    /// Older versions of a resource of which a later one was known at t0.
    pub superseded: usize,
    /// Resources of which it cannot be told whose they are.
    pub unresolved_subject: usize,
    /// Entries that could not be read.
    pub unreadable: usize,
    /// Texts of notes that were not read: elsewhere, of another type, too long, broken, or beyond the bounds.
    #[serde(default)]
    pub unread_texts: usize,
}

/// Which part of the record a feature is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Age, sex, race.
    Demographics,
    /// Laboratory values and blood gases.
    Laboratory,
    /// Vital signs and measurements of the body.
    Vital,
    /// Diseases.
    Condition,
    /// Drugs.
    Medication,
    /// Tobacco.
    Smoking,
    /// Diseases of relatives.
    Family,
    /// Education.
    Social,
    /// What readers of images stated.
    Imaging,
    /// Procedures and examinations.
    Procedure,
    /// What only clinical notes say.
    Note,
    /// Ratios of other features.
    Derived,
}

impl Group {
    /// The word in schemas and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Demographics => "demographics",
            Self::Laboratory => "laboratory",
            Self::Vital => "vital",
            Self::Condition => "condition",
            Self::Medication => "medication",
            Self::Smoking => "smoking",
            Self::Family => "family",
            Self::Social => "social",
            Self::Imaging => "imaging",
            Self::Procedure => "procedure",
            Self::Note => "note",
            Self::Derived => "derived",
        }
    }
}

/// One value of the record at t0.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Stable identifier, such as `crp`.
    pub id: String,
    /// Title for a reader, such as `C-reactive protein`.
    pub label: String,
    /// Part of the record.
    pub group: Group,
    /// The value, or why there is none.
    pub value: FeatureValue,
    /// UCUM unit of a number.
    pub unit: Option<String>,
    /// When it held, as the record states it.
    pub effective: Option<String>,
    /// By when it was known.
    pub available: Option<Timestamp>,
    /// Days from the effective time (a date: its end) to t0.
    pub age_days: Option<f64>,
    /// The resource it comes from, such as `Observation/17`; the latest where there are several.
    pub source: Option<String>,
    /// Other resources that a derived value comes from.
    pub other_sources: Vec<String>,
    /// `meta.versionId` of `source`.
    pub source_version: Option<String>,
    /// Value, unit and code as the resource states them, where they were converted or mapped.
    pub original: Option<Original>,
    /// The value is a bound: below or above what could be measured.
    pub comparator: Option<Comparator>,
    /// Factor between the original and the value, where it is not 1.
    pub factor: Option<f64>,
    /// Where in a note the value is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
    /// What a reader should know about the value.
    pub note: Option<String>,
    /// The record also says what speaks against the value; `note` says what.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub questioned: bool,
    /// A resource that it comes from was changed after t0, so that the value may be later than t0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed_after_t0: bool,
    /// Resources of the values in the longest window, oldest first; a window of `count` values is made from the last so many.
    /// One without a reference is an empty text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<String>,
    /// Statistics of a measured value over windows that end at t0.
    pub windows: Vec<WindowStatistics>,
}

impl std::fmt::Debug for Feature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Feature").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Feature {
    /// Brings every number into the form in which it is stored.
    fn round(&mut self) {
        if let FeatureValue::Number(value) = &mut self.value {
            *value = stored(*value);
        }
        self.age_days = self.age_days.map(stored);
        self.factor = self.factor.map(stored);
        for window in &mut self.windows {
            (window.mean, window.min, window.max) =
                (stored(window.mean), stored(window.min), stored(window.max));
            window.slope_per_year = window.slope_per_year.map(stored);
            window.delta = window.delta.map(stored);
        }
    }
}

/// A value, or why there is none.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureValue {
    /// A number in the feature's unit.
    Number(f64),
    /// A code of the feature's closed list, such as `former-smoker`.
    Code(String),
    /// Stated as so, or stated as not so.
    Bool(bool),
    /// Nothing, and why.
    Missing {
        /// Why.
        reason: MissingReason,
    },
}

/// Value, unit and code as a resource states them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Value as written.
    pub value: String,
    /// Unit as written.
    pub unit: Option<String>,
    /// `system|code` of what was measured or stated.
    pub code: Option<String>,
}

/// A place in a note, so that it can be cited and looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Path of the element within the resource, such as `content[0].attachment`.
    pub element: String,
    /// First character (Unicode scalar values of the element's text, markup included, from 0).
    pub start: usize,
    /// Character after the last.
    pub end: usize,
}

impl std::fmt::Display for Passage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, characters {}-{}", self.element, self.start, self.end)
    }
}

/// A value below or above what could be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparator {
    /// The true value is below (FHIR `<`, `<=`).
    Below,
    /// The true value is above (FHIR `>`, `>=`).
    Above,
}

/// Statistics over the half-open window (t0 - days, t0].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowStatistics {
    /// Length of the window in days of 24 hours.
    pub days: u32,
    /// Values in the window, one for each time.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Least value.
    pub min: f64,
    /// The resource of the least value; of equals the latest.
    #[serde(default)]
    pub min_source: Option<String>,
    /// Greatest value.
    pub max: f64,
    /// The resource of the greatest value; of equals the latest.
    #[serde(default)]
    pub max_source: Option<String>,
    /// Theil-Sen slope per 365.25 days; missing with fewer than 3 values or less than a day.
    pub slope_per_year: Option<f64>,
    /// Last value less the one before.
    pub delta: Option<f64>,
}

/// The features of `record` as they were known at `t0`, by the schema that is compiled in. `zone` is the site's, for dates
/// and times without a zone: a date counts as known only at its end.
pub fn features(record: &Record, t0: Timestamp, zone: &TimeZone) -> FeatureTable {
    features_by(Schema::built_in(), record, t0, zone)
}

/// The features of `record` by another schema.
pub fn features_by(schema: &Schema, record: &Record, t0: Timestamp, zone: &TimeZone) -> FeatureTable {
    let view = View::new(record, schema, t0, zone);
    let mut all = Vec::new();
    demographics::add(&view, &mut all);
    smoking::add(&view, &mut all);
    conditions::add(&view, &mut all);
    family::add(&view, &mut all);
    labs::add(&view, &mut all);
    medication::add(&view, &mut all);
    education::add(&view, &mut all);
    procedures::add(&view, &mut all);
    scales::add(&view, &mut all);
    imaging::add(&view, &mut all);
    comorbidity::add(&view, &mut all);
    let beyond = notes::add(&view, &mut all);
    all.iter_mut().for_each(Feature::round);
    let changed_after_t0 = mark_changed(&view, &mut all);
    FeatureTable {
        schema: schema.name(),
        t0,
        zone: zone.iana_name().unwrap_or("fixed offset").to_owned(),
        features: all,
        excluded: view.into_excluded(beyond),
        changed_after_t0,
    }
}

/// Marks every feature that comes from a resource that was changed after t0, and gives the references of these and of
/// changed nodules and lesions.
fn mark_changed(view: &View<'_>, features: &mut [Feature]) -> Vec<String> {
    let changed = view.changed();
    if changed.is_empty() {
        return Vec::new();
    }
    let mut cited: BTreeSet<String> = BTreeSet::new();
    for feature in features {
        let from = feature.source.iter().chain(&feature.other_sources);
        let own: Vec<&String> = from.filter(|one| changed.contains(one.as_str())).collect();
        feature.changed_after_t0 |= !own.is_empty();
        cited.extend(own.into_iter().cloned());
        cited.extend(feature.series.iter().filter(|one| changed.contains(one.as_str())).cloned());
    }
    let lesions = view.observations.known.iter().filter(|known| is_lesion(view.schema, known.fact));
    let references = lesions.filter_map(|known| known.fact.origin.reference.clone());
    cited.extend(references.filter(|one| changed.contains(one.as_str())));
    cited.into_iter().collect()
}

/// Whether an Observation states a nodule or a lesion of its own.
fn is_lesion(schema: &Schema, fact: &Observation) -> bool {
    crate::nodule::is_nodule(fact) || crate::prostate::is_lesion(schema, fact)
}
