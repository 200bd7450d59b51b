//! How the resources of one bundle name each other: deterministic UUIDs, `urn:uuid:` inside the bundle.
//!
//! Every entry's `fullUrl` is `urn:uuid:` and its id, and every reference inside the bundle is that `fullUrl`, which
//! a server rewrites when it stores the transaction. What is not in the bundle is referenced as the record states it,
//! or by identifier.

use uuid::Uuid;

use super::datatypes::{Extension, Identifier, Reference};
use super::terms;
use crate::report::document::{Model, Report, Source, Subject};
use crate::report::ids::id;
pub(super) use crate::report::ids::{finding, lesion, model, risk, segment, software};
use crate::report::language::Message;
use crate::report::text::is_uid;

/// The report itself: one id for all versions.
pub(super) fn report(report: &Report) -> Uuid {
    id("DiagnosticReport", &[&report.keys.report])
}

/// The provenance of this version.
pub(super) fn provenance(report: &Report) -> Uuid {
    id("Provenance", &[&report.keys.job])
}

/// Another version of the same report, by its job key: its resource has the same id, and a later version number.
pub(super) fn version(job_key: &str) -> Reference {
    Reference {
        r#type: "DiagnosticReport".into(),
        identifier: Some(Identifier::new(terms::JOB_KEYS, job_key)),
        ..Reference::default()
    }
}

/// The task of a study without a result.
pub(super) fn task(report: &Report) -> Uuid {
    id("Task", &[&report.keys.job])
}

/// The imaging study, of which a server may have its own copy under another id.
pub(super) fn imaging_study(report: &Report) -> Uuid {
    id("ImagingStudy", &[&report.study.study_instance_uid])
}

/// The picture with its overlay of this version.
pub(super) fn overlay(report: &Report) -> Uuid {
    id("DocumentReference", &[&report.keys.job, "overlay"])
}

/// What a model outlines in this version.
pub(super) fn segmentation(report: &Report) -> Uuid {
    id("DocumentReference", &[&report.keys.job, "segmentation"])
}

/// A model's card: a changed card is another document.
pub(super) fn model_card(model: &Model) -> Uuid {
    id("DocumentReference", &[&model.id, &model.version, &model.digest, &model.card_markdown])
}

