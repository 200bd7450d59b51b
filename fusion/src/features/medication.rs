//! Drugs that were active at t0: how many, and whether that is many.
//!
//! A drug is active when its request or statement is active (or, where it is now completed or stopped,
//! when it states an end after t0), began at or before t0 and had not ended. The status is the one at the
//! time of the export: a drug that was stopped since without a stated end is not counted, and where any was changed after t0,
//! the count is marked so.

use std::collections::{BTreeMap, BTreeSet};

use super::schema::{Drug, MissingPolicy, RXNORM};
use super::view::{Known, feature, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, View};
use crate::record::{Coding, Concept, Medication};

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
    let active: Vec<&Known<'_, Medication>> =
        view.medications.known.iter().filter(|known| is_active(view, known)).collect();
    let drugs = distinct(view, &active);
    let count = drugs.len();
    let described = |id: &str, label: &str, value: FeatureValue| counted(view, id, label, value, &drugs);
    let mut counted = described(id, label, FeatureValue::Number(count as f64));
    counted.unit = Some("1".to_owned());
    counted.note = Some("distinct drugs by name, else by code; strengths of one drug count once".to_owned());
    all.push(counted);
    all.extend(
        many.iter().map(|(id, label, least)| described(id, label, FeatureValue::Bool(count >= *least))),
    );
    all.extend(view.schema.drugs.iter().map(|drug| taken(view, drug)));
}

/// One entry a drug: of several, the one known last. Two are one drug that have a name or a code in common.
fn distinct<'a, 'b>(view: &View<'_>, active: &[&'b Known<'a, Medication>]) -> Vec<&'b Known<'a, Medication>> {
    // by the place of a drug's last entry, the one that is cited
    let mut drugs: BTreeMap<usize, &'b Known<'a, Medication>> = BTreeMap::new();
    // the first entry of each name and code, and a later entry of the drug of each entry
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut later: Vec<usize> = (0..active.len()).collect();
    for (at, known) in active.iter().enumerate() {
        let own = identities(view, known.fact);
        let entries = own.iter().filter_map(|name| first.get(name));
        let same: BTreeSet<usize> = entries.map(|entry| last(&mut later, *entry)).collect();
        let mut latest = *known;
        for drug in same {
            later[drug] = at;
            latest = drugs.remove(&drug).filter(|other| rank(other) > rank(latest)).unwrap_or(latest);
        }
        if !own.is_empty() {
            drugs.insert(at, latest);
        }
        for name in own {
            first.entry(name).or_insert(at);
        }
    }
    drugs.into_values().collect()
}

/// The last entry of the drug of an entry; the way there is halved for the next who asks.
fn last(later: &mut [usize], mut entry: usize) -> usize {
    while later[entry] != entry {
        later[entry] = later[later[entry]];
        entry = later[entry];
    }
    entry
}

/// What tells of two entries for one drug which is cited.
fn rank<'a>(known: &'a Known<'_, Medication>) -> (jiff::Timestamp, Option<&'a String>) {
    (known.available, known.fact.origin.reference.as_ref())
}

