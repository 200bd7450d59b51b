//! Who computed: a Device for the program and one for each model, with the model's card; and the objects in the archive.
//!
//! The devices and cards depend on the model and the site's configuration alone, not on the job, so that each report writes the same
//! ones.

use uuid::Uuid;

use super::datatypes::{
    Annotation, Attachment, CodeableConcept, ContactPoint, Extension, Identifier, Instant, Meta, Narrative,
    Reference, Text, Token, elements,
};
use super::{references, terms};
use crate::report::document::{Model, ModelKind, Report};
use crate::report::language::{Language, Message};
use crate::report::text::{sentence, visible};
use crate::report::{overlay, segmentation};

elements! {
    /// <http://hl7.org/fhir/R4/device.html>
    Device {
        id: Token, language: Token, text: Option<Narrative>, extension: Vec<Extension>, identifier: Vec<Identifier>, status: Token, manufacturer: Text,
        manufacture_date: Token, model_number: Text, device_name: Vec<DeviceName>,
        r#type: Option<CodeableConcept>, version: Vec<Version>, owner: Option<Reference>, contact: Vec<ContactPoint>,
        url: Token, note: Vec<Annotation>,
        safety: Vec<CodeableConcept>,
    }
    /// <http://hl7.org/fhir/R4/device-definitions.html#Device.deviceName>
    DeviceName { name: Text, r#type: Token, }
    /// <http://hl7.org/fhir/R4/device-definitions.html#Device.version>
    Version { r#type: Option<CodeableConcept>, value: Text, }
    /// <http://hl7.org/fhir/R4/documentreference.html>
    DocumentReference {
        id: Token, meta: Option<Meta>, language: Token, text: Option<Narrative>, identifier: Vec<Identifier>, status: Token, r#type: Option<CodeableConcept>,
        category: Vec<CodeableConcept>, subject: Option<Reference>, author: Vec<Reference>, description: Text, content: Vec<Content>,
    }
    /// <http://hl7.org/fhir/R4/documentreference-definitions.html#DocumentReference.content>
    Content { attachment: Option<Attachment>, }
}

/// The program. It computes the published formulas and puts the report together.
pub(super) fn software(report: &Report) -> Device {
    let software = &report.software;
    Device {
        id: references::software(report).to_string().into(),
        language: report.language.tag().into(),
        text: narrative(report.language, &format!("{} {}", software.name, software.version)),
        extension: vec![Extension::concept(terms::AI_KIND, terms::rule_based())],
        identifier: vec![Identifier::new(terms::MODELS, &format!("{}@{}", software.name, software.version))],
        status: "active".into(),
        manufacturer: manufacturer(&software.name),
        device_name: vec![DeviceName {
            name: software.name.as_str().into(),
            r#type: "manufacturer-name".into(),
        }],
        r#type: Some(terms::artificial_intelligence()),
        version: vec![version("software", &software.version)],
        owner: references::organization(report),
        contact: contact(report),
        safety: safety(report.language),
        ..Device::default()
    }
}

/// A model with its weights; `card` is the id of its card.
pub(super) fn model(report: &Report, model: &Model, card: Uuid) -> Device {
    let language = report.language;
    let kind = match model.kind {
        ModelKind::Image => terms::deep_learning(),
        ModelKind::Fusion | ModelKind::Record => terms::machine_learning(),
    };
    let card = references::within("DocumentReference", card);
    let note = |message, text: &str| language.say(message, &[("text", &sentence(text))]);
    let mut notes = vec![
        note(Message::AppliesToNote, &model.applicability),
        note(Message::TrainedOnIs, &model.training_data),
        note(Message::CalibrationNote, &model.calibration),
    ];
    notes.extend(model.limits.iter().map(|limit| note(Message::LimitNote, limit)));
    Device {
        id: references::model(model).to_string().into(),
        language: language.tag().into(),
        text: narrative(language, &format!("{} {}", model.title, model.version)),
        extension: vec![
            Extension::concept(terms::AI_KIND, kind),
            Extension::reference(terms::MODEL_CARD_DESCRIPTION, card),
        ],
        identifier: vec![Identifier::new(terms::MODELS, &identity(model))],
        status: "active".into(),
        manufacturer: model.manufacturer.as_deref().unwrap_or_default().into(),
        manufacture_date: model.created.as_deref().filter(|day| is_day(day)).unwrap_or_default().into(),
        model_number: model.id.as_str().into(),
        device_name: vec![DeviceName { name: model.title.as_str().into(), r#type: "model-name".into() }],
        r#type: Some(terms::artificial_intelligence()),
        version: vec![
            version("model", &model.version),
            version(language.text(Message::WeightsDigest), &model.digest),
        ],
        owner: references::organization(report),
        contact: contact(report),
        url: model.url.as_deref().filter(|url| references::is_uri(url)).unwrap_or_default().into(),
        note: Annotation::all(notes),
        safety: safety(language),
    }
}

/// A model's card, whole, under this id; it is written in English.
pub(super) fn model_card(language: Language, model: &Model, id: Uuid) -> DocumentReference {
    let name = format!("{} {}", visible(&model.title), visible(&model.version));
    let title = language.say(Message::ModelCardOf, &[("model", &name)]);
    DocumentReference {
        id: id.to_string().into(),
        language: language.tag().into(),
        text: narrative(language, &title),
        identifier: vec![Identifier::new(terms::MODEL_CARDS, &identity(model))],
        status: "current".into(),
        r#type: Some(terms::model_card()),
        category: vec![terms::model_card_markdown()],
        author: model.manufacturer.iter().map(|maker| references::named(maker)).collect(),
        description: title.as_str().into(),
        content: vec![Content {
            attachment: Some(Attachment::inline(
                "text/markdown",
                Language::English,
                model.card_markdown.as_bytes(),
                &title,
            )),
        }],
        ..DocumentReference::default()
    }
}

/// The picture with its overlay, which lies in the archive beside the images: named by its UID, never copied.
pub(super) fn overlay(report: &Report) -> Option<DocumentReference> {
    let (language, instance) = (report.language, overlay::instance_uid(report)?);
    let title = language.say(Message::OverlayAlt, &[("finding", &visible(overlay::explains(report)?))]);
    let id = references::overlay(report);
    let own = archived(report, (id, &instance), terms::visual_explanation(), &title);
    Some(DocumentReference {
        description: format!("{title}. {}.", language.text(Message::BurnedIn)).into(),
        ..own
    })
}

/// What the model outlines, likewise.
pub(super) fn segmentation(report: &Report) -> Option<DocumentReference> {
    let (language, instance) = (report.language, segmentation::instance_uid(report)?);
    let titles: Vec<String> = report.segments.iter().map(|segment| visible(&segment.title)).collect();
    let title = language.say(Message::SegmentationOf, &[("segments", &language.list(&titles))]);
    let id = references::segmentation(report);
    let own = archived(report, (id, &instance), terms::segmentation(), &title);
    Some(DocumentReference {
        description: format!("{title}. {}.", language.text(Message::MachineOutline)).into(),
        ..own
    })
}

fn archived(
    report: &Report,
    (id, instance): (Uuid, &str),
    kind: CodeableConcept,
    title: &str,
) -> DocumentReference {
    let language = report.language;
    let attachment = Attachment {
        content_type: "application/dicom".into(),
        language: language.tag().into(),
        title: title.into(),
        creation: Some(Instant(report.issued)),
        ..Attachment::default()
    };
    DocumentReference {
        id: id.to_string().into(),
        meta: Some(Meta::ai_asserted()),
        language: language.tag().into(),
        text: narrative(language, title),
        identifier: vec![Identifier::new(terms::DICOM_UID, &format!("urn:oid:{instance}"))],
        status: "current".into(),
        r#type: Some(kind),
        subject: Some(references::subject(report)),
        author: vec![references::within("Device", references::software(report))],
        content: vec![Content { attachment: Some(attachment) }],
        ..DocumentReference::default()
    }
}

/// Where somebody of the site is reached about the program.
fn contact(report: &Report) -> Vec<ContactPoint> {
    let organization = report.site.organization.as_ref();
    organization.and_then(|own| own.contact.as_deref()).map(ContactPoint::of).into_iter().collect()
}

/// One sentence, which says that it is no medical device.
fn narrative(language: Language, name: &str) -> Option<Narrative> {
    Narrative::paragraphs(language, &[format!("{name}. {}.", language.text(Message::NotADevice))])
}

fn identity(model: &Model) -> String {
    format!("{}@{}#{}", model.id, model.version, model.digest)
}

fn manufacturer(name: &str) -> Text {
    format!("{name} project").into()
}

fn version(kind: &str, value: &str) -> Version {
    Version { r#type: Some(CodeableConcept::text(kind)), value: value.into() }
}

fn safety(language: Language) -> Vec<CodeableConcept> {
    vec![CodeableConcept::text(language.text(Message::NotADevice))]
}

/// Whether this is a calendar day that FHIR reads as a `dateTime`.
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}
