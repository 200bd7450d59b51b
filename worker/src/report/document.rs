//! The report as plain values: composed once from what a job stored, then rendered.
//!
//! Everything a renderer needs is here, so a renderer looks nothing up, reads no clock and decides
//! nothing clinical. The same [`Report`] gives the same bytes in every rendering.
//!
//! All probabilities, bounds and thresholds are fractions from 0 to 1. Only the FHIR renderer writes
//! percent, in one place.
//!
//! Values that identify a patient live in here, so no type that holds them has a `Debug` that shows them.

use std::fmt;

use jiff::Timestamp;

/// Everything that is said about one study.
#[derive(Clone, PartialEq)]
pub struct Report {
    /// The two keys that every identifier is made from.
    pub keys: Keys,
    /// Whether there is a result, and why not.
    pub kind: Kind,
    /// The job's stored acceptance time; it becomes `issued` and `recorded`.
    pub issued: Timestamp,
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
    /// The radiograph that was read.
    pub picture: Option<Picture>,
    /// What the health record said at the time of the study.
    pub record: Record,
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

/// Whether the study was analysed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The study was read; findings and risks follow.
    Analysis,
    /// The study cannot be read by this pipeline, and a retry would not change that.
    Refused(NoResult),
    /// Something broke; a human has to look.
    Failed(NoResult),
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

/// The images, as the study states them.
#[derive(Clone, PartialEq)]
pub struct Study {
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: String,
    /// Accession Number (0008,0050).
    pub accession_number: Option<String>,
    /// Index time t0: nothing of the record that became known later was used. `None` where the images
    /// state no time.
    pub started: Option<Timestamp>,
    /// t0 as the images state it, for a reader, such as `2020-03-14 09:30`.
    pub started_text: String,
    /// Which rule gave the time zone, for a reader, such as `site zone UTC, the images state no offset`.
    pub zone_rule: String,
    /// Modalities (0008,0060) of the instances used, such as `DX`.
    pub modalities: Vec<String>,
    /// Study Description (0008,1030).
    pub description: Option<String>,
    /// Body part and view that were read, for a reader, such as `chest, PA view`.
    pub view: Option<String>,
    /// The instances that were read.
    pub instances: Vec<Instance>,
    /// The instances that were not read, and why.
    pub dropped: Vec<Dropped>,
    /// What was odd about the images though they were read.
    pub warnings: Vec<Warning>,
}

/// One SOP instance that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: String,
    /// Modality (0008,0060) of its series.
    pub modality: String,
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

/// One instance that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// SOP Instance UID, where it could be read.
    pub sop_instance_uid: Option<String>,
    /// Stable code.
    pub code: String,
    /// Why, in one sentence without patient data.
    pub reason: String,
}

/// Something odd that did not stop the analysis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable code.
    pub code: String,
    /// What, in one sentence without patient data.
    pub text: String,
}

/// The person the study is of.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// How the FHIR resources refer to the person.
    pub subject: Subject,
    /// Name, as a reader would write it. For the page only.
    pub name: Option<String>,
    /// The identifier the match was made with. For the page only.
    pub identifier: Option<String>,
    /// Sex, one of `female`, `male`, `other`, `unknown`. For the page only.
    pub sex: Option<String>,
    /// Birth date, `YYYY-MM-DD` or shorter. For the page only.
    pub birth_date: Option<String>,
    /// Age at t0 in completed years. For the page only.
    pub age_years: Option<u32>,
}

/// How the person is referred to. A Patient resource is never created.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// The record matched: a reference such as `Patient/abc`, as the record's bundle states it.
    Reference(String),
    /// Only the images say who it is.
    Identifier {
        /// Identifier system, where the site configured one.
        system: Option<String>,
        /// Issuer of Patient ID (0010,0021).
        assigner: Option<String>,
        /// Patient ID (0010,0020).
        value: String,
    },
    /// The images state no usable identifier.
    Unidentified,
}

/// A trained model and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Stable identifier, such as `cxr-findings`.
    pub id: String,
    /// Version.
    pub version: String,
    /// Title for a reader.
    pub title: String,
    /// What it reads.
    pub kind: ModelKind,
    /// SHA-256 of the weights, 64 hexadecimal digits.
    pub digest: String,
    /// Who made it.
    pub manufacturer: String,
    /// Day it was trained, `YYYY-MM-DD`.
    pub created: Option<String>,
    /// The whole model card, in Markdown.
    pub card_markdown: String,
    /// What it was trained on, in one sentence.
    pub training_data: String,
    /// How the probabilities were calibrated, in one sentence.
    pub calibration: String,
    /// Predicted against observed, in bins, for the calibration plot; may be empty.
    pub calibration_points: Vec<CalibrationPoint>,
    /// What it applies to, in one sentence.
    pub applicability: String,
    /// What it must not be used for and where it is weak, one sentence each.
    pub limits: Vec<String>,
}