/// A count of drugs with all the resources that it is made from, the one known last first.
fn counted(
    view: &View<'_>,
    id: &str,
    label: &str,
    value: FeatureValue,
    drugs: &[&Known<'_, Medication>],
) -> Feature {
    let mut made = feature(id, label, GROUP, value);
    // A drug that was changed since may have been active then, or not.
    let changed = view.medications.known.iter().any(|known| view.is_changed(&known.fact.origin));
    made.changed_after_t0 = changed;
    let Some(latest) = drugs.iter().max_by(|one, other| rank(one).cmp(&rank(other))) else { return made };
    let times = (latest.available, latest.effective);
    let mut made = made.stated_by(view, &latest.fact.origin, latest.fact.start.as_ref(), times);
    let others: BTreeSet<&String> =
        drugs.iter().filter_map(|known| known.fact.origin.reference.as_ref()).collect();
    let others = others.into_iter().filter(|one| Some(*one) != made.source.as_ref());
    made.other_sources = others.cloned().collect();
    made.changed_after_t0 = changed;
    made
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

/// What tells drugs apart: the ingredients that the name of the drug begins with, the first code, and, unless the name is
/// of several ingredients, every RxNorm code, since one of them may be the ingredient's.
fn identities(view: &View<'_>, fact: &Medication) -> BTreeSet<String> {
    let concept = Some(&fact.code).filter(|concept| **concept != Concept::default());
    let Some(concept) = concept.or_else(|| referred(view, fact)) else { return BTreeSet::new() };
    let displays = concept.codings.iter().filter_map(|coding| coding.display.as_deref());
    let texts = displays.chain(concept.text.as_deref());
    let name = texts.clone().find_map(ingredients);
    let several = name.as_ref().is_some_and(|name| name.contains(" / "));
    let coded = concept.codings.iter().filter(|coding| coding.code.is_some());
    let first = coded.clone().next().map(Coding::token);
    let rxnorm = coded.filter(|coding| !several && coding.system.as_deref() == Some(RXNORM));
    let mut found: BTreeSet<String> = rxnorm.map(Coding::token).chain(first).chain(name).collect();
    if found.is_empty() {
        found.extend(texts.take(1).map(str::to_lowercase));
    }
    found
}

/// Words of RxNorm's names that stand before the ingredient: `24 HR Metformin`, `1 ML Epoetin Alfa`.
const BEFORE: [&str; 6] = ["hr", "ml", "actuat", "day", "mg", "pack"];

/// Salts and forms: with or without them it is the same drug.
const NOT_THE_DRUG: [&str; 33] = [
    "hydrochloride",
    "hcl",
    "sodium",
    "potassium",
    "calcium",
    "magnesium",
    "sulfate",
    "succinate",
    "tartrate",
    "besylate",
    "maleate",
    "mesylate",
    "fumarate",
    "acetate",
    "phosphate",
    "citrate",
    "bitartrate",
    "hydrobromide",
    "oral",
    "tablet",
    "tablets",
    "capsule",
    "capsules",
    "injection",
    "solution",
    "suspension",
    "extended",
    "release",
    "er",
    "xr",
    "inhaler",
    "topical",
    "cream",
];

/// The ingredients in a name such as `Acetaminophen 325 MG / Hydrocodone Bitartrate 10 MG Oral Tablet`: the words of each part
/// before its strength, without salts and forms, in the order of the alphabet. `None` where no word is left.
fn ingredients(text: &str) -> Option<String> {
    let mut parts: Vec<String> = text.to_lowercase().split(" / ").filter_map(ingredient).collect();
    parts.sort();
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join(" / "))
}

fn ingredient(part: &str) -> Option<String> {
    let begins = |word: &str| !(has_digit(word) || BEFORE.contains(&word));
    let words =
        part.split_whitespace().map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()));
    let named: Vec<&str> = words
        .skip_while(|word| !begins(word))
        .take_while(|word| !has_digit(word))
        .filter(|word| !word.is_empty())
        .collect();
    // The first word is always the drug's: sodium chloride is no chloride.
    let kept = named.iter().enumerate().filter(|(at, word)| *at == 0 || !NOT_THE_DRUG.contains(word));
    let kept: Vec<&str> = kept.map(|(_, word)| *word).collect();
    (!kept.is_empty()).then(|| kept.join(" "))
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_salts_and_forms_are_one_drug() {
        for (text, expected) in [
            ("Metformin hydrochloride 500 MG Oral Tablet", "metformin"),
            ("24 HR Metformin 1000 MG Extended Release Oral Tablet", "metformin"),
            ("NDA020503 200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "albuterol"),
            ("Ibuprofen 200 MG Oral Tablet [Advil]", "ibuprofen"),
            (
                "Hydrocodone Bitartrate 10 MG / Acetaminophen 325 MG Oral Tablet",
                "acetaminophen / hydrocodone",
            ),
            ("Acetaminophen 325 MG / HYDROcodone Bitartrate 5 MG Oral Tablet", "acetaminophen / hydrocodone"),
            ("insulin glargine 100 UNT/ML", "insulin glargine"),
            ("Sodium Chloride 9 MG/ML Injection", "sodium chloride"),
            ("Potassium Chloride 10 MEQ", "potassium chloride"),
            ("Metoprolol succinate ER tablet", "metoprolol"),
        ] {
            assert_eq!(ingredients(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(ingredients("310965"), None);
        assert_eq!(ingredients(""), None);
    }
}
