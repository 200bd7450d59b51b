//! The Patient resource: who the record is of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fact::{Coding, Identifier};
use super::json::{coding, identifier, list, moment, owned, text};
use crate::phi::Phi;
use crate::time::{Moment, PartialDate};

/// Administrative gender of the Patient resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// `female`.
    Female,
    /// `male`.
    Male,
    /// `other`.
    Other,
    /// `unknown`, or a code that FHIR does not have.
    Unknown,
}

/// A HumanName.
#[derive(Clone, PartialEq, Eq)]
pub struct HumanName {
    /// Family name.
    pub family: Option<String>,
    /// Given names, in order.
    pub given: Vec<String>,
    /// The whole name as text.
    pub text: Option<String>,
    /// FHIR's `use`, such as `official`.
    pub usage: Option<String>,
}

/// Who the record is of. Its `Debug` shows nothing that tells who.
#[derive(Clone)]
pub struct RecordPatient {
    /// How the record refers to the person: `Patient/<id>`, or the bundle's `fullUrl` where the resource
    /// has no id.
    pub reference: String,
    /// All identifiers that have a value.
    pub identifiers: Vec<Identifier>,
    /// Administrative gender, where it is stated.
    pub gender: Option<Gender>,
    /// Date of birth as it is stated: it may be a year or a month only.
    pub birth_date: Option<Phi<PartialDate>>,
    /// Names.
    pub names: Vec<Phi<HumanName>>,
    /// `active`; `false` marks a record that is no longer used.
    pub active: Option<bool>,
    /// Whether the person is stated to have died: `deceasedBoolean`, or a `deceasedDateTime`.
    pub deceased: bool,
    /// When the person died, where it is stated.
    pub deceased_at: Option<Phi<Moment>>,
    /// Whether another record replaces this one or it is one of several (`link.type` `replaced-by`,
    /// `refer` or `seealso`). `replaces` does not count: this record is then the one that stays.
    pub links: bool,
    pub(crate) races: Vec<Coding>,
    pub(crate) ethnicities: Vec<Coding>,
    keys: PatientKeys,
}

impl std::fmt::Debug for RecordPatient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RecordPatient")
            .field("active", &self.active)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

/// The ways in which resources of the bundle may refer to the patient.
#[derive(Clone, Default)]
struct PatientKeys {
    id: Option<String>,
    /// `fullUrl`, such as `urn:uuid:...` or `https://server/fhir/Patient/1`.
    full_url: Option<String>,
    /// System and value of the identifiers.
    identifiers: BTreeSet<(String, String)>,
}

/// Whose a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// The record's patient's.
    Own,
    /// Surely another patient's.
    Foreign,
    /// Nobody's that could be told.
    Unresolved,
}

const US_CORE_RACE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
const US_CORE_ETHNICITY: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity";

/// Reads a Patient resource; `None` where neither an id nor a `fullUrl` says how to refer to it.
pub(crate) fn patient(value: &Value, full_url: Option<&str>) -> Option<RecordPatient> {
    let address = full_url.and_then(|url| url.rsplit_once("/Patient/"));
    let id = owned(value, "id").or_else(|| address.map(|(_, id)| id.to_owned()));
    let reference = id.as_ref().map(|id| format!("Patient/{id}")).or_else(|| full_url.map(str::to_owned))?;
    let identifiers: Vec<Identifier> = list(value, "identifier").filter_map(identifier).collect();
    let pair = |found: &Identifier| Some((found.system.clone()?, found.value.expose().clone()));
    let keys = PatientKeys {
        id,
        full_url: full_url.map(str::to_owned),
        identifiers: identifiers.iter().filter_map(pair).collect(),
    };
    let deceased_at = moment(value, "deceasedDateTime");
    let links = list(value, "link").any(|link| text(link, "type").is_some_and(|kind| kind != "replaces"));
    Some(RecordPatient {
        reference,
        gender: text(value, "gender").map(gender),
        birth_date: text(value, "birthDate").and_then(PartialDate::parse).map(Phi::new),
        names: list(value, "name").map(|name| Phi::new(human_name(name))).collect(),
        active: value.get("active").and_then(Value::as_bool),
        deceased: deceased_at.is_some()
            || value.get("deceasedBoolean").and_then(Value::as_bool) == Some(true),
        deceased_at: deceased_at.map(Phi::new),
        links,
        races: omb_categories(value, US_CORE_RACE),
        ethnicities: omb_categories(value, US_CORE_ETHNICITY),
        identifiers,
        keys,
    })
}

