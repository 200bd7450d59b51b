//! Accepting jobs and leasing them.

use sqlx::{Row, query};

use super::{PostgresLedger, database, row, sql};
use crate::job::withdrawal_key;
use crate::ledger::row::{Accepted, Job, NewJob};
use crate::ledger::{LedgerError, Turn, redelivery};

/// How often a lease is tried again when another worker took a version of the same report in the same moment.
const LEASE_TRIES: usize = 16;

/// Counts a start of a message, and says how many there were.
pub(super) async fn begin(ledger: &PostgresLedger, arrival: &str) -> Result<u32, LedgerError> {
    let act = "count a start";
    let row = ledger.one(act, query(sql::BEGIN).bind(arrival.to_owned())).await?;
    let starts = row.map(|row| row.try_get::<i32, _>(0)).transpose().map_err(database(act))?;
    Ok(starts.and_then(|starts| u32::try_from(starts).ok()).unwrap_or(u32::MAX))
}

/// Forgets the starts of a message that is settled.
pub(super) async fn forget(ledger: &PostgresLedger, arrival: &str) -> Result<(), LedgerError> {
    ledger.all("forget starts", query(sql::FORGET).bind(arrival.to_owned())).await.map(drop)
}

/// Stores a job, unless its key was accepted before.
pub(super) async fn accept(ledger: &PostgresLedger, job: &NewJob) -> Result<Accepted, LedgerError> {
    let act = "accept a job";
    let lane = job.lane.as_str();
    let statement = query(sql::ACCEPT)
        .bind(job.job_key.clone())
        .bind(job.report_key.clone())
        .bind(lane)
        .bind(job.study_uid.clone())
        .bind(job.request.clone())
        .bind(job.accepted_at.clone())
        .bind(ledger.actor.clone())
        .bind(withdrawal_key(&job.job_key));
    if ledger.one(act, statement).await?.is_some() {
        return Ok(Accepted::New);
    }
    let statement = query(sql::ACCEPTED_BEFORE).bind(job.job_key.clone()).bind(lane);
    match ledger.one(act, statement).await? {
        Some(row) => {
            let state = row.try_get("state").and_then(row::state).map_err(database(act))?;
            Ok(Accepted::Before(state))
        }
        None => Err(LedgerError::UnknownJob { job_key: job.job_key.clone() }),
    }
}

/// Lets the report go to more places, where the job still asks for what it did; false where it does not.
pub(super) async fn widen(
    ledger: &PostgresLedger,
    job_key: &str,
    (before, wide): (&str, &str),
) -> Result<bool, LedgerError> {
    let statement = query(sql::WIDEN)
        .bind(job_key.to_owned())
        .bind(before.to_owned())
        .bind(wide.to_owned())
        .bind(ledger.actor.clone())
        .bind(withdrawal_key(job_key))
        .bind(redelivery::before(before, wide));
    let act = "widen a request";
    ledger.all(act, query(sql::FREE_VOID_LEASES)).await?;
    Ok(ledger.one(act, statement).await?.is_some())
}

/// Leases the job whose turn it is.
pub(super) async fn lease(ledger: &PostgresLedger, turn: &Turn) -> Result<Option<Job>, LedgerError> {
    let act = "lease a job";
    // A job that is asked for by its key was accepted a moment ago, most often, and is to be had: nobody holds it whose
    // lease would have to be given up first.
    let mut is_tidy = !matches!(turn, Turn::Key(_));
    if is_tidy {
        tidy(ledger, act).await?;
    }
    for _try in 0..LEASE_TRIES {
        let statement = match turn {
            Turn::Next => query(sql::LEASE_NEXT).bind(ledger.holder.id()).bind(ledger.lease_ms),
            Turn::Stored => query(sql::LEASE_STORED).bind(ledger.holder.id()).bind(ledger.lease_ms),
            Turn::Key(job_key) => {
                query(sql::LEASE_KEY).bind(ledger.holder.id()).bind(ledger.lease_ms).bind(job_key.clone())
            }
        };
        match ledger.connections.rows(statement).await {
            Ok(rows) => {
                let job = rows.first().map(row::job).transpose().map_err(database(act))?;
                if job.is_none() && !is_tidy {
                    tidy(ledger, act).await?;
                    is_tidy = true;
                    continue;
                }
                return Ok(job.map(|job| Job { hold: ledger.holds.add(&job.job_key, job.fence), ..job }));
            }
            // Another worker took another version of the same report in this moment.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
            Err(error) => return Err(database(act)(error)),
        }
    }
    Ok(None)
}

/// Gives up void leases and lets due reports go.
async fn tidy(ledger: &PostgresLedger, act: &'static str) -> Result<(), LedgerError> {
    ledger.all(act, query(sql::TIDY).bind(ledger.actor.clone())).await.map(drop)
}

/// Renews the leases of the jobs that this worker holds, and its claim.
pub(super) async fn renew(ledger: &PostgresLedger) -> Result<(), LedgerError> {
    let act = "renew leases";
    ledger.keep().await.map_err(database(act))?;
    let (job_keys, fences) = ledger.holds.wanted();
    if job_keys.is_empty() {
        return Ok(());
    }
    let statement =
        query(sql::RENEW).bind(job_keys).bind(fences).bind(ledger.holder.id()).bind(ledger.lease_ms);
    ledger.all(act, statement).await.map(drop)
}

/// Lets a failed job start anew; false where it did not fail.
pub(super) async fn again(
    ledger: &PostgresLedger,
    act: &'static str,
    job_key: &str,
) -> Result<bool, LedgerError> {
    let statement = query(sql::RETRY).bind(job_key.to_owned()).bind(ledger.actor.clone());
    Ok(ledger.one(act, statement).await?.is_some())
}
