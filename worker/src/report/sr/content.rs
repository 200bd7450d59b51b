//! Content items (PS3.3 C.17.3): what a structured report is built of.

use dicom_ingest::write::{Elements, VR, tags};

use super::codes::{Code, percent};
use crate::report::dicom::referenced;
use crate::report::text::visible;

/// Greatest length of a text here, in characters: far beyond any of ours.
const TEXT: usize = 64 * 1024;

/// Relationship of an item to the one that it lies in (PS3.3 C.17.3.2.4).
#[derive(Debug, Clone, Copy)]
pub(super) enum Relation {
    Contains,
    HasConceptModifier,
    HasObservationContext,
    HasAcquisitionContext,
}

impl Relation {
    const fn word(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasConceptModifier => "HAS CONCEPT MOD",
            Self::HasObservationContext => "HAS OBS CONTEXT",
            Self::HasAcquisitionContext => "HAS ACQ CONTEXT",
        }
    }
}

fn item(relation: Relation, value_type: &str, name: Option<&Code>) -> Elements {
    let mut item = Elements::default();
    item.text(tags::RELATIONSHIP_TYPE, VR::CS, relation.word()).text(tags::VALUE_TYPE, VR::CS, value_type);
    if let Some(name) = name {
        item.sequence(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![name.item()]);
    }
    item
}

/// A coded value.
pub(super) fn code(relation: Relation, name: &Code, value: &Code) -> Elements {
    let mut item = item(relation, "CODE", Some(name));
    item.sequence(tags::CONCEPT_CODE_SEQUENCE, vec![value.item()]);
    item
}

/// A text; never empty.
pub(super) fn text(relation: Relation, name: &Code, value: &str) -> Elements {
    let text: String = visible(value).chars().take(TEXT).collect();
    let text = if text.is_empty() { "not stated".to_owned() } else { text };
    let mut item = item(relation, "TEXT", Some(name));
    item.text(tags::TEXT_VALUE, VR::UT, &text);
    item
}

/// A UID.
pub(super) fn uid_reference(relation: Relation, name: &Code, value: &str) -> Elements {
    let mut item = item(relation, "UIDREF", Some(name));
    item.text(tags::UID, VR::UI, value);
    item
}

/// An instance of the study, as an image or as another object.
pub(super) fn instance(
    relation: Relation,
    value_type: &str,
    name: Option<&Code>,
    sop_class: &str,
    sop_instance: &str,
) -> Elements {
    let mut item = item(relation, value_type, name);
    item.sequence(tags::REFERENCED_SOP_SEQUENCE, vec![referenced(sop_class, sop_instance)]);
    item
}

/// A probability of 0 to 1 as percent. This is the one place where it becomes so. What is no probability says why (CID 42)
/// as a code of the same concept: a NUM without a value is in the standard, and readers that are in use stumble over it.
pub(super) fn probability(name: &Code, probability: Option<f64>, otherwise: &Code) -> Elements {
    let Some(value) = probability.filter(|value| (0.0..=1.0).contains(value)) else {
        return code(Relation::Contains, name, otherwise);
    };
    number(name, &format!("{:.4}", value * 100.0), &percent())
}

/// A number with its unit.
pub(super) fn number(name: &Code, written: &str, unit: &Code) -> Elements {
    let mut measured = Elements::default();
    measured
        .text(tags::NUMERIC_VALUE, VR::DS, written)
        .sequence(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![unit.item()]);
    let mut item = item(Relation::Contains, "NUM", Some(name));
    item.sequence(tags::MEASURED_VALUE_SEQUENCE, vec![measured]);
    item
}

/// One segment of a segmentation that has a frame for each: by its number, which stands in place of the frame's.
pub(super) fn segment(name: &Code, sop_class: &str, sop_instance: &str, number: u16) -> Elements {
    let mut own = referenced(sop_class, sop_instance);
    own.number(tags::REFERENCED_SEGMENT_NUMBER, number);
    let mut item = item(Relation::Contains, "IMAGE", Some(name));
    item.sequence(tags::REFERENCED_SOP_SEQUENCE, vec![own]);
    item
}

/// A container of a template, where it is one's.
pub(super) fn container(
    relation: Relation,
    name: &Code,
    template: Option<&str>,
    content: Vec<Elements>,
) -> Elements {
    let mut item = item(relation, "CONTAINER", Some(name));
    item.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
    if let Some(template) = template {
        item.sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![self::template(template)]);
    }
    item.sequence(tags::CONTENT_SEQUENCE, content);
    item
}

/// A template of PS3.16.
pub(super) fn template(identifier: &str) -> Elements {
    let mut item = Elements::default();
    item.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(tags::TEMPLATE_IDENTIFIER, VR::CS, identifier);
    item
}
