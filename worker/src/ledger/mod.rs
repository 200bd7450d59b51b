//! The ledger: one row a job, in one SQLite file, written with `synchronous=FULL`.
//!
//! It is queue, job table and outbox of the embedded default. A job is accepted once (its key is unique), leased by
//! one worker at a time, its model output is stored once, its report bytes and outcome are stored in one
//! transaction, and only after delivery does it reach its terminal state. Killing the process between any two of
//! these steps leaves a row from which the next worker goes on.

mod holder;
mod migrations;
mod row;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use holder::Holder;
pub use row::{Accepted, Job, JobRow, NewJob, ReportBytes};
pub use state::{JobState, UnknownState};
pub use store::{Ledger, LedgerError};
