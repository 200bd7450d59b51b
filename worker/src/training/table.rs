//! A table of labels: one row a study, columns by name.

use std::path::{Path, PathBuf};

use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use models::GreyImage;

/// A training input that cannot be used; the message names file, row and column.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file could not be read.
    #[error("could not read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The table is no CSV.
    #[error("`{path}` is not a table of comma-separated values")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: csv::Error,
    },
    /// A column is missing, or a value is not what the column holds.
    #[error("row {row} of `{path}`: column `{column}` is missing or not usable")]
    Value {
        /// The file.
        path: PathBuf,
        /// The row, from 1, without the header.
        row: usize,
        /// The column.
        column: String,
    },
    /// A picture could not be decoded.
    #[error("`{path}` could not be decoded: {reason}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// Code and sentence.
        reason: String,
    },
}

/// The rows of a table.
pub(crate) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    table: &'a Table,
    index: usize,
}

impl Table {
    pub(crate) fn open(path: &Path) -> Result<Self, TableError> {
        let fail = |source| TableError::Csv { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_path(path).map_err(fail)?;
        let columns = reader.headers().map_err(fail)?.iter().map(str::to_owned).collect();
        let rows = reader.records().collect::<Result<_, _>>().map_err(fail)?;
        Ok(Self { path: path.to_owned(), columns, rows })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| Row { table: self, index })
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<'a> Row<'a> {
    pub(crate) fn text(self, column: &str) -> Result<&'a str, TableError> {
        let at = self.table.columns.iter().position(|known| known == column);
        at.and_then(|at| self.table.rows.get(self.index)?.get(at)).ok_or_else(|| self.unusable(column))
    }

    pub(crate) fn number<T: std::str::FromStr>(self, column: &str) -> Result<T, TableError> {
        self.text(column)?.trim().parse().map_err(|_| self.unusable(column))
    }

    /// `1` or `0`.
    pub(crate) fn flag(self, column: &str) -> Result<bool, TableError> {
        match self.text(column)?.trim() {
            "1" => Ok(true),
            "0" => Ok(false),
            _ => Err(self.unusable(column)),
        }
    }

    /// One of two words.
    pub(crate) fn either(self, column: &str, yes: &str, no: &str) -> Result<bool, TableError> {
        match self.text(column)?.trim() {
            word if word == yes => Ok(true),
            word if word == no => Ok(false),
            _ => Err(self.unusable(column)),
        }
    }

    fn unusable(self, column: &str) -> TableError {
        TableError::Value { path: self.table.path.clone(), row: self.index + 1, column: column.to_owned() }
    }
}

/// The picture of a DICOM file with one grey frame.
pub(crate) fn picture(path: &Path, limits: &Limits) -> Result<GreyImage, TableError> {
    let bytes = std::fs::read(path).map_err(|source| TableError::Read { path: path.to_owned(), source })?;
    let unusable = |reason: String| TableError::Picture { path: path.to_owned(), reason };
    let decoded = decode(&bytes, limits).map_err(|refusal| unusable(refusal.to_string()))?;
    let frame = decoded.frames.first().ok_or_else(|| unusable("no frame".into()))?;
    GreyImage::new(frame.columns, frame.rows, frame.grey()).map_err(|error| unusable(error.to_string()))
}
