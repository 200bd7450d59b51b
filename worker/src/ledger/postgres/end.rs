//! What is done under a lease, and what ends a job: reports that are stored, held, put off, settled, withdrawn and cancelled.

use std::time::Duration;

use sqlx::query;

use super::connections::Statement;
use super::{PostgresLedger, database, look, millis, row, sql};
use crate::ledger::row::{EndedWhy, Job, NewJob, ReportBytes, Standing};
use crate::ledger::{JobState, LedgerError, not_waiting, redelivery};

/// Stores model output and report.
pub(super) async fn store_report(
    ledger: &PostgresLedger,
    job: &Job,
    model_output: Option<&str>,
    report: &ReportBytes,
) -> Result<Standing, LedgerError> {
    let act = "store a report";
    let row = ledger.one(act, stores(ledger, sql::STORE_REPORT, job, model_output, report)).await?;
    let row = row.ok_or_else(|| LedgerError::LeaseLost { job_key: job.job_key.clone() })?;
    row::standing(&row).map_err(database(act))
}

/// Stores model output and report, which rests for a person at most as long as it `lasts`.
pub(super) async fn store_held(
    ledger: &PostgresLedger,
    job: &Job,
    model_output: Option<&str>,
    report: &ReportBytes,
    (why, lasts): (&str, Duration),
) -> Result<(), LedgerError> {
    let statement = stores(ledger, sql::STORE_HELD, job, model_output, report);
    let statement = statement.bind(why.to_owned()).bind(millis(lasts));
    ledger.fenced("hold a report", job, statement).await
}

/// Begins a fenced statement that stores a report: $4 to $13. The bytes are copied once, into the statement.
fn stores(
    ledger: &PostgresLedger,
    sql: &'static str,
    job: &Job,
    model_output: Option<&str>,
    report: &ReportBytes,
) -> Statement {
    ledger
        .under_lease(sql, job)
        .bind(report.ends.as_str())
        .bind(report.outcome.as_str())
        .bind(report.bundle.as_deref())
        .bind(report.html.as_slice())
        .bind(model_output)
        .bind(ledger.actor.as_str())
        .bind(report.digests(model_output))
        .bind(report.sr.as_deref())
        .bind(report.overlay.as_deref())
        .bind(report.segmentation.as_deref())
}

/// Lets a held report go; false where it is not held.
pub(super) async fn let_go(
    ledger: &PostgresLedger,
    act: &'static str,
    job_key: &str,
) -> Result<bool, LedgerError> {
    let statement = query(sql::LET_GO).bind(job_key.to_owned()).bind(ledger.actor.clone());
    Ok(ledger.one(act, statement).await?.is_some())
}

/// The report rests.
pub(super) async fn defer(
    ledger: &PostgresLedger,
    job: &Job,
    after: Duration,
    why: &str,
) -> Result<(), LedgerError> {
    let statement = ledger
        .under_lease(sql::DEFER, job)
        .bind(millis(after))
        .bind(why.to_owned())
        .bind(ledger.actor.clone());
    ledger.fenced("put a delivery off", job, statement).await
}

/// Gives a leased job back as it was.
pub(super) async fn release(ledger: &PostgresLedger, job: &Job) -> Result<(), LedgerError> {
    ledger.all("give a job back", ledger.under_lease(sql::RELEASE, job)).await.map(drop)
}

/// Ends a job; what it takes the place of is superseded.
pub(super) async fn settle(
    ledger: &PostgresLedger,
    job: &Job,
    ends: JobState,
    why: Option<EndedWhy<'_>>,
) -> Result<(), LedgerError> {
    let code = why.map(|why| why.code);
    let statement = ledger
        .under_lease(sql::SETTLE, job)
        .bind(ends.as_str())
        .bind(code.map(str::to_owned))
        .bind(ends.supersedes(code))
        .bind(ledger.actor.clone())
        .bind(ends.because(why))
        .bind(why.map(|why| why.reason.to_owned()));
    ledger.fenced("settle a job", job, statement).await
}

/// Stores the withdrawal of a version that is still the newest; false where it is not, or was withdrawn before.
pub(super) async fn withdraw(
    ledger: &PostgresLedger,
    of: &str,
    withdrawal: &NewJob,
    report: &ReportBytes,
) -> Result<bool, LedgerError> {
    let statement = query(sql::WITHDRAW)
        .bind(withdrawal.job_key.clone())
        .bind(withdrawal.lane.as_str())
        .bind(withdrawal.study_uid.clone())
        .bind(withdrawal.request.clone())
        .bind(withdrawal.accepted_at.clone())
        .bind(report.ends.as_str())
        .bind(report.outcome.as_str())
        .bind(report.bundle.as_deref())
        .bind(report.html.as_slice())
        .bind(report.sr.as_deref())
        .bind(of.to_owned())
        .bind(ledger.actor.clone())
        .bind(report.digests(None))
        .bind(report.overlay.as_deref())
        .bind(report.segmentation.as_deref());
    Ok(ledger.one("withdraw a report", statement).await?.is_some())
}

/// Ends a job that waits. A delivered report that was to go to more places stays where it is.
pub(super) async fn cancel(ledger: &PostgresLedger, job_key: &str) -> Result<(), LedgerError> {
    let act = "cancel a job";
    ledger.all(act, query(sql::FREE_VOID_LEASES)).await?;
    let Some(job) = look::by_key(ledger, act, job_key).await? else { return Err(not_waiting(job_key, None)) };
    let entries =
        if job.composed.is_some() { look::entries(ledger, act, job_key).await? } else { Vec::new() };
    let statement = match redelivery::undone(&entries, &job.request) {
        Some((state, request)) => query(sql::CANCEL_REDELIVERY)
            .bind(job_key.to_owned())
            .bind(ledger.actor.clone())
            .bind(job.request)
            .bind(state.as_str())
            .bind(request),
        None => query(sql::CANCEL).bind(job_key.to_owned()).bind(ledger.actor.clone()).bind(job.request),
    };
    if ledger.one(act, statement).await?.is_some() {
        return Ok(());
    }
    Err(not_waiting(job_key, look::state(ledger, act, job_key).await?))
}
