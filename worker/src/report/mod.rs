//! The report and its renderings: a FHIR R4 bundle and a page.
//!
//! [`Report`] is composed once from what a job stored. [`fhir::bundle`] and [`html::page`] are pure functions of
//! it: they do no I/O and read no clock, so that the same job gives the same bytes.

pub mod document;

pub use document::Report;
