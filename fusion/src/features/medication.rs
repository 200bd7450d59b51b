//! Drugs that were active at t0: how many, and whether that is many.
//!
//! A drug is active when its request or statement is active (or, where it is now completed or stopped,
//! when it states an end after t0), began at or before t0 and had not ended. The status is the one at the
//! time of the export: a drug that was stopped since without a stated end is not counted.

use std::collections::BTreeMap;

use super::view::{Known, feature, missing, strongest};
use super::{Feature, FeatureValue, Group, View};
use crate::record::{Concept, Medication};

const GROUP: Group = Group::Medication;

/// From this many drugs on: polypharmacy, hyper-polypharmacy.
const MANY: [(&str, &str, usize); 2] =
    [("polypharmacy", "Five or more drugs", 5), ("hyper-polypharmacy", "Ten or more drugs", 10)];

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let (id, label) = ("active-drugs", "Active drugs");
    if view.medications.known.is_empty() {
        let reason = strongest(view.medications.refused.iter());
        all.push(missing(id, label, GROUP, reason));
        all.extend(MANY.iter().map(|(id, label, _)| missing(id, label, GROUP, reason)));
        return;
    }
    let mut drugs: BTreeMap<String, &Known<'_, Medication>> = BTreeMap::new();
    for known in view.medications.known.iter().filter(|known| is_active(view, known)) {
        if let Some(name) = name(view, known.fact) {
            drugs.insert(name, known);
        }
    }
    let count = drugs.len();
    let latest = drugs.values().max_by_key(|known| known.available);
    let described = |id: &str, label: &str, value: FeatureValue| {
        let made = feature(id, label, GROUP, value);
        match latest {
            Some(known) => made.stated_by(
                view,
                &known.fact.origin,
                known.fact.start.as_ref(),
                (known.available, known.effective),
            ),
            None => made,
        }
    };
    let mut counted = described(id, label, FeatureValue::Number(count as f64));
    counted.unit = Some("1".to_owned());
    counted.note = Some("distinct codes of drugs; strengths of one drug count apart".to_owned());
    all.push(counted);
    all.extend(
        MANY.iter().map(|(id, label, least)| described(id, label, FeatureValue::Bool(count >= *least))),
    );
}

fn is_active(view: &View<'_>, known: &Known<'_, Medication>) -> bool {
    let fact = known.fact;
    let end = fact.end.as_ref().and_then(|end| end.latest(view.zone));
    let started =
        fact.start.as_ref().and_then(|start| start.earliest(view.zone)).is_none_or(|start| start <= view.t0);
    let goes_on = match fact.status.as_deref() {
        Some("active") => end.is_none_or(|end| end > view.t0),
        Some("completed" | "stopped") => end.is_some_and(|end| end > view.t0),
        _ => false,
    };
    started && goes_on
}

/// What tells drugs apart: the first code, of the resource or of the Medication it refers to.
fn name(view: &View<'_>, fact: &Medication) -> Option<String> {
    let first = |concept: &Concept| {
        concept.codings.iter().find(|coding| coding.code.is_some()).map(crate::record::Coding::token)
    };
    let referred = || {
        let reference = fact.refers_to.as_deref()?;
        let whole = match reference.strip_prefix('#') {
            Some(fragment) => format!("{}#{fragment}", fact.origin.reference.as_deref()?),
            None => reference.to_owned(),
        };
        view.record.drugs.get(&whole).and_then(first)
    };
    first(&fact.code).or_else(referred).or_else(|| fact.code.text.clone())
}
