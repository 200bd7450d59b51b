//! `chiasm receive`.

use clap::Args;

use super::{SiteArgs, StateArgs};

/// `chiasm receive`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    chiasm receive --config /etc/chiasm/chiasm.toml     # [receive] says where it listens and who may send\n\n\
    SIGTERM finishes the instances that are arriving within `grace_s` and exits 0. What is stored and not released\n\
    yet is released by the next start; so it is after a kill.")]
pub struct ReceiveArgs {
    /// Where the embedded queue lies.
    #[command(flatten)]
    pub state: StateArgs,
    /// How the site reads times and names patients.
    #[command(flatten)]
    pub site: SiteArgs,
}
