//! The messages in the ledger's SQLite file. Times are milliseconds since 1970.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Row, TransactionBehavior, named_params};

use crate::lane::Lane;
use crate::queue::{DeadAction, DeadLetter, DeadSelection, Message, QueueStatus};

/// The longest rest before another attempt, as in the broker's ladder of pauses. A rest that seems longer was begun
/// before the clock was set back: it is over.
pub(super) const LONGEST_REST: Duration = Duration::from_mins(10);

/// The longest trace context that is kept; version 00 has 55 characters.
const MAX_TRACE: usize = 128;

const INSERT: &str = "INSERT INTO message (lane, message_id, body, trace_parent, published_at_ms, run_at_ms)
     VALUES (:lane, :id, :body, :trace, :now, :now)";

/// True for a message that is due: nobody holds it, and it does not rest.
macro_rules! due {
    () => {
        "dead_code IS NULL AND lease_holder IS NULL AND NOT (run_at_ms > :now AND run_at_ms <= :now + :rest)"
    };
}

const NEXT: &str = concat!("SELECT id FROM message WHERE lane = :lane AND ", due!(), " ORDER BY id LIMIT 1");

const LEASE: &str = "UPDATE message SET lease_holder = :holder, lease_until_ms = :until, fence = fence + 1
     WHERE id = :id RETURNING id, fence, body, retries, trace_parent";

/// Leases of others that ran out.
const OVERDUE: &str = "lease_holder IS NOT NULL AND lease_holder <> :holder AND lease_until_ms < :now";

const COUNTS: &str = concat!(
    "SELECT
        count(*) FILTER (WHERE lane = 'stat' AND ",
    due!(),
    "),
        count(*) FILTER (WHERE lane = 'routine' AND ",
    due!(),
    "),
        count(*) FILTER (WHERE dead_code IS NULL AND lease_holder IS NOT NULL),
        count(*) FILTER (WHERE dead_code IS NULL AND lease_holder IS NULL AND NOT (",
    due!(),
    ")),
        count(*) FILTER (WHERE dead_code IS NOT NULL),
        min(published_at_ms) FILTER (WHERE ",
    due!(),
    ")
     FROM message"
);

/// What a lease gives.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) id: i64,
    pub(super) fence: i64,
    pub(super) body: Vec<u8>,
    pub(super) retries: u32,
    pub(super) trace_parent: Option<String>,
}

impl Leased {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            fence: row.get("fence")?,
            body: row.get("body")?,
            retries: row.get("retries")?,
            trace_parent: row.get("trace_parent")?,
        })
    }

    /// Each retry is one delivery: more of them waited, or were not settled.
    pub(super) fn is_redelivered(&self) -> bool {
        self.fence > i64::from(self.retries) + 1
    }
}

/// What becomes of a leased message.
#[derive(Debug)]
pub(super) enum Change {
    Delete,
    Free,
    Rest { until_ms: i64, is_retry: bool },
    Bury { code: String, reason: String },
}

/// Puts messages on their lanes, all or none.
pub(super) fn insert(connection: &mut Connection, messages: &[Message], now_ms: i64) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for message in messages {
        let trace = message.trace_parent.as_deref().filter(|trace| trace.len() <= MAX_TRACE);
        transaction.prepare_cached(INSERT)?.execute(named_params! {
            ":lane": message.lane.as_str(), ":id": message.id, ":body": message.body, ":trace": trace,
            ":now": now_ms,
        })?;
    }
    transaction.commit()
}

/// Puts a message among the dead letters.
pub(super) fn bury(
    connection: &Connection,
    message: &Message,
    code: &str,
    reason: &str,
    now_ms: i64,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO message (lane, message_id, body, published_at_ms, run_at_ms, dead_code, dead_reason)
         VALUES (:lane, :id, :body, :now, :now, :code, :reason)",
    )?;
    let values = named_params! {":lane": message.lane.as_str(), ":id": message.id, ":body": message.body,
    ":now": now_ms, ":code": code, ":reason": reason};
    statement.execute(values).map(drop)
}

/// Leases the oldest message of a lane that is due. `is_alive` says whether another holder still runs: the messages of
/// one that does not are free at once. Writes nothing when there is nothing to do.
pub(super) fn lease(
    connection: &mut Connection,
    lane: Lane,
    holder: &str,
    now_ms: i64,
    until_ms: i64,
    is_alive: impl Fn(&str) -> bool,
) -> Result<Option<Leased>> {
    let gone = gone(connection, holder, is_alive)?;
    if gone.is_empty()
        && !is_overdue(connection, holder, now_ms)?
        && next(connection, lane, now_ms)?.is_none()
    {
        return Ok(None);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for holder in &gone {
        transaction.execute(
            "UPDATE message SET lease_holder = NULL, lease_until_ms = NULL WHERE lease_holder = ?1",
            [holder],
        )?;
    }
    let free = format!("UPDATE message SET lease_holder = NULL, lease_until_ms = NULL WHERE {OVERDUE}");
    transaction.prepare_cached(&free)?.execute(named_params! {":holder": holder, ":now": now_ms})?;
    let leased = match next(&transaction, lane, now_ms)? {
        Some(id) => {
            let mut statement = transaction.prepare_cached(LEASE)?;
            let values = named_params! {":holder": holder, ":until": until_ms, ":id": id};
            Some(statement.query_row(values, Leased::read)?)
        }
        None => None,
    };
    transaction.commit()?;
    Ok(leased)
}

/// Extends all leases of a holder.
pub(super) fn renew(connection: &Connection, holder: &str, until_ms: i64) -> Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE message SET lease_until_ms = ?2 WHERE lease_holder = ?1")?;
    statement.execute((holder, until_ms)).map(drop)
}

