//! The ledger of one machine: one SQLite file, shared with the embedded queue.

pub(crate) mod holder;
pub(crate) mod migrations;