/// What a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Pixels to findings.
    Image,
    /// Image scores and record to a risk.
    Fusion,
}

/// One bin of a calibration plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationPoint {
    /// Mean predicted probability, 0 to 1.
    pub predicted: f64,
    /// Observed frequency, 0 to 1.
    pub observed: f64,
    /// Cases in the bin.
    pub cases: u32,
}

/// One finding of the image model.
#[derive(Clone, PartialEq)]
pub struct Finding {
    /// Stable label, as in the `--json` line, such as `Pleural_Thickening`.
    pub label: String,
    /// Title for a reader, such as `Pleural thickening`.
    pub title: String,
    /// SNOMED CT, RadLex and other codings of the finding.
    pub codings: Vec<Coding>,
    /// Identifier of the [`Model`] that said it.
    pub model: String,
    /// What was said.
    pub assessment: Assessment,
    /// How probabilities become states.
    pub thresholds: Thresholds,
    /// How well the model tells this finding, from its card.
    pub performance: Option<Performance>,
    /// Frequency among the patients of the card, 0 to 1.
    pub base_rate: Option<f64>,
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// System, a URI such as `http://snomed.info/sct`.
    pub system: String,
    /// Code.
    pub code: String,
    /// The system's words for it.
    pub display: String,
}

/// What was said about a finding.
#[derive(Debug, Clone, PartialEq)]
pub enum Assessment {
    /// A calibrated probability and the state it falls into.
    Assessed {
        /// 0 to 1.
        probability: f64,
        /// Three-way state.
        presence: Presence,
    },
    /// Nothing is said, for this reason.
    NotAssessed {
        /// One sentence.
        reason: String,
    },
}

/// Three-way state of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// At or above the upper threshold.
    Present,
    /// Between the thresholds.
    Indeterminate,
    /// Below the lower threshold.
    Absent,
}

/// How a probability becomes a state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Below it a finding is absent, 0 to 1.
    pub absent_below: f64,
    /// From it on a finding is present, 0 to 1.
    pub present_from: f64,
}

/// How well a model separates, with a 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Area under the receiver operating characteristic curve, 0 to 1.
    pub auroc: f64,
    /// Lower 95 % bound.
    pub low: f64,
    /// Upper 95 % bound.
    pub high: f64,
    /// Patients it was measured on.
    pub cases: u32,
    /// Of them with the finding.
    pub positives: u32,
}

/// The radiograph that was read, small enough for a page.
#[derive(Clone, PartialEq)]
pub struct Picture {
    /// SOP Instance UID of the source.
    pub sop_instance_uid: String,
    /// PNG file.
    pub png: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Where the model looked, for one finding.
    pub saliency: Option<Saliency>,
}

/// Where the model looked: a PNG with transparency, laid over the picture at the same size.
#[derive(Clone, PartialEq)]
pub struct Saliency {
    /// Title of the finding it explains.
    pub finding: String,
    /// How it was made, such as `occlusion` or `Grad-CAM`.
    pub method: String,
    /// PNG file with an alpha channel, of the same aspect ratio as the picture.
    pub png: Vec<u8>,
}

/// What the health record said.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// Whether there was one.
    pub state: RecordState,
    /// The features that were looked for, in the order of importance.
    pub features: Vec<Feature>,
    /// Every resource of the record that the report rests on.
    pub sources: Vec<Source>,
    /// What was left out, such as `7 values dated after the study`; one phrase each.
    pub excluded: Vec<String>,
}

/// Whether there was a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// No record was given.
    NotGiven,
    /// Records were given, none of them is this patient's.
    NoMatch,
    /// The patient's identifier matched.
    Matched,
}

