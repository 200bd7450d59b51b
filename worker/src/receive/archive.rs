//! What the archive states of a study that is not released: how many instances it holds, and so whether all of them are here.
//!
//! It can only make a release earlier, or put it off for a bounded time. No association waits for an answer; few questions
//! are under way at once, each has its time, and without an answer the quiet time rules as if nobody had been asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dicom_ingest::source::SourceError;
use dicom_ingest::source::dicomweb::Dicomweb;
use dicom_ingest::uid::Uid;
use tokio::task::JoinSet;

use super::Receiver;

/// The longest time that an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Questions under way at once.
const AT_ONCE: usize = 4;

/// The archive.
#[derive(Debug)]
pub(super) struct Archive {
    server: Dicomweb,
    /// Whether the last question had no answer.
    is_away: AtomicBool,
}

/// What the archive states of a study, beside what is here of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It holds so many, and so many or more are here.
    Whole(u64),
    /// It holds more than are here.
    More,
    /// It knows the study and states no number.
    NotStated,
    /// It knows no such study.
    Unknown,
    /// It did not answer, or with an error.
    Unanswered,
}

impl Answer {
    /// All labels.
    pub(super) const LABELS: [&str; 5] = ["whole", "more", "not_stated", "unknown_study", "unanswered"];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Whole(_) => "whole",
            Self::More => "more",
            Self::NotStated => "not_stated",
            Self::Unknown => "unknown_study",
            Self::Unanswered => "unanswered",
        }
    }

    fn new(stated: &Result<Option<u64>, SourceError>, here: u64) -> Self {
        match stated {
            // A study of no instances is one of which nothing is known yet.
            Ok(None | Some(0)) => Self::NotStated,
            Ok(Some(held)) if *held <= here => Self::Whole(*held),
            Ok(Some(_)) => Self::More,
            Err(SourceError::Absent) => Self::Unknown,
            Err(_) => Self::Unanswered,
        }
    }
}

impl Archive {
    pub(super) fn new(server: Dicomweb) -> Self {
        Self { server, is_away: AtomicBool::new(false) }
    }

    /// How many instances of the study it states, within [`PATIENCE`].
    async fn stated(&self, study: &Uid) -> Result<Option<u64>, SourceError> {
        let answered = tokio::time::timeout(PATIENCE, self.server.stated_instances(study)).await;
        let stated = answered.unwrap_or(Err(SourceError::TimedOut));
        let failed = stated.as_ref().err().filter(|error| !matches!(error, SourceError::Absent));
        let was_away = self.is_away.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) if !was_away => {
                let code = error.code();
                tracing::warn!(code, "the archive does not say how many instances studies have: time rules");
            }
            None if was_away => tracing::info!("the archive says again how many instances studies have"),
            _ => {}
        }
        stated
    }
}

/// Asks about the studies whose turn it is. `asking` holds the questions that are under way.
pub(super) fn ask(receiver: &Arc<Receiver>, asking: &mut JoinSet<()>) {
    if receiver.archive.is_none() {
        return;
    }
    while asking.try_join_next().is_some() {}
    let places = AT_ONCE.saturating_sub(asking.len());
    for study in receiver.studies.to_ask(Instant::now(), places) {
        asking.spawn(question(Arc::clone(receiver), study));
    }
}

async fn question(receiver: Arc<Receiver>, study: Uid) {
    let Some(archive) = &receiver.archive else { return };
    let stated = archive.stated(&study).await;
    let (inbox, counted) = (Arc::clone(&receiver.inbox), study.clone());
    let here = tokio::task::spawn_blocking(move || inbox.instances(&counted)).await;
    // Of a folder that cannot be read, nothing counts as being here.
    let here = here.ok().and_then(Result::ok).unwrap_or(0);
    let answer = Answer::new(&stated, u64::from(here));
    receiver.counts.archive_answered(answer);
    receiver.studies.answered(&study, answer, Instant::now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_held_against_what_is_here() {
        for (stated, here, answer) in [
            (Ok(Some(3)), 2, Answer::More),
            (Ok(Some(3)), 3, Answer::Whole(3)),
            (Ok(Some(3)), 4, Answer::Whole(3)),
            (Ok(Some(0)), 1, Answer::NotStated),
            (Ok(None), 1, Answer::NotStated),
            (Err(SourceError::Absent), 1, Answer::Unknown),
            (Err(SourceError::Busy { status: 503 }), 1, Answer::Unanswered),
        ] {
            assert_eq!(Answer::new(&stated, here), answer, "{stated:?}, {here} here");
            assert!(Answer::LABELS.contains(&answer.label()));
        }
    }
}
