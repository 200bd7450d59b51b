//! `chiasm top`.

use clap::Args;

/// `chiasm top`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chiasm top --url http://worker-1:9464 --url http://worker-2:9464")]
pub struct TopArgs {
    /// Where a worker serves its metrics (`http.listen`); several for several workers.
    #[arg(long = "url", value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub urls: Vec<String>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// One look, then end: exit code 1 when a worker does not answer.
    #[arg(long)]
    pub once: bool,
}
