//! What the health record said at the time of the study.

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
    /// Reference of the resource, such as `Observation/17`, and the place in it where it is a note.
    pub source: Option<String>,
    /// What a reader should know of the value.
    pub remark: Option<Remark>,
    /// Why it is missing, such as `not in the record` or `dated after the study`.
    pub missing: Option<String>,
}

/// What a reader should know of a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it does.
    pub kind: RemarkKind,
    /// It, in phrases with semicolons between.
    pub text: String,
}

/// What a remark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemarkKind {
    /// It quotes the note that states the value.
    Quotes,
    /// It names what of the record speaks against the value.
    Contradicts,
    /// It says how the value was made.
    Explains,
}

/// One resource of the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Reference as the record's bundle states it: `Observation/17`, or a `urn:uuid:`.
    pub reference: String,
    /// The version of it that was read, where the record states one.
    pub version: Option<String>,
    /// FHIR resource type, such as `Observation`; empty where the reference does not tell.
    pub resource_type: String,
    /// What it is, for a reader.
    pub description: String,
}
