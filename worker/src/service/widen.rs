//! A report that was asked for before and is asked for again, for other targets: it goes there too, with the same bytes.

use crate::job::Request;
use crate::ledger::{Ledger, LedgerError, NewJob};

/// What became of the places that a request adds to a job that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widened {
    /// It adds none.
    Nothing,
    /// The job goes there too.
    Done,
    /// Not at this moment: somebody has the job in hand, or it changed just now.
    InHand,
}

/// Adds the places that `asked` names to the job with the same key.
pub(crate) async fn widen(ledger: &dyn Ledger, asked: &NewJob) -> Result<Widened, LedgerError> {
    let Some(job) = ledger.stored(&asked.job_key).await? else { return Ok(Widened::Nothing) };
    // A request that this version cannot read is left as it is.
    let read = |text: &str| serde_json::from_str::<Request>(text).ok();
    let wide =
        read(&job.request).zip(read(&asked.request)).and_then(|(before, asked)| before.widened(&asked));
    let Some(wide) = wide.and_then(|wide| serde_json::to_string(&wide).ok()) else {
        return Ok(Widened::Nothing);
    };
    let done = ledger.widen(&job.job_key, &job.request, &wide).await?;
    Ok(if done { Widened::Done } else { Widened::InHand })
}
