//! Every system, URL and code of the bundle that is not the models' own, in one table.
//!
//! AI transparency: HL7/aitransparency-ig, version 1.0.0 as of 2026-08-06. No `meta.profile` is claimed.

use super::datatypes::{CodeableConcept, Coding};
use crate::report::document::Presence;

/// Identifier system of report keys. The host of our own systems is reserved by RFC 2606, so that it can be nobody
/// else's; never change it: the identifiers of stored reports start with it.
pub const REPORT_KEYS: &str = "https://chiasm.invalid/fhir/report-key";
/// Identifier system of job keys: on the bundle, on its report, and on the task of a study without a result.
pub const JOB_KEYS: &str = "https://chiasm.invalid/fhir/job-key";
/// The status of what is taken back
/// (<http://hl7.org/fhir/R4/valueset-diagnostic-report-status.html>, and of observations, risks and tasks).
pub const WITHDRAWN: &str = "entered-in-error";

/// Status of a document that another one took the place of (<http://hl7.org/fhir/R4/valueset-document-reference-status.html>).
pub(super) const SUPERSEDED: &str = "superseded";
pub(super) const MODELS: &str = "https://chiasm.invalid/fhir/model";
pub(super) const MODEL_CARDS: &str = "https://chiasm.invalid/fhir/model-card";
pub(super) const RISKS: &str = "https://chiasm.invalid/fhir/CodeSystem/risk";
pub(super) const FINDINGS: &str = "https://chiasm.invalid/fhir/CodeSystem/finding";
pub(super) const SEGMENTS: &str = "https://chiasm.invalid/fhir/CodeSystem/segment";
pub(super) const REFUSALS: &str = "https://chiasm.invalid/fhir/CodeSystem/no-result";
pub(super) const COMPONENTS: &str = "https://chiasm.invalid/fhir/CodeSystem/component";

const TAGS: &str = "https://chiasm.invalid/fhir/CodeSystem/tag";

pub(super) const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
pub(super) const DICOM_UID: &str = "urn:dicom:uid";
pub(super) const URI: &str = "urn:ietf:rfc:3986";
const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const RADELEMENT: &str = "https://radelement.org";

pub(super) const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
/// A performer that R4 has no type for.
pub(super) const ALTERNATE_REFERENCE: &str = "http://hl7.org/fhir/StructureDefinition/alternate-reference";
/// From a DiagnosticReport to a RiskAssessment.
pub(super) const REPORT_RISK: &str = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-risk";
pub(super) const AI_KIND: &str =
    "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.AIKind";
pub(super) const MODEL_CARD_DESCRIPTION: &str =
    "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription";
/// The confidence that a system has in what it says; after the ballot of January 2026, so a site switches it on.
pub(super) const AI_CONFIDENCE: &str =
    "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence";
const AI_DEVICE_TYPES: &str = "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS";
const AI_INPUTS: &str = "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIinputsCS";

/// The label of what an artificial intelligence asserted.
pub(super) fn ai_asserted() -> Coding {
    Coding::new(
        "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "AIAST",
        "Artificial Intelligence asserted",
    )
}

/// The tag of a measurement that is cited; a record that is read leaves out what bears it.
pub(super) fn cited() -> Coding {
    Coding::new(TAGS, "cited", "Cited measurement")
}

/// `Device.type` and the agent's role.
pub(super) fn artificial_intelligence() -> CodeableConcept {
    CodeableConcept::coded(AI_DEVICE_TYPES, "Artificial-Intelligence", "All kinds of Artificial Intelligence")
}

/// The kind of a network.
pub(super) fn deep_learning() -> CodeableConcept {
    CodeableConcept::coded(AI_DEVICE_TYPES, "Deep-Learning-Models", "Deep Learning Models")
}

/// The kind of a regression over scores and record.
pub(super) fn machine_learning() -> CodeableConcept {
    CodeableConcept::coded(AI_DEVICE_TYPES, "Machine-Learning-Models", "Machine Learning Models")
}

/// The kind of a program that computes published formulas.
pub(super) fn rule_based() -> CodeableConcept {
    CodeableConcept::coded(AI_DEVICE_TYPES, "Rule-Based-Systems", "Rule-Based Systems")
}

/// A picture of what a finding rests on; the concept of the DICOM structured report.
pub(super) fn visual_explanation() -> CodeableConcept {
    CodeableConcept::coded(DCM, "130401", "Visual Explanation")
}

pub(super) fn model_card() -> CodeableConcept {
    CodeableConcept::coded(AI_INPUTS, "AIModelCard", "AI Model-Card")
}

pub(super) fn model_card_markdown() -> CodeableConcept {
    CodeableConcept::coded(AI_INPUTS, "AIModelCardMarkdownFormat", "Markdown Format")
}

/// The three-way state as a value; the concepts are SNOMED CT qualifier values.
pub(super) fn presence(presence: Presence) -> CodeableConcept {
    match presence {
        Presence::Present => CodeableConcept::coded(SNOMED, "52101004", "Present"),
        Presence::Indeterminate => CodeableConcept::coded(SNOMED, "82334004", "Indeterminate"),
        Presence::Absent => CodeableConcept::coded(SNOMED, "2667000", "Absent"),
    }
}

