//! One patient's record from many pieces: pages of a server's search, or lines of a bulk export (NDJSON).
//!
//! The pieces become one collection bundle whose bytes do not depend on the order in which they came, so that a record that
//! is fetched twice without a change is the same record. What is read of it, and what is refused, is [`Record::from_json`]'s
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::fact::Identifier;
use super::json::{identifier, list, text};
use super::limits::{self, MAX_BYTES, MAX_ENTRIES};
use super::{RESOURCE_TYPES, Record, RecordError};

/// A bundle of resources under way.
#[derive(Default)]
pub struct Assembly {
    /// By type, id, and text.
    entries: BTreeMap<(String, String, String), Option<String>>,
    bytes: usize,
}

/// What a page of a search says beside its resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Address of the next page, as the server gives it.
    pub next: Option<String>,
    /// Ids of the Patient resources on it that match.
    pub patients: Vec<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default, borrow)]
    entry: Vec<RawEntry<'a>>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    relation: String,
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(rename = "fullUrl", default)]
    full_url: Option<String>,
    #[serde(default, borrow)]
    resource: Option<&'a RawValue>,
    #[serde(default)]
    search: Option<Search>,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    mode: String,
}

#[derive(Serialize)]
struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    entry: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(rename = "fullUrl", skip_serializing_if = "Option::is_none")]
    full_url: Option<&'a str>,
    resource: &'a RawValue,
}

impl Assembly {
    /// Takes the resources of a search page.
    pub fn page(&mut self, bytes: &[u8]) -> Result<Page, RecordError> {
        limits::check(bytes)?;
        let page: RawPage<'_> = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
        if page.resource_type != "Bundle" {
            return Err(RecordError::NotABundle);
        }
        if page.kind.as_deref() != Some("searchset") {
            return Err(RecordError::BundleType);
        }
        let mut found = Page::default();
        for entry in page.entry {
            let Some(resource) = entry.resource else { continue };
            if entry.search.is_some_and(|search| search.mode == "outcome") {
                continue;
            }
            let (kind, id) = identity(resource);
            if kind == "Patient" {
                found.patients.push(id.clone());
            }
            self.add(kind, id, resource.get(), entry.full_url)?;
        }
        let next = page.link.into_iter().find(|link| link.relation == "next");
        found.next = next.map(|link| link.url).filter(|url| !url.is_empty());
        Ok(found)
    }

    fn add(
        &mut self,
        kind: String,
        id: String,
        text: &str,
        full_url: Option<String>,
    ) -> Result<(), RecordError> {
        if !RESOURCE_TYPES.contains(&kind.as_str()) || is_of_a_program(text) {
            return Ok(());
        }
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(RecordError::TooLarge { bytes: self.bytes, limit: MAX_BYTES });
        }
        self.entries.insert((kind, id, text.to_owned()), full_url);
        if self.entries.len() > MAX_ENTRIES {
            return Err(RecordError::TooManyEntries { entries: self.entries.len(), limit: MAX_ENTRIES });
        }
        Ok(())
    }

    /// The bundle: entries ordered by type and id.
    pub fn into_bundle(self) -> Vec<u8> {
        let entry = self.entries.iter().filter_map(|((_, _, text), full_url)| {
            let resource = serde_json::from_str::<&RawValue>(text).ok()?;
            Some(Entry { full_url: full_url.as_deref(), resource })
        });
        let bundle = Bundle { resource_type: "Bundle", kind: "collection", entry: entry.collect() };
        // Texts that were read as JSON always serialise.
        serde_json::to_vec(&bundle).unwrap_or_default()
    }
}

/// Tag of what a report of this program cites: somebody else's measurement, which is in the record already.
const CITED: (&str, &str) = ("https://chiasm.invalid/fhir/CodeSystem/tag", "cited");

