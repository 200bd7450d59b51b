//! Versions of a report that the one on its way takes the place of.

use crate::ledger::{Ledger, LedgerError};
use crate::report::fhir::{Earlier, Stored};

/// The versions before `job_key` that a target may hold, newest first, down to the newest that surely reached all of its targets: that
/// one took back what was before it.
///
/// A version that was not delivered in the end may have reached one target of several, and one that was superseded may have been
/// delivered before, so that both count.
pub(super) async fn versions(
    ledger: &dyn Ledger,
    report_key: &str,
    job_key: &str,
) -> Result<Vec<Earlier>, LedgerError> {
    let rows = ledger.versions(report_key).await?;
    let before = rows.iter().rev().skip_while(|row| row.job_key != job_key).skip(1);
    let mut earlier = Vec::new();
    for row in before.filter(|row| row.may_lie_somewhere()) {
        let stored = ledger.stored(&row.job_key).await?.and_then(|job| job.composed);
        let said = stored.and_then(|report| Stored::read(report.bundle.as_deref()?));
        earlier.extend(said.map(|said| Earlier { job_key: row.job_key.clone(), said }));
        if row.is_delivered() {
            break;
        }
    }
    Ok(earlier)
}
