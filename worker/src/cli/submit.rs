//! `chiasm submit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dicom_ingest::uid::Uid;

use super::{SiteArgs, StateArgs};
use crate::message::Name;

/// `chiasm submit`.
#[derive(Debug, Args)]
#[command(
    override_usage = "chiasm submit [OPTIONS] --study <UID>...\n       chiasm submit [OPTIONS] --studies <FILE|->\n       \
                      chiasm submit [OPTIONS] <PATH>...\n       chiasm submit --schema [request|status]",
    after_help = "Examples:\n  \
    chiasm submit --study 1.2.840.113619.2.5 --stat\n  \
    chiasm submit --studies worklist.txt --source archive --target ehr --shadow\n  \
    chiasm submit archive/ --record records/ --out reports && chiasm worker --once\n\n\
    Exit codes: 0 all accepted, 1 the queue did not confirm all (submit those again: twice does no harm), 2 wrong usage."
)]
pub struct SubmitArgs {
    /// DICOM files, folders or ZIP archives of this machine: jobs for workers on this machine.
    #[arg(
        value_name = "PATH",
        required_unless_present_any = ["study", "studies", "schema"],
        conflicts_with_all = ["study", "studies", "schema", "source", "target", "priority", "stat",
            "expected_instances", "shadow", "correlation_id"]
    )]
    pub paths: Vec<PathBuf>,
    /// StudyInstanceUIDs to ask for over the queue.
    #[arg(long, value_name = "UID", num_args = 1.., help_heading = "Requests")]
    pub study: Vec<Uid>,
    /// A file with one StudyInstanceUID a line (`#` begins a comment); `-` for standard input.
    #[arg(long, value_name = "FILE|-", help_heading = "Requests")]
    pub studies: Option<PathBuf>,
    /// The configured source that holds the studies.
    #[arg(long, value_name = "NAME", help_heading = "Requests")]
    pub source: Option<Name>,
    /// With paths: a FHIR R4 bundle of the patient, or a folder with one bundle a patient. With UIDs: the name of a
    /// configured source of records.
    #[arg(long, value_name = "FILE|DIR|NAME")]
    pub record: Option<PathBuf>,
    /// The configured targets of the reports.
    #[arg(long, value_name = "NAME", num_args = 1.., help_heading = "Requests")]
    pub target: Vec<Name>,
    /// The pipeline that is to read the studies.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<Name>,
    /// 0 to 255; from 200 on a request overtakes.
    #[arg(long, default_value_t = 100, help_heading = "Requests")]
    pub priority: u8,
    /// Overtake: the same as `--priority 255`.
    #[arg(long, conflicts_with = "priority", help_heading = "Requests")]
    pub stat: bool,
    /// How many instances each study has: one with fewer is not complete yet.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Requests")]
    pub expected_instances: Option<u32>,
    /// Make and keep the reports, and deliver them nowhere.
    #[arg(long, help_heading = "Requests")]
    pub shadow: bool,
    /// Your name for the undertaking; status events repeat it.
    #[arg(long, value_name = "ID", help_heading = "Requests")]
    pub correlation_id: Option<String>,
    /// Print the JSON Schema of the requests, or of the status events, and end.
    #[arg(
        long,
        value_enum,
        value_name = "KIND",
        num_args = 0..=1,
        default_missing_value = "request",
        conflicts_with_all = ["study", "studies"],
        help_heading = "Requests"
    )]
    pub schema: Option<SchemaArg>,
    /// With paths: where the reports go.
    #[arg(long, value_name = "DIR", default_value = "chiasm-out", conflicts_with_all = ["study", "studies", "schema"])]
    pub out: PathBuf,
    /// One JSON line a study on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where the embedded queue and ledger lie.
    #[command(flatten)]
    pub state: StateArgs,
    /// How the site reads times and names patients.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// Which schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaArg {
    /// `imaging.job.requested.v1`.
    Request,
    /// `imaging.job.accepted.v1` and the others that say what became of a job.
    Status,
}
