//! From the bytes of a Bundle to a [`Record`].

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::fact::{self, Concept, Origin};
use super::json::{concept_at, list, moment, owned, text};
use super::limits::{self, MAX_ENTRIES, MAX_RESOURCE_BYTES};
use super::note;
use super::patient::{self, Belongs};
use super::{Ignored, Record, RecordError, RecordPatient};

/// The bundle with its entries left as text, so that memory stays near the size of the file.
#[derive(Deserialize)]
struct RawBundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, borrow)]
    entry: Entries<'a>,
}

#[derive(Default)]
struct Entries<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of entries")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut found = Entries::default();
                while found.kept.len() < MAX_ENTRIES {
                    match entries.next_element()? {
                        Some(entry) => found.kept.push(entry),
                        None => break,
                    }
                }
                found.count = found.kept.len();
                while entries.next_element::<IgnoredAny>()?.is_some() {
                    found.count += 1;
                }
                Ok(found)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Entries::default()) // `null`
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(rename = "fullUrl", default)]
    full_url: Option<Value>,
    #[serde(default, borrow)]
    resource: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "resourceType")]
    resource_type: String,
}

/// A resource that features are made from.
struct Resource {
    kind: ResourceKind,
    value: Value,
    full_url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ResourceKind {
    Patient,
    Observation,
    Condition,
    MedicationRequest,
    MedicationStatement,
    Medication,
    FamilyMemberHistory,
    Procedure,
    DiagnosticReport,
    DocumentReference,
    Composition,
}

pub(crate) fn read(bytes: &[u8]) -> Result<Record, RecordError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    limits::check(bytes)?;
    let bundle: RawBundle<'_> = serde_json::from_slice(bytes)
        .map_err(|error| RecordError::Json { line: error.line(), column: error.column() })?;
    if bundle.resource_type.as_deref() != Some("Bundle") {
        return Err(RecordError::NotABundle);
    }
    let kinds = ["collection", "searchset", "transaction", "batch", "document"];
    if !bundle.kind.is_some_and(|kind| kinds.contains(&kind.as_str())) {
        return Err(RecordError::BundleType);
    }
    if bundle.entry.count > MAX_ENTRIES {
        return Err(RecordError::TooManyEntries { entries: bundle.entry.count, limit: MAX_ENTRIES });
    }
    let mut ignored = Ignored::default();
    let entries: Vec<Raw<'_>> =
        bundle.entry.kept.iter().filter_map(|entry| raw(entry, &mut ignored)).collect();
    let patient = only_patient(&entries, &mut ignored)?;
    assemble(patient, &entries, ignored)
}

/// Everybody whose Patient resource is in a bundle, also in one that is refused because it holds several: so that it can be
/// said whom a refusal concerns. Empty where the bundle cannot be read.
pub fn bundle_patients(bytes: &[u8]) -> Vec<RecordPatient> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if limits::check(bytes).is_err() {
        return Vec::new();
    }
    let Ok(bundle) = serde_json::from_slice::<RawBundle<'_>>(bytes) else { return Vec::new() };
    let mut ignored = Ignored::default();
    let entries: Vec<Raw<'_>> =
        bundle.entry.kept.iter().filter_map(|entry| raw(entry, &mut ignored)).collect();
    let patients = entries.iter().filter(|entry| entry.kind == ResourceKind::Patient);
    let built = patients.filter_map(|entry| entry.build(&mut ignored));
    built.filter_map(|found| patient::patient(&found.value, found.full_url.as_deref())).collect()
}

/// A resource of a type that is used, still as text: one at a time is built, so that a hostile bundle
/// costs little more memory than its own size.
struct Raw<'a> {
    kind: ResourceKind,
    full_url: Option<String>,
    text: &'a RawValue,
}

/// Reads the frame of one entry; `None` where it holds nothing that is used.
fn raw<'a>(entry: &'a RawValue, ignored: &mut Ignored) -> Option<Raw<'a>> {
    let Ok(entry) = serde_json::from_str::<RawEntry<'_>>(entry.get()) else {
        ignored.unreadable += 1;
        return None;
    };
    let text = entry.resource?; // a deletion, or an entry of a batch without a body
    let Ok(kind) = serde_json::from_str::<Kind>(text.get()) else {
        ignored.unreadable += 1;
        return None;
    };
    let Some(kind) = resource_kind(&kind.resource_type) else {
        ignored.other_types += 1;
        return None;
    };
    let full_url = entry.full_url.as_ref().and_then(Value::as_str).map(str::to_owned);
    Some(Raw { kind, full_url, text })
}

impl Raw<'_> {
    fn build(&self, ignored: &mut Ignored) -> Option<Resource> {
        let small = self.text.get().len() <= MAX_RESOURCE_BYTES;
        let value = small.then(|| serde_json::from_str(self.text.get()).ok()).flatten();
        if value.is_none() {
            ignored.unreadable += 1;
        }
        Some(Resource { kind: self.kind, value: value?, full_url: self.full_url.clone() })
    }
}

