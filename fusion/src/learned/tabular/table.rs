//! A table by columns: texts that repeat are stored once, columns of numbers as numbers, so that a million rows are some
//! bytes a cell.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::config::{Comparator, ForeignUnit, TabularConfig};
use crate::learned::holdout;

/// Most different texts of a column that are stored once each.
const MOST_TEXTS: usize = 4096;

/// A table: names of the columns, and what stands in them.
#[derive(Clone, Default)]
pub struct Table {
    names: BTreeMap<String, usize>,
    columns: Vec<Cells>,
    rows: usize,
}

/// The cells of a column, texts without the spaces around them.
#[derive(Clone)]
enum Cells {
    /// Few different texts, and which of them each row has.
    Few { texts: Vec<Box<str>>, of: Vec<u16> },
    /// Texts one after the other, and where each ends.
    Many { text: String, ends: Vec<usize> },
    /// Numbers; not a number where a cell holds none.
    Numbers(Vec<f64>),
    /// The model does not read it.
    Unread,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A column that the configuration names is not there.
    #[error("the table has no column `{0}`")]
    NoColumn(String),
    /// A column that is named as a feature has another unit.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
    /// A share of patients is not between 0 and 1.
    #[error("`latest_share` is not above 0 and below 1")]
    Share,
    /// The edges of a band do not ascend.
    #[error("the `edges` of a band do not ascend")]
    Edges,
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
    at: usize,
}

/// Takes the rows of a table, one after the other.
pub struct TableBuilder {
    table: Table,
    /// Number of each text of a column with few.
    known: Vec<HashMap<Box<str>, u16>>,
}

impl TableBuilder {
    /// A table of these columns, every cell of which can be read as text.
    pub fn new(names: &[String]) -> Self {
        Self::with(names, |_| Cells::Few { texts: Vec::new(), of: Vec::new() })
    }

    /// The table to evaluate a model on: what the model reads as a number is kept as one, what it does not read is dropped.
    pub fn for_model(names: &[String], config: &TabularConfig) -> Self {
        let (numbers, texts) = read_by(config);
        Self::with(names, |name| {
            if texts.contains(name) {
                Cells::Few { texts: Vec::new(), of: Vec::new() }
            } else if numbers.contains(name) {
                Cells::Numbers(Vec::new())
            } else {
                Cells::Unread
            }
        })
    }

    fn with(names: &[String], cells: impl Fn(&str) -> Cells) -> Self {
        let columns = names.iter().map(|name| cells(name.trim())).collect();
        let names = names.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at));
        let table = Table { names: names.collect(), columns, rows: 0 };
        Self { known: table.columns.iter().map(|_| HashMap::new()).collect(), table }
    }

    /// Adds a row.
    pub fn push<'a>(&mut self, cells: impl ExactSizeIterator<Item = &'a str>) -> Result<(), TableError> {
        let (width, columns) = (cells.len(), self.table.columns.len());
        if width != columns {
            return Err(TableError::Width { row: self.table.rows + 1, cells: width, columns });
        }
        for (cell, (column, known)) in cells.zip(self.table.columns.iter_mut().zip(&mut self.known)) {
            column.push(cell.trim(), known);
        }
        self.table.rows += 1;
        Ok(())
    }

    /// The table.
    pub fn finish(mut self) -> Table {
        for column in &mut self.table.columns {
            match column {
                Cells::Few { of, .. } => of.shrink_to_fit(),
                Cells::Many { text, ends } => {
                    text.shrink_to_fit();
                    ends.shrink_to_fit();
                }
                Cells::Numbers(numbers) => numbers.shrink_to_fit(),
                Cells::Unread => {}
            }
        }
        self.table
    }
}

/// Columns that a model and its evaluation read as numbers, and those that they read as text.
fn read_by(config: &TabularConfig) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let mut numbers: BTreeSet<&str> = config.numeric.iter().map(|one| one.column.as_str()).collect();
    let mut texts = BTreeSet::from([config.patient.as_str(), config.label.column.as_str()]);
    texts.extend(config.truth.iter().map(|one| one.column.as_str()));
    texts.extend(config.category.iter().map(|one| one.column.as_str()));
    texts.extend(config.subgroups.iter().chain(&config.site).map(String::as_str));
    texts.extend(config.time.iter().map(|one| one.column.as_str()));
    numbers.extend(config.formula.iter().map(|formula| formula.column.as_str()));
    numbers.extend(config.bands.iter().map(|band| band.column.as_str()));
    for comparator in &config.comparators {
        match comparator {
            Comparator::Column { column } => {
                numbers.insert(column);
            }
            Comparator::BrockNodule { diameter, spiculation, texture, .. } => {
                numbers.extend([diameter.as_str(), spiculation, texture]);
            }
        }
    }
    (numbers, texts)
}

