//! What can be wrong with the file of a learned model.

use super::tabular::ForeignUnit;

/// Why a model file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFileError {
    /// The file is no model.
    #[error("the model file is not readable: line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The file is of another form.
    #[error("the model file has format {found}; this program reads format {reads}")]
    Format {
        /// The file's.
        found: u32,
        /// The program's.
        reads: u32,
    },
    /// The configuration makes more columns than can be answered with.
    #[error("the model reads {found} columns; at most {most} can be answered with")]
    Columns {
        /// The model's.
        found: usize,
        /// The most.
        most: usize,
    },
    /// Numbers or widths of the file do not fit its configuration.
    #[error("the model file does not fit its own configuration")]
    Unsound,
    /// It reads a feature in another unit than the schema's.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
}

/// Most rows that a model can have been fitted on.
const MOST_ROWS: usize = 1 << 30;

/// Whether rows, patients and events are counts of one table.
pub(super) fn are_counts([rows, patients, events]: [usize; 3]) -> bool {
    rows <= MOST_ROWS && patients <= rows && events <= rows
}

impl From<serde_json::Error> for ModelFileError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}
