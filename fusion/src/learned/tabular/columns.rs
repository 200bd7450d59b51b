//! From the cells of a table to the columns of a model.

use super::config::{ColumnSign, Comparator, TabularConfig};
use super::table::Row;
use crate::formulas::brock;
use crate::learned::file::ModelFileError;
use crate::nodule::NoduleKind;

impl Row<'_> {
    /// The outcome; `None` where the row is neither.
    pub(in crate::learned) fn label(&self, config: &TabularConfig) -> Option<bool> {
        let text = self.text(&config.label.column)?;
        let is = |list: &[String]| list.iter().any(|one| one == text);
        match (is(&config.label.positive), is(&config.label.negative)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// What a comparator says of the row.
    pub(in crate::learned) fn compared(&self, comparator: &Comparator) -> Option<f64> {
        match comparator {
            Comparator::Column { column } => self.number(column),
            Comparator::BrockNodule {
                diameter,
                spiculation,
                spiculated_from,
                texture,
                nonsolid_to,
                solid_from,
            } => {
                let texture = self.number(texture)?;
                let kind = match texture {
                    low if low <= *nonsolid_to => NoduleKind::NonSolid,
                    high if high >= *solid_from => NoduleKind::Solid,
                    _ => NoduleKind::PartSolid,
                };
                let spiculated = self.number(spiculation).map(|value| value >= *spiculated_from)?;
                brock::calculate(&brock::Inputs {
                    age_years: 62.0,
                    female: false,
                    family_history: Some(false),
                    emphysema: Some(false),
                    diameter_mm: self.number(diameter)?,
                    kind: Some(kind),
                    upper_lobe: Some(false),
                    count: Some(4),
                    spiculated: Some(spiculated),
                })?
                .probability()
            }
        }
    }
}

/// One column of the model.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::learned) struct Column {
    /// Name, such as `region=FACE`.
    pub(in crate::learned) name: String,
    /// Title of the input that it is of.
    pub(in crate::learned) group: String,
    pub(in crate::learned) sign: ColumnSign,
}

/// The columns that a configuration makes, in the order of [`encode`].
pub(in crate::learned) fn columns(config: &TabularConfig) -> Vec<Column> {
    let mut all = Vec::new();
    let mut add = |name: String, group: &str, sign: ColumnSign| {
        all.push(Column { name, group: group.to_owned(), sign });
    };
    let flag = |column: &str| format!("{column} missing");
    for one in &config.numeric {
        add(one.column.clone(), &one.label, one.sign);
        if config.missing_flags {
            add(flag(&one.column), &one.label, ColumnSign::Any);
        }
    }
    for one in &config.truth {
        add(one.column.clone(), &one.label, one.sign);
        if config.missing_flags {
            add(flag(&one.column), &one.label, ColumnSign::Any);
        }
    }
    for one in &config.category {
        for value in &one.values {
            add(format!("{}={value}", one.column), &one.label, ColumnSign::Any);
        }
        add(format!("{}=other", one.column), &one.label, ColumnSign::Any);
        if config.missing_flags {
            add(flag(&one.column), &one.label, ColumnSign::Any);
        }
    }
    if let Some(formula) = &config.formula {
        add(formula.column.clone(), &formula.label, ColumnSign::NonNegative);
        if config.missing_flags {
            add(flag(&formula.column), &formula.label, ColumnSign::Any);
        }
    }
    all
}

/// Most columns of a model. What a list of values that is missing could be is asked of each value in all of its columns.
const MOST_COLUMNS: usize = 2048;

/// Names of the columns that a configuration makes, where they can be answered with.
pub(in crate::learned) fn names(config: &TabularConfig) -> Result<Vec<String>, ModelFileError> {
    let lists: usize = config.category.iter().map(|one| one.values.len() + 1).sum();
    let others = config.numeric.len() + config.truth.len() + usize::from(config.formula.is_some());
    let flags = if config.missing_flags { others + config.category.len() } else { 0 };
    let found = lists + others + flags;
    if found > MOST_COLUMNS {
        return Err(ModelFileError::Columns { found, most: MOST_COLUMNS });
    }
    Ok(columns(config).into_iter().map(|column| column.name).collect())
}

/// The stratum of rows in which every input is there.
pub(in crate::learned) const COMPLETE: &str = "complete";

/// A row as the model reads it, and how many of its inputs are there.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::learned) struct Encoded {
    pub(in crate::learned) columns: Vec<Option<f64>>,
    pub(in crate::learned) present: usize,
    pub(in crate::learned) inputs: usize,
}

impl Encoded {
    /// What is there, as calibration tells it apart.
    pub(in crate::learned) fn stratum(&self) -> &'static str {
        if self.present == self.inputs { COMPLETE } else { "incomplete" }
    }
}

/// The columns of a row. A missing value has no number; its flag, where flags are inputs, is 1.
pub(in crate::learned) fn encode(config: &TabularConfig, row: Row<'_>) -> Encoded {
    let mut made = Encoded { columns: Vec::new(), present: 0, inputs: 0 };
    let mut add = |values: Vec<Option<f64>>, present: bool| {
        made.columns.extend(values);
        made.present += usize::from(present);
        made.inputs += 1;
        if config.missing_flags {
            made.columns.push(Some(if present { 0.0 } else { 1.0 }));
        }
    };
    for one in &config.numeric {
        let value = row.number(&one.column).filter(|value| (one.range.0..=one.range.1).contains(value));
        add(vec![value.map(|value| if one.log1p { value.ln_1p() } else { value })], value.is_some());
    }
    for one in &config.truth {
        let text = row.text(&one.column);
        let is = |list: &[String]| text.is_some_and(|text| list.iter().any(|one| one == text));
        let value = match (is(&one.yes), is(&one.no)) {
            (true, false) => Some(1.0),
            (false, true) => Some(0.0),
            _ => None,
        };
        add(vec![value], value.is_some());
    }
    for one in &config.category {
        let text = row.text(&one.column);
        let known = text.is_some_and(|text| one.values.iter().any(|value| value == text));
        let is = |truth: bool| text.map(|_| f64::from(u8::from(truth)));
        let mut values: Vec<Option<f64>> =
            one.values.iter().map(|value| is(text == Some(value.as_str()))).collect();
        values.push(is(!known));
        add(values, text.is_some());
    }
    if let Some(formula) = &config.formula {
        let logit = formula.logit(row);
        add(vec![logit], logit.is_some());
    }
    made
}
