//! One Observation for each thing that the model outlines: its area in mm², or that it is not known; the pixels themselves are
//! in the segmentation, which it is derived from.

use super::datatypes::{CodeableConcept, Coding, Narrative, Quantity};
use super::observation::{Component, Observation, asserted};
use super::{references, terms};
use crate::report::document::{Report, Segment};
use crate::report::language::Message;
use crate::report::segmentation;
use crate::report::wording;

/// Says one segment. What was outlined nowhere has an area of 0, and is never left out.
pub(super) fn observation(report: &Report, segment: &Segment) -> Observation {
    let area = segment.area_mm2.filter(|area| area.is_finite());
    let value_quantity = area.and_then(|area| Quantity::of(&segmentation::area(area), "mm2"));
    let unknown = || terms::data_unknown(report.language.text(Message::SizeNotKnown));
    let mut own = Observation {
        text: Narrative::paragraphs(report.language, &[wording::segment(report.language, segment)]),
        code: Some(code(segment)),
        data_absent_reason: value_quantity.is_none().then(unknown),
        value_quantity,
        component: components(segment),
        ..asserted(report, references::segment(report, segment), &segment.model)
    };
    if segmentation::instance_uid(report).is_some() {
        own.derived_from.push(references::within("DocumentReference", references::segmentation(report)));
    }
    own
}

/// An area, of this segment of ours; what it is in SNOMED CT is a component, because the area is not the thing.
fn code(segment: &Segment) -> CodeableConcept {
    let mut code = terms::area();
    code.coding.push(Coding::new(terms::SEGMENTS, &segment.label, &segment.title));
    code.with_text(&segment.title)
}

fn components(segment: &Segment) -> Vec<Component> {
    let coded = |code, coding| Component {
        code: Some(code),
        value_codeable_concept: Some(CodeableConcept {
            coding: vec![Coding::from(coding)],
            ..CodeableConcept::default()
        }),
        ..Component::default()
    };
    let probability = segment.probability.and_then(Quantity::percent).map(|value| Component {
        code: Some(terms::mean_probability()),
        value_quantity: Some(value),
        ..Component::default()
    });
    let mut components =
        vec![coded(terms::finding_category(), &segment.category), coded(terms::finding(), &segment.property)];
    components.extend(probability);
    components
}
