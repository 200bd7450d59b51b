//! `chiasm queue`: what waits, and what nobody could do anything with.

use std::io::Write;
use std::sync::Arc;

use super::{load, runtime};
use crate::cli::queue::{DeadArgs, DeadCommand, QueueArgs, QueueCommand};
use crate::queue::{self, DeadAction, DeadLetter, DeadSelection, Queue, QueueStatus};

/// Runs the command.
pub(super) fn run(command: &QueueCommand) -> anyhow::Result<u8> {
    match command {
        QueueCommand::Status(args) => status(args),
        QueueCommand::Dead(DeadCommand::List(args)) => list(&args.queue, args.limit),
        QueueCommand::Dead(DeadCommand::Requeue(args)) => settle(args, DeadAction::Requeue),
        QueueCommand::Dead(DeadCommand::Drop(args)) => settle(args, DeadAction::Drop),
    }
}

/// Opens the configured queue and asks it.
fn ask<T>(
    args: &QueueArgs,
    question: impl AsyncFnOnce(Arc<dyn Queue>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let config = load(&args.site, Some(&args.state))?;
    runtime()?.block_on(async { question(queue::open(&config.queue, &config.state).await?).await })
}

fn status(args: &QueueArgs) -> anyhow::Result<u8> {
    let status = ask(args, async |queue| Ok(queue.status().await?))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
        return Ok(0);
    }
    write!(out, "{}", text(&status))?;
    Ok(0)
}

fn text(status: &QueueStatus) -> String {
    let known =
        |number: Option<u64>| number.map_or_else(|| "not known".to_owned(), |number| number.to_string());
    let oldest = status.oldest_s.map(|seconds| format!("oldest     {seconds} s\n")).unwrap_or_default();
    format!(
        "queue      {}\nstat       {}\nroutine    {}\nunsettled  {}\nresting    {}\ndead       {}\n{oldest}",
        status.kind,
        status.stat,
        status.routine,
        known(status.unsettled),
        status.resting,
        status.dead
    )
}

fn list(args: &QueueArgs, limit: usize) -> anyhow::Result<u8> {
    let letters = ask(args, async |queue| Ok(queue.dead_letters(limit).await?))?;
    let mut out = std::io::stdout().lock();
    for letter in &letters {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(letter)?)?;
        } else {
            writeln!(out, "{}", line(letter))?;
        }
    }
    if letters.is_empty() && !args.json {
        writeln!(out, "no dead letters")?;
    }
    Ok(0)
}

/// Identifier and lane are from outside: control characters cannot act on a terminal.
fn line(letter: &DeadLetter) -> String {
    let plain = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(200).collect::<String>();
    let id = letter.id.as_deref().map_or_else(|| "no id".to_owned(), plain);
    let lane = letter.lane.map_or("no lane", crate::lane::Lane::as_str);
    format!("{id}  {lane}  {} bytes  {}: {}", letter.bytes, plain(&letter.code), plain(&letter.reason))
}

fn settle(args: &DeadArgs, action: DeadAction) -> anyhow::Result<u8> {
    let which = args.id.clone().map_or(DeadSelection::All, DeadSelection::WithId);
    let settled = ask(&args.queue, async |queue| Ok(queue.settle_dead(&which, action).await?))?;
    let mut out = std::io::stdout().lock();
    let word = if action == DeadAction::Requeue { "requeued" } else { "dropped" };
    if args.queue.json {
        writeln!(out, "{}", serde_json::json!({word: settled}))?;
    } else {
        writeln!(out, "{settled} {word}")?;
    }
    if settled == 0 && args.id.is_some() {
        tracing::error!("no dead letter has this id; `chiasm queue dead list` shows them");
        return Ok(1);
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letters_id_cannot_drive_the_terminal() {
        let letter = DeadLetter {
            code: "NotJson".into(),
            reason: "no JSON".into(),
            lane: None,
            id: Some("a\u{1b}[2J\n".into()),
            bytes: 3,
        };
        assert_eq!(line(&letter), "a[2J  no lane  3 bytes  NotJson: no JSON");
    }

    #[test]
    fn what_a_queue_cannot_tell_is_said() {
        let status = QueueStatus {
            kind: "rabbitmq",
            stat: 1,
            routine: 2,
            unsettled: None,
            resting: 3,
            dead: 4,
            oldest_s: None,
        };
        assert!(text(&status).contains("unsettled  not known\nresting    3\n"));
    }
}
