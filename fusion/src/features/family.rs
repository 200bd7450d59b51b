//! Lung cancer among first-degree relatives: yes, no, unknown.
//!
//! Yes: a FamilyMemberHistory of a first-degree relative with lung cancer, or a Condition or Observation
//! of a family-history code that is so. No: such an Observation that is false, a refuted Condition, or a
//! completed FamilyMemberHistory of first-degree relatives of which none has lung cancer. Else unknown.
//!
//! Codes: SNOMED CT 429011007 family history of malignant neoplasm of lung (read in one public
//! questionnaire), ICD-10-CM Z80.1; relationships from HL7 v3 RoleCode.

use super::schema::SNOMED;
use super::view::{feature, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, View};
use crate::record::{Concept, ObservedValue};

const ID: &str = "family-lung-cancer";
const LABEL: &str = "Lung cancer in a first-degree relative";

/// HL7 v3 RoleCode of parents, siblings and children.
const FIRST_DEGREE: [&str; 21] = [
    "PRN", "FTH", "MTH", "NFTH", "NMTH", "NPRN", "SIB", "BRO", "SIS", "NSIB", "NBRO", "NSIS", "CHILD", "SON",
    "DAU", "NCHILD", "SONC", "DAUC", "TWIN", "TWINBRO", "TWINSIS",
];
const ROLE_CODE: [&str; 2] =
    ["http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://hl7.org/fhir/v3/RoleCode"];

const LUNG_CANCER: [&str; 6] = ["254637007", "254632001", "363358000", "93880001", "254626006", "254634000"];
const FAMILY_HISTORY: &str = "429011007";

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    all.push(lung_cancer(view));
}

fn lung_cancer(view: &View<'_>) -> Feature {
    let mut no: Option<Feature> = None;
    for known in &view.relatives.known {
        if !known.fact.relationship.codings.iter().any(is_first_degree) {
            continue;
        }
        let truth = known.fact.conditions.iter().any(is_lung_cancer);
        let complete = known.fact.status.as_deref() == Some("completed");
        let made = || {
            feature(ID, LABEL, Group::Family, FeatureValue::Bool(truth)).stated_by(
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
        if !is_family_history(&known.fact.code) {
            continue;
        }
        let ObservedValue::Boolean(truth) = known.fact.value else { continue };
        let made = feature(ID, LABEL, Group::Family, FeatureValue::Bool(truth)).stated_by(
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
        if !is_family_history(&known.fact.code) {
            continue;
        }
        let truth = match known.fact.verification_status.as_deref() {
            None | Some("confirmed") => true,
            Some("refuted") => false,
            Some(_) => continue,
        };
        let made = feature(ID, LABEL, Group::Family, FeatureValue::Bool(truth)).stated_by(
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
    no.unwrap_or_else(|| missing(ID, LABEL, Group::Family, why(view)))
}

fn why(view: &View<'_>) -> MissingReason {
    strongest(view.relatives.refused.iter())
}

fn is_first_degree(coding: &crate::record::Coding) -> bool {
    let system = coding.system.as_deref().unwrap_or_default();
    ROLE_CODE.contains(&system) && coding.code.as_deref().is_some_and(|code| FIRST_DEGREE.contains(&code))
}

fn is_lung_cancer(concept: &Concept) -> bool {
    LUNG_CANCER.iter().any(|code| concept.has(SNOMED, code))
        || is_family_history(concept)
        || icd10(concept).any(|code| code.starts_with("C34"))
}

fn is_family_history(concept: &Concept) -> bool {
    concept.has(SNOMED, FAMILY_HISTORY) || icd10(concept).any(|code| code.starts_with("Z801"))
}

fn icd10(concept: &Concept) -> impl Iterator<Item = String> + '_ {
    concept
        .codings
        .iter()
        .filter(|coding| coding.system.as_deref().is_some_and(|system| system.contains("icd-10")))
        .map(|coding| {
            let code = coding.code.as_deref().unwrap_or_default();
            code.chars().filter(char::is_ascii_alphanumeric).collect()
        })
}
