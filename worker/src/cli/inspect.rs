//! `chiasm inspect`.

use std::path::PathBuf;

use clap::Args;

use super::SiteArgs;

/// `chiasm inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm inspect study/                                # the study as a tree\n  \
    chiasm inspect archive/ --contact-sheet sheet.png    # and a row of pictures a series\n  \
    chiasm inspect ct/ --pipelines my-rules.toml         # what rules of your own say to it\n  \
    chiasm inspect study/ --json | jq '.pipelines'\n\n\
    Nothing is scored, stored or sent. Name, number, birth date and age of the patient are not shown;\n\
    series descriptions are, and the pictures show what is burned into them.\n\n\
    Exit codes: 0 some pipeline reads every study, 1 something broke, 2 wrong usage,\n\
    3 a study that no pipeline reads, a file that was refused, or no study at all.")]
pub struct InspectArgs {
    /// DICOM files, folders or ZIP archives, nested, any names, several studies and patients mixed.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write a PNG with six small pictures of each series, taken evenly from its whole length.
    #[arg(long, value_name = "FILE")]
    pub contact_sheet: Option<PathBuf>,
    /// Other pipelines than the one that is built in, of the form of `worker/pipelines.toml`. Of a model that is not built
    /// in, only the series rule is asked.
    #[arg(long, value_name = "FILE")]
    pub pipelines: Option<PathBuf>,
    /// One JSON line a study, and one a file that belongs to none, on standard output.
    #[arg(long)]
    pub json: bool,
    /// How the site reads files.
    #[command(flatten)]
    pub site: SiteArgs,
}