/// One value of the record at t0.
#[derive(Clone, PartialEq)]
pub struct Feature {
    /// Title for a reader, such as `C-reactive protein`.
    pub label: String,
    /// Value as text, such as `12.3` or `former smoker`; `None` where it is missing.
    pub value: Option<String>,
    /// UCUM unit, where there is one.
    pub unit: Option<String>,
    /// Date or time as the record states it.
    pub date: Option<String>,
    /// Age of the value at t0, in days.
    pub age_days: Option<f64>,
    /// Reference of the resource, such as `Observation/17`.
    pub source: Option<String>,
    /// Why it is missing, such as `not in the record` or `dated after the study`.
    pub missing: Option<String>,
}

/// One resource of the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Reference as the record's bundle states it: `Observation/17`, or a `urn:uuid:`.
    pub reference: String,
    /// FHIR resource type, such as `Observation`.
    pub resource_type: String,
    /// What it is, for a reader.
    pub description: String,
}

/// One risk: a probability of a state or of an outcome in a horizon.
#[derive(Clone, PartialEq)]
pub struct Risk {
    /// Stable identifier, as in the `--json` line, such as `brock-2b`.
    pub id: String,
    /// Title for a reader.
    pub title: String,
    /// Exactly what the probability is of.
    pub outcome: String,
    /// Codings of the outcome; may be empty.
    pub outcome_codings: Vec<Coding>,
    /// Horizon for a reader, such as `6 years` or `at the time of the exam`.
    pub horizon: String,
    /// What was computed, or why not.
    pub value: RiskValue,
    /// What was missing, as stable words; may hold something for a computed risk too.
    pub missing: Vec<String>,
    /// Who computed it.
    pub performer: Performer,
    /// Method: name, version and where it was published.
    pub method: Method,
    /// The values that went in.
    pub inputs: Vec<RiskInput>,
    /// Contributions to the logit, largest first.
    pub contributions: Vec<Contribution>,
    /// What other models say of the same outcome.
    pub comparators: Vec<Comparator>,
    /// Whom the method is for, in one sentence.
    pub population: String,
    /// Whether this patient is one of them.
    pub in_population: bool,
    /// How it is calibrated, in one sentence.
    pub calibration: String,
    /// Average risk in the method's own population, 0 to 1.
    pub average: Option<f64>,
    /// Category by a published rule, such as `low`.
    pub category: Option<String>,
    /// What a guideline suggests for the category.
    pub guidance: Option<Guidance>,
    /// Where the method is weak, one sentence each.
    pub limits: Vec<String>,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq)]
pub enum RiskValue {
    /// A probability.
    Computed {
        /// 0 to 1.
        probability: f64,
        /// How sure.
        interval: Option<Interval>,
    },
    /// No probability.
    NotComputable {
        /// Why, in one sentence.
        reason: String,
        /// What it could be, over all values of what is unknown.
        range: Option<Interval>,
    },
}

/// A range of a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower bound, 0 to 1.
    pub low: f64,
    /// Upper bound, 0 to 1.
    pub high: f64,
    /// What the range is, such as `95 % interval over 200 patient bootstraps`.
    pub kind: String,
}

/// Who computed a risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performer {
    /// A published formula, computed by the program.
    Formula,
    /// The trained model of this identifier.
    Model(String),
}

/// A method and where it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Name.
    pub name: String,
    /// Version or variant.
    pub version: String,
    /// Citation.
    pub citation: String,
}

/// One value that went into a risk.
#[derive(Clone, PartialEq)]
pub struct RiskInput {
    /// Title for a reader.
    pub label: String,
    /// Value as text.
    pub value: String,
    /// UCUM unit, where there is one.
    pub unit: Option<String>,
    /// Date or time as the source states it.
    pub date: Option<String>,
    /// Reference of the resource; `None` for values that come from the images.
    pub source: Option<String>,
}

/// One part of a risk's logit.
#[derive(Clone, PartialEq)]
pub struct Contribution {
    /// Title for a reader.
    pub label: String,
    /// Natural-log odds; above 0 it raises the risk.
    pub logit: f64,
}

/// What another model says of the same outcome.
#[derive(Clone, PartialEq)]
pub struct Comparator {
    /// Name for a reader, such as `image only`.
    pub name: String,
    /// 0 to 1; `None` where it cannot be computed.
    pub probability: Option<f64>,
    /// Why not, or what to bear in mind.
    pub note: Option<String>,
}

/// What a guideline suggests; never an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guidance {
    /// What it suggests.
    pub text: String,
    /// Guideline and version.
    pub citation: String,
}

/// Something that is missing, and what that does to the report.
#[derive(Clone, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What that does.
    pub effect: String,
}
