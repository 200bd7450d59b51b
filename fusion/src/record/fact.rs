//! What is kept of a FHIR R4 resource: the elements that features are made from, and no others.

use super::json::{concept, concept_at, list, moment, owned, quantity, status_code, text};
use crate::phi::Phi;
use crate::time::Moment;
use serde_json::Value;

/// A Coding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) system: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) display: Option<String>,
}

impl Coding {
    /// Whether this is `code` of `system`.
    pub(crate) fn is(&self, system: &str, code: &str) -> bool {
        self.system.as_deref() == Some(system) && self.code.as_deref() == Some(code)
    }

    /// `system|code`, for provenance.
    pub(crate) fn token(&self) -> String {
        format!("{}|{}", self.system.as_deref().unwrap_or_default(), self.code.as_deref().unwrap_or_default())
    }
}

/// A CodeableConcept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Concept {
    pub(crate) codings: Vec<Coding>,
    pub(crate) text: Option<String>,
}

impl Concept {
    /// Whether one of the codings is `code` of `system`.
    pub(crate) fn has(&self, system: &str, code: &str) -> bool {
        self.codings.iter().any(|coding| coding.is(system, code))
    }
}

/// An identifier of the patient, as the record states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Identifier system, a URI such as `urn:oid:2.25.303030`.
    pub system: Option<String>,
    /// The number itself.
    pub value: Phi<String>,
    /// Code of the type, from HL7 v2 table 0203, such as `MR`.
    pub type_code: Option<String>,
    /// Display of the organisation that issued it; DICOM's Issuer of Patient ID (0010,0021).
    pub assigner: Option<String>,
    /// FHIR's `use`: `usual`, `official`, `temp`, `secondary` or `old`.
    pub usage: Option<String>,
}

/// How a quantity is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuantityComparator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A Quantity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    pub(crate) written: String,
    pub(crate) comparator: Option<QuantityComparator>,
    pub(crate) unit: Option<String>,
    pub(crate) system: Option<String>,
    pub(crate) code: Option<String>,
}

/// Which resource a fact comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `Observation/17`, or the bundle's `fullUrl` where the resource has no id.
    pub(crate) reference: Option<String>,
    /// `meta.versionId`.
    pub(crate) version: Option<String>,
    /// `meta.lastUpdated`.
    pub(crate) updated: Option<Moment>,
}

/// The value of an Observation or of one of its components.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ObservedValue {
    Quantity(Quantity),
    Concept(Concept),
    Boolean(bool),
    Integer(i64),
    Text(String),
    Moment(Moment),
    /// A value of another type, or none.
    None,
}

/// One component of an Observation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Component {
    pub(crate) code: Concept,
    pub(crate) value: ObservedValue,
}

/// What is kept of an Observation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observation {
    pub(crate) origin: Origin,
    pub(crate) status: Option<String>,
    pub(crate) code: Concept,
    pub(crate) value: ObservedValue,
    pub(crate) components: Vec<Component>,
    pub(crate) body_site: Concept,
    /// All codings of `interpretation` together.
    pub(crate) interpretation: Concept,
    pub(crate) effective: Option<Moment>,
    /// End of `effectivePeriod`; with a period that has none, nothing is known of its end.
    pub(crate) effective_end: Option<Moment>,
    pub(crate) issued: Option<Moment>,
}

/// What is kept of a Condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) origin: Origin,
    pub(crate) code: Concept,
    pub(crate) clinical_status: Option<String>,
    pub(crate) verification_status: Option<String>,
    pub(crate) onset: Option<Moment>,
    pub(crate) abatement: Option<Moment>,
    pub(crate) recorded: Option<Moment>,
}

/// What is kept of a MedicationRequest or a MedicationStatement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Medication {
    pub(crate) origin: Origin,
    pub(crate) status: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) code: Concept,
    /// Reference to a Medication resource, where there is no code.
    pub(crate) refers_to: Option<String>,
    pub(crate) start: Option<Moment>,
    pub(crate) end: Option<Moment>,
    /// `authoredOn` or `dateAsserted`.
    pub(crate) known: Option<Moment>,
}

/// What is kept of a FamilyMemberHistory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relative {
    pub(crate) origin: Origin,
    pub(crate) status: Option<String>,
    pub(crate) relationship: Concept,
    pub(crate) conditions: Vec<Concept>,
    pub(crate) recorded: Option<Moment>,
}

