//! Diseases, each in three states: stated, stated absent, unknown.
//!
//! "Stated" is a Condition that is confirmed (or says nothing about its verification), or an Observation
//! of one of the concept's codes that is true, present or positive. "Stated absent" is a Condition with
//! `verificationStatus` refuted, or such an Observation that is false, absent or negative. A differential
//! diagnosis states nothing. No resource is no answer: unknown.
//!
//! | code | mark |
//! |---|---|
//! | ICD-10, ICD-10-CM, ICD-10-GM chapters | by the classification |
//! | SNOMED CT 840539006 COVID-19, 13645005 COPD, 87433001 emphysema, 254637007 and 254632001 lung cancer, 363346000 malignant disease | read in published value sets |
//! | SNOMED CT 38013005 immunosuppression, 234532001 immunodeficiency disorder; ICD-10-CM D84.821, Z79.62, Z94 of organs and marrow | check digits verified; unverified otherwise |
//! | the other SNOMED CT codes of cancers | read in one place each; a SNOMED CT cancer that is not listed is not recognised |

use jiff::Timestamp;

use super::schema::{Disease, LOINC, Named, SNOMED};
use super::view::{Known, feature, is_one_of, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, Original, View};
use crate::record::{Coding, Concept, Condition, ObservedValue, Origin};
use crate::time::Moment;

const GROUP: Group = Group::Condition;

const ABSENT: [(&str, &str); 6] = [
    (SNOMED, "2667000"),
    (SNOMED, "373067005"),
    (SNOMED, "260385009"),
    (SNOMED, "41647002"),
    (LOINC, "LA32-8"),
    (LOINC, "LA9634-2"),
];
const PRESENT: [(&str, &str); 5] = [
    (SNOMED, "52101004"),
    (SNOMED, "373066001"),
    (SNOMED, "10828004"),
    (LOINC, "LA33-6"),
    (LOINC, "LA9633-4"),
];

/// Whether an answer says present, yes or positive, or the contrary; `None` where it says neither.
pub(crate) fn presence(concept: &Concept) -> Option<bool> {
    match (is_one_of(concept, &PRESENT), is_one_of(concept, &ABSENT)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// What the record says of a disease in one place.
struct Statement<'a> {
    truth: bool,
    /// Whether `effective` is when it was, and not when somebody wrote that it had been.
    is_dated: bool,
    available: Timestamp,
    effective: Timestamp,
    origin: &'a Origin,
    text: Option<&'a Moment>,
    coding: Option<&'a Coding>,
}

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    for disease in &view.schema.diseases {
        let statements = statements(view, disease);
        let latest = statements.last();
        let found = stated(view, disease, latest);
        let is_dated = latest.is_some_and(|latest| latest.is_dated);
        let since = disease.years_since.as_ref().map(|named| years_since(&found, is_dated, named));
        all.push(found);
        all.extend(since);
    }
}

/// The three states of a disease. Stated wins over stated absent; of equals the latest is taken.
fn stated(view: &View<'_>, disease: &Disease, latest: Option<&Statement<'_>>) -> Feature {
    let Some(found) = latest else {
        return missing(&disease.id, &disease.label, GROUP, why(view, disease));
    };
    let value = FeatureValue::Bool(found.truth);
    let mut made = feature(&disease.id, &disease.label, GROUP, value).stated_by(
        view,
        found.origin,
        found.text,
        (found.available, found.effective),
    );
    made.original = found.coding.map(|coding| Original {
        value: coding.display.clone().unwrap_or_default(),
        unit: None,
        code: Some(coding.token()),
    });
    made
}

/// Stated absent before stated, each the latest last.
fn statements<'a>(view: &View<'a>, disease: &Disease) -> Vec<Statement<'a>> {
    let mut found = Vec::new();
    for known in &view.conditions.known {
        let Some(truth) = truth_of(known.fact) else { continue };
        let Some(coding) = answering(&known.fact.code, disease, truth) else { continue };
        let text = known.fact.onset.as_ref().or(known.fact.recorded.as_ref());
        let is_dated = known.fact.onset.is_some() || disease.past.matching(&known.fact.code).is_none();
        let made = statement(known, truth, &known.fact.origin, text, coding);
        found.push(Statement { is_dated, ..made });
    }
    for known in &view.observations.known {
        let truth = match &known.fact.value {
            ObservedValue::Boolean(truth) => *truth,
            ObservedValue::Concept(concept) => match presence(concept) {
                Some(truth) => truth,
                None => continue,
            },
            _ => continue,
        };
        let Some(coding) = answering(&known.fact.code, disease, truth) else { continue };
        found.push(statement(known, truth, &known.fact.origin, known.fact.effective.as_ref(), coding));
    }
    found.sort_by_key(|statement| (statement.truth, statement.effective, statement.available));
    found
}

/// The coding that answers about the disease when it is stated (`truth`) or stated absent.
fn answering<'a>(concept: &'a Concept, disease: &Disease, truth: bool) -> Option<&'a Coding> {
    let other = if truth { &disease.part } else { &disease.wider };
    disease.whole.matching(concept).or_else(|| other.matching(concept))
}

fn statement<'a, T>(
    known: &Known<'a, T>,
    truth: bool,
    origin: &'a Origin,
    text: Option<&'a Moment>,
    coding: &'a Coding,
) -> Statement<'a> {
    Statement {
        truth,
        is_dated: true,
        available: known.available,
        effective: known.effective,
        origin,
        text,
        coding: Some(coding),
    }
}

/// Stated, stated absent, or neither.
pub(crate) fn truth_of(condition: &Condition) -> Option<bool> {
    match condition.verification_status.as_deref() {
        None | Some("confirmed") => Some(true),
        Some("refuted") => Some(false),
        Some(_) => None, // unconfirmed, provisional, differential
    }
}

fn why(view: &View<'_>, disease: &Disease) -> MissingReason {
    strongest(
        view.conditions
            .refused
            .iter()
            .filter(|refused| answering(&refused.fact.code, disease, true).is_some()),
    )
}

/// Years from the latest statement of a disease to t0: from its onset, else from when it was recorded. Unknown where the latest
/// says that there once was one and not since when (`is_dated`): what is dated is earlier, and need not be the latest.
fn years_since(any: &Feature, is_dated: bool, named: &Named) -> Feature {
    let (id, label) = (&named.id, &named.label);
    match (&any.value, any.age_days) {
        (FeatureValue::Bool(true), _) if !is_dated => missing(id, label, GROUP, MissingReason::Undated),
        (FeatureValue::Bool(true), Some(days)) => {
            let value = FeatureValue::Number(days / super::statistics::DAYS_PER_YEAR);
            Feature { id: id.clone(), label: label.clone(), value, unit: Some("a".to_owned()), ..any.clone() }
        }
        (FeatureValue::Missing { reason }, _) => missing(id, label, GROUP, *reason),
        _ => missing(id, label, GROUP, MissingReason::NotRecorded),
    }
}
