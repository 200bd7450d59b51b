//! Versions of a report that the one on its way takes the place of.

use crate::ledger::{Job, Ledger, LedgerError, Standing};
use crate::report::fhir::{Earlier, Stored};

/// Of more versions than this, the oldest are not told again: newer ones took back what they said.
const MOST: usize = 20;

/// The versions before a job that a target may hold, newest first. Most reports have none, which is known from how the job stands:
/// then nothing is read.
pub(super) async fn of(
    ledger: &dyn Ledger,
    job: &Job,
    standing: Standing,
) -> Result<Vec<Earlier>, LedgerError> {
    if standing.has_earlier { versions(ledger, &job.report_key, &job.job_key).await } else { Ok(Vec::new()) }
}

/// The versions before `job_key` that a target may hold, newest first.
///
/// All of them count, and not only the last: a version may have gone to other targets than the next, have reached one target of
/// several, or have been delivered by a program that took nothing back.
pub(super) async fn versions(
    ledger: &dyn Ledger,
    report_key: &str,
    job_key: &str,
) -> Result<Vec<Earlier>, LedgerError> {
    let rows = ledger.versions(report_key).await?;
    let before = rows.iter().rev().skip_while(|row| row.job_key != job_key).skip(1);
    let mut earlier = Vec::new();
    for row in before.filter(|row| row.may_lie_somewhere()).take(MOST) {
        let stored = ledger.stored(&row.job_key).await?.and_then(|job| job.composed);
        let said = stored.and_then(|report| Stored::read(report.bundle.as_deref()?));
        earlier.extend(said.map(|said| Earlier { job_key: row.job_key.clone(), said }));
    }
    Ok(earlier)
}
