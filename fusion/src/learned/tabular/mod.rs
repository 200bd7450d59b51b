//! Record-only models of a table (level L0 of the ladder): a ridge logistic regression over columns that a configuration
//! declares, calibrated and evaluated on patients of their own.
//!
//! The machinery knows no organ: what is read, what is positive, whom it is for stands in the configuration, and goes into
//! the model file and the card. A row with no input at all gets no number.

pub(super) mod card;
pub(super) mod checklist;
pub(super) mod columns;
mod config;
mod model;
pub(crate) mod record;
pub(super) mod shown;
pub(super) mod table;
pub(super) mod train;
pub(super) mod usual;

pub use super::formula::FormulaInput;
pub use config::{
    Band, CalibrationMethod, Category, ColumnSign, Comparator, ForeignUnit, LabelRule, Numeric,
    TabularConfig, Truth,
};
pub use model::{TabularModel, TabularPrediction};
pub use record::{NotOfRecord, RecordRow, RecordRule, Requirement};
pub use table::{Row, Table, TableBuilder, TableError};
pub use train::{TabularTrainError, TabularTrained, evaluate_table, train_table};
