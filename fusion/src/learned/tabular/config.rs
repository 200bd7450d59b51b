//! What a model of a table reads, what it predicts, and for whom: data, written by whoever trains it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::record::RecordRule;
use super::table::Row;
use crate::features::Schema;
use crate::learned::formula::FormulaInput;
use crate::learned::holdout::TimeColumn;

/// A model of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TabularConfig {
    /// Identifier, such as `lidc-malignancy-rating`.
    pub id: String,
    /// Version.
    pub version: String,
    /// Title for a reader.
    pub title: String,
    /// Exactly what the probability is of.
    pub outcome: String,
    /// Horizon for a reader.
    pub horizon: String,
    /// Whom it is for, in one sentence.
    pub population: String,
    /// Where the data come from, with their licence.
    pub data: String,
    /// Who may use it for what, and who may not.
    pub intended_use: String,
    /// Day of training, as the card states it.
    pub created: String,
    /// Column that tells patients apart.
    pub patient: String,
    /// What is positive.
    pub label: LabelRule,
    /// Numbers.
    #[serde(default)]
    pub numeric: Vec<Numeric>,
    /// Yes or no.
    #[serde(default)]
    pub truth: Vec<Truth>,
    /// Closed lists of values.
    #[serde(default)]
    pub category: Vec<Category>,
    /// A published formula whose probability the table holds: its logit is an input that never lowers the risk, and an arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<FormulaInput>,
    /// Whether it is an input that a value is missing. Not where missing depends on the outcome.
    pub missing_flags: bool,
    /// How the logit becomes a probability.
    #[serde(default, skip_serializing_if = "CalibrationMethod::is_platt")]
    pub calibration: CalibrationMethod,
    /// How a patient's record becomes a row where the model answers in a report, and whose record may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRule>,
    /// Columns that subgroups are formed by.
    #[serde(default)]
    pub subgroups: Vec<String>,
    /// Numbers that subgroups are formed by, in bands.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "band")]
    pub bands: Vec<Band>,
    /// Column of the time, where the latest patients are to be kept apart once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumn>,
    /// Column of the site, where each site is to be kept apart in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What is evaluated beside the model.
    #[serde(default)]
    pub comparators: Vec<Comparator>,
    /// Thresholds at which sensitivity and the like are given.
    pub thresholds: Vec<f64>,
    /// Seed of the splits.
    pub seed: u64,
    /// Where it is weak, one sentence each.
    #[serde(default)]
    pub limits: Vec<String>,
}

/// How the logit becomes a probability, on patients of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationMethod {
    /// Two numbers.
    #[default]
    Platt,
    /// A rising curve; with fewer than 1,000 cases Platt all the same.
    Isotonic,
}

impl CalibrationMethod {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_platt(&self) -> bool {
        *self == Self::Platt
    }
}

/// A number in bands, such as the age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Column.
    pub column: String,
    /// Where a band ends and the next begins, ascending; a value at an edge is in the upper one.
    pub edges: Vec<f64>,
}

impl Band {
    /// The band of a value, for a reader.
    fn of(&self, value: f64) -> String {
        let above = self.edges.partition_point(|edge| *edge <= value);
        match (above.checked_sub(1).map(|at| self.edges[at]), self.edges.get(above)) {
            (None, None) => "any".to_owned(),
            (None, Some(high)) => format!("below {high}"),
            (Some(low), Some(high)) => format!("{low} to below {high}"),
            (Some(low), None) => format!("{low} and more"),
        }
    }
}

/// A column that is named as a feature of the schema and stated in another unit than the schema's, which is the one that
/// `chiasm fusion table` writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the configuration has column `{column}` in `{stated}`; the feature of that name is in `{schema}`: state that unit, or name the column otherwise"
)]
pub struct ForeignUnit {
    /// Column.
    pub column: String,
    /// The configuration's unit.
    pub stated: String,
    /// The schema's.
    pub schema: String,
}

