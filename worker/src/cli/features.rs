//! `chiasm features`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

/// How a feature table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For a terminal.
    Text,
    /// The whole table, with provenance.
    Json,
    /// One row a statistic.
    Csv,
    /// The same rows as an Apache Parquet file, with numbers and times as such.
    Parquet,
}

/// `chiasm features`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm features patient.json --at 2024-05-02T10:00:00Z\n  \
    chiasm features export/*.ndjson --patient 17 --at 2024-05-02T10:00:00+02:00 --format csv\n  \
    chiasm features patient.json --at 2024-05-02T10:00:00Z --what-if smoking-status=never-smoker\n\n\
    The output is the patient's data: it goes to standard output and nowhere else.")]
pub struct FeaturesArgs {
    /// A FHIR R4 bundle of one patient, or the NDJSON files of a bulk export.
    #[arg(required = true, value_name = "RECORD")]
    pub record: Vec<PathBuf>,
    /// The start of the study: nothing that became known later takes part.
    #[arg(long, value_name = "TIME")]
    pub at: Timestamp,
    /// Id of the Patient resource, for a bulk export.
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
    /// Zone of dates and times without an offset.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub site_zone: String,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: TableFormat,
    /// Another feature schema than the one that is built in, of the same form.
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// In place of the table: every risk of the record as it is, and as it would be if this input had this value; `unknown` takes
    /// one away. As text or JSON.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "schema")]
    pub what_if: Option<String>,
}
