//! Earlier imaging: how many examinations of a kind there were in a window before t0, and how long ago the latest was.
//!
//! A DiagnosticReport is imaging by its category or its code, a Procedure by its code. A report and a procedure of one kind within
//! a day, or several parts of one examination, are one. A Procedure has no "known since" in R4, and the record of this study's own
//! examination may begin before the study does: one that was done less than an hour before t0 is not counted. Of a report its
//! `issued` tells, and where it has none, the same hour.
//!
//! None is 0 where the record states imaging of any kind, and missing where it states none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::schema::{MissingPolicy, PriorImaging};
use super::view::{feature, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, View};
use crate::record::{Concept, Origin};
use crate::time::Moment;

const GROUP: Group = Group::Imaging;

/// Statements within this time of each other are of one examination, in days.
const SAME_EXAM_DAYS: f64 = 1.0;

/// A procedure done within this time before t0 may be the study itself, in days.
const OWN_DAYS: f64 = 1.0 / 24.0;

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let kinds = &view.schema.prior_imaging;
    let is_imaging = |concept: &Concept| kinds.iter().any(|kind| kind.is(kinds, concept));
    let has_imaging = !stated(view, &is_imaging).is_empty();
    for kind in kinds {
        let wanted = |concept: &Concept| kind.is(kinds, concept);
        let found = stated(view, &wanted);
        if found.is_empty() && !(has_imaging && kind.missing == MissingPolicy::Zero) {
            all.push(missing(&kind.id, &kind.label, GROUP, why(view, &wanted)));
        } else {
            all.push(count(view, kind, &found));
        }
        all.push(match found.first() {
            Some(latest) => days(view, kind, latest),
            None => missing(&kind.days.id, &kind.days.label, GROUP, why(view, &wanted)),
        });
    }
}

/// What a resource states of an examination.
struct Stated<'a> {
    origin: &'a Origin,
    dated: Option<&'a Moment>,
    available: Timestamp,
    effective: Timestamp,
}

/// Everything that states an examination whose category or code is wanted, the latest first.
fn stated<'a>(view: &View<'a>, wanted: &dyn Fn(&Concept) -> bool) -> Vec<Stated<'a>> {
    // what is known from the time of the examination alone may be the study itself
    let earlier = view
        .notes
        .known
        .iter()
        .filter(|known| known.fact.known.is_some() || view.age_days(known.effective) >= OWN_DAYS);
    let reports = earlier.filter(|known| wanted(&known.fact.kind)).map(|known| Stated {
        origin: &known.fact.origin,
        dated: known.fact.effective.as_ref().or(known.fact.known.as_ref()),
        available: known.available,
        effective: known.effective,
    });
    let before = view.procedures.known.iter().filter(|known| view.age_days(known.effective) >= OWN_DAYS);
    let done = before.filter(|known| wanted(&known.fact.code)).map(|known| Stated {
        origin: &known.fact.origin,
        dated: known.fact.performed.as_ref(),
        available: known.available,
        effective: known.effective,
    });
    let mut all: Vec<Stated<'a>> = reports.chain(done).collect();
    all.sort_by_cached_key(|one| Reverse((one.effective, one.available, one.origin.reference.clone())));
    all
}

/// How many examinations there were in the window, with everything that states them.
fn count(view: &View<'_>, kind: &PriorImaging, found: &[Stated<'_>]) -> Feature {
    let window = f64::from(kind.window_days);
    let inside: Vec<&Stated<'_>> = found.iter().filter(|one| view.age_days(one.effective) < window).collect();
    let mut examinations = 0_u32;
    let mut latest: Option<f64> = None;
    for age in inside.iter().map(|one| view.age_days(one.effective)) {
        if latest.is_none_or(|latest| age - latest >= SAME_EXAM_DAYS) {
            examinations += 1;
            latest = Some(age);
        }
    }
    let mut made = feature(&kind.id, &kind.label, GROUP, FeatureValue::Number(f64::from(examinations)));
    made.unit = Some("1".to_owned());
    let Some(first) = inside.first() else { return made };
    let mut made = by(made, view, first);
    let others: BTreeSet<&String> = inside.iter().filter_map(|one| one.origin.reference.as_ref()).collect();
    let others = others.into_iter().filter(|one| Some(*one) != made.source.as_ref());
    let others: Vec<String> = others.cloned().collect();
    made.other_sources = others;
    made
}

/// Days since the latest examination.
fn days(view: &View<'_>, kind: &PriorImaging, latest: &Stated<'_>) -> Feature {
    let value = FeatureValue::Number(view.age_days(latest.effective));
    let mut made = feature(&kind.days.id, &kind.days.label, GROUP, value);
    made.unit = Some("d".to_owned());
    by(made, view, latest)
}

fn by(made: Feature, view: &View<'_>, stated: &Stated<'_>) -> Feature {
    made.stated_by(view, stated.origin, stated.dated, (stated.available, stated.effective))
}

/// Why nothing is stated, going by what was refused.
fn why(view: &View<'_>, wanted: &dyn Fn(&Concept) -> bool) -> MissingReason {
    let reports = strongest(view.notes.refused.iter().filter(|refused| wanted(&refused.fact.kind)));
    if reports != MissingReason::NotRecorded {
        return reports;
    }
    strongest(view.procedures.refused.iter().filter(|refused| wanted(&refused.fact.code)))
}
