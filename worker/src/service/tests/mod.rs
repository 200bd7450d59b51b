//! What a worker does with deliveries and with jobs of the ledger, without a device and without a network: sources, targets and
//! receipts answer as they are told to.

mod doors;
mod ends;
mod kept;
mod place;
mod stops;
mod waits;
