//! From the cells of a table to the columns of a model.

use std::collections::BTreeMap;

use super::config::{ColumnSign, Comparator, TabularConfig};
use crate::formulas::brock;
use crate::learned::holdout;
use crate::nodule::NoduleKind;

/// A table as text: names of the columns, and rows.
#[derive(Clone, Default)]
pub struct Table {
    names: BTreeMap<String, usize>,
    rows: Vec<Vec<String>>,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A column that the configuration names is not there.
    #[error("the table has no column `{0}`")]
    NoColumn(String),
    /// A share of patients is not between 0 and 1.
    #[error("`latest_share` is not above 0 and below 1")]
    Share,
    /// A row is of another width than the header.
    #[error("row {row} has {cells} cells, the header has {columns}")]
    Width {
        /// Row, from 1.
        row: usize,
        /// Its cells.
        cells: usize,
        /// Columns of the header.
        columns: usize,
    },
}

/// One row of a table.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    table: &'a Table,
    cells: &'a [String],
}

impl Table {
    /// A table of these columns and rows.
    pub fn new(names: &[String], rows: Vec<Vec<String>>) -> Result<Self, TableError> {
        if let Some((at, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != names.len()) {
            return Err(TableError::Width { row: at + 1, cells: row.len(), columns: names.len() });
        }
        let names = names.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
        Ok(Self { names, rows })
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }

    /// Whether these columns are there.
    pub(in crate::learned) fn has<'a>(
        &self,
        mut columns: impl Iterator<Item = &'a String>,
    ) -> Result<(), TableError> {
        match columns.find(|name| !self.names.contains_key(*name)) {
            Some(name) => Err(TableError::NoColumn(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether every column is there that the configuration reads; those of the label and the patient only with `whole`.
    pub(in crate::learned) fn check(&self, config: &TabularConfig, whole: bool) -> Result<(), TableError> {
        let inputs = config.numeric.iter().map(|one| &one.column);
        let inputs = inputs.chain(config.truth.iter().map(|one| &one.column));
        let mut wanted: Vec<&String> = inputs.chain(config.category.iter().map(|one| &one.column)).collect();
        if whole {
            wanted.extend([&config.patient, &config.label.column]);
            wanted.extend(&config.subgroups);
            holdout::check(config.time.as_ref(), config.site.as_ref(), self)?;
            for comparator in &config.comparators {
                match comparator {
                    Comparator::Column { column } => wanted.push(column),
                    Comparator::BrockNodule { diameter, spiculation, texture, .. } => {
                        wanted.extend([diameter, spiculation, texture]);
                    }
                }
            }
        }
        self.has(wanted.into_iter())
    }
}

impl<'a> Row<'a> {
    /// The text of a cell; `None` where it is empty or there is no such column.
    pub fn text(&self, column: &str) -> Option<&'a str> {
        let at = *self.table.names.get(column)?;
        let text = self.cells.get(at)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The finite number of a cell.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

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
                    count: 4,
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
    all
}

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
        if self.present == self.inputs { "complete" } else { "incomplete" }
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
    made
}
