//! The report as plain values: composed once from what a job stored, then rendered.
//!
//! Everything a renderer needs is here, so a renderer looks nothing up, reads no clock and decides
//! nothing clinical. The same [`Report`] gives the same bytes in every rendering.
//!
//! All probabilities, bounds and thresholds are fractions from 0 to 1. Only the FHIR renderer writes
//! percent, in one place.
//!
//! Values that identify a patient live in here, so no type that holds them has a `Debug` that shows them.

mod finding;
mod lesion;
mod model;
mod record;
mod risk;
mod segment;
mod site;
mod study;

use std::fmt;

use jiff::Timestamp;

use super::language::Language;

pub use finding::{Assessment, Coding, Finding, Presence, Thresholds};
pub use lesion::{EarlierLesion, Lesion, LesionGrowth, OutlinedLesion, days, millimetres};
pub use model::{CalibrationPoint, Model, ModelKind, Performance};
pub use record::{Feature, Record, RecordState, Remark, RemarkKind, Source};
pub use risk::{Comparator, Contribution, Guidance, Interval, Method, Performer, Risk, RiskInput, RiskValue};
pub use segment::Segment;
pub use site::{Organization, Site};
pub use study::{
    Dropped, Instance, Patient, Picture, Saliency, Shows, Study, Subject, Warning, readable_name,
};

/// Everything that is said about one study.
#[derive(Clone, PartialEq)]
pub struct Report {
    /// The language that it is written in.
    pub language: Language,
    /// Whether FHIR says a learned model's interval as its confidence too, in an extension that is still moving.
    pub states_confidence: bool,
    /// Whether the map of where a model looked is a DICOM image too.
    pub makes_overlay: bool,
    /// The two keys that every identifier is made from.
    pub keys: Keys,
    /// Whether there is a result, and why not.
    pub kind: Kind,
    /// The job's stored acceptance time; it becomes `issued` and `recorded`.
    pub issued: Timestamp,
    /// Whose report it is, as far as the site says so.
    pub site: Site,
    /// The program that made the report.
    pub software: Software,
    /// The pipeline that read the study.
    pub pipeline: Pipeline,
    /// The images.
    pub study: Study,
    /// The person, and how the report refers to them.
    pub patient: Patient,
    /// The trained models that took part; empty where none ran.
    pub models: Vec<Model>,
    /// What the image model says, in the order of its labels.
    pub findings: Vec<Finding>,
    /// What the image model outlines, in the order of its segments.
    pub segments: Vec<Segment>,
    /// The radiograph that was read.
    pub picture: Option<Picture>,
    /// What the health record said at the time of the study.
    pub record: Record,
    /// The lesion that risks were computed for; `None` where there is none.
    pub lesion: Option<Lesion>,
    /// The risks, computable or not, in the order of importance.
    pub risks: Vec<Risk>,
    /// What is missing or stale for the whole report, and what that does to it.
    pub missing: Vec<Missing>,
    /// Limits that hold for the whole report, one sentence each.
    pub limits: Vec<String>,
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Report").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// The two keys that all identifiers of a report are made from, as hexadecimal digests or UUIDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Of tenant, study and pipeline: all versions of one report share it.
    pub report: String,
    /// Of the exact inputs, models and configuration: one version.
    pub job: String,
}

/// Whether the study was analysed, and whether that still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The study was read; findings and risks follow.
    Analysis,
    /// The study cannot be read by this pipeline, and a retry would not change that.
    Refused(NoResult),
    /// Something broke; a human has to look.
    Failed(NoResult),
    /// The version with this job key is taken back: what it said must not be used.
    Withdrawn(NoResult, String),
}

/// Why there is no result. Holds no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoResult {
    /// Stable code, as in the `--json` line, such as `NotApplicable`.
    pub code: String,
    /// What was found, in one sentence.
    pub reason: String,
    /// What a person can do about it, in one sentence.
    pub next_step: String,
}

/// The program that made the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Software {
    /// Name, `Chiasm`.
    pub name: String,
    /// Version of the program, such as `0.1.0`.
    pub version: String,
    /// Where the networks ran, for a reader: `CPU (flex)` or the name of the GPU and its backend.
    pub compute_device: String,
}

/// The declared way a study is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Stable identifier, such as `chest-radiograph`.
    pub id: String,
    /// Version of the declaration.
    pub version: String,
    /// What it reads and what it says, in one sentence.
    pub description: String,
}

/// Something that is missing, and what that does to the report.
#[derive(Clone, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What that does.
    pub effect: String,
}
