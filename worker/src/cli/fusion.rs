//! `chiasm fusion`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `chiasm fusion`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    chiasm fusion train fusion/models/lidc-malignancy-rating/config.toml --data nodules.csv --out model\n  \
    chiasm fusion evaluate model/model.json --data others.csv --out evaluation\n  \
    chiasm fusion score model/model.json --data rows.csv")]
pub enum FusionCommand {
    /// Train a record-only model of a table: model, card, evaluation, plots.
    Train(FusionTrainArgs),
    /// Evaluate a model on a table of other patients: JSON, Markdown, plots.
    Evaluate(FusionModelArgs),
    /// Score the rows of a table: one JSON line a row, with interval, contributions and what is missing.
    Score(FusionScoreArgs),
}

/// `chiasm fusion train`.
#[derive(Debug, Args)]
pub struct FusionTrainArgs {
    /// What the model reads and predicts, in TOML.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// The table, as comma-separated values with a header.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Folder that everything is written to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `chiasm fusion evaluate`.
#[derive(Debug, Args)]
pub struct FusionModelArgs {
    /// The model file, or the configuration beside which it lies.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The table, as comma-separated values with a header.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Folder that everything is written to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `chiasm fusion score`.
#[derive(Debug, Args)]
pub struct FusionScoreArgs {
    /// The model file, or the configuration beside which it lies.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The table, as comma-separated values with a header; columns of patient and outcome are not needed.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// What if: this column had this value in every row.
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub set: Vec<String>,
}