impl TabularConfig {
    /// Whether every number that is named as a feature has the feature's unit.
    pub(in crate::learned) fn check_units(&self) -> Result<(), ForeignUnit> {
        let schema = Schema::built_in();
        let own = |column: &str| match column.strip_suffix("_age_days") {
            Some(feature) => schema.unit_of(feature).map(|_| "d"),
            None => schema.unit_of(column),
        };
        for one in &self.numeric {
            if let Some(unit) = own(&one.column).filter(|unit| *unit != one.unit) {
                return Err(ForeignUnit {
                    column: one.column.clone(),
                    stated: one.unit.clone(),
                    schema: unit.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The columns that subgroups are formed by.
    pub(in crate::learned) fn grouped(&self) -> impl Iterator<Item = &String> {
        self.subgroups.iter().chain(self.bands.iter().map(|band| &band.column))
    }

    /// The group of a row by the column at this place of [`Self::grouped`].
    pub(in crate::learned) fn group<'a>(&self, at: usize, row: Row<'a>) -> Cow<'a, str> {
        if let Some(column) = self.subgroups.get(at) {
            return Cow::Borrowed(row.text(column).unwrap_or(NOT_STATED));
        }
        let band = at.checked_sub(self.subgroups.len()).and_then(|at| self.bands.get(at));
        let found = band.and_then(|band| Some(band.of(row.number(&band.column)?)));
        found.map_or(Cow::Borrowed(NOT_STATED), Cow::Owned)
    }
}

/// The group of rows whose cell is empty.
const NOT_STATED: &str = "not stated";

/// What is positive; rows of neither are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRule {
    /// Column.
    pub column: String,
    /// Values that are the outcome.
    pub positive: Vec<String>,
    /// Values that are not.
    pub negative: Vec<String>,
}

/// Which way a column may push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnSign {
    /// Either.
    #[default]
    Any,
    /// A greater value never lowers the risk.
    NonNegative,
    /// A greater value never raises it.
    NonPositive,
}

/// A number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numeric {
    /// Column.
    pub column: String,
    /// Title for a reader.
    pub label: String,
    /// UCUM unit.
    pub unit: String,
    /// What is possible; anything else is missing.
    pub range: (f64, f64),
    /// Whether log(1 + value) is taken.
    #[serde(default)]
    pub log1p: bool,
    /// Which way it may push.
    #[serde(default)]
    pub sign: ColumnSign,
}

/// Yes or no; other values are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// Column.
    pub column: String,
    /// Title for a reader.
    pub label: String,
    /// Values that mean yes.
    pub yes: Vec<String>,
    /// Values that mean no.
    pub no: Vec<String>,
    /// Which way it may push.
    #[serde(default)]
    pub sign: ColumnSign,
}

/// A closed list; other values count as `other`, an empty one is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Column.
    pub column: String,
    /// Title for a reader.
    pub label: String,
    /// Values that have a column of their own.
    pub values: Vec<String>,
}

/// What is evaluated beside the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Comparator {
    /// The number of one column, brought to 0 to 1 by its rank: for AUROC alone.
    Column {
        /// Column.
        column: String,
    },
    /// Brock 2b with the terms of the nodule that a table has; everything of the person is held at the formula's centre, so
    /// that its order of cases means something and its level does not.
    BrockNodule {
        /// Column of the diameter, mm.
        diameter: String,
        /// Column of spiculation.
        spiculation: String,
        /// From which value on a nodule is spiculated.
        spiculated_from: f64,
        /// Column of the texture.
        texture: String,
        /// Up to which value it is nonsolid.
        nonsolid_to: f64,
        /// From which value on it is solid.
        solid_from: f64,
    },
}

impl Comparator {
    /// Name for a reader.
    pub fn name(&self) -> String {
        match self {
            Self::Column { column } => format!("{column} alone (rank)"),
            Self::BrockNodule { .. } => "Brock 2b, terms of the nodule alone".to_owned(),
        }
    }
}
