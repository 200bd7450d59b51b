//! `chiasm worker`: takes jobs from the embedded queue.

use jiff::Timestamp;

use super::Usage;
use super::analyze::with_source;
use super::show::Show;
use crate::cli::WorkerArgs;
use crate::config::Config;
use crate::ledger::FileLedger;
use crate::pipeline::Stages;

/// Takes jobs until none is left. A job that another living worker holds is left to that worker.
pub(super) fn run(args: &WorkerArgs) -> anyhow::Result<u8> {
    let config = Config::load(args.site.config.as_deref(), args.site.site_zone.clone())
        .map_err(|error| Usage(with_source(&error)))?;
    let stages = Stages::new(config, args.device)?;
    let mut ledger = FileLedger::open(&args.state.state)?;
    let waiting = ledger.jobs()?.iter().filter(|job| !job.state.is_terminal()).count();
    let mut show = Show::new(args.json, waiting);
    while let Some(job) = ledger.lease_next(Timestamp::now().as_millisecond())? {
        tracing::debug!(job = job.sequence, attempt = job.attempts, "job leased");
        let outcome = stages.carry(&mut ledger, &job)?;
        show.take(outcome)?;
    }
    Ok(show.finish()?)
}
