//! From a FHIR record to dated features, published clinical formulas and a learned late fusion.
//!
//! | module | owns |
//! |---|---|
//! | [`record`] | a FHIR R4 Bundle of one patient, read within limits: [`Record`] |
//! | [`time`] | dates and times of FHIR, and what they mean beside an index time |
//! | [`notes`] | which concepts a clinical note mentions, and what the words around them say: NegEx and ConText |
//! | [`mod@features`] | dated, coded features with units, as they were known at t0: [`FeatureTable`] |
//! | [`nodule`] | lung nodules that the record states as coded facts, and that models outline: [`Nodule`] |
//! | [`prostate`] | what a structured report states of the prostate, and where its lesions lie: [`ProstateReport`], [`ProstateLesion`] |
//! | [`formulas`] | published formulas and rules as tables: lung nodules, lung cancer, prostate cancer |
//! | [`learned`] | the late fusion over image logits and laboratory values: [`LateFusionModel`]; record-only models of tables |
//! | [`assess`](mod@assess) | the risks of a report, each computed or with the reason why not: [`Risk`] |
//! | [`calibrate`] | Platt and isotonic by stratum; conformal sets that mark "indeterminate" |
//! | [`explain`] | exact Shapley values over groups of inputs |
//! | [`evaluation`] | discrimination, calibration, decisions, subgroups, stress; patient bootstrap |
//! | [`phi`] | [`Phi`]: a value that identifies a patient |
//!
//! Everything is a function of its arguments: no clock, no environment, no network; the only file access is
//! [`learned::Trained::write_to`]. The crate knows FHIR as input and writes none. It knows neither DICOM nor
//! the queue nor how a picture is read. All probabilities and bounds are fractions from 0 to 1.
//!
//! Research software, not a medical device.

pub mod assess;
pub mod calibrate;
pub mod evaluation;
pub mod explain;
pub mod features;
pub mod formulas;
pub mod learned;
pub mod nodule;
pub mod notes;
mod number;
pub mod phi;
pub mod prostate;
pub mod record;
pub mod time;

pub use assess::{
    AssessInput, ChestView, Comparison, Contribution, EarlierLesion, Guidance, HeaderDemographics,
    ImageScores, IntervalKind, Lesion, Method, Risk, RiskInput, Sex, WhatIf, WhatIfError, assess,
    assess_fused, assess_tabular, lesion, what_if,
};
pub use features::{
    Comparator, Excluded, Feature, FeatureTable, FeatureValue, Group, MissingReason, Schema, SchemaError,
    features, features_by,
};
pub use learned::{LateFusionModel, ModelError};
pub use nodule::{Nodule, NoduleKind, Outlined, Site, nodules};
pub use phi::Phi;
pub use prostate::{ProstateLesion, ProstateReport, prostate_lesions};
pub use record::{Gender, HumanName, Identifier, Record, RecordError, RecordPatient};
pub use time::PartialDate;