/// A reference inside the bundle.
pub(super) fn within(resource_type: &str, id: Uuid) -> Reference {
    Reference { reference: id.urn().to_string().into(), r#type: resource_type.into(), ..Reference::default() }
}

/// The subject, as the record or the images state it; never a resource of ours.
pub(super) fn subject(report: &Report) -> Reference {
    let patient = &report.patient;
    let identifier = |system: Option<&str>, value: &str| Identifier {
        r#type: Some(terms::medical_record_number()),
        system: system.filter(|system| is_uri(system)).unwrap_or_default().into(),
        value: value.into(),
        assigner: None,
    };
    match &patient.subject {
        Subject::Reference(reference) => {
            let own = patient.identifier.as_deref().map(|value| identifier(None, value));
            Reference { identifier: own, ..outside(reference, "Patient") }
        }
        Subject::Identifier { system, assigner, value } => {
            let assigner = assigner.as_deref().filter(|name| !name.trim().is_empty());
            let assigner = assigner.map(|name| Reference { display: name.into(), ..Reference::default() });
            Reference {
                r#type: "Patient".into(),
                identifier: Some(Identifier {
                    assigner: assigner.map(Box::new),
                    ..identifier(system.as_deref(), value)
                }),
                display: report.language.text(Message::IdentifiedByImages).into(),
                ..Reference::default()
            }
        }
        Subject::Unidentified => Reference {
            r#type: "Patient".into(),
            display: report.language.text(Message::NoUsableIdentifier).into(),
            ..Reference::default()
        },
    }
}

/// A resource of the record: literally where its reference can be followed on a server, else by identifier.
pub(super) fn outside(reference: &str, resource_type: &str) -> Reference {
    let can_be_followed = is_relative(reference) || is_web(reference);
    let identifier = (!can_be_followed).then(|| {
        let system = if is_uri(reference) { terms::URI } else { "" };
        Identifier::new(system, reference)
    });
    Reference {
        reference: if can_be_followed { reference.into() } else { "".into() },
        r#type: resource_type.into(),
        identifier,
        ..Reference::default()
    }
}

/// A resource of the record with what it is.
pub(super) fn source(source: &Source) -> Reference {
    Reference {
        display: source.description.as_str().into(),
        ..outside(&source.reference, &source.resource_type)
    }
}

/// The same in the version that was read, where the record states one.
pub(super) fn version_read(source: &Source) -> Reference {
    let version = source.version.as_deref().filter(|_| is_relative(&source.reference));
    let reference = version.map(|version| format!("{}/_history/{version}", source.reference));
    match reference.filter(|reference| is_relative(reference)) {
        Some(reference) => Reference { reference: reference.as_str().into(), ..self::source(source) },
        None => self::source(source),
    }
}

/// The order, by accession number: never created, because it belongs to the radiology system.
pub(super) fn order(report: &Report) -> Vec<Reference> {
    let number = report.study.accession_number.as_deref().filter(|number| !number.trim().is_empty());
    let order = number.map(|number| Reference {
        r#type: "ServiceRequest".into(),
        identifier: Some(Identifier {
            r#type: Some(terms::accession()),
            value: number.into(),
            ..Identifier::default()
        }),
        ..Reference::default()
    });
    order.into_iter().collect()
}

/// The study: inside the bundle where its UID is one, else in words.
pub(super) fn study(report: &Report) -> Reference {
    if is_uid(&report.study.study_instance_uid) {
        return within("ImagingStudy", imaging_study(report));
    }
    Reference {
        r#type: "ImagingStudy".into(),
        display: report.language.text(Message::StudyWithoutUid).into(),
        ..Reference::default()
    }
}

/// The site's organization: as FHIR servers name it, else by its name alone; never a resource of ours.
pub(super) fn organization(report: &Report) -> Option<Reference> {
    let own = report.site.organization.as_ref()?;
    let known = own.reference.as_deref().map(|reference| outside(reference, "Organization"));
    Some(Reference { display: own.name.as_str().into(), ..known.unwrap_or_default() })
}

/// The archive's service, which the site's FHIR servers know.
pub(super) fn endpoint(report: &Report) -> Vec<Reference> {
    report.site.endpoint.iter().map(|reference| outside(reference, "Endpoint")).collect()
}

/// Somebody by name alone.
pub(super) fn named(name: &str) -> Reference {
    Reference { display: name.into(), ..Reference::default() }
}

/// A device as a performer, for which R4 has no type of reference.
pub(super) fn performer(device: Uuid, name: &str) -> Reference {
    Reference {
        extension: vec![Extension::reference(terms::ALTERNATE_REFERENCE, within("Device", device))],
        display: format!("{name} (software)").into(),
        ..Reference::default()
    }
}

/// What states a measurement: a resource of the record, or a document of DICOM by its UID.
pub(super) fn stated(report: &Report, reference: &str) -> Reference {
    match reference.strip_prefix("urn:oid:").filter(|uid| is_uid(uid)) {
        Some(_) => Reference {
            r#type: "DocumentReference".into(),
            identifier: Some(Identifier::new(terms::DICOM_UID, reference)),
            ..Reference::default()
        },
        None => listed(&report.record.sources, reference),
    }
}

/// A source with what the record says of it, where it is listed there.
pub(super) fn listed(sources: &[Source], reference: &str) -> Reference {
    let listed = sources.iter().find(|source| source.reference == reference);
    let kind = reference.split('/').next().filter(|_| reference.contains('/') && !reference.contains(':'));
    listed.map_or_else(|| outside(reference, kind.unwrap_or_default()), source)
}

/// A DICOM instance, by its UID.
pub(super) fn instance(sop_instance_uid: &str, sha256: &str) -> Reference {
    Reference {
        identifier: Some(Identifier::new(terms::DICOM_UID, &format!("urn:oid:{sop_instance_uid}"))),
        display: format!("DICOM instance, SHA-256 {sha256}").into(),
        ..Reference::default()
    }
}

/// `Type/id`, with an optional version, and nothing else.
fn is_relative(reference: &str) -> bool {
    let is_id = |part: &str| {
        (1..=64).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    let is_type = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    };
    match reference.split('/').collect::<Vec<_>>()[..] {
        [kind, id] => is_type(kind) && is_id(id),
        [kind, id, "_history", version] => is_type(kind) && is_id(id) && is_id(version),
        _ => false,
    }
}

/// A scheme, a colon and something after it, without what a URI cannot hold.
pub(super) fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&b));
    is_plain && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

fn is_web(reference: &str) -> bool {
    is_uri(reference) && (reference.starts_with("https://") || reference.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_references_are_literal() {
        for literal in ["Patient/1", "Observation/a-b.c/_history/2", "https://fhir.example.org/Patient/1"] {
            assert!(is_relative(literal) || is_web(literal), "{literal}");
        }
        for other in
            ["urn:uuid:7210f3e6-404c-4dd8-b515-2286166f831b", "Patient/<b>", "javascript:x", "Patient"]
        {
            assert!(!is_relative(other) && !is_web(other), "{other}");
        }
    }
}