/// Changes a leased message; false when its lease was lost.
pub(super) fn settle(
    connection: &Connection,
    id: i64,
    holder: &str,
    fence: i64,
    change: &Change,
) -> Result<bool> {
    let set = match change {
        Change::Delete => "DELETE FROM message",
        Change::Free => "UPDATE message SET lease_holder = NULL, lease_until_ms = NULL",
        Change::Rest { .. } => {
            "UPDATE message SET lease_holder = NULL, lease_until_ms = NULL, retries = retries + :counted,
                run_at_ms = :until"
        }
        Change::Bury { .. } => {
            "UPDATE message SET lease_holder = NULL, lease_until_ms = NULL, dead_code = :code, dead_reason = :reason"
        }
    };
    let sql = format!("{set} WHERE id = :id AND lease_holder = :holder AND fence = :fence");
    let mut statement = connection.prepare_cached(&sql)?;
    let changed = match change {
        Change::Delete | Change::Free => {
            statement.execute(named_params! {":id": id, ":holder": holder, ":fence": fence})
        }
        Change::Rest { until_ms, is_retry } => {
            let counted = i64::from(*is_retry);
            statement
                .execute(named_params! {":id": id, ":holder": holder, ":fence": fence, ":until": until_ms,
                ":counted": counted})
        }
        Change::Bury { code, reason } => statement.execute(
            named_params! {":id": id, ":holder": holder, ":fence": fence, ":code": code, ":reason": reason},
        ),
    }?;
    Ok(changed == 1)
}

/// How many messages are where.
pub(super) fn counts(connection: &Connection, now_ms: i64) -> Result<QueueStatus> {
    let times = named_params! {":now": now_ms, ":rest": rest_ms()};
    connection.prepare_cached(COUNTS)?.query_row(times, |row| {
        let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
        let oldest_ms: Option<i64> = row.get(5)?;
        Ok(QueueStatus {
            kind: "embedded",
            stat: count(0)?,
            routine: count(1)?,
            unsettled: Some(count(2)?),
            resting: count(3)?,
            dead: count(4)?,
            oldest_s: oldest_ms.map(|oldest_ms| u64::try_from((now_ms - oldest_ms) / 1_000).unwrap_or(0)),
        })
    })
}

/// Dead letters, oldest first.
pub(super) fn dead_letters(connection: &Connection, limit: usize) -> Result<Vec<DeadLetter>> {
    let mut statement = connection.prepare_cached(
        "SELECT dead_code, dead_reason, lane, message_id, length(body) FROM message
         WHERE dead_code IS NOT NULL ORDER BY id LIMIT ?1",
    )?;
    let letters = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        let lane: String = row.get(2)?;
        Ok(DeadLetter {
            code: row.get(0)?,
            reason: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            lane: Lane::ALL.into_iter().find(|known| known.as_str() == lane),
            id: row.get(3)?,
            bytes: usize::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        })
    })?;
    letters.collect()
}

/// Requeues or drops dead letters and gives their number.
pub(super) fn settle_dead(
    connection: &mut Connection,
    which: &DeadSelection,
    action: DeadAction,
    now_ms: i64,
) -> Result<usize> {
    let id = match which {
        DeadSelection::All => None,
        DeadSelection::WithId(id) => Some(id),
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if action == DeadAction::Requeue {
        // As a new row, behind those that wait: no lease that was lost once fits it again.
        transaction.execute(
            "INSERT INTO message (lane, message_id, body, trace_parent, published_at_ms, run_at_ms)
             SELECT lane, message_id, body, trace_parent, published_at_ms, :now FROM message
             WHERE dead_code IS NOT NULL AND (:id IS NULL OR message_id = :id) ORDER BY id",
            named_params! {":id": id, ":now": now_ms},
        )?;
    }
    let settled = transaction.execute(
        "DELETE FROM message WHERE dead_code IS NOT NULL AND (:id IS NULL OR message_id = :id)",
        named_params! {":id": id},
    )?;
    transaction.commit()?;
    Ok(settled)
}

fn next(connection: &Connection, lane: Lane, now_ms: i64) -> Result<Option<i64>> {
    let rest = rest_ms();
    let values = named_params! {":lane": lane.as_str(), ":now": now_ms, ":rest": rest};
    connection.prepare_cached(NEXT)?.query_row(values, |row| row.get(0)).optional()
}

/// Holders of leases whose process ended.
fn gone(connection: &Connection, holder: &str, is_alive: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT lease_holder FROM message WHERE lease_holder IS NOT NULL AND lease_holder <> ?1",
    )?;
    let holders = statement.query_map([holder], |row| row.get(0))?.collect::<Result<Vec<String>>>()?;
    Ok(holders.into_iter().filter(|holder| !is_alive(holder)).collect())
}

fn is_overdue(connection: &Connection, holder: &str, now_ms: i64) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM message WHERE {OVERDUE})");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row(named_params! {":holder": holder, ":now": now_ms}, |row| row.get(0))
}

fn rest_ms() -> i64 {
    i64::try_from(LONGEST_REST.as_millis()).unwrap_or(i64::MAX)
}
