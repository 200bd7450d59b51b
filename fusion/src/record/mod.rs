//! A patient's record: a FHIR R4 Bundle, read within limits, of exactly one patient.
//!
//! Foreign FHIR is read tolerantly: unknown fields and unknown resource types are ignored, a field of the
//! wrong type reads as absent, and a resource that cannot be read is counted in [`Record::ignored`]. What
//! is not tolerated is doubt about whose record it is: two Patient resources, or a resource that surely
//! belongs to another patient, refuse the whole bundle.
//!
//! This module reads JSON and nothing else: no files, no terminology, no clock.

mod assemble;
mod bundle;
mod fact;
mod json;
mod limits;
mod note;
mod patient;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use assemble::{Assembly, Exported, Page, exported_patients, exported_record};
pub use bundle::bundle_patients;
pub use fact::Identifier;
pub(crate) use fact::{
    Coding, Concept, Condition, Medication, Observation, ObservedValue, Origin, Procedure, Quantity,
    QuantityComparator, Relative,
};
pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_RESOURCE_BYTES};
pub use note::MAX_NOTE_BYTES;
pub(crate) use note::{Note, NoteText};
pub use patient::{Gender, HumanName, RecordPatient};

use crate::time::Moment;

/// Types of resources that are read, in the order in which a server is asked for them.
pub const RESOURCE_TYPES: [&str; 11] = [
    "Patient",
    "Observation",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "Medication",
    "FamilyMemberHistory",
    "Procedure",
    "DiagnosticReport",
    "DocumentReference",
    "Composition",
];

/// A patient's record.
#[derive(Clone)]
pub struct Record {
    pub(crate) patient: RecordPatient,
    pub(crate) observations: Vec<Observation>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) medications: Vec<Medication>,
    pub(crate) relatives: Vec<Relative>,
    pub(crate) procedures: Vec<Procedure>,
    pub(crate) notes: Vec<Note>,
    /// Codes of Medication resources, by reference.
    pub(crate) drugs: BTreeMap<String, Concept>,
    ignored: Ignored,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Record").field("ignored", &self.ignored).finish_non_exhaustive()
    }
}

/// What of a bundle was not used, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Resources of types that no feature is made from.
    pub other_types: usize,
    /// Entries that could not be read as a resource, or are larger than [`MAX_RESOURCE_BYTES`].
    pub unreadable: usize,
    /// Resources of which it cannot be told whose they are.
    pub unresolved_subject: usize,
    /// Texts of notes that are not read: elsewhere, of another type, too long, or broken.
    pub unread_texts: usize,
}

/// Why a bundle is refused. No text of the record is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The file is too large.
    #[error("the record has {bytes} bytes, more than the limit of {limit}; export less of it")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// [`MAX_BYTES`].
        limit: usize,
    },
    /// Objects and lists are nested too deeply.
    #[error("the record is nested deeper than {limit} levels at byte {offset}; it is no FHIR bundle")]
    TooDeep {
        /// [`MAX_DEPTH`].
        limit: usize,
        /// Where the limit was passed.
        offset: usize,
    },
    /// The bundle has too many entries.
    #[error("the bundle has {entries} entries, more than the limit of {limit}; export less of it")]
    TooManyEntries {
        /// Entries found.
        entries: usize,
        /// [`MAX_ENTRIES`].
        limit: usize,
    },
    /// The text is no JSON, or not shaped as a bundle.
    #[error("the record is no readable FHIR JSON: line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The JSON is something else than a Bundle.
    #[error("the record is not a FHIR Bundle resource; export the patient as a bundle")]
    NotABundle,
    /// The bundle is of a type that holds no record.
    #[error(
        "the bundle's type is not one of collection, searchset, transaction, batch and document; export the record as one of these"
    )]
    BundleType,
    /// There is no Patient resource that can be referred to.
    #[error("the bundle has no Patient resource with an id or a fullUrl; it cannot be matched")]
    NoPatient,
    /// The bundle holds more than one patient's data.
    #[error(
        "the bundle holds {patients} patients and {foreign} resources of another patient; one bundle must hold one patient"
    )]
    MixedPatients {
        /// Patient resources.
        patients: usize,
        /// Resources that surely belong to somebody else.
        foreign: usize,
    },
}

impl RecordError {
    /// Stable code of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "RecordTooLarge",
            Self::TooDeep { .. } => "RecordTooDeep",
            Self::TooManyEntries { .. } => "RecordTooManyEntries",
            Self::Json { .. } => "RecordJson",
            Self::NotABundle => "RecordNotABundle",
            Self::BundleType => "RecordBundleType",
            Self::NoPatient => "RecordNoPatient",
            Self::MixedPatients { .. } => "RecordMixedPatients",
        }
    }
}

impl Record {
    /// Reads a FHIR R4 Bundle of type collection, searchset, transaction, batch or document.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RecordError> {
        bundle::read(bytes)
    }

    /// Who the record is of.
    pub fn patient(&self) -> &RecordPatient {
        &self.patient
    }

    /// What of the bundle was not used.
    pub fn ignored(&self) -> &Ignored {
        &self.ignored
    }

    /// The latest time that the record states for any of the resources in use, dates at their end.
    pub fn latest_time(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.times(zone).max()
    }

    /// The latest time that the record states at or before `t0`, dates at their end.
    pub fn latest_time_before(&self, t0: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.times(zone).filter(|time| *time <= t0).max()
    }

    /// The earliest time that the record states after `t0`, dates at their end.
    pub fn earliest_time_after(&self, t0: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.times(zone).filter(|time| *time > t0).min()
    }

    fn times(&self, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
        let observed = self.observations.iter().flat_map(|found| [&found.issued, &found.effective]);
        let conditions = self.conditions.iter().map(|found| &found.recorded);
        let medications = self.medications.iter().map(|found| &found.known);
        let relatives = self.relatives.iter().map(|found| &found.recorded);
        let notes = self.notes.iter().flat_map(|found| [&found.known, &found.effective]);
        let all: Vec<&Option<Moment>> =
            observed.chain(conditions).chain(medications).chain(relatives).chain(notes).collect();
        let zone = zone.clone();
        all.into_iter().flatten().filter_map(move |moment| moment.latest(&zone))
    }
}
