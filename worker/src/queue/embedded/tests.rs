//! Leases of the embedded queue: workers that die, hang, or live with a clock that jumps.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{EmbeddedQueue, now_ms};
use crate::lane::Lane;
use crate::ledger::sqlite::file;
use crate::queue::{Consumer, Delivery, Disposition, Message, Queue, Settled};

const PATIENCE: Duration = Duration::from_secs(30);

async fn one_message(folder: &TempDir, lease: Duration) -> (EmbeddedQueue, Box<dyn Consumer>) {
    let queue = EmbeddedQueue::with_lease(folder.path(), lease).await.unwrap();
    let (lane, id, body) = (Lane::Routine, "a1".to_owned(), b"{}".to_vec());
    queue.publish(&Message { lane, id, body, trace_parent: None }).await.unwrap();
    let consumer = queue.consume(lane, 2).await.unwrap();
    (queue, consumer)
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap()
}

/// The file, as another process sees it.
fn file(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("ledger.sqlite")).unwrap()
}

fn lease_until_ms(file: &Connection) -> i64 {
    file.query_row("SELECT lease_until_ms FROM message", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn messages_of_a_killed_worker_are_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (_queue, mut consumer) = one_message(&folder, Duration::from_mins(10)).await;
    // As a killed worker leaves it: a lease that is good for long, and a file that nobody has locked.
    std::fs::write(folder.path().join(file::WORKERS).join("1-2-3.lock"), b"").unwrap();
    let taken = file(&folder)
        .execute(
            "UPDATE message SET lease_holder = '1-2-3', lease_until_ms = ?1, fence = 1",
            [now_ms() + 3_600_000],
        )
        .unwrap();
    assert_eq!(taken, 1);
    let delivery = next(&mut consumer).await;
    assert!(delivery.redelivered);
    assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
}

#[tokio::test]
async fn a_worker_that_hung_longer_than_its_lease_cannot_settle() {
    let folder = tempfile::tempdir().unwrap();
    let (hung, mut consumer) = one_message(&folder, Duration::from_mins(10)).await;
    let other = EmbeddedQueue::open(folder.path()).await.unwrap();
    let mut taking_over = other.consume(Lane::Routine, 1).await.unwrap();
    let dispositions = [
        Disposition::Ack,
        Disposition::HandBack,
        Disposition::Retry { after: Duration::ZERO },
        Disposition::DeadLetter { code: "Code".into(), reason: "reason".into() },
    ];
    for disposition in dispositions {
        let late = next(&mut consumer).await;
        file(&folder).execute("UPDATE message SET lease_until_ms = ?1", [now_ms() - 1]).unwrap();
        let again = next(&mut taking_over).await;
        assert!(again.redelivered);
        assert_eq!(late.receipt.settle(disposition).await.unwrap(), Settled::Lost);
        assert_eq!(hung.status().await.unwrap().unsettled, Some(1), "it is the other's");
        assert_eq!(again.receipt.settle(Disposition::HandBack).await.unwrap(), Settled::Done);
    }
    next(&mut consumer).await.receipt.settle(Disposition::Ack).await.unwrap();
    assert_eq!(other.status().await.unwrap().routine, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lives_renews_its_leases() {
    let folder = tempfile::tempdir().unwrap();
    let (_queue, mut consumer) = one_message(&folder, Duration::from_millis(200)).await;
    let delivery = next(&mut consumer).await;
    let (file, until) = (file(&folder), Instant::now() + PATIENCE);
    let first = lease_until_ms(&file);
    while lease_until_ms(&file) < first + 1_000 {
        assert!(Instant::now() < until, "the lease was not renewed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(delivery.receipt.settle(Disposition::Ack).await.unwrap(), Settled::Done);
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, mut consumer) = one_message(&folder, Duration::from_mins(1)).await;
    let delivery = next(&mut consumer).await;
    let after = Duration::from_hours(7 * 24);
    delivery.receipt.settle(Disposition::Retry { after }).await.unwrap();
    let resting = queue.status().await.unwrap();
    assert_eq!((resting.resting, resting.routine), (1, 0));
    file(&folder).execute("UPDATE message SET run_at_ms = run_at_ms + 3600000", []).unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!((delivery.retries, delivery.redelivered), (1, false));
    delivery.receipt.settle(Disposition::Ack).await.unwrap();
}

#[tokio::test]
async fn what_is_published_is_in_the_file_and_survives_a_wait_that_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, mut consumer) = one_message(&folder, Duration::from_mins(1)).await;
    let stored: i64 = file(&folder).query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 1);
    // Given up as soon as it was begun, again and again: whatever was leased then is freed.
    for _ in 0..20 {
        drop(tokio::time::timeout(Duration::ZERO, consumer.next()).await);
    }
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.body, b"{}");
    delivery.receipt.settle(Disposition::Ack).await.unwrap();
    assert_eq!(queue.status().await.unwrap().unsettled, Some(0));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_said() {
    let error = EmbeddedQueue::open(Path::new("/dev/null/state")).await.unwrap_err();
    assert!(error.to_string().contains("/dev/null/state"), "{error}");
}
