//! `chiasm config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SiteArgs;

/// `chiasm config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration, say what is in effect and where it comes from, and what is wrong with it.
    #[command(
        after_help = "Exit code 2 when the configuration is not valid. Secrets are read and not shown."
    )]
    Check(ConfigArgs),
    /// Print the public part of a signing key as a JWK Set, to be registered for SMART Backend Services.
    #[command(
        after_help = "Make a key with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem`."
    )]
    Jwks(JwksArgs),
}

/// `chiasm config jwks`.
#[derive(Debug, Args)]
pub struct JwksArgs {
    /// PEM file of the private key; several, for a rotation.
    #[arg(required = true, value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// `kid`, where the configuration sets `key_id`; with one key alone.
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
}

/// `chiasm config check`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// Folder of this machine's state.
    #[arg(long, value_name = "DIR", env = "CHIASM_STATE")]
    pub state: Option<PathBuf>,
    /// The file, and how the site reads times.
    #[command(flatten)]
    pub site: SiteArgs,
}
