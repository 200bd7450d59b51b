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
//! | the other SNOMED CT codes of cancers | read in one place each; a SNOMED CT cancer that is not listed is not recognised |

use jiff::Timestamp;

use super::schema::{LOINC, SNOMED};
use super::view::{Known, feature, is_one_of, missing, strongest};
use super::{Feature, FeatureValue, Group, MissingReason, Original, View};
use crate::record::{Coding, Concept, Condition, ObservedValue, Origin};
use crate::time::Moment;

const GROUP: Group = Group::Condition;

/// Codes of one kind of answer: SNOMED CT concepts and ICD-10 categories, as prefixes without the dot.
#[derive(Clone, Copy)]
struct Codes {
    /// Lists of SNOMED CT codes, so that one list can stand in several diseases.
    snomed: &'static [&'static [&'static str]],
    icd10: &'static [&'static str],
    /// ICD-10 categories that are not meant though a prefix fits.
    not_icd10: &'static [&'static str],
}

const NO_CODES: Codes = Codes { snomed: &[], icd10: &[], not_icd10: &[] };

/// A disease and what answers whether there is one.
struct Disease {
    id: &'static str,
    label: &'static str,
    /// The disease itself: stated is yes, stated absent is no.
    whole: Codes,
    /// Kinds of it: stated is yes; that one kind is absent says nothing.
    part: Codes,
    /// What it is a kind of: stated absent is no; that there is some kind says nothing.
    wider: Codes,
}

const LUNG_CANCER_ITSELF: [&str; 2] = ["363358000", "93880001"];

const LUNG_CANCER: [&str; 8] =
    ["254637007", "254632001", "424132000", "425048006", "424970000", "425376008", "254626006", "254634000"];

/// Malignant diseases outside the chest that records are likely to name.
const OTHER_CANCERS: [&str; 22] = [
    "254837009",
    "363406005",
    "93761005",
    "399068003",
    "254900004",
    "399326009",
    "363518003",
    "363418001",
    "363349007",
    "363443007",
    "363354003",
    "363478007",
    "372244006",
    "118600007",
    "93143009",
    "109989006",
    "254935002",
    "109838007",
    "363351006",
    "255081007",
    "254878006",
    "188725004",
];

/// Malignant neoplastic disease; and neoplastic disease and tumour finding, which may be benign.
const MALIGNANT: [&str; 1] = ["363346000"];
const NEOPLASTIC: [&str; 3] = ["363346000", "55342001", "395557000"];

/// ICD-10 C00 to C97, and the personal history of a malignant neoplasm.
const CANCER_ICD10: [&str; 2] = ["C", "Z85"];
/// Skin cancer other than melanoma.
const SKIN: [&str; 2] = ["C44", "Z85828"];
/// Cancers of the chest (trachea, lung, thymus, mediastinum, mesothelioma), their personal history, and
/// skin cancer other than melanoma.
const THORACIC: [&str; 10] = ["C33", "C34", "C37", "C38", "C39", "C45", "C44", "Z851", "Z852", "Z85828"];

const EMPHYSEMA: Codes =
    Codes { snomed: &[&["87433001", "16003001", "31898008", "266355005"]], icd10: &["J43"], ..NO_CODES };

const DISEASES: [Disease; 6] = [
    Disease {
        id: "covid-19",
        label: "COVID-19",
        whole: Codes { snomed: &[&["840539006"]], icd10: &["U071"], ..NO_CODES },
        part: NO_CODES,
        wider: NO_CODES,
    },
    Disease {
        id: "copd",
        label: "Chronic obstructive pulmonary disease",
        whole: Codes { snomed: &[&["13645005"]], icd10: &["J44"], ..NO_CODES },
        part: Codes {
            snomed: &[&["87433001", "16003001", "31898008", "266355005", "185086009", "195951007"]],
            ..EMPHYSEMA
        },
        wider: NO_CODES,
    },
    Disease {
        id: "emphysema",
        label: "Emphysema",
        whole: Codes { snomed: &[&["87433001"]], icd10: &["J43"], ..NO_CODES },
        part: EMPHYSEMA,
        wider: NO_CODES,
    },
    Disease {
        id: "lung-cancer",
        label: "Lung cancer",
        whole: Codes { snomed: &[&LUNG_CANCER_ITSELF], icd10: &["C34", "Z851"], ..NO_CODES },
        part: Codes { snomed: &[&LUNG_CANCER], ..NO_CODES },
        wider: Codes { snomed: &[&NEOPLASTIC], ..NO_CODES },
    },
    Disease {
        id: "extrathoracic-cancer",
        label: "Cancer outside the chest",
        whole: NO_CODES,
        part: Codes { snomed: &[&OTHER_CANCERS], icd10: &CANCER_ICD10, not_icd10: &THORACIC },
        wider: Codes { snomed: &[&NEOPLASTIC], ..NO_CODES },
    },
    Disease {
        id: "cancer",
        label: "Cancer, any, past or present",
        whole: Codes { snomed: &[&MALIGNANT], ..NO_CODES },
        part: Codes {
            snomed: &[&LUNG_CANCER, &LUNG_CANCER_ITSELF, &OTHER_CANCERS],
            icd10: &CANCER_ICD10,
            not_icd10: &SKIN,
        },
        wider: Codes { snomed: &[&NEOPLASTIC], ..NO_CODES },
    },
];

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
    available: Timestamp,
    effective: Timestamp,
    origin: &'a Origin,
    text: Option<&'a Moment>,
    coding: Option<&'a Coding>,
}

