//! A table of any model's scores, for its evaluation.

use std::path::Path;

use models::evaluation::report::{Cohort, LabelColumn};

use super::table::{Table, TableError};

/// What stands after a label's name in the column of its probability.
const PROBABILITY: &str = "_probability";
/// What stands after a label's name in the column of its threshold.
const THRESHOLD: &str = "_threshold";
/// What stands before an attribute that subgroups are made by.
const GROUP: &str = "group_";

/// Reads the table at `path`. A label is what has a column of probabilities; its threshold is that of the first row,
/// or one half without a column.
pub fn cohort(path: &Path) -> Result<Cohort, TableError> {
    let table = Table::open(path)?;
    let names = table.columns().iter().filter_map(|column| column.strip_suffix(PROBABILITY));
    let labels = names
        .map(|name| {
            let column = format!("{name}{THRESHOLD}");
            let threshold = match table.rows().next() {
                Some(row) if table.columns().contains(&column) => row.number(&column)?,
                _ => 0.5,
            };
            Ok(LabelColumn {
                name: name.to_owned(),
                positive: table.rows().map(|row| row.flag(name)).collect::<Result<_, _>>()?,
                probabilities: table
                    .rows()
                    .map(|row| row.number(&format!("{name}{PROBABILITY}")))
                    .collect::<Result<_, _>>()?,
                threshold,
            })
        })
        .collect::<Result<_, TableError>>()?;
    let column =
        |name: &str| table.rows().map(|row| row.text(name).map(str::to_owned)).collect::<Result<_, _>>();
    let groups = table.columns().iter().filter_map(|name| Some((name, name.strip_prefix(GROUP)?)));
    Ok(Cohort {
        patients: column("patient")?,
        labels,
        attributes: groups
            .map(|(name, short)| Ok((short.to_owned(), column(name)?)))
            .collect::<Result<_, TableError>>()?,
    })
}
