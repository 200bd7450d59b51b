//! The index lesion as an Observation: the longest diameter as somebody else measured it, derived from where it is stated.
//! The program cites it, so it bears no label of an artificial intelligence. It is `preliminary` as the report is, and has a
//! tag, so that nobody who reads the record, and not this program either, takes the citation for one measurement more.
//!
//! Where it is the outline of a model, it bears the label as well, is of the model's device, and is derived from the segment's
//! Observation and the segmentation; the tag keeps it out of a record that is read here, too.

use uuid::Uuid;

use super::datatypes::{CodeableConcept, Coding, Identifier, Instant, Meta, Narrative, Quantity, Reference};
use super::observation::{Component, Observation};
use super::{references, terms};
use crate::report::document::{self, EarlierLesion, Lesion, Report, Segment, days, millimetres};
use crate::report::language::Message;
use crate::report::segmentation;
use crate::report::wording;

/// What an Observation may be derived from (<http://hl7.org/fhir/R4/observation.html>).
const DERIVED_FROM: [&str; 6] = [
    "DocumentReference",
    "ImagingStudy",
    "Media",
    "QuestionnaireResponse",
    "Observation",
    "MolecularSequence",
];

/// Cites the lesion's measurement.
pub(super) fn observation(report: &Report, lesion: &Lesion) -> Observation {
    let (id, language) = (references::lesion(report), report.language);
    Observation {
        id: id.to_string().into(),
        meta: Some(if lesion.outlined.is_some() { Meta::outlined() } else { Meta::cited() }),
        language: language.tag().into(),
        text: Narrative::paragraphs(language, &[wording::lesion(language, lesion)]),
        identifier: vec![Identifier {
            r#type: Some(terms::observation_uid()),
            ..Identifier::new(terms::DICOM_UID, &format!("urn:oid:2.25.{}", id.as_u128()))
        }],
        status: "preliminary".into(),
        category: vec![terms::imaging()],
        code: Some(terms::longest_diameter().with_text(&lesion.title)),
        subject: Some(references::subject(report)),
        effective_date_time: lesion.seen.map(Instant),
        issued: Some(Instant(report.issued)),
        data_absent_reason: length(lesion.diameter_mm)
            .is_none()
            .then(|| terms::data_unknown(language.text(Message::NotANumber))),
        value_quantity: length(lesion.diameter_mm),
        body_site: Some(site(lesion)),
        device: Some(references::within("Device", device(report, lesion))),
        derived_from: match outline(report, lesion) {
            Some(segment) => derived_from_outline(report, segment),
            None => derived_from(report, lesion),
        },
        component: components(lesion),
        ..Observation::default()
    }
}

fn length(length_mm: f64) -> Option<Quantity> {
    Quantity::of(&millimetres(length_mm)?, "mm")
}

fn site(lesion: &Lesion) -> CodeableConcept {
    let coding = Coding::from(&lesion.site_coding);
    CodeableConcept { coding: vec![coding], text: lesion.site.as_str().into() }
}

/// What the model outlined, where the lesion is an outline of the report.
fn outline<'a>(report: &'a Report, lesion: &Lesion) -> Option<&'a Segment> {
    let own = lesion.outlined.as_ref()?;
    report.segments.iter().find(|segment| segment.label == own.segment)
}

/// Who measured it: the model; of what is cited, the program that cites.
fn device(report: &Report, lesion: &Lesion) -> Uuid {
    let model = outline(report, lesion)
        .and_then(|segment| report.models.iter().find(|model| model.id == segment.model));
    model.map_or_else(|| references::software(report), references::model)
}

fn derived_from_outline(report: &Report, segment: &Segment) -> Vec<Reference> {
    let mut from = vec![
        references::study(report),
        references::within("Observation", references::segment(report, segment)),
    ];
    if segmentation::instance_uid(report).is_some() {
        from.push(references::within("DocumentReference", references::segmentation(report)));
    }
    from
}

fn derived_from(report: &Report, lesion: &Lesion) -> Vec<Reference> {
    let earlier = lesion.earlier.as_ref().and_then(|earlier| earlier.source.as_deref());
    let mut named: Vec<&str> = lesion.source.as_deref().into_iter().chain(earlier).collect();
    named.dedup();
    let stated = named.into_iter().map(|reference| references::stated(report, reference));
    stated.filter(|reference| reference.may_be_of(&DERIVED_FROM)).collect()
}

/// What else is stated of it, in the codes that the program itself reads such an Observation by, and its course in our own.
fn components(lesion: &Lesion) -> Vec<Component> {
    let part = |code| Component { code: Some(code), ..Component::default() };
    let concept = |coding: &document::Coding, text: &str| CodeableConcept {
        coding: vec![Coding::from(coding)],
        text: text.into(),
    };
    let mut components = vec![Component {
        value_codeable_concept: Some(concept(&lesion.finding, &lesion.title)),
        ..part(terms::finding())
    }];
    components.extend(
        lesion.count.map(|count| Component { value_integer: Some(count), ..part(terms::lesion_count()) }),
    );
    components.extend(lesion.kind.as_deref().map(|kind| Component {
        value_codeable_concept: Some(match &lesion.kind_coding {
            Some(coding) => concept(coding, kind),
            None => CodeableConcept::text(kind),
        }),
        ..part(terms::composition())
    }));
    components.extend(
        lesion
            .spiculated
            .map(|stated| Component { value_boolean: Some(stated), ..part(terms::spiculated()) }),
    );
    components.extend(lesion.earlier.iter().flat_map(|earlier| course(lesion, earlier)));
    components
}

fn course(lesion: &Lesion, earlier: &EarlierLesion) -> Vec<Component> {
    let part = |code: &str, display: &str| Component {
        code: Some(terms::component(code, display)),
        ..Component::default()
    };
    let quantity = |code: &str, display: &str, value: Option<Quantity>| {
        value.map(|value| Component { value_quantity: Some(value), ..part(code, display) })
    };
    let doubling = lesion.doubling_days().and_then(|number| Quantity::of(&days(number)?, "d"));
    let seen = earlier.seen.map(|seen| Component {
        value_date_time: Some(Instant(seen)),
        ..part("earlier-examination", "Time of the earlier examination")
    });
    let measured = [
        quantity(
            "earlier-diameter",
            "Longest diameter on the earlier examination",
            length(earlier.diameter_mm),
        ),
        seen,
        quantity("diameter-difference", "Later diameter less the earlier one", length(earlier.difference_mm)),
        quantity("volume-doubling-time", "Volume doubling time", doubling),
    ];
    measured.into_iter().flatten().collect()
}
