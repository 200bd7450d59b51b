//! The studies that are not released yet: which are quiet, which are whole, and which are being asked for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dicom_ingest::uid::Uid;

use super::archive::{Answer, PATIENCE};
use super::inbox::Inbox;
use super::open::{Due, Open, Waits};

/// The archive is not asked about one study again sooner.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How long a study rests whose request was not confirmed.
const REST: Duration = Duration::from_secs(2);

/// The open studies of an inbox.
#[derive(Debug)]
pub(super) struct Studies {
    inbox: Arc<Inbox>,
    waits: Waits,
    open: Mutex<BTreeMap<Uid, Open>>,
}

/// An instance of a study that is being stored: for as long as this lives, the study is not released.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    studies: &'a Studies,
    study: Uid,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut open = self.studies.lock();
        if let Some(open) = open.get_mut(&self.study) {
            open.arriving -= 1;
            open.last = Instant::now();
        }
    }
}

impl Studies {
    /// Takes up the studies that an earlier receiver had not released; their quiet time begins anew.
    pub(super) fn open(inbox: Arc<Inbox>, waits: Waits) -> io::Result<Self> {
        let now = Instant::now();
        let open = inbox.unreleased()?.into_iter().map(|study| (study, Open::new(now))).collect();
        Ok(Self { inbox, waits, open: Mutex::new(open) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uid, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many studies are not released.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many studies are not released, and how long the first instance of the oldest is here.
    pub(super) fn waiting(&self, now: Instant) -> (usize, Option<Duration>) {
        let open = self.lock();
        let oldest = open.values().map(|study| study.first).min();
        (open.len(), oldest.map(|first| now.saturating_duration_since(first)))
    }

    /// Removes the released studies that got nothing since `before`, and says how many.
    pub(super) fn remove_older(&self, before: SystemTime) -> io::Result<u64> {
        let mut removed = 0;
        for study in self.inbox.studies()? {
            if self.inbox.is_newer(&study, before)? {
                continue;
            }
            let taken = {
                // While this is held, no instance of the study can begin to be stored.
                let open = self.lock();
                let is_waiting = open.contains_key(&study) || self.inbox.is_releasing(&study);
                if is_waiting { None } else { self.inbox.take_out(&study, before)? }
            };
            if let Some(taken) = taken {
                std::fs::remove_dir_all(taken)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// An instance of the study is about to be stored. The mark of the study is on the disk when this returns.
    pub(super) fn arriving(&self, study: &Uid) -> io::Result<Arrival<'_>> {
        let mut open = self.lock();
        if !open.contains_key(study) {
            self.inbox.mark_open(study)?;
        }
        open.entry(study.clone()).or_insert_with(|| Open::new(Instant::now())).arrives();
        Ok(Arrival { studies: self, study: study.clone() })
    }

    /// The studies that the archive is asked about now, at most `most`; those come first that wait longest for it. None of
    /// them is given again before it is answered, or its answer does not come any more.
    pub(super) fn to_ask(&self, now: Instant, most: usize) -> Vec<Uid> {
        let mut open = self.lock();
        // One that is old is released whatever is answered.
        let is_asked =
            |study: &Open| study.arriving == 0 && now >= study.asks_from && !study.is_old(now, &self.waits);
        let asked = open.iter().filter(|(_, study)| is_asked(study));
        let mut asked: Vec<_> = asked.map(|(uid, study)| (study.asks_from, uid.clone())).collect();
        asked.sort_unstable();
        asked.truncate(most);
        for (_, uid) in &asked {
            if let Some(study) = open.get_mut(uid) {
                study.asks_from = now + PATIENCE + ASK_EVERY;
            }
        }
        asked.into_iter().map(|(_, uid)| uid).collect()
    }

    /// The archive was asked about a study. It has to say twice that everything is here: one that passes instances on while
    /// they come states what it has by then.
    pub(super) fn answered(&self, study: &Uid, answer: Answer, now: Instant) {
        let mut open = self.lock();
        // It can have been released meanwhile.
        let Some(study) = open.get_mut(study) else { return };
        study.asks_from = now + ASK_EVERY;
        study.is_whole = matches!(answer, Answer::Whole(_)) && study.answer == Some(answer);
        study.answer = Some(answer);
    }

    /// Takes out the studies that are to be released now. Instances that come from here on open their study anew.
    pub(super) fn due(&self, now: Instant) -> Vec<(Uid, Due)> {
        let mut open = self.lock();
        let due = open.iter().filter_map(|(uid, study)| {
            let because = study.due(now, &self.waits)?;
            Some((uid.clone(), because))
        });
        let mut due: Vec<_> = due.collect();
        due.retain(|(study, _)| match self.inbox.mark_releasing(study) {
            Ok(()) => open.remove(study).is_some(),
            Err(error) => {
                tracing::warn!(%error, "a study cannot be released now; it stays open");
                false
            }
        });
        due
    }

    /// The study's request is durable.
    pub(super) fn released(&self, study: &Uid) -> io::Result<()> {
        self.inbox.mark_released(study)
    }

    /// The study's request was not confirmed: it is tried again.
    pub(super) fn put_back(&self, study: &Uid, now: Instant) -> io::Result<()> {
        let mut open = self.lock();
        self.inbox.mark_open_again(study)?;
        let study = open.entry(study.clone()).or_insert_with(|| Open::new(now));
        // It was quiet for long enough; only the rest counts, unless something came meanwhile.
        study.rests_until = now + REST;
        if study.arriving == 0 && study.last == now {
            study.first = now.checked_sub(self.waits.longest).unwrap_or(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(10);
    const PATIENT: Duration = Duration::from_secs(20);
    const LONGEST: Duration = Duration::from_secs(100);

    fn uid(text: &str) -> Uid {
        text.parse().unwrap()
    }

    fn studies(folder: &std::path::Path) -> Studies {
        let inbox = Arc::new(Inbox::open(folder).unwrap());
        Studies::open(inbox, Waits { quiet: QUIET, patience: PATIENT, longest: LONGEST }).unwrap()
    }

    fn due(studies: &Studies, now: Instant) -> Vec<Uid> {
        studies.due(now).into_iter().map(|(study, _)| study).collect()
    }

    #[test]
    fn a_study_is_due_when_it_is_quiet_and_nothing_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let study = uid("1.2");
        let arrival = studies.arriving(&study).unwrap();
        let later = Instant::now() + QUIET * 2;
        assert_eq!(due(&studies, later), [], "an instance is being stored");
        drop(arrival);
        assert_eq!(due(&studies, Instant::now()), [], "not quiet yet");
        assert_eq!(due(&studies, later), std::slice::from_ref(&study));
        assert_eq!(due(&studies, later), [], "once");
        // late: it is open anew while its first request is still on its way
        drop(studies.arriving(&study).unwrap());
        studies.released(&study).unwrap();
        assert_eq!(studies.count(), 1);
        assert_eq!(due(&studies, Instant::now() + QUIET * 2), [study]);
    }

    #[test]
    fn a_study_that_never_is_quiet_is_released_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let study = uid("1.2");
        drop(studies.arriving(&study).unwrap());
        let last = Instant::now() + LONGEST;
        studies.lock().get_mut(&study).unwrap().last = last;
        assert_eq!(due(&studies, last.checked_sub(QUIET).unwrap()), []);
        assert_eq!(due(&studies, last), [study]);
    }

    #[test]
    fn what_was_kept_for_long_enough_goes_and_what_waits_stays() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let file = |study: &str| {
            let study = folder.path().join(study);
            std::fs::create_dir(&study).unwrap();
            std::fs::write(study.join("1.2.3.dcm"), b"one").unwrap();
        };
        for study in ["1.1", "1.2", "1.3"] {
            file(study);
        }
        std::fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();
        std::fs::create_dir(folder.path().join("not a study")).unwrap();
        // one is open, one is being released
        for study in ["1.2", "1.3"] {
            drop(studies.arriving(&uid(study)).unwrap());
        }
        studies.lock().get_mut(&uid("1.3")).unwrap().last = Instant::now() + QUIET * 9;
        assert_eq!(due(&studies, Instant::now() + QUIET * 2), [uid("1.2")]);
        let yesterday = SystemTime::now() - Duration::from_hours(24);
        assert_eq!(studies.remove_older(yesterday).unwrap(), 0, "all are new");
        let tomorrow = SystemTime::now() + Duration::from_hours(24);
        assert_eq!(studies.remove_older(tomorrow).unwrap(), 1);
        let left = |study: &str| folder.path().join(study).exists();
        assert_eq!([left("1.1"), left("1.2"), left("1.3")], [false, true, true]);
        assert!(left("notes.txt") && left("not a study"), "what is not a study is not ours to remove");
        studies.released(&uid("1.2")).unwrap();
        assert_eq!(studies.remove_older(tomorrow).unwrap(), 1);
        assert!(!left("1.2"));
    }

    #[test]
    fn what_was_not_confirmed_or_not_released_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (uid("1.2"), uid("1.3"));
        {
            let studies = studies(folder.path());
            drop(studies.arriving(&one).unwrap());
            let later = Instant::now() + QUIET * 2;
            assert_eq!(due(&studies, later), std::slice::from_ref(&one));
            studies.put_back(&one, later).unwrap();
            assert_eq!(due(&studies, later), [], "it rests");
            assert_eq!(
                due(&studies, later + REST),
                std::slice::from_ref(&one),
                "without a second quiet time"
            );
            drop(studies.arriving(&two).unwrap());
            // killed here: one is being released, two is open
        }
        let studies = studies(folder.path());
        assert_eq!(due(&studies, Instant::now()), [], "its quiet time begins anew");
        assert_eq!(due(&studies, Instant::now() + QUIET * 2), [one, two]);
    }

    #[test]
    fn a_study_is_due_when_the_archive_says_twice_that_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let study = uid("1.2");
        let whole = |now| studies.answered(&study, Answer::Whole(1), now);
        drop(studies.arriving(&study).unwrap());
        let now = Instant::now();
        whole(now);
        assert_eq!(due(&studies, now), [], "once is not enough");
        // another one comes between, and more of it is stated
        drop(studies.arriving(&study).unwrap());
        whole(now);
        assert_eq!(due(&studies, now), [], "what was said before it counts no more");
        studies.answered(&study, Answer::Whole(2), now);
        assert_eq!(due(&studies, now), [], "another number");
        studies.answered(&study, Answer::Whole(2), now);
        let arrival = studies.arriving(&study).unwrap();
        assert_eq!(due(&studies, now), [], "one is being stored");
        drop(arrival);
        whole(now);
        whole(now);
        assert_eq!(studies.due(now), [(study.clone(), Due::Whole)]);
        // the answer comes when it is released: of no use, and no harm
        whole(now);
        assert_eq!(studies.count(), 0);
    }

    #[test]
    fn a_study_of_which_the_archive_has_more_waits_longer_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let (more, unknown) = (uid("1.2"), uid("1.3"));
        for study in [&more, &unknown] {
            drop(studies.arriving(study).unwrap());
        }
        let now = Instant::now();
        studies.answered(&more, Answer::More, now);
        studies.answered(&unknown, Answer::Unknown, now);
        assert_eq!(studies.due(now + QUIET), [(unknown, Due::Quiet)]);
        assert_eq!(studies.due(now + QUIET + PATIENT), [(more.clone(), Due::Patience)]);
        // an archive that goes away takes its word with it
        studies.released(&more).unwrap();
        drop(studies.arriving(&more).unwrap());
        let now = Instant::now();
        studies.answered(&more, Answer::More, now);
        studies.answered(&more, Answer::Unanswered, now);
        assert_eq!(studies.due(now + QUIET), [(more, Due::Quiet)]);
    }

    #[test]
    fn the_archive_is_asked_about_few_studies_at_once_and_about_each_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let (one, two) = (uid("1.2"), uid("1.3"));
        for study in [&one, &two] {
            drop(studies.arriving(study).unwrap());
        }
        let now = Instant::now();
        assert_eq!(studies.to_ask(now, 0), []);
        assert_eq!(studies.to_ask(now, 1), std::slice::from_ref(&one));
        assert_eq!(studies.to_ask(now, 2), std::slice::from_ref(&two), "the other is being asked about");
        studies.answered(&one, Answer::More, now);
        assert_eq!(studies.to_ask(now, 2), [], "it was just answered");
        let later = now + ASK_EVERY;
        assert_eq!(studies.to_ask(later, 2), std::slice::from_ref(&one));
        // two was never answered; one comes later
        assert_eq!(studies.to_ask(later + PATIENCE, 1), std::slice::from_ref(&two));
        let arrival = studies.arriving(&one).unwrap();
        assert_eq!(studies.to_ask(now + LONGEST / 2, 2), [two], "the other is arriving");
        drop(arrival);
        assert_eq!(studies.to_ask(now + LONGEST, 2), [], "each is released whatever is said");
    }
}
