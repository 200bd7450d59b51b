//! The report and its renderings: a FHIR R4 bundle and a page.
//!
//! [`Report`] is composed once from what a job stored. [`fhir::bundle`] and [`html::page`] are pure functions of
//! it: they do no I/O and read no clock, so that the same job gives the same bytes. Only [`fhir`] knows FHIR's JSON,
//! and only it writes percent as numbers.

pub mod document;
pub mod fhir;
pub mod html;
mod text;
mod wording;

pub use document::Report;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
