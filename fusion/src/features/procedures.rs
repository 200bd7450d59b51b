//! Procedures that were done, and examinations that were normal or abnormal; each yes, no or unknown.
//!
//! A completed Procedure, or an Observation of its code that says present, is yes; an Observation that says absent is no.
//! An examination is read from an Observation whose value is SNOMED CT abnormal (263654008) or normal (17621005), or whose
//! `interpretation` is A or N. No resource is no answer: unknown.

use super::conditions::presence;
use super::schema::{SNOMED, Stated};
use super::view::{feature, missing, strongest};
use super::{Feature, FeatureValue, Group, View};
use crate::record::{Concept, Observation, ObservedValue};

const ABNORMAL: &str = "263654008";
const NORMAL: &str = "17621005";
const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.extend(view.schema.procedures.iter().map(|stated| procedure(view, stated)));
    all.extend(view.schema.examinations.iter().map(|stated| examination(view, stated)));
}

fn is_one(stated: &Stated, concept: &Concept) -> bool {
    stated.snomed.iter().any(|code| concept.has(SNOMED, code))
}

fn procedure(view: &View<'_>, stated: &Stated) -> Feature {
    if let Some(known) = view.procedures.known.iter().rev().find(|known| is_one(stated, &known.fact.code)) {
        return feature(&stated.id, &stated.label, Group::Procedure, FeatureValue::Bool(true)).stated_by(
            view,
            &known.fact.origin,
            known.fact.performed.as_ref(),
            (known.available, known.effective),
        );
    }
    let refused = view.procedures.refused.iter().filter(|refused| is_one(stated, &refused.fact.code));
    observed(view, stated, presence_of)
        .unwrap_or_else(|| missing(&stated.id, &stated.label, Group::Procedure, strongest(refused)))
}

fn examination(view: &View<'_>, stated: &Stated) -> Feature {
    let refused = view.observations.refused.iter().filter(|refused| is_one(stated, &refused.fact.code));
    observed(view, stated, abnormal)
        .unwrap_or_else(|| missing(&stated.id, &stated.label, Group::Procedure, strongest(refused)))
}

/// The latest Observation of the codes that answers.
fn observed(
    view: &View<'_>,
    stated: &Stated,
    truth: impl Fn(&Observation) -> Option<bool>,
) -> Option<Feature> {
    let mut of_code = view.observations.known.iter().rev().filter(|known| is_one(stated, &known.fact.code));
    let (known, truth) = of_code.find_map(|known| Some((known, truth(known.fact)?)))?;
    let value = FeatureValue::Bool(truth);
    Some(feature(&stated.id, &stated.label, Group::Procedure, value).stated_by(
        view,
        &known.fact.origin,
        known.fact.effective.as_ref(),
        (known.available, known.effective),
    ))
}

fn presence_of(fact: &Observation) -> Option<bool> {
    match &fact.value {
        ObservedValue::Boolean(truth) => Some(*truth),
        ObservedValue::Concept(concept) => presence(concept),
        _ => None,
    }
}

fn abnormal(fact: &Observation) -> Option<bool> {
    let says = |concept: &Concept, abnormal: (&str, &str), normal: (&str, &str)| match (
        concept.has(abnormal.0, abnormal.1),
        concept.has(normal.0, normal.1),
    ) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    };
    let by_value = match &fact.value {
        ObservedValue::Concept(concept) => says(concept, (SNOMED, ABNORMAL), (SNOMED, NORMAL)),
        _ => None,
    };
    by_value.or_else(|| says(&fact.interpretation, (INTERPRETATION, "A"), (INTERPRETATION, "N")))
}
