//! One Observation for each finding: the three-way state, and the probability beside it.

use uuid::Uuid;

use super::datatypes::{
    CodeableConcept, Coding, Identifier, Instant, Meta, Narrative, Quantity, Reference, Text, Token, elements,
};
use super::{references, terms};
use crate::report::document::{Assessment, Finding, Report, Thresholds};
use crate::report::language::{Language, Message};
use crate::report::overlay;
use crate::report::text::visible;
use crate::report::wording;

elements! {
    /// <http://hl7.org/fhir/R4/observation.html>
    Observation {
        id: Token, meta: Option<Meta>, language: Token, text: Option<Narrative>, identifier: Vec<Identifier>,
        based_on: Vec<Reference>, part_of: Vec<Reference>, status: Token, category: Vec<CodeableConcept>,
        code: Option<CodeableConcept>, subject: Option<Reference>, effective_date_time: Option<Instant>,
        issued: Option<Instant>, performer: Vec<Reference>, value_codeable_concept: Option<CodeableConcept>,
        value_quantity: Option<Quantity>,
        data_absent_reason: Option<CodeableConcept>, interpretation: Vec<CodeableConcept>,
        body_site: Option<CodeableConcept>, method: Option<CodeableConcept>, device: Option<Reference>, derived_from: Vec<Reference>,
        component: Vec<Component>,
    }
    /// <http://hl7.org/fhir/R4/observation-definitions.html#Observation.component>
    Component {
        code: Option<CodeableConcept>, value_codeable_concept: Option<CodeableConcept>, value_quantity: Option<Quantity>,
        value_boolean: Option<bool>, value_integer: Option<u32>, value_date_time: Option<Instant>,
        data_absent_reason: Option<CodeableConcept>, reference_range: Vec<ReferenceRange>,
    }
    /// <http://hl7.org/fhir/R4/observation-definitions.html#Observation.referenceRange>
    ReferenceRange { low: Option<Quantity>, high: Option<Quantity>, text: Text, }
}

/// Says one finding. What was not assessed says so, and is never left out.
pub(super) fn observation(report: &Report, finding: &Finding) -> Observation {
    let mut blank = Observation {
        text: Narrative::paragraphs(report.language, &[narrative(report.language, finding)]),
        code: Some(code(finding)),
        ..asserted(report, references::finding(report, finding), &finding.model)
    };
    blank.derived_from.extend(explanation(report, finding));
    match &finding.assessment {
        Assessment::Assessed { probability, presence } => Observation {
            value_codeable_concept: Some(terms::presence(*presence)),
            interpretation: vec![terms::interpretation(*presence)],
            component: vec![component(report.language, *probability, finding.thresholds)],
            ..blank
        },
        Assessment::NotAssessed { reason } => {
            Observation { data_absent_reason: Some(terms::data_absent(reason)), ..blank }
        }
    }
}

/// What every observation of an image model says of itself.
pub(super) fn asserted(report: &Report, id: Uuid, model: &str) -> Observation {
    let study = references::study(report);
    let model = report.models.iter().find(|one| one.id == model);
    let device = model.map_or_else(|| references::software(report), references::model);
    Observation {
        id: id.to_string().into(),
        meta: Some(Meta::ai_asserted()),
        language: report.language.tag().into(),
        // the same UUID as a DICOM UID, PS3.5 B.2, so that a DICOM twin can name it
        identifier: vec![Identifier {
            r#type: Some(terms::observation_uid()),
            ..Identifier::new(terms::DICOM_UID, &format!("urn:oid:2.25.{}", id.as_u128()))
        }],
        based_on: references::order(report),
        part_of: vec![study.clone()],
        status: "preliminary".into(),
        category: vec![terms::imaging()],
        subject: Some(references::subject(report)),
        effective_date_time: Some(Instant(report.study.started.unwrap_or(report.issued))),
        issued: Some(Instant(report.issued)),
        body_site: report
            .study
            .body_site
            .as_ref()
            .map(|site| CodeableConcept { coding: vec![Coding::from(site)], ..CodeableConcept::default() }),
        method: model.map(|model| {
            CodeableConcept::text(&format!("{} {}, {}", model.id, model.version, model.calibration))
        }),
        performer: vec![references::performer(
            device,
            model.map_or(&report.software.name, |model| &model.title),
        )],
        device: Some(references::within("Device", device)),
        derived_from: vec![study],
        ..Observation::default()
    }
}

/// The picture of where the model looked, where it is about this finding.
fn explanation(report: &Report, finding: &Finding) -> Option<Reference> {
    overlay::instance_uid(report)?;
    (overlay::explains(report)? == finding.title)
        .then(|| references::within("DocumentReference", references::overlay(report)))
}

/// The finding's own codings beside our label, so that a reader without SNOMED CT still has a code.
fn code(finding: &Finding) -> CodeableConcept {
    let mut coding: Vec<Coding> = finding.codings.iter().map(Coding::from).collect();
    coding.push(Coding::new(terms::FINDINGS, &finding.label, &finding.title));
    CodeableConcept { coding, text: finding.title.as_str().into() }
}

fn component(language: Language, probability: f64, thresholds: Thresholds) -> Component {
    let value_quantity = Quantity::percent(probability);
    let absent = Quantity::percent(thresholds.absent_below).map(|high| ReferenceRange {
        high: Some(high),
        text: language.text(Message::AbsentBelow).into(),
        low: None,
    });
    let present = Quantity::percent(thresholds.present_from).map(|low| ReferenceRange {
        low: Some(low),
        text: language.text(Message::PresentFrom).into(),
        high: None,
    });
    Component {
        code: Some(terms::probability()),
        data_absent_reason: value_quantity
            .is_none()
            .then(|| terms::data_absent(language.text(Message::NoValidProbability))),
        value_quantity,
        reference_range: absent.into_iter().chain(present).collect(),
        ..Component::default()
    }
}

fn narrative(language: Language, finding: &Finding) -> String {
    let title = visible(&finding.title);
    match &finding.assessment {
        Assessment::Assessed { probability, presence } => {
            let (state, probability) =
                (wording::presence(language, *presence), language.percent(*probability));
            let values = [("finding", title.as_str()), ("state", state), ("probability", &probability)];
            language.say(Message::FindingIs, &values)
        }
        Assessment::NotAssessed { reason } => {
            language.say(Message::FindingNotAssessed, &[("finding", &title), ("reason", &visible(reason))])
        }
    }
}
