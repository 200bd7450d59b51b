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
    /// Numbers or widths of the file do not fit its configuration.
    #[error("the model file does not fit its own configuration")]
    Unsound,
    /// It reads a feature in another unit than the schema's.
    #[error(transparent)]
    Unit(#[from] ForeignUnit),
}

impl From<serde_json::Error> for ModelFileError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}