/// Whether a program asserted it, by the label `AIAST` (HL7/aitransparency-ig), or cites it. A report that was delivered to
/// the server that the record comes from lies in that record; its findings are no evidence for the next report, and would
/// make each delivery another record.
fn is_of_a_program(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Labelled {
        #[serde(default)]
        meta: Meta,
    }
    #[derive(Deserialize, Default)]
    struct Meta {
        #[serde(default)]
        security: Vec<Label>,
        #[serde(default)]
        tag: Vec<Label>,
    }
    #[derive(Deserialize)]
    struct Label {
        #[serde(default)]
        system: String,
        #[serde(default)]
        code: String,
    }
    let is_asserted = |label: &Label| label.code == "AIAST";
    let is_cited = |tag: &Label| (tag.system.as_str(), tag.code.as_str()) == CITED;
    (text.contains("AIAST") || text.contains("chiasm.invalid"))
        && serde_json::from_str::<Labelled>(text)
            .is_ok_and(|one| one.meta.security.iter().any(is_asserted) || one.meta.tag.iter().any(is_cited))
}

fn json(error: &serde_json::Error) -> RecordError {
    RecordError::Json { line: error.line(), column: error.column() }
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "resourceType", default)]
    resource_type: String,
    #[serde(default)]
    id: String,
}

fn identity(resource: &RawValue) -> (String, String) {
    let head = serde_json::from_str::<Head>(resource.get());
    head.map_or_else(|_| (String::new(), String::new()), |head| (head.resource_type, head.id))
}

/// A patient of a bulk export.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Id of the Patient resource.
    pub id: String,
    /// The patient's identifiers.
    pub identifiers: Vec<Identifier>,
}

/// The patients of files of a bulk export. A line that is no Patient resource is passed over.
pub fn exported_patients<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Vec<Exported> {
    let lines = files.into_iter().flat_map(lines);
    lines
        .filter(|line| line.windows(9).any(|part| part == b"\"Patient\""))
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|value| text(value, "resourceType") == Some("Patient"))
        .filter_map(|value| {
            let id = text(&value, "id")?.to_owned();
            Some(Exported { id, identifiers: list(&value, "identifier").filter_map(identifier).collect() })
        })
        .collect()
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// The bundle of one patient of a bulk export: the Patient, what refers to it as subject or patient, and the Medications
/// that these refer to. A line that is no JSON object is passed over, as the same file may be read while it is written.
pub fn exported_record(files: &[&[u8]], patient: &str) -> Result<Vec<u8>, RecordError> {
    let mut assembly = Assembly::default();
    let own = [format!("Patient/{patient}"), format!("/Patient/{patient}")];
    let mut drugs = BTreeSet::new();
    let mut medications = Vec::new();
    for line in files.iter().flat_map(|file| lines(file)) {
        limits::check(line)?;
        let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
        let (kind, id) =
            (text(&value, "resourceType").unwrap_or_default(), text(&value, "id").unwrap_or_default());
        if kind == "Medication" {
            medications.push((id.to_owned(), line));
            continue;
        }
        let subject =
            value.get("subject").or_else(|| value.get("patient")).and_then(|one| text(one, "reference"));
        let refers = subject.is_some_and(|reference| reference == own[0] || reference.ends_with(&own[1]));
        if !(refers || (kind == "Patient" && id == patient)) {
            continue;
        }
        drugs.extend(
            value.get("medicationReference").and_then(|one| text(one, "reference")).map(str::to_owned),
        );
        let resource = std::str::from_utf8(line).map_err(|_| RecordError::Json { line: 1, column: 1 })?;
        assembly.add(kind.to_owned(), id.to_owned(), resource, None)?;
    }
    for (id, line) in medications {
        if drugs.contains(&format!("Medication/{id}"))
            && let Ok(resource) = std::str::from_utf8(line)
        {
            assembly.add("Medication".to_owned(), id, resource, None)?;
        }
    }
    Ok(assembly.into_bundle())
}

impl Record {
    /// One patient's record out of a bulk export.
    pub fn from_export(files: &[&[u8]], patient: &str) -> Result<Self, RecordError> {
        Self::from_json(&exported_record(files, patient)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_asserted_is_no_part_of_a_record() {
        let page = |label: &str| {
            format!(
                r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{{"resourceType":"Observation","id":"a",
                "meta":{{"security":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"{label}"}}]}},
                "note":[{{"text":"AIAST"}}]}}}}]}}"#
            )
        };
        let bundle = |label: &str| {
            let mut assembly = Assembly::default();
            assembly.page(page(label).as_bytes()).expect("a page");
            String::from_utf8(assembly.into_bundle()).expect("text")
        };
        assert!(!bundle("AIAST").contains("Observation"));
        assert!(bundle("HTEST").contains("Observation"), "another label, though its text says so");
    }
}
