//! How ill a person is: the Charlson index, and distinct diagnoses by chapter, at any time and in the last year.
//!
//! Conditions count that are confirmed, or say nothing about their verification, and that were recorded by t0; one that
//! has ended counts too. The index is a lower bound where a record is coded in SNOMED CT alone: see the schema.

use std::collections::{BTreeMap, BTreeSet};

use super::conditions::truth_of;
use super::schema::{Comorbidity, MissingPolicy, SNOMED, bare, is_icd10, starts};
use super::view::{Known, feature, missing, strongest};
use super::{Feature, FeatureValue, Group, View};
use crate::record::Condition;

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let stated: Vec<&Known<'_, Condition>> =
        view.conditions.known.iter().filter(|known| truth_of(known.fact) == Some(true)).collect();
    all.push(charlson(view, &stated));
    diagnoses(view, &stated, all);
}

/// A count that nothing was stated for: 0 or missing, by the schema's policy.
fn none(view: &View<'_>, id: &str, label: &str, policy: MissingPolicy) -> Option<Feature> {
    let reason = strongest(view.conditions.refused.iter());
    let nothing = view.conditions.known.is_empty();
    (nothing || policy == MissingPolicy::Unknown).then(|| missing(id, label, Group::Condition, reason))
}

fn charlson(view: &View<'_>, stated: &[&Known<'_, Condition>]) -> Feature {
    let rules = &view.schema.charlson;
    if stated.is_empty()
        && let Some(missing) = none(view, &rules.id, &rules.label, rules.missing)
    {
        return missing;
    }
    let found: BTreeMap<&str, (&Comorbidity, &Known<'_, Condition>)> = rules
        .categories
        .iter()
        .filter_map(|category| {
            let known = stated.iter().rev().find(|known| is_of(category, known.fact))?;
            Some((category.id.as_str(), (category, *known)))
        })
        .collect();
    let counts = |category: &Comorbidity| {
        category.yields_to.as_deref().is_none_or(|graver| !found.contains_key(graver))
    };
    let counted: Vec<&(&Comorbidity, &Known<'_, Condition>)> =
        found.values().filter(|(category, _)| counts(category)).collect();
    let sum: u32 = counted.iter().map(|(category, _)| category.weight).sum();
    let names: Vec<&str> = counted.iter().map(|(category, _)| category.id.as_str()).collect();
    let note = if names.is_empty() { "no category stated".to_owned() } else { names.join(", ") };
    let known: Vec<&Known<'_, Condition>> = counted.iter().map(|(_, known)| *known).collect();
    let mut made = number(view, &rules.id, &rules.label, f64::from(sum), &known);
    made.note = Some(note);
    made
}

fn is_of(category: &Comorbidity, fact: &Condition) -> bool {
    fact.code.codings.iter().any(|coding| {
        let code = coding.code.as_deref().unwrap_or_default();
        match coding.system.as_deref().unwrap_or_default() {
            SNOMED => category.snomed.iter().any(|one| one == code),
            system if is_icd10(system) => starts(&bare(code), &category.icd10),
            _ => false,
        }
    })
}

/// A count with all the resources it is made from, the latest first.
fn number(view: &View<'_>, id: &str, label: &str, value: f64, from: &[&Known<'_, Condition>]) -> Feature {
    let mut made = feature(id, label, Group::Condition, FeatureValue::Number(value));
    made.unit = Some("1".to_owned());
    // A condition that was changed since may have counted then, or not.
    let changed = view.conditions.known.iter().any(|known| view.is_changed(&known.fact.origin));
    made.changed_after_t0 = changed;
    let mut sorted: Vec<&&Known<'_, Condition>> = from.iter().collect();
    sorted.sort_by_key(|known| (std::cmp::Reverse(known.available), known.fact.origin.reference.clone()));
    let Some((latest, others)) = sorted.split_first() else { return made };
    let text = latest.fact.onset.as_ref().or(latest.fact.recorded.as_ref());
    let mut made = made.stated_by(view, &latest.fact.origin, text, (latest.available, latest.effective));
    made.changed_after_t0 = changed;
    let references: BTreeSet<String> =
        others.iter().filter_map(|known| known.fact.origin.reference.clone()).collect();
    made.other_sources = references.into_iter().filter(|one| Some(one) != made.source.as_ref()).collect();
    made
}

/// What tells diagnoses apart: the first code, else the text.
fn identity(fact: &Condition) -> Option<String> {
    let coded = fact.code.codings.iter().find(|coding| coding.code.is_some());
    coded.map(crate::record::Coding::token).or_else(|| fact.code.text.clone())
}

fn diagnoses(view: &View<'_>, stated: &[&Known<'_, Condition>], all: &mut Vec<Feature>) {
    let rules = &view.schema.diagnoses;
    let within =
        |known: &&Known<'_, Condition>| view.age_days(known.available) < f64::from(rules.window_days);
    let recent: Vec<&Known<'_, Condition>> = stated.iter().copied().filter(within).collect();
    let year = format!("{}d", rules.window_days);
    let mut count = |id: String, label: String, prefixes: Option<&[String]>, of: &[&Known<'_, Condition>]| {
        if stated.is_empty()
            && let Some(missing) = none(view, &id, &label, rules.missing)
        {
            all.push(missing);
            return;
        }
        let mut distinct: BTreeMap<String, &Known<'_, Condition>> = BTreeMap::new();
        for known in
            of.iter().copied().filter(|known| prefixes.is_none_or(|list| in_chapter(known.fact, list)))
        {
            if let Some(identity) = identity(known.fact) {
                distinct.insert(identity, known);
            }
        }
        let from: Vec<&Known<'_, Condition>> = distinct.values().copied().collect();
        all.push(number(view, &id, &label, distinct.len() as f64, &from));
    };
    count(rules.id.clone(), rules.label.clone(), None, stated);
    count(format!("{}-{year}", rules.id), format!("{}, last {year}", rules.label), None, &recent);
    for chapter in &rules.chapters {
        let (id, label) =
            (format!("{}-{}", rules.id, chapter.id), format!("{}: {}", rules.label, chapter.label));
        let listed = Some(chapter.icd10.as_slice());
        count(format!("{id}-{year}"), format!("{label}, last {year}"), listed, &recent);
        count(id, label, listed, stated);
    }
}

fn in_chapter(fact: &Condition, prefixes: &[String]) -> bool {
    fact.code.codings.iter().any(|coding| {
        let code = coding.code.as_deref().unwrap_or_default();
        coding.system.as_deref().is_some_and(is_icd10) && starts(&bare(code), prefixes)
    })
}
