//! Diseases among first-degree relatives: yes, no, unknown.
//!
//! Yes: a FamilyMemberHistory of a first-degree relative with the disease, or a Condition or Observation
//! of a family-history code that is so. No: such an Observation that is false, a refuted Condition, a code that says that
//! there is no such history, or a completed FamilyMemberHistory of first-degree relatives of which none has the disease.
//! Else unknown.
//!
//! Codes of the diseases and histories are in the schema (SNOMED CT 429011007 family history of malignant neoplasm of
//! lung was read in one public questionnaire); relationships are HL7 v3 RoleCode's.

use super::schema::{CodeList, Family};
use super::view::{feature, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, View};
use crate::record::{Concept, Observation, ObservedValue};

/// HL7 v3 RoleCode of parents, siblings and children; half, step, adoptive and foster ones are not of the first degree.
const FIRST_DEGREE: [&str; 27] = [
    "PRN", "FTH", "MTH", "NFTH", "NMTH", "NPRN", "SIB", "BRO", "SIS", "NSIB", "NBRO", "NSIS", "CHILD", "SON",
    "DAU", "NCHILD", "SONC", "DAUC", "TWIN", "TWINBRO", "TWINSIS", "FTWIN", "FTWINBRO", "FTWINSIS", "ITWIN",
    "ITWINBRO", "ITWINSIS",
];
const ROLE_CODE: [&str; 2] =
    ["http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://hl7.org/fhir/v3/RoleCode"];

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.extend(view.schema.families.iter().map(|family| history(view, family)));
}

fn history(view: &View<'_>, family: &Family) -> Feature {
    let mut no: Option<Feature> = None;
    for known in &view.relatives.known {
        if !known.fact.relationship.codings.iter().any(is_first_degree) {
            continue;
        }
        let truth = known.fact.conditions.iter().any(|concept| is_disease(family, concept));
        let complete = known.fact.status.as_deref() == Some("completed");
        let made = || {
            feature(&family.id, &family.label, Group::Family, FeatureValue::Bool(truth)).stated_by(
                view,
                &known.fact.origin,
                known.fact.recorded.as_ref(),
                (known.available, known.effective),
            )
        };
        if truth {
            return made();
        }
        if complete {
            no = Some(made());
        }
    }
    for known in &view.observations.known {
        let says_none = has_value(&family.no_history, known.fact);
        let truth = match known.fact.value {
            _ if says_none => false,
            ObservedValue::Boolean(truth) if family.history.matching(&known.fact.code).is_some() => truth,
            _ if has_value(&family.history, known.fact) => true,
            _ => continue,
        };
        let made = feature(&family.id, &family.label, Group::Family, FeatureValue::Bool(truth)).stated_by(
            view,
            &known.fact.origin,
            known.fact.effective.as_ref(),
            (known.available, known.effective),
        );
        if truth {
            return made;
        }
        no = Some(made);
    }
    for known in &view.conditions.known {
        if family.history.matching(&known.fact.code).is_none() {
            continue;
        }
        let truth = match known.fact.verification_status.as_deref() {
            None | Some("confirmed") => true,
            Some("refuted") => false,
            Some(_) => continue,
        };
        let made = feature(&family.id, &family.label, Group::Family, FeatureValue::Bool(truth)).stated_by(
            view,
            &known.fact.origin,
            known.fact.recorded.as_ref(),
            (known.available, known.effective),
        );
        if truth {
            return made;
        }
        no = Some(made);
    }
    no.unwrap_or_else(|| missing(&family.id, &family.label, Group::Family, why(view)))
}

fn why(view: &View<'_>) -> MissingReason {
    strongest(view.relatives.refused.iter())
}

fn is_first_degree(coding: &crate::record::Coding) -> bool {
    let system = coding.system.as_deref().unwrap_or_default();
    ROLE_CODE.contains(&system) && coding.code.as_deref().is_some_and(|code| FIRST_DEGREE.contains(&code))
}

fn is_disease(family: &Family, concept: &Concept) -> bool {
    family.disease.matching(concept).is_some() || family.history.matching(concept).is_some()
}

/// Whether an Observation's value is one of these codes.
fn has_value(list: &CodeList, fact: &Observation) -> bool {
    matches!(&fact.value, ObservedValue::Concept(concept) if list.matching(concept).is_some())
}
