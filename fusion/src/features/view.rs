//! The record as it was known at t0: what every feature is made from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::schema::{Schema, Token, any_of};
use super::{Excluded, Feature, FeatureValue, Group, MissingReason};
use crate::record::{Concept, Condition, Medication, Note, Observation, Origin, Procedure, Record, Relative};
use crate::time::{Moment, days_between};

/// A fact that was known at t0, with the times that matter.
pub(crate) struct Known<'a, T> {
    pub(crate) fact: &'a T,
    /// By when it was known.
    pub(crate) available: Timestamp,
    /// When it held, dates at their end; the time it was known where the record does not say.
    pub(crate) effective: Timestamp,
}

impl<T> Clone for Known<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Known<'_, T> {}

/// A fact that is not used, and why.
pub(crate) struct Refused<'a, T> {
    pub(crate) fact: &'a T,
    pub(crate) reason: MissingReason,
}

/// Facts of one kind, sorted out.
pub(crate) struct Sorted<'a, T> {
    /// By effective time, then by availability, then by reference: the last is the latest.
    pub(crate) known: Vec<Known<'a, T>>,
    pub(crate) refused: Vec<Refused<'a, T>>,
}

/// A record seen from an index time.
pub(crate) struct View<'a> {
    pub(crate) record: &'a Record,
    pub(crate) schema: &'a Schema,
    pub(crate) t0: Timestamp,
    pub(crate) zone: &'a TimeZone,
    pub(crate) observations: Sorted<'a, Observation>,
    pub(crate) conditions: Sorted<'a, Condition>,
    pub(crate) medications: Sorted<'a, Medication>,
    pub(crate) relatives: Sorted<'a, Relative>,
    pub(crate) procedures: Sorted<'a, Procedure>,
    pub(crate) notes: Sorted<'a, Note>,
    excluded: Excluded,
}

/// Times and state of a resource, as the availability rule needs them.
struct Times<'a> {
    origin: &'a Origin,
    usable: bool,
    /// Whether its status says that it is a corrected version.
    corrected: bool,
    /// The element that says since when it was known.
    known: Option<&'a Moment>,
    /// Whether the effective time may stand in for it, as FHIR allows for Observations.
    effective_says_known: bool,
    effective: Option<&'a Moment>,
    effective_end: Option<&'a Moment>,
}

impl<'a> View<'a> {
    pub(crate) fn new(record: &'a Record, schema: &'a Schema, t0: Timestamp, zone: &'a TimeZone) -> Self {
        let ignored = record.ignored();
        let mut excluded = Excluded {
            unresolved_subject: ignored.unresolved_subject,
            unreadable: ignored.unreadable,
            unread_texts: ignored.unread_texts,
            ..Excluded::default()
        };
        let mut sorter = Sorter { t0, zone, excluded: &mut excluded };
        let observations = sorter.sort(&record.observations, observation_times);
        let conditions = sorter.sort(&record.conditions, condition_times);
        let medications = sorter.sort(&record.medications, medication_times);
        let relatives = sorter.sort(&record.relatives, relative_times);
        let procedures = sorter.sort(&record.procedures, procedure_times);
        let notes = sorter.sort(&record.notes, note_times);
        Self {
            record,
            schema,
            t0,
            zone,
            observations,
            conditions,
            medications,
            relatives,
            procedures,
            notes,
            excluded,
        }
    }

    /// What was left out, and how many texts of notes beyond the bounds were not read.
    pub(crate) fn into_excluded(self, beyond: usize) -> Excluded {
        let unread_texts = self.excluded.unread_texts + beyond;
        Excluded { unread_texts, ..self.excluded }
    }

    /// Observations of one of these codes that were known at t0, oldest first.
    pub(crate) fn observed<'b>(
        &'b self,
        codes: &'b [Token],
    ) -> impl DoubleEndedIterator<Item = Known<'a, Observation>> + 'b {
        self.observations.known.iter().copied().filter(move |known| any_of(&known.fact.code, codes))
    }

    /// Why nothing usable was observed of these codes, going by what was refused.
    pub(crate) fn why_unstated(&self, codes: &[Token]) -> MissingReason {
        strongest(self.observations.refused.iter().filter(|refused| any_of(&refused.fact.code, codes)))
    }

    /// Why nothing usable was observed of these codes, going by what was refused.
    pub(crate) fn why_unobserved(&self, codes: &[(&str, &str)]) -> MissingReason {
        strongest(self.observations.refused.iter().filter(|refused| is_one_of(&refused.fact.code, codes)))
    }

    /// References of what is known and was changed after t0: its content may be a later one than the one of then.
    pub(crate) fn changed(&self) -> BTreeSet<&str> {
        let observations = self.observations.known.iter().map(|known| &known.fact.origin);
        let conditions = self.conditions.known.iter().map(|known| &known.fact.origin);
        let medications = self.medications.known.iter().map(|known| &known.fact.origin);
        let relatives = self.relatives.known.iter().map(|known| &known.fact.origin);
        let procedures = self.procedures.known.iter().map(|known| &known.fact.origin);
        let notes = self.notes.known.iter().map(|known| &known.fact.origin);
        let all = observations.chain(conditions).chain(medications).chain(relatives).chain(procedures);
        let changed = all.chain(notes).filter(|origin| self.is_changed(origin));
        changed.filter_map(|origin| origin.reference.as_deref()).collect()
    }

    /// Whether a resource was changed after t0.
    pub(crate) fn is_changed(&self, origin: &Origin) -> bool {
        let updated = origin.updated.as_ref().and_then(|moment| moment.latest(self.zone));
        updated.is_some_and(|updated| updated > self.t0)
    }

    /// Days from `time` to t0.
    pub(crate) fn age_days(&self, time: Timestamp) -> f64 {
        days_between(time, self.t0)
    }
}