/// What is kept of a Procedure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Procedure {
    pub(crate) origin: Origin,
    pub(crate) status: Option<String>,
    pub(crate) code: Concept,
    pub(crate) performed: Option<Moment>,
    pub(crate) performed_end: Option<Moment>,
}

pub(crate) fn procedure(value: &Value, origin: Origin) -> Procedure {
    let period = |part: &str| value.get("performedPeriod").and_then(|period| moment(period, part));
    Procedure {
        origin,
        status: owned(value, "status"),
        code: concept_at(value, "code"),
        performed: moment(value, "performedDateTime").or_else(|| period("start")),
        performed_end: period("end"),
    }
}

pub(crate) fn observation(value: &Value, origin: Origin) -> Observation {
    let period = value.get("effectivePeriod");
    let start = period.and_then(|period| moment(period, "start"));
    Observation {
        origin,
        status: owned(value, "status"),
        code: concept_at(value, "code"),
        value: observed(value),
        components: list(value, "component")
            .map(|part| Component { code: concept_at(part, "code"), value: observed(part) })
            .collect(),
        body_site: concept_at(value, "bodySite"),
        interpretation: Concept {
            codings: list(value, "interpretation").flat_map(|part| concept(part).codings).collect(),
            text: None,
        },
        effective: moment(value, "effectiveDateTime").or_else(|| moment(value, "effectiveInstant")).or(start),
        effective_end: period.and_then(|period| moment(period, "end")),
        issued: moment(value, "issued"),
    }
}

fn observed(value: &Value) -> ObservedValue {
    if let Some(quantity) = value.get("valueQuantity").and_then(quantity) {
        return ObservedValue::Quantity(quantity);
    }
    if let Some(found) = value.get("valueCodeableConcept") {
        return ObservedValue::Concept(concept(found));
    }
    if let Some(found) = value.get("valueBoolean").and_then(Value::as_bool) {
        return ObservedValue::Boolean(found);
    }
    if let Some(found) = value.get("valueInteger").and_then(Value::as_i64) {
        return ObservedValue::Integer(found);
    }
    if let Some(found) = moment(value, "valueDateTime") {
        return ObservedValue::Moment(found);
    }
    match text(value, "valueString") {
        Some(found) => ObservedValue::Text(found.to_owned()),
        None => ObservedValue::None,
    }
}

pub(crate) fn condition(value: &Value, origin: Origin) -> Condition {
    let period = |key: &str, part: &str| value.get(key).and_then(|period| moment(period, part));
    Condition {
        origin,
        code: concept_at(value, "code"),
        clinical_status: status_code(value, "clinicalStatus"),
        verification_status: status_code(value, "verificationStatus"),
        onset: moment(value, "onsetDateTime").or_else(|| period("onsetPeriod", "start")),
        abatement: moment(value, "abatementDateTime").or_else(|| period("abatementPeriod", "end")),
        recorded: moment(value, "recordedDate"),
    }
}

pub(crate) fn medication_request(value: &Value, origin: Origin) -> Medication {
    let supply = value.get("dispenseRequest").and_then(|supply| supply.get("validityPeriod"));
    let bounds = list(value, "dosageInstruction").find_map(|dosage| {
        let repeat = dosage.get("timing")?.get("repeat")?;
        moment(repeat.get("boundsPeriod")?, "end")
    });
    Medication {
        start: moment(value, "authoredOn"),
        end: bounds.or_else(|| supply.and_then(|period| moment(period, "end"))),
        known: moment(value, "authoredOn"),
        ..medication(value, origin)
    }
}

pub(crate) fn medication_statement(value: &Value, origin: Origin) -> Medication {
    let period = value.get("effectivePeriod");
    let start =
        moment(value, "effectiveDateTime").or_else(|| period.and_then(|period| moment(period, "start")));
    Medication {
        start,
        end: period.and_then(|period| moment(period, "end")),
        known: moment(value, "dateAsserted"),
        ..medication(value, origin)
    }
}

fn medication(value: &Value, origin: Origin) -> Medication {
    Medication {
        origin,
        status: owned(value, "status"),
        intent: owned(value, "intent"),
        code: concept_at(value, "medicationCodeableConcept"),
        refers_to: value.get("medicationReference").and_then(|found| owned(found, "reference")),
        start: None,
        end: None,
        known: None,
    }
}

pub(crate) fn relative(value: &Value, origin: Origin) -> Relative {
    Relative {
        origin,
        status: owned(value, "status"),
        relationship: concept_at(value, "relationship"),
        conditions: list(value, "condition").map(|found| concept_at(found, "code")).collect(),
        recorded: moment(value, "date"),
    }
}
