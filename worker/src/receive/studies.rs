//! The studies that are not released yet: which are quiet, and which are being asked for.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dicom_ingest::uid::Uid;

use super::inbox::Inbox;

/// How long a study rests whose request was not confirmed.
const REST: Duration = Duration::from_secs(2);

/// The open studies of an inbox.
#[derive(Debug)]
pub(super) struct Studies {
    inbox: Arc<Inbox>,
    quiet: Duration,
    longest: Duration,
    open: Mutex<BTreeMap<Uid, Open>>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    /// When its first instance came.
    first: Instant,
    /// When its last instance came.
    last: Instant,
    /// Not released before.
    rests_until: Instant,
    /// Instances that are being stored at this moment.
    arriving: u32,
}

impl Open {
    fn new(now: Instant) -> Self {
        Self { first: now, last: now, rests_until: now, arriving: 0 }
    }
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
    pub(super) fn open(inbox: Arc<Inbox>, quiet: Duration, longest: Duration) -> io::Result<Self> {
        let now = Instant::now();
        let open = inbox.unreleased()?.into_iter().map(|study| (study, Open::new(now))).collect();
        Ok(Self { inbox, quiet, longest, open: Mutex::new(open) })
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
        open.entry(study.clone()).or_insert_with(|| Open::new(Instant::now())).arriving += 1;
        Ok(Arrival { studies: self, study: study.clone() })
    }

    /// Takes out the studies that are to be released now. Instances that come from here on open their study anew.
    pub(super) fn due(&self, now: Instant) -> Vec<Uid> {
        let mut open = self.lock();
        let is_due = |study: &Open| {
            let is_quiet = now.saturating_duration_since(study.last) >= self.quiet;
            let is_old = now.saturating_duration_since(study.first) >= self.longest;
            study.arriving == 0 && (is_quiet || is_old) && now >= study.rests_until
        };
        let mut due: Vec<Uid> =
            open.iter().filter(|(_, study)| is_due(study)).map(|(uid, _)| uid.clone()).collect();
        due.retain(|study| match self.inbox.mark_releasing(study) {
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
            study.first = now.checked_sub(self.longest).unwrap_or(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(100);

    fn uid(text: &str) -> Uid {
        text.parse().unwrap()
    }

    fn studies(folder: &std::path::Path) -> Studies {
        let inbox = Arc::new(Inbox::open(folder).unwrap());
        Studies::open(inbox, QUIET, LONGEST).unwrap()
    }

    #[test]
    fn a_study_is_due_when_it_is_quiet_and_nothing_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let study = uid("1.2");
        let arrival = studies.arriving(&study).unwrap();
        let later = Instant::now() + QUIET * 2;
        assert_eq!(studies.due(later), [], "an instance is being stored");
        drop(arrival);
        assert_eq!(studies.due(Instant::now()), [], "not quiet yet");
        assert_eq!(studies.due(later), std::slice::from_ref(&study));
        assert_eq!(studies.due(later), [], "once");
        // late: it is open anew while its first request is still on its way
        drop(studies.arriving(&study).unwrap());
        studies.released(&study).unwrap();
        assert_eq!(studies.count(), 1);
        assert_eq!(studies.due(Instant::now() + QUIET * 2), [study]);
    }

    #[test]
    fn a_study_that_never_is_quiet_is_released_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let studies = studies(folder.path());
        let study = uid("1.2");
        drop(studies.arriving(&study).unwrap());
        let last = Instant::now() + LONGEST;
        studies.lock().get_mut(&study).unwrap().last = last;
        assert_eq!(studies.due(last.checked_sub(QUIET).unwrap()), []);
        assert_eq!(studies.due(last), [study]);
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
        assert_eq!(studies.due(Instant::now() + QUIET * 2), [uid("1.2")]);
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
            assert_eq!(studies.due(later), std::slice::from_ref(&one));
            studies.put_back(&one, later).unwrap();
            assert_eq!(studies.due(later), [], "it rests");
            assert_eq!(studies.due(later + REST), std::slice::from_ref(&one), "without a second quiet time");
            drop(studies.arriving(&two).unwrap());
            // killed here: one is being released, two is open
        }
        let studies = studies(folder.path());
        assert_eq!(studies.due(Instant::now()), [], "its quiet time begins anew");
        assert_eq!(studies.due(Instant::now() + QUIET * 2), [one, two]);
    }
}