fn resource_kind(name: &str) -> Option<ResourceKind> {
    Some(match name {
        "Patient" => ResourceKind::Patient,
        "Observation" => ResourceKind::Observation,
        "Condition" => ResourceKind::Condition,
        "MedicationRequest" => ResourceKind::MedicationRequest,
        "MedicationStatement" => ResourceKind::MedicationStatement,
        "Medication" => ResourceKind::Medication,
        "FamilyMemberHistory" => ResourceKind::FamilyMemberHistory,
        "Procedure" => ResourceKind::Procedure,
        "DiagnosticReport" => ResourceKind::DiagnosticReport,
        "DocumentReference" => ResourceKind::DocumentReference,
        "Composition" => ResourceKind::Composition,
        _ => return None,
    })
}

/// The one patient of the bundle. The same resource twice counts once.
fn only_patient(entries: &[Raw<'_>], ignored: &mut Ignored) -> Result<RecordPatient, RecordError> {
    let mut first: Option<Resource> = None;
    let mut others = 0_usize;
    for entry in entries.iter().filter(|entry| entry.kind == ResourceKind::Patient) {
        let Some(found) = entry.build(ignored) else { continue };
        match &first {
            None => first = Some(found),
            Some(known) if known.value == found.value && known.full_url == found.full_url => {}
            Some(_) => others += 1,
        }
    }
    if others > 0 {
        return Err(RecordError::MixedPatients { patients: 1 + others, foreign: 0 });
    }
    let only = first.ok_or(RecordError::NoPatient)?;
    patient::patient(&only.value, only.full_url.as_deref()).ok_or(RecordError::NoPatient)
}

fn assemble(patient: RecordPatient, entries: &[Raw<'_>], ignored: Ignored) -> Result<Record, RecordError> {
    let mut record = Record {
        patient,
        observations: Vec::new(),
        conditions: Vec::new(),
        medications: Vec::new(),
        relatives: Vec::new(),
        procedures: Vec::new(),
        notes: Vec::new(),
        drugs: BTreeMap::new(),
        ignored,
    };
    let mut foreign = 0_usize;
    for entry in entries.iter().filter(|entry| entry.kind != ResourceKind::Patient) {
        let Some(found) = entry.build(&mut record.ignored) else { continue };
        if found.kind == ResourceKind::Medication {
            record.add_drug(&found);
            continue;
        }
        let subject = found.value.get("subject").or_else(|| found.value.get("patient"));
        match record.patient.owns(subject) {
            Belongs::Own => record.add(&found),
            Belongs::Foreign => foreign += 1,
            Belongs::Unresolved => record.ignored.unresolved_subject += 1,
        }
    }
    if foreign > 0 {
        return Err(RecordError::MixedPatients { patients: 1, foreign });
    }
    Ok(record)
}

impl Record {
    fn add(&mut self, found: &Resource) {
        let (value, origin) = (&found.value, origin(found));
        match found.kind {
            ResourceKind::Observation => self.observations.push(fact::observation(value, origin)),
            ResourceKind::Condition => self.conditions.push(fact::condition(value, origin)),
            ResourceKind::MedicationRequest => {
                self.add_contained(found);
                self.medications.push(fact::medication_request(value, origin));
            }
            ResourceKind::MedicationStatement => {
                self.add_contained(found);
                self.medications.push(fact::medication_statement(value, origin));
            }
            ResourceKind::Procedure => self.procedures.push(fact::procedure(value, origin)),
            ResourceKind::FamilyMemberHistory => self.relatives.push(fact::relative(value, origin)),
            ResourceKind::DiagnosticReport => self.add_note(note::diagnostic_report(value, origin)),
            ResourceKind::DocumentReference => self.add_note(note::document_reference(value, origin)),
            ResourceKind::Composition => self.add_note(note::composition(value, origin)),
            ResourceKind::Patient | ResourceKind::Medication => {}
        }
    }

    /// One without a text that is read says nothing, yet may be the later version of one that does.
    fn add_note(&mut self, note: note::Note) {
        self.ignored.unread_texts += note.unread;
        self.notes.push(note);
    }

    fn add_drug(&mut self, found: &Resource) {
        let code = concept_at(&found.value, "code");
        let names = [origin(found).reference, found.full_url.clone()];
        for name in names.into_iter().flatten() {
            self.drugs.insert(name, code.clone());
        }
    }

    /// A contained Medication is known under its resource's reference and its own fragment.
    fn add_contained(&mut self, found: &Resource) {
        let Some(reference) = origin(found).reference else { return };
        let contained: Vec<(String, Concept)> = list(&found.value, "contained")
            .filter(|part| text(part, "resourceType") == Some("Medication"))
            .filter_map(|part| Some((format!("{reference}#{}", text(part, "id")?), concept_at(part, "code"))))
            .collect();
        self.drugs.extend(contained);
    }
}

fn origin(found: &Resource) -> Origin {
    let kind = text(&found.value, "resourceType").unwrap_or_default();
    let meta = found.value.get("meta");
    let id = owned(&found.value, "id").map(|id| format!("{kind}/{id}"));
    Origin {
        reference: id.or_else(|| found.full_url.clone()),
        version: meta.and_then(|meta| owned(meta, "versionId")),
        updated: meta.and_then(|meta| moment(meta, "lastUpdated")),
    }
}
