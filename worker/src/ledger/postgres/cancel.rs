//! Ending what waits, because a person wants it so.

use sqlx::query;

use super::{PostgresLedger, database, row, sql};
use crate::ledger::row::AuditEntry;
use crate::ledger::{Ledger, LedgerError, not_waiting, redelivery};

impl PostgresLedger {
    /// Ends a job that waits. A delivered report that was to go to more places stays where it is.
    pub(super) async fn end_waiting(&self, job_key: &str) -> Result<(), LedgerError> {
        let act = "cancel a job";
        self.all(act, query(sql::FREE_VOID_LEASES)).await?;
        let Some(job) = self.stored(job_key).await? else { return Err(not_waiting(job_key, None)) };
        let entries = if job.composed.is_some() { self.entries(act, job_key).await? } else { Vec::new() };
        let statement = match redelivery::undone(&entries, &job.request) {
            Some((state, request)) => query(sql::CANCEL_REDELIVERY)
                .bind(job_key.to_owned())
                .bind(self.actor.clone())
                .bind(job.request)
                .bind(state.as_str())
                .bind(request),
            None => query(sql::CANCEL).bind(job_key.to_owned()).bind(self.actor.clone()).bind(job.request),
        };
        if self.one(act, statement).await?.is_some() {
            return Ok(());
        }
        Err(not_waiting(job_key, self.state(act, job_key).await?))
    }

    /// What happened to a job, oldest first.
    pub(super) async fn entries(
        &self,
        act: &'static str,
        job_key: &str,
    ) -> Result<Vec<AuditEntry>, LedgerError> {
        let entries = self.all(act, query(sql::AUDIT).bind(job_key.to_owned())).await?;
        entries.iter().map(row::audit_entry).collect::<Result<_, _>>().map_err(database(act))
    }
}
