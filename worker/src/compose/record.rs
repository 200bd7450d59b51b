//! The record of a report: which features there were, where they come from, and what is missing.

use fusion::{Comparator, Excluded, Feature, FeatureValue};

use super::Parts;
use crate::job::{RecordSource, Request};
use crate::report::document as doc;

/// What the record said at t0.
pub(super) fn record(parts: &Parts<'_>) -> doc::Record {
    let features = parts.evidence.features.as_ref();
    doc::Record {
        state: state(parts),
        features: features
            .map(|table| table.features.iter().filter(|one| is_shown(one)).map(feature).collect())
            .unwrap_or_default(),
        sources: sources(parts),
        excluded: features.map(|table| excluded(&table.excluded)).unwrap_or_default(),
    }
}

fn state(parts: &Parts<'_>) -> doc::RecordState {
    let request: Option<Request> = serde_json::from_str(&parts.job.request).ok();
    match (&parts.evidence.record, request.map(|request| request.record)) {
        (Some(_), _) => doc::RecordState::Matched,
        (None, Some(RecordSource::NotGiven) | None) => doc::RecordState::NotGiven,
        (None, Some(_)) => doc::RecordState::NoMatch,
    }
}

/// A chapter without a diagnosis is no line: there are many, and they say nothing.
fn is_shown(feature: &Feature) -> bool {
    let chapter = feature.id.starts_with("diagnoses-");
    let stated = matches!(feature.value, FeatureValue::Number(number) if number > 0.0);
    !chapter || stated
}

fn feature(feature: &Feature) -> doc::Feature {
    let bound = feature.comparator.map_or("", |comparator| match comparator {
        Comparator::Below => "below ",
        Comparator::Above => "above ",
    });
    let (value, missing) = match &feature.value {
        FeatureValue::Number(number) => (Some(format!("{bound}{}", text(*number))), None),
        FeatureValue::Code(code) => (Some(code.replace('-', " ")), None),
        FeatureValue::Bool(truth) => (Some(if *truth { "yes" } else { "no" }.to_owned()), None),
        FeatureValue::Missing { reason } => (None, Some(reason.text().to_owned())),
    };
    doc::Feature {
        label: feature.label.clone(),
        value,
        unit: feature.unit.clone(),
        date: feature.effective.clone(),
        age_days: feature.age_days,
        source: feature.source.as_ref().map(|source| match &feature.passage {
            Some(passage) => format!("{source} ({passage})"),
            None => source.clone(),
        }),
        remark: remark(feature),
        missing,
    }
}

/// What is said of a value whose entry was changed after the study.
const CHANGED: &str = "the entry was changed after the study";

/// What a reader should know of a value; of one out of a note, its words.
fn remark(feature: &Feature) -> Option<doc::Remark> {
    let changed = feature.changed_after_t0.then_some(CHANGED);
    let note = feature.note.as_deref().into_iter().chain(changed).collect::<Vec<_>>().join("; ");
    if note.is_empty() {
        return None;
    }
    let words = feature.passage.as_ref().and(feature.original.as_ref());
    let text = words.map_or_else(|| note.clone(), |words| format!("“{}”; {note}", words.value));
    let kind = match words {
        _ if feature.questioned => doc::RemarkKind::Contradicts,
        Some(_) => doc::RemarkKind::Quotes,
        None => doc::RemarkKind::Explains,
    };
    Some(doc::Remark { kind, text })
}