/// Whether one of the codings is one of these `(system, code)` pairs.
pub(crate) fn is_one_of(concept: &Concept, codes: &[(&str, &str)]) -> bool {
    codes.iter().any(|(system, code)| concept.has(system, code))
}

/// The reason that says most about why nothing is there.
pub(crate) fn strongest<'b, T: 'b>(refused: impl Iterator<Item = &'b Refused<'b, T>>) -> MissingReason {
    let rank = |reason: MissingReason| match reason {
        MissingReason::Undated => 4,
        MissingReason::Status => 3,
        MissingReason::CorrectedAfterT0 => 2,
        MissingReason::OnlyAfterT0 => 1,
        _ => 0,
    };
    refused
        .map(|refused| refused.reason)
        .max_by_key(|reason| rank(*reason))
        .unwrap_or(MissingReason::NotRecorded)
}

/// Sorts facts into known and refused.
struct Sorter<'s> {
    t0: Timestamp,
    zone: &'s TimeZone,
    excluded: &'s mut Excluded,
}

impl Sorter<'_> {
    fn sort<'a, T>(&mut self, facts: &'a [T], times: impl Fn(&'a T) -> Times<'a>) -> Sorted<'a, T> {
        let mut sorted = Sorted { known: Vec::new(), refused: Vec::new() };
        let superseded = self.superseded(facts, &times);
        for (index, fact) in facts.iter().enumerate() {
            let own = times(fact);
            if superseded.contains(&index) {
                self.excluded.superseded += 1;
                continue;
            }
            match self.available(&own) {
                Ok((available, effective)) => sorted.known.push(Known { fact, available, effective }),
                Err(reason) => {
                    match reason {
                        MissingReason::OnlyAfterT0 => self.excluded.after_t0 += 1,
                        MissingReason::Undated => self.excluded.undated += 1,
                        MissingReason::CorrectedAfterT0 => self.excluded.corrected_after_t0 += 1,
                        _ => self.excluded.status += 1,
                    }
                    sorted.refused.push(Refused { fact, reason });
                }
            }
        }
        let key = |known: &Known<'a, T>| {
            let reference = times(known.fact).origin.reference.clone();
            (known.effective, known.available, reference)
        };
        sorted.known.sort_by_cached_key(key);
        sorted
    }

    /// By when a resource was known and when it held, or why it is not used.
    fn available(&self, times: &Times<'_>) -> Result<(Timestamp, Timestamp), MissingReason> {
        let effective_end =
            times.effective_end.or(times.effective).and_then(|moment| moment.latest(self.zone));
        let stated = times.known.and_then(|moment| moment.latest(self.zone));
        let stand_in = effective_end.filter(|_| times.effective_says_known);
        let updated = || times.origin.updated.as_ref().and_then(|moment| moment.latest(self.zone));
        let known = stated.or(stand_in).or_else(updated);
        let starts = times.effective.and_then(|moment| moment.earliest(self.zone));
        if known.is_some_and(|known| known > self.t0) || starts.is_some_and(|starts| starts > self.t0) {
            return Err(MissingReason::OnlyAfterT0);
        }
        if !times.usable {
            return Err(MissingReason::Status);
        }
        let known = known.ok_or(MissingReason::Undated)?;
        if updated().is_some_and(|updated| updated > self.t0) && is_correction(times) {
            return Err(MissingReason::CorrectedAfterT0);
        }
        // A value that was known held by then, even where its date is only a day.
        Ok((known, effective_end.unwrap_or(known).min(known)))
    }

    /// Other versions of a resource: of several with one reference, only the latest that was known at t0 by
    /// `meta.lastUpdated` counts; where all were changed later, the earliest; of equals the last of the bundle.
    fn superseded<'a, T>(&self, facts: &'a [T], times: &impl Fn(&'a T) -> Times<'a>) -> BTreeSet<usize> {
        let mut best: BTreeMap<&str, (bool, i128, usize)> = BTreeMap::new();
        let mut superseded = BTreeSet::new();
        for (index, fact) in facts.iter().enumerate() {
            let origin = times(fact).origin;
            let Some(reference) = origin.reference.as_deref() else { continue };
            let updated = origin.updated.as_ref().and_then(|moment| moment.latest(self.zone));
            let by_t0 = updated.is_none_or(|updated| updated <= self.t0);
            let nanoseconds = updated.map_or(i128::MIN, Timestamp::as_nanosecond);
            let rank = (by_t0, if by_t0 { nanoseconds } else { -nanoseconds }, index);
            match best.get(reference) {
                Some(known) if *known > rank => {
                    superseded.insert(index);
                }
                Some(known) => {
                    superseded.insert(known.2);
                    best.insert(reference, rank);
                }
                None => {
                    best.insert(reference, rank);
                }
            }
        }
        superseded
    }
}

