//! `chiasm mercure`.

use std::path::PathBuf;

use clap::Args;

use super::{DeviceArg, SiteArgs};

/// `chiasm mercure`.
#[derive(Debug, Args)]
#[command(
    after_help = "Settings of the module (`task.json`): `device` (auto, cpu, gpu) and `site_zone` take the place of the options.\n\
                  Exit codes: 0 `result.json` is written, whatever it says; 1 it is not; 2 wrong usage."
)]
pub struct MercureArgs {
    /// The folder of the series or study; mercure sets the variable.
    #[arg(long = "in", value_name = "DIR", env = "MERCURE_IN_DIR")]
    pub input: PathBuf,
    /// The folder of the results; mercure sets the variable.
    #[arg(long, value_name = "DIR", env = "MERCURE_OUT_DIR")]
    pub out: PathBuf,
    /// A folder with FHIR R4 bundles, mounted into the container: one a patient, matched by identifier.
    #[arg(long, value_name = "FILE|DIR")]
    pub record: Option<PathBuf>,
    /// Where the networks run.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// How the site reads times and names patients.
    #[command(flatten)]
    pub site: SiteArgs,
}