/// A number for a reader: at most three decimals, none that say nothing.
pub(super) fn text(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every resource that a feature, a nodule or a risk rests on, once.
fn sources(parts: &Parts<'_>) -> Vec<doc::Source> {
    let features = parts.evidence.features.iter().flat_map(|table| &table.features);
    let of_features = features.flat_map(|feature| {
        let own = feature.source.iter().map(|source| (source, feature.source_version.clone()));
        let all = own.chain(feature.other_sources.iter().map(|source| (source, None)));
        all.map(|(source, version)| (source.clone(), version, feature.label.clone())).collect::<Vec<_>>()
    });
    let of_nodules = parts.evidence.nodules.iter().flat_map(|nodule| {
        nodule.source.iter().map(|source| (source.clone(), None, "Lung nodule".to_owned()))
    });
    let inputs = parts.evidence.risks.iter().flat_map(|risk| &risk.inputs);
    let of_risks = inputs.filter_map(|input| Some((input.source.clone()?, None, input.label.clone())));
    let mut sources: Vec<doc::Source> = Vec::new();
    for (reference, version, description) in of_features.chain(of_nodules).chain(of_risks) {
        if is_image(&reference, parts) {
            continue;
        }
        let resource_type = resource_type(&reference);
        match sources.iter_mut().find(|source| source.reference == reference) {
            None => sources.push(doc::Source { reference, version, resource_type, description }),
            Some(known) => {
                known.version = known.version.take().or(version);
                if known.description.split("; ").all(|one| !one.eq_ignore_ascii_case(&description)) {
                    known.description.push_str("; ");
                    known.description.push_str(&description);
                }
            }
        }
    }
    sources
}

/// Whether a reference is to an instance of the study, which the report names among its images.
fn is_image(reference: &str, parts: &Parts<'_>) -> bool {
    let Some(uid) = reference.strip_prefix("urn:oid:") else { return false };
    let study = parts.evidence.study.iter();
    study.flat_map(|study| &study.instances).any(|file| file.instance.sop_instance_uid.as_str() == uid)
}

/// The type of `Type/id`, of one with a server before it too; empty where a reference does not tell, as `urn:uuid:` does not.
fn resource_type(reference: &str) -> String {
    let kind = reference.rsplit('/').nth(1).unwrap_or_default();
    let is_type = kind.starts_with(|letter: char| letter.is_ascii_uppercase());
    if is_type && kind.chars().all(|letter| letter.is_ascii_alphabetic()) {
        kind.to_owned()
    } else {
        String::new()
    }
}

fn excluded(excluded: &Excluded) -> Vec<String> {
    [
        (excluded.after_t0, "known only after the study"),
        (excluded.corrected_after_t0, "corrected after the study, of which no earlier version is there"),
        (excluded.undated, "without any time by which they were known"),
        (excluded.status, "preliminary, cancelled or entered in error"),
        (excluded.superseded, "older versions of a later entry"),
        (excluded.unresolved_subject, "of which it cannot be told whose they are"),
        (excluded.unreadable, "that could not be read"),
        (excluded.unread_texts, "of which a text was not read"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} entries {why}"))
    .collect()
}

/// What is missing for the whole report, and what that does to it.
pub(super) fn missing(parts: &Parts<'_>) -> Vec<doc::Missing> {
    if parts.ending.is_some() {
        return Vec::new();
    }
    let effect = "nothing of the patient's history enters; risks that need it are not computed";
    match state(parts) {
        doc::RecordState::Matched => changed(parts).into_iter().collect(),
        doc::RecordState::NotGiven => vec![missing_record("no health record was offered", effect)],
        doc::RecordState::NoMatch => {
            vec![missing_record(
                "none of the records that were offered and could be read carries this patient's identifier",
                effect,
            )]
        }
    }
}

/// Values that may be later than the study.
fn changed(parts: &Parts<'_>) -> Option<doc::Missing> {
    let table = parts.evidence.features.as_ref()?;
    let count = table.present().filter(|feature| feature.changed_after_t0).count();
    (count > 0).then(|| doc::Missing {
        what: format!("{count} values are of entries that were changed after the study"),
        effect: "they may say what was not known at the time of the study".to_owned(),
    })
}

fn missing_record(what: &str, effect: &str) -> doc::Missing {
    doc::Missing { what: what.to_owned(), effect: effect.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::resource_type;

    #[test]
    fn a_reference_tells_its_type_or_nothing() {
        for (reference, kind) in [
            ("Observation/17", "Observation"),
            ("https://fhir.example.org/r4/Condition/a-b", "Condition"),
            ("urn:uuid:0f2d7f4e-7cf3-4b5e-9d0c-0a1f5c1f2b3a", ""),
            ("https://fhir.example.org/x", ""),
            ("", ""),
        ] {
            assert_eq!(resource_type(reference), kind, "{reference}");
        }
    }
}
