//! Drugs that were active at t0: how many, and whether that is many.
//!
//! A drug is active when its request or statement is active (or, where it is now completed or stopped,
//! when it states an end after t0), began at or before t0 and had not ended. The status is the one at the
//! time of the export: a drug that was stopped since without a stated end is not counted.

use std::collections::BTreeMap;

use super::schema::{Drug, MissingPolicy, RXNORM};
use super::view::{Known, feature, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, View};
use crate::record::{Concept, Medication};

const GROUP: Group = Group::Medication;

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let (id, label) = ("active-drugs", "Active drugs");
    let rules = view.schema.medication;
    let many = [
        ("polypharmacy", "Five or more drugs", rules.polypharmacy),
        ("hyper-polypharmacy", "Ten or more drugs", rules.hyper_polypharmacy),
    ];
    if view.medications.known.is_empty() {
        let reason = strongest(view.medications.refused.iter());
        all.push(missing(id, label, GROUP, reason));
        all.extend(many.iter().map(|(id, label, _)| missing(id, label, GROUP, reason)));
        all.extend(view.schema.drugs.iter().map(|drug| missing(&drug.id, &drug.label, GROUP, reason)));
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
        many.iter().map(|(id, label, least)| described(id, label, FeatureValue::Bool(count >= *least))),
    );
    all.extend(view.schema.drugs.iter().map(|drug| taken(view, drug)));
}

/// Whether a drug is active: yes, or not known. A list without it may be incomplete, so it is never "no", unless the
/// schema's missing policy counts the absence.
fn taken(view: &View<'_>, drug: &Drug) -> Feature {
    let mut active = view.medications.known.iter().filter(|known| is_active(view, known));
    let Some(known) = active.rfind(|known| is_drug(view, known.fact, drug)) else {
        return match drug.missing {
            MissingPolicy::Unknown => missing(&drug.id, &drug.label, GROUP, MissingReason::NotRecorded),
            MissingPolicy::Zero => feature(&drug.id, &drug.label, GROUP, FeatureValue::Bool(false)),
        };
    };
    let times = (known.available, known.effective);
    feature(&drug.id, &drug.label, GROUP, FeatureValue::Bool(true)).stated_by(
        view,
        &known.fact.origin,
        known.fact.start.as_ref(),
        times,
    )
}

/// By an RxNorm code of the ingredient, or by its name in a text of the drug.
fn is_drug(view: &View<'_>, fact: &Medication, drug: &Drug) -> bool {
    let names = |text: &str| {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
        drug.names.iter().any(|name| words.contains(&name.as_str()))
    };
    let says = |concept: &Concept| {
        drug.rxnorm.iter().any(|code| concept.has(RXNORM, code))
            || concept.codings.iter().filter_map(|coding| coding.display.as_deref()).any(names)
            || concept.text.as_deref().is_some_and(names)
    };
    says(&fact.code) || referred(view, fact).is_some_and(says)
}

/// The Medication that a request refers to.
fn referred<'a>(view: &View<'a>, fact: &Medication) -> Option<&'a Concept> {
    let reference = fact.refers_to.as_deref()?;
    let whole = match reference.strip_prefix('#') {
        Some(fragment) => format!("{}#{fragment}", fact.origin.reference.as_deref()?),
        None => reference.to_owned(),
    };
    view.record.drugs.get(&whole)
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
    first(&fact.code).or_else(|| referred(view, fact).and_then(first)).or_else(|| fact.code.text.clone())
}
