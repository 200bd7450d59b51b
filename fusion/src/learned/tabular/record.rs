//! A patient's record as a row of a model: which feature each column is, whose record the model answers for, and what of the
//! record it does without.

use serde::{Deserialize, Serialize};

use super::config::{Category, Numeric, TabularConfig, Truth};
use super::table::{Row, Table};
use crate::features::{FeatureTable, FeatureValue, MissingReason, cells, is_feature};

/// Ending of the column that holds the age of a feature's value, in days, as `chiasm fusion table` names it.
const AGE: &str = "_age_days";

/// How a record becomes a row, and whose record may: what holds where a model answers in a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordRule {
    /// An older value counts as missing, in days; what `chiasm fusion table --max-age-days` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<f64>,
    /// What a record has to say, all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
}

/// One thing that a record has to say for the model to be for its patient.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The feature; it has to be known.
    pub feature: String,
    /// Its value is one of these, as `chiasm fusion table` writes them, such as `true`; any where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Its number is within these, both inclusive, in the feature's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// It was stated at most so many days before the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_days: Option<f64>,
}

/// Why a model cannot answer from a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOfRecord {
    /// A column is no feature.
    #[error(
        "the model reads column `{column}`, which is no feature of a record: train it on columns that `chiasm fusion table --feature` \
         writes (`docs/features.md` lists them), or leave the column out"
    )]
    Column {
        /// The column.
        column: String,
    },
    /// What a record has to say is no feature.
    #[error(
        "`record.requires` of the model's configuration names `{feature}`, which is no feature of a record; `docs/features.md` lists them"
    )]
    Requirement {
        /// What is named.
        feature: String,
    },
    /// The formula's column is no formula that a report computes.
    #[error(
        "`formula.column` of the model's configuration is `{column}`; a report computes `brock`, `mayo`, `herder`, `plcom2012`, `pbcg`, \
         `pbcg-mri` and `tum-rc`: name the column so"
    )]
    Formula {
        /// The column.
        column: String,
    },
    /// A model of a table alone has a formula.
    #[error(
        "the model has `[formula]` without pictures; a report gives a formula to models with pictures alone: train it without"
    )]
    FormulaAlone,
    /// A bound that no value can keep.
    #[error("`record` of the model's configuration has {what} that no value can keep")]
    Bound {
        /// Which.
        what: &'static str,
    },
}

impl NotOfRecord {
    /// Whether all these columns are features of a record, or ages of them.
    pub(in crate::learned) fn check<'a>(mut columns: impl Iterator<Item = &'a str>) -> Result<(), Self> {
        match columns.find(|column| feature_of(column).is_none()) {
            Some(column) => Err(Self::Column { column: column.to_owned() }),
            None => Ok(()),
        }
    }
}

impl TabularConfig {
    /// Whether every column is a feature of a record at a time, and what a record has to say can be said.
    pub fn check_record(&self) -> Result<(), NotOfRecord> {
        NotOfRecord::check(inputs(self).map(Input::column))?;
        if self.formula.is_some() {
            return Err(NotOfRecord::FormulaAlone);
        }
        let Some(rule) = &self.record else { return Ok(()) };
        for one in &rule.requires {
            if !is_feature(&one.feature) {
                return Err(NotOfRecord::Requirement { feature: one.feature.clone() });
            }
            if one.range.is_some_and(|(low, high)| !(low.is_finite() && high.is_finite() && low <= high)) {
                return Err(NotOfRecord::Bound { what: "a `range`" });
            }
        }
        let mut days = rule.requires.iter().filter_map(|one| one.within_days).chain(rule.max_age_days);
        if days.any(|days| !(days.is_finite() && days >= 0.0)) {
            return Err(NotOfRecord::Bound { what: "a number of days" });
        }
        Ok(())
    }

    /// Why the model is not for this record's patient; `None` where nothing speaks against it.
    pub fn unmet(&self, features: &FeatureTable) -> Option<String> {
        self.record.as_ref()?.requires.iter().find_map(|one| one.unmet(features))
    }
}

impl Requirement {
    /// For a reader of the card.
    pub(super) fn text(&self) -> String {
        let values = (!self.values.is_empty()).then(|| format!(" is {}", self.values.join(" or ")));
        let range = self.range.map(|(low, high)| format!(" is {low} to {high}"));
        let days = self.within_days.map(|days| format!(" at most {days} days before the study"));
        let parts = [values, range, days];
        let said: String = parts.iter().flatten().map(String::as_str).collect();
        if said.is_empty() { format!("{} is known", self.feature) } else { format!("{}{said}", self.feature) }
    }

