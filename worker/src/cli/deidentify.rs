//! `chiasm deidentify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SiteArgs;

/// `chiasm deidentify`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the options of the standard are on or off, each by itself"
)]
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm deidentify study/ clean/ --key site.key\n  \
    chiasm deidentify archive/ research/ --key site.key --dates shift --retain-patient-characteristics\n  \
    chiasm deidentify ultrasound/ clean/ --key site.key --pixels-are-clean   # somebody has looked at every picture\n\n\
    The basic profile of PS3.15 annex E, with the options below. Pixels are left as they are: what may show who the patient\n\
    is (burned-in text, secondary captures, ultrasound, photographs) is refused unless it is declared clean, and so are\n\
    structured reports and documents. A CT or MR of the head shows a face to whoever renders it.\n\n\
    Files go to OUT/<study>/<series>/<instance>.dcm, named by their new UIDs. Whoever has the key can tell which patient a\n\
    pseudonym stands for: keep it as you keep the names.\n\n\
    Exit codes: 0 all written, 1 something broke, 2 wrong usage, 3 a file was refused, or no file was found.")]
pub struct DeidentifyArgs {
    /// DICOM files, folders or ZIP archives.
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// Folder that the de-identified files are written to.
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// File with the secret of 32 bytes, in hexadecimal, that pseudonyms follow from; made if it is not there. Without it a
    /// secret is drawn for this run and thrown away: nobody finds the way back, and another run gives other pseudonyms.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What becomes of dates and times.
    #[arg(long, value_enum, default_value = "remove")]
    pub dates: DatesArg,
    /// Keep UIDs (Retain UIDs Option).
    #[arg(long)]
    pub retain_uids: bool,
    /// Keep names and numbers of devices (Retain Device Identity Option).
    #[arg(long)]
    pub retain_device: bool,
    /// Keep the institution (Retain Institution Identity Option).
    #[arg(long)]
    pub retain_institution: bool,
    /// Keep sex, age, size, weight and the like (Retain Patient Characteristics Option).
    #[arg(long)]
    pub retain_patient_characteristics: bool,
    /// Remove every text of more than one line, wherever it stands (Clean Descriptors Option, by removal).
    #[arg(long)]
    pub clean_descriptors: bool,
    /// Declare that somebody has looked at every picture, and that none shows who the patient is.
    #[arg(long)]
    pub pixels_are_clean: bool,
    /// One JSON line a file that was refused, and one with the counts, on standard output.
    #[arg(long)]
    pub json: bool,
    /// How the site reads files.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// What becomes of dates and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatesArg {
    /// Remove or replace them.
    Remove,
    /// Move them back by days, the same number for all of a patient: intervals stay.
    Shift,
    /// Leave them.
    Keep,
}
