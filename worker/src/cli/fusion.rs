//! `chiasm fusion`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `chiasm fusion`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    chiasm fusion train fusion/models/lidc-malignancy-rating/config.toml --data nodules.csv --out model\n  \
    chiasm fusion evaluate model/model.json --data others.csv --out evaluation\n  \
    chiasm fusion score model/model.json --data rows.csv\n  \
    chiasm fusion embed --data outcomes.csv --column file --folder . --out embeddings.csv\n  \
    chiasm fusion table --data outcomes.csv --records ehr/ --patient patient_id --at study_time --feature crp --out table.csv\n  \
    chiasm fusion train fusion/models/icu-at-exam/config.toml --data table.csv --embeddings embeddings.csv --out model")]
pub enum FusionCommand {
    /// Train a model of a table, with pictures where its configuration has an `[image]`: model, card, evaluation, plots.
    Train(FusionTrainArgs),
    /// Evaluate a model on a table of other patients: JSON, Markdown, plots.
    Evaluate(FusionModelArgs),
    /// Score the rows of a table: one JSON line a row, with interval, contributions and what is missing.
    Score(FusionScoreArgs),
    /// Write what a bundle's networks see of the pictures that a table names: one vector a picture.
    Embed(FusionEmbedArgs),
    /// Add what the patients' records said at the time of each row to a table.
    Table(FusionTableArgs),
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
    /// Vectors of the pictures, as `fusion embed` writes them; for a model with pictures.
    #[arg(long, value_name = "FILE")]
    pub embeddings: Option<PathBuf>,
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
    /// Vectors of the pictures, as `fusion embed` writes them; for a model with pictures.
    #[arg(long, value_name = "FILE")]
    pub embeddings: Option<PathBuf>,
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
    /// Vectors of the pictures, as `fusion embed` writes them; for a model with pictures.
    #[arg(long, value_name = "FILE")]
    pub embeddings: Option<PathBuf>,
    /// What if: this column had this value in every row. Each line then has the answer without it beside it, as `before`, and the
    /// difference of their log odds as `change_logit`.
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub set: Vec<String>,
}

/// `chiasm fusion embed`.
#[derive(Debug, Args)]
pub struct FusionEmbedArgs {
    /// The table, as comma-separated values with a header.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Column that names each row's picture: a DICOM, JPEG or PNG file.
    #[arg(long, value_name = "COLUMN")]
    pub column: String,
    /// Folder that the names start from.
    #[arg(long, value_name = "DIR")]
    pub folder: PathBuf,
    /// The bundle's folder; the built-in `cxr-findings` where none is named.
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
    /// The logits of the bundle's findings in place of what its last layers see: what reports have of a picture.
    #[arg(long)]
    pub logits: bool,
    /// What to do with a picture that is not there: the row gets no vector instead of an error.
    #[arg(long)]
    pub skip_absent: bool,
    /// The device.
    #[arg(long, value_enum, default_value_t = super::DeviceArg::Cpu)]
    pub device: super::DeviceArg,
    /// The file that is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `chiasm fusion table`.
#[derive(Debug, Args)]
pub struct FusionTableArgs {
    /// The table, as comma-separated values with a header.
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Folder of the patients' FHIR bundles.
    #[arg(long, value_name = "DIR")]
    pub records: PathBuf,
    /// Column with an identifier that the patient's record carries.
    #[arg(long, value_name = "COLUMN")]
    pub patient: String,
    /// Column with the time, RFC 3339; nothing that became known later is used.
    #[arg(long, value_name = "COLUMN")]
    pub at: String,
    /// A feature that becomes the columns `NAME` and `NAME_age_days`; may be given more than once.
    #[arg(long = "feature", value_name = "NAME", required = true)]
    pub features: Vec<String>,
    /// A dated value older than this is left out, in days.
    #[arg(long, value_name = "DAYS")]
    pub max_age_days: Option<f64>,
    /// The zone that dates without a time are read in.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub site_zone: String,
    /// The file that is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