/// The three-way state as an interpretation.
pub(super) fn interpretation(presence: Presence) -> CodeableConcept {
    let (code, display) = match presence {
        Presence::Present => ("POS", "Positive"),
        Presence::Indeterminate => ("IND", "Indeterminate"),
        Presence::Absent => ("NEG", "Negative"),
    };
    CodeableConcept::coded(
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        code,
        display,
    )
}

/// Why a value is not there.
pub(super) fn data_absent(reason: &str) -> CodeableConcept {
    CodeableConcept::coded(
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
        "not-performed",
        "Not Performed",
    )
    .with_text(reason)
}

/// Why a measurement is not there though something was measured.
pub(super) fn data_unknown(reason: &str) -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Unknown")
        .with_text(reason)
}

/// The longest diameter of a lesion, in LOINC and RadElement.
pub(super) fn longest_diameter() -> CodeableConcept {
    CodeableConcept {
        coding: vec![
            Coding::new(LOINC, "33728-7", "Size.maximum dimension in Tumor"),
            Coding::new(RADELEMENT, "RDE1302", "Size"),
        ],
        ..CodeableConcept::default()
    }
}

/// How many lesions there are on an examination.
pub(super) fn lesion_count() -> CodeableConcept {
    CodeableConcept::coded(SNOMED, "246205007", "Quantity")
}

/// What a nodule is made of.
pub(super) fn composition() -> CodeableConcept {
    CodeableConcept::coded(RADELEMENT, "RDE1301", "Composition")
}

/// Whether a margin is spiculated.
pub(super) fn spiculated() -> CodeableConcept {
    CodeableConcept::coded(SNOMED, "129742005", "Spiculated lesion")
}

/// A part of an Observation that no standard names as we mean it.
pub(super) fn component(code: &str, display: &str) -> CodeableConcept {
    CodeableConcept::coded(COMPONENTS, code, display)
}

/// The area of something; the concept of the DICOM structured report.
pub(super) fn area() -> CodeableConcept {
    CodeableConcept::coded(SNOMED, "42798000", "Area")
}

/// What kind of thing was found; the concept of the DICOM structured report.
pub(super) fn finding_category() -> CodeableConcept {
    CodeableConcept::coded(SNOMED, "276214006", "Finding category")
}

/// What was found, likewise.
pub(super) fn finding() -> CodeableConcept {
    CodeableConcept::coded(DCM, "121071", "Finding")
}

/// The mean of what a network says of the pixels inside.
pub(super) fn mean_probability() -> CodeableConcept {
    CodeableConcept::coded(COMPONENTS, "mean-probability", "Mean probability of the segment's pixels")
}

/// A DICOM segmentation; the concept of its modality.
pub(super) fn segmentation() -> CodeableConcept {
    CodeableConcept::coded(DCM, "SEG", "Segmentation")
}

/// An identifier that is the UID of an observation in a DICOM structured report (HL7/dicom-sr).
pub(super) fn observation_uid() -> CodeableConcept {
    CodeableConcept::coded(
        "http://hl7.org/fhir/uv/dicom-sr/CodeSystem/dicom-identifier-type",
        "observation-uid",
        "Observation UID",
    )
}

pub(super) fn imaging() -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")
}

/// Categories of an imaging report: HL7 v2, US Core, EU.
pub(super) fn report_categories() -> Vec<CodeableConcept> {
    vec![
        CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology"),
        CodeableConcept::coded(LOINC, "LP29684-5", "Radiology"),
        CodeableConcept::coded(LOINC, "85430-7", "Diagnostic imaging report"),
    ]
}

pub(super) fn report_code() -> CodeableConcept {
    CodeableConcept::coded(LOINC, "18748-4", "Diagnostic imaging study")
}

pub(super) fn accession() -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN", "Accession ID")
}

pub(super) fn medical_record_number() -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number")
}

pub(super) fn created() -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "CREATE", "create")
}

pub(super) fn nullified() -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "NULLIFY", "nullify")
}

/// A Provenance participant: `author`, `assembler`.
pub(super) fn participant(code: &str, display: &str) -> CodeableConcept {
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/provenance-participant-type", code, display)
}

/// A risk band, where the category is one of FHIR's.
pub(super) fn risk_band(category: &str) -> CodeableConcept {
    let (code, display) = match category.to_lowercase().as_str() {
        "negligible" => ("negligible", "Negligible likelihood"),
        "low" => ("low", "Low likelihood"),
        "moderate" => ("moderate", "Moderate likelihood"),
        "high" => ("high", "High likelihood"),
        "certain" => ("certain", "Certain"),
        _ => return CodeableConcept::text(category),
    };
    CodeableConcept::coded("http://terminology.hl7.org/CodeSystem/risk-probability", code, display)
        .with_text(category)
}

/// The probability that goes with a three-way state.
pub(super) fn probability() -> CodeableConcept {
    CodeableConcept::coded(COMPONENTS, "probability", "Calibrated probability of the finding")
}