fn gender(code: &str) -> Gender {
    match code {
        "female" => Gender::Female,
        "male" => Gender::Male,
        "other" => Gender::Other,
        _ => Gender::Unknown,
    }
}

fn human_name(value: &Value) -> HumanName {
    let given = value.get("given").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    HumanName {
        family: owned(value, "family"),
        given: given.iter().filter_map(Value::as_str).take(16).map(str::to_owned).collect(),
        text: owned(value, "text"),
        usage: owned(value, "use"),
    }
}

/// The `ombCategory` codings of a US Core extension.
fn omb_categories(value: &Value, url: &str) -> Vec<Coding> {
    list(value, "extension")
        .filter(|extension| text(extension, "url") == Some(url))
        .flat_map(|extension| list(extension, "extension"))
        .filter(|part| text(part, "url") == Some("ombCategory"))
        .filter_map(|part| part.get("valueCoding"))
        .map(coding)
        .collect()
}

impl RecordPatient {
    /// Whose the resource with this subject is. `subject` is the Reference element.
    pub(crate) fn owns(&self, subject: Option<&Value>) -> Belongs {
        let Some(subject) = subject else { return Belongs::Unresolved };
        if let Some(reference) = text(subject, "reference") {
            return self.keys.resolve(reference);
        }
        let Some(found) = subject.get("identifier").and_then(identifier) else { return Belongs::Unresolved };
        let Some(system) = found.system else { return Belongs::Unresolved };
        self.keys.by_identifier(&system, found.value.expose())
    }
}

impl PatientKeys {
    fn resolve(&self, reference: &str) -> Belongs {
        let reference = reference.split_once("/_history/").map_or(reference, |(before, _)| before);
        if self.full_url.as_deref() == Some(reference) {
            return Belongs::Own;
        }
        if let Some(uuid) = reference.strip_prefix("urn:uuid:") {
            // Synthea and others write the id after `urn:uuid:` also where `fullUrl` is absent.
            let own = self.full_url.is_none() && self.id.as_deref() == Some(uuid);
            return if own { Belongs::Own } else { Belongs::Unresolved };
        }
        if let Some(query) = reference.strip_prefix("Patient?identifier=") {
            return match query.split_once('|').or_else(|| query.split_once("%7C")) {
                Some((system, value)) => self.by_identifier(system, value),
                None => Belongs::Unresolved,
            };
        }
        if let Some(id) = reference.strip_prefix("Patient/") {
            return match &self.id {
                Some(own) if own == id => Belongs::Own,
                Some(_) => Belongs::Foreign,
                None => Belongs::Unresolved,
            };
        }
        self.by_address(reference)
    }

    /// Of an absolute reference: own where the id matches and the server is not a different one.
    fn by_address(&self, reference: &str) -> Belongs {
        let Some((base, id)) = reference.rsplit_once("/Patient/") else { return Belongs::Unresolved };
        let own_base =
            self.full_url.as_deref().and_then(|url| url.rsplit_once("/Patient/")).map(|(base, _)| base);
        match (own_base, self.id.as_deref() == Some(id)) {
            (Some(own_base), true) if own_base == base => Belongs::Own,
            (Some(own_base), false) if own_base == base => Belongs::Foreign,
            (Some(_), _) => Belongs::Unresolved, // another server's number
            (None, true) => Belongs::Own,
            (None, false) => Belongs::Foreign,
        }
    }

    fn by_identifier(&self, system: &str, value: &str) -> Belongs {
        if self.identifiers.contains(&(system.to_owned(), value.to_owned())) {
            return Belongs::Own;
        }
        // Another number of a system that the patient has a number of is another patient's.
        let known = self.identifiers.iter().any(|(own, _)| own == system);
        if known { Belongs::Foreign } else { Belongs::Unresolved }
    }
}