pub(crate) fn add(view: &View<'_>, all: &mut Vec<Feature>) {
    let mut found: Vec<Feature> = DISEASES.iter().map(|disease| stated(view, disease)).collect();
    if let Some(any) = found.last() {
        let since = years_since(any);
        found.push(since);
    }
    all.extend(found);
}

/// The three states of a disease. Stated wins over stated absent; of equals the latest is taken.
fn stated(view: &View<'_>, disease: &Disease) -> Feature {
    let mut statements = statements(view, disease);
    statements.sort_by_key(|statement| (statement.truth, statement.effective, statement.available));
    let Some(found) = statements.last() else {
        return missing(disease.id, disease.label, GROUP, why(view, disease));
    };
    let value = FeatureValue::Bool(found.truth);
    let mut made = feature(disease.id, disease.label, GROUP, value).stated_by(
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

fn statements<'a>(view: &View<'a>, disease: &Disease) -> Vec<Statement<'a>> {
    let mut found = Vec::new();
    for known in &view.conditions.known {
        let Some(truth) = truth_of(known.fact) else { continue };
        let Some(coding) = answering(&known.fact.code, disease, truth) else { continue };
        let text = known.fact.onset.as_ref().or(known.fact.recorded.as_ref());
        found.push(statement(known, truth, &known.fact.origin, text, coding));
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
    found
}

/// The coding that answers about the disease when it is stated (`truth`) or stated absent.
fn answering<'a>(concept: &'a Concept, disease: &Disease, truth: bool) -> Option<&'a Coding> {
    let other = if truth { &disease.part } else { &disease.wider };
    matching(concept, &disease.whole).or_else(|| matching(concept, other))
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
        available: known.available,
        effective: known.effective,
        origin,
        text,
        coding: Some(coding),
    }
}

fn truth_of(condition: &Condition) -> Option<bool> {
    match condition.verification_status.as_deref() {
        None | Some("confirmed") => Some(true),
        Some("refuted") => Some(false),
        Some(_) => None, // unconfirmed, provisional, differential
    }
}

fn matching<'a>(concept: &'a Concept, codes: &Codes) -> Option<&'a Coding> {
    concept.codings.iter().find(|coding| {
        let code = coding.code.as_deref().unwrap_or_default();
        let system = coding.system.as_deref().unwrap_or_default();
        if system == SNOMED {
            return codes.snomed.iter().any(|list| list.contains(&code));
        }
        if !is_icd10(system) {
            return false;
        }
        let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        let in_list = |list: &[&str]| list.iter().any(|prefix| bare.starts_with(prefix));
        in_list(codes.icd10) && !in_list(codes.not_icd10)
    })
}

/// ICD-10 of the WHO, ICD-10-CM of the USA, ICD-10-GM of Germany, as FHIR names them.
fn is_icd10(system: &str) -> bool {
    matches!(
        system,
        "http://hl7.org/fhir/sid/icd-10"
            | "http://hl7.org/fhir/sid/icd-10-cm"
            | "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
            | "http://fhir.de/CodeSystem/dimdi/icd-10-gm"
            | "urn:oid:2.16.840.1.113883.6.90"
            | "urn:oid:2.16.840.1.113883.6.3"
    )
}

fn why(view: &View<'_>, disease: &Disease) -> MissingReason {
    strongest(
        view.conditions
            .refused
            .iter()
            .filter(|refused| answering(&refused.fact.code, disease, true).is_some()),
    )
}

/// Years from the latest statement of a cancer to t0: from its onset, else from when it was recorded.
fn years_since(any: &Feature) -> Feature {
    let (id, label) = ("years-since-cancer", "Years since the latest cancer diagnosis");
    match (&any.value, any.age_days) {
        (FeatureValue::Bool(true), Some(days)) => {
            let value = FeatureValue::Number(days / super::statistics::DAYS_PER_YEAR);
            Feature {
                id: id.to_owned(),
                label: label.to_owned(),
                value,
                unit: Some("a".to_owned()),
                ..any.clone()
            }
        }
        (FeatureValue::Missing { reason }, _) => missing(id, label, GROUP, *reason),
        _ => missing(id, label, GROUP, MissingReason::NotRecorded),
    }
}