/// Whether a resource that was changed after t0 says itself that it is another version than the one of then: by its status,
/// or by a version number above 1. A server that only took the record in after t0 gives neither.
fn is_correction(times: &Times<'_>) -> bool {
    let version = times.origin.version.as_deref().and_then(|version| version.parse::<u64>().ok());
    times.corrected || version.is_some_and(|version| version > 1)
}

fn observation_times(fact: &Observation) -> Times<'_> {
    Times {
        origin: &fact.origin,
        usable: matches!(fact.status.as_deref(), Some("final" | "amended" | "corrected")),
        corrected: matches!(fact.status.as_deref(), Some("amended" | "corrected")),
        known: fact.issued.as_ref(),
        effective_says_known: true,
        effective: fact.effective.as_ref(),
        effective_end: fact.effective_end.as_ref(),
    }
}

fn condition_times(fact: &Condition) -> Times<'_> {
    Times {
        origin: &fact.origin,
        usable: fact.verification_status.as_deref() != Some("entered-in-error"),
        corrected: false,
        known: fact.recorded.as_ref(),
        effective_says_known: false,
        effective: fact.onset.as_ref(),
        effective_end: None,
    }
}

fn medication_times(fact: &Medication) -> Times<'_> {
    let planned = matches!(fact.intent.as_deref(), Some("proposal"));
    let unusable =
        matches!(fact.status.as_deref(), Some("entered-in-error" | "draft" | "cancelled" | "not-taken"));
    Times {
        origin: &fact.origin,
        usable: !planned && !unusable,
        corrected: false,
        known: fact.known.as_ref(),
        effective_says_known: false,
        effective: fact.start.as_ref(),
        effective_end: None,
    }
}

/// A procedure is known from when it was done, else from its record's last change: that it will be done is not said.
fn procedure_times(fact: &Procedure) -> Times<'_> {
    Times {
        origin: &fact.origin,
        usable: fact.status.as_deref() == Some("completed"),
        corrected: false,
        known: None,
        effective_says_known: true,
        effective: fact.performed.as_ref(),
        effective_end: fact.performed_end.as_ref(),
    }
}

fn note_times(fact: &Note) -> Times<'_> {
    Times {
        origin: &fact.origin,
        usable: fact.usable,
        corrected: fact.corrected,
        known: fact.known.as_ref(),
        effective_says_known: fact.effective_says_known,
        effective: fact.effective.as_ref(),
        effective_end: fact.effective_end.as_ref(),
    }
}

fn relative_times(fact: &Relative) -> Times<'_> {
    Times {
        origin: &fact.origin,
        usable: !matches!(fact.status.as_deref(), Some("entered-in-error" | "health-unknown")),
        corrected: false,
        known: fact.recorded.as_ref(),
        effective_says_known: false,
        effective: None,
        effective_end: None,
    }
}

/// A feature with this identity and value and nothing else.
pub(crate) fn feature(id: &str, label: &str, group: Group, value: FeatureValue) -> Feature {
    Feature {
        id: id.to_owned(),
        label: label.to_owned(),
        group,
        value,
        unit: None,
        effective: None,
        available: None,
        age_days: None,
        source: None,
        other_sources: Vec::new(),
        source_version: None,
        original: None,
        comparator: None,
        factor: None,
        passage: None,
        note: None,
        questioned: false,
        changed_after_t0: false,
        series: Vec::new(),
        windows: Vec::new(),
    }
}

/// A missing feature.
pub(crate) fn missing(id: &str, label: &str, group: Group, reason: MissingReason) -> Feature {
    feature(id, label, group, FeatureValue::Missing { reason })
}

impl Feature {
    /// Says where and when the value comes from.
    pub(crate) fn stated_by(
        mut self,
        view: &View<'_>,
        origin: &Origin,
        text: Option<&Moment>,
        times: (Timestamp, Timestamp),
    ) -> Self {
        let (available, effective) = times;
        self.source.clone_from(&origin.reference);
        self.source_version.clone_from(&origin.version);
        self.changed_after_t0 = view.is_changed(origin);
        self.effective = text.map(|moment| moment.text().to_owned());
        self.available = Some(available);
        self.age_days = Some(view.age_days(effective));
        self
    }
}