    fn unmet(&self, features: &FeatureTable) -> Option<String> {
        let Some(feature) = features.feature(&self.feature) else {
            return Some(format!("the record does not state what the model asks for: {}", self.feature));
        };
        let label = &feature.label;
        if matches!(feature.value, FeatureValue::Missing { .. }) {
            return Some(format!("the record does not state what the model asks for: {label}"));
        }
        let value = cells(features, &self.feature, None).map(|[value, _]| value).unwrap_or_default();
        if !self.values.is_empty() && !self.values.contains(&value) {
            return Some(format!("the model is not for what the record states: {label}"));
        }
        if let Some((low, high)) = self.range
            && !value.parse::<f64>().is_ok_and(|number| (low..=high).contains(&number))
        {
            return Some(format!("the model is for {low} to {high}: {label}"));
        }
        let days = self.within_days.filter(|days| feature.age_days.is_none_or(|age| age > *days));
        days.map(|days| format!("stated more than {days} days before the study: {label}"))
    }
}

/// A record as a row of a model.
#[derive(Clone)]
pub struct RecordRow {
    table: Table,
    /// Features that the model reads, each once, in its order.
    pub read: Vec<String>,
    /// Those of them that it does without, and why.
    pub absent: Vec<(String, MissingReason)>,
}

impl RecordRow {
    /// The row; `None` where a column is no feature ([`TabularConfig::check_record`]).
    pub fn of(config: &TabularConfig, features: &FeatureTable) -> Option<Self> {
        Self::with(config, Some(features), Vec::new())
    }

    /// The same beside cells of other columns. Where there is no record every cell of a feature is empty, and nothing is read.
    pub(crate) fn with(
        config: &TabularConfig,
        features: Option<&FeatureTable>,
        others: Vec<(String, String)>,
    ) -> Option<Self> {
        let (mut names, mut row): (Vec<String>, Vec<String>) = others.into_iter().unzip();
        for column in inputs(config).map(Input::column) {
            let cell = cell(config, features, column)?;
            if !names.iter().any(|name| name == column) {
                names.push(column.to_owned());
                row.push(cell);
            }
        }
        let table = Table::new(&names, vec![row]).ok()?;
        let mut made = Self { table, read: Vec::new(), absent: Vec::new() };
        let Some(features) = features else { return Some(made) };
        for input in inputs(config) {
            let (id, is_age) = feature_of(input.column())?;
            let feature = features.feature(id)?;
            let cell = made.row()?;
            let reason = match (&feature.value, cell.text(input.column())) {
                (FeatureValue::Missing { reason }, _) => Some(*reason),
                (_, None) if is_age && feature.age_days.is_none() => Some(MissingReason::Undated),
                (_, None) => Some(MissingReason::Stale),
                (_, Some(_)) => input.unusable(cell),
            };
            if !made.read.iter().any(|known| known == id) {
                made.read.push(id.to_owned());
            }
            if let Some(reason) = reason
                && !made.absent.iter().any(|(known, _)| known == id)
            {
                made.absent.push((id.to_owned(), reason));
            }
        }
        Some(made)
    }

    /// The row itself.
    pub fn row(&self) -> Option<Row<'_>> {
        self.table.rows().next()
    }
}

/// One input of a model.
#[derive(Clone, Copy)]
enum Input<'a> {
    Number(&'a Numeric),
    Truth(&'a Truth),
    Category(&'a Category),
}

impl<'a> Input<'a> {
    fn column(self) -> &'a str {
        match self {
            Self::Number(one) => &one.column,
            Self::Truth(one) => &one.column,
            Self::Category(one) => &one.column,
        }
    }

    /// Why the model counts a cell that holds something as missing, where it does.
    fn unusable(self, row: Row<'_>) -> Option<MissingReason> {
        match self {
            Self::Number(one) => match row.number(&one.column) {
                None => Some(MissingReason::NotNumeric),
                Some(value) => {
                    let (low, high) = one.range;
                    (!(low..=high).contains(&value)).then_some(MissingReason::Implausible)
                }
            },
            Self::Truth(one) => {
                let text = row.text(&one.column);
                let is = |list: &[String]| text.is_some_and(|text| list.iter().any(|known| known == text));
                (is(&one.yes) == is(&one.no)).then_some(MissingReason::Unmapped)
            }
            Self::Category(_) => None,
        }
    }
}

/// The inputs in the order of the columns.
fn inputs(config: &TabularConfig) -> impl Iterator<Item = Input<'_>> {
    let numbers = config.numeric.iter().map(Input::Number);
    let truths = config.truth.iter().map(Input::Truth);
    numbers.chain(truths).chain(config.category.iter().map(Input::Category))
}

/// What a column of a model holds of a record, as text; nothing without one. `None` where the column is no feature.
pub(crate) fn cell(config: &TabularConfig, features: Option<&FeatureTable>, column: &str) -> Option<String> {
    let (id, is_age) = feature_of(column)?;
    let Some(features) = features else { return Some(String::new()) };
    let most = config.record.as_ref().and_then(|rule| rule.max_age_days);
    let [value, age] = cells(features, id, most)?;
    Some(if is_age { age } else { value })
}

/// The feature that a column holds, and whether the age of its value and not the value itself.
fn feature_of(column: &str) -> Option<(&str, bool)> {
    if is_feature(column) {
        return Some((column, false));
    }
    let id = column.strip_suffix(AGE)?;
    is_feature(id).then_some((id, true))
}