impl Cells {
    fn push(&mut self, cell: &str, known: &mut HashMap<Box<str>, u16>) {
        match self {
            Self::Few { texts, of } => {
                if let Some(number) = known.get(cell) {
                    of.push(*number);
                } else if let Some(next) =
                    u16::try_from(texts.len()).ok().filter(|_| texts.len() < MOST_TEXTS)
                {
                    texts.push(cell.into());
                    known.insert(cell.into(), next);
                    of.push(next);
                } else {
                    *self = Self::many(texts, of);
                    known.clear();
                    self.push(cell, known);
                }
            }
            Self::Many { text, ends } => {
                text.push_str(cell);
                ends.push(text.len());
            }
            Self::Numbers(numbers) => numbers.push(parsed(cell).unwrap_or(f64::NAN)),
            Self::Unread => {}
        }
    }

    fn many(texts: &[Box<str>], of: &[u16]) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for number in of {
            text.push_str(texts.get(usize::from(*number)).map_or("", |text| text));
            ends.push(text.len());
        }
        Self::Many { text, ends }
    }

    fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Few { texts, of } => texts.get(usize::from(*of.get(row)?)).map(|text| &**text),
            Self::Many { text, ends } => {
                let start = row.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied())?;
                text.get(start..*ends.get(row)?)
            }
            Self::Numbers(_) | Self::Unread => None,
        }
    }
}

fn parsed(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Table {
    /// A table of these columns and rows.
    pub fn new(names: &[String], rows: Vec<Vec<String>>) -> Result<Self, TableError> {
        let mut builder = TableBuilder::new(names);
        for row in rows {
            builder.push(row.iter().map(String::as_str))?;
        }
        Ok(builder.finish())
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows).map(|at| Row { table: self, at })
    }

    /// For each row a number that rows with the same text in this column share, below the number of rows or of different
    /// texts; `None` where the cell is empty. Texts are sorted, not hashed: a million of them take a few bytes each.
    pub(in crate::learned) fn shared(&self, column: &str) -> Vec<Option<u32>> {
        let cells = self.names.get(column).and_then(|at| self.columns.get(*at));
        let text = |row: usize| cells.and_then(|cells| cells.text(row)).unwrap_or_default();
        let mut order: Vec<u32> = (0..u32::try_from(self.rows).unwrap_or(u32::MAX)).collect();
        order.sort_unstable_by(|one, other| text(*one as usize).cmp(text(*other as usize)));
        let mut numbers = vec![None; self.rows];
        let (mut number, mut last) = (0, "");
        for row in order {
            let own = text(row as usize);
            number += u32::from(own != last);
            last = own;
            numbers[row as usize] = (!own.is_empty()).then(|| number - 1);
        }
        numbers
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
        config.check_units()?;
        let inputs = config.numeric.iter().map(|one| &one.column);
        let inputs = inputs.chain(config.truth.iter().map(|one| &one.column));
        let mut wanted: Vec<&String> = inputs.chain(config.category.iter().map(|one| &one.column)).collect();
        wanted.extend(config.formula.iter().map(|formula| &formula.column));
        if whole {
            wanted.extend([&config.patient, &config.label.column]);
            wanted.extend(config.grouped());
            if config.bands.iter().any(|band| !band.edges.is_sorted_by(|one, other| one < other)) {
                return Err(TableError::Edges);
            }
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
    fn cells(&self, column: &str) -> Option<&'a Cells> {
        self.table.columns.get(*self.table.names.get(column)?)
    }

    /// The text of a cell; `None` where it is empty or there is no such column.
    pub fn text(&self, column: &str) -> Option<&'a str> {
        self.cells(column)?.text(self.at).filter(|text| !text.is_empty())
    }

    /// The finite number of a cell.
    pub fn number(&self, column: &str) -> Option<f64> {
        match self.cells(column)? {
            Cells::Numbers(numbers) => numbers.get(self.at).copied().filter(|number| !number.is_nan()),
            cells => parsed(cells.text(self.at)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_few_and_of_many_texts_read_as_they_were_written() {
        let names = ["id", " kind ", "x"].map(str::to_owned);
        let mut builder = TableBuilder::new(&names);
        let cells = |at: usize| [format!(" p{at} "), ["a", "", "b"][at % 3].to_owned(), format!("{at}.5e-1")];
        for at in 0..2 * MOST_TEXTS {
            builder.push(cells(at).iter().map(String::as_str)).unwrap();
        }
        let short = builder.push(["1"].into_iter());
        assert_eq!(short, Err(TableError::Width { row: 2 * MOST_TEXTS + 1, cells: 1, columns: 3 }));
        let table = builder.finish();
        assert!(
            matches!(table.columns[0], Cells::Many { .. }) && matches!(table.columns[1], Cells::Few { .. })
        );
        let (ids, kinds) = (table.shared("id"), table.shared("kind"));
        assert_eq!(ids.iter().flatten().collect::<BTreeSet<_>>().len(), 2 * MOST_TEXTS);
        assert_eq!(kinds[..4], [Some(0), None, Some(1), Some(0)]);
        assert_eq!(table.shared("y")[0], None);
        for (at, row) in table.rows().enumerate() {
            let [id, kind, number] = cells(at);
            assert_eq!((row.text("id"), row.text("kind").unwrap_or("")), (Some(id.trim()), kind.as_str()));
            assert_eq!((row.text("x"), row.number("x")), (Some(number.as_str()), number.parse().ok()));
            assert_eq!((row.number("kind"), row.text("y")), (None, None));
        }
    }
}
