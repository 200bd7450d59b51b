//! The report and its renderings: a FHIR R4 bundle, a page, a DICOM structured report, and as DICOM objects the picture with
//! its overlay and what a model outlines.
//!
//! [`Report`] is composed once from what a job stored. [`fhir::bundle`], [`html::page`], [`sr::document`], [`overlay::plan`],
//! from which [`overlay::file`] draws, and [`segmentation::document`] are pure functions of it: they do no I/O and read no clock, so that
//! the same job gives the same bytes. Only [`fhir`] knows FHIR's JSON, only [`sr`] knows DICOM's content items; both write percent as
//! numbers, each in one place.
//! What they say in words is in the report's [`Language`]; codes, displays and identifiers are in none.

mod dicom;
pub mod document;
pub mod fhir;
pub mod html;
mod ids;
pub mod language;
pub mod overlay;
pub mod pdf;
pub mod segmentation;
pub mod sr;
mod text;
mod wording;

pub use document::Report;
pub use language::Language;

#[cfg(test)]
mod lesion_tests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
