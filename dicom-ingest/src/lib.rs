//! From DICOM bytes to studies and decoded frames, with typed refusals.
//!
//! This crate knows DICOM and nothing else: no networks, no FHIR, no queue. It takes bytes that nobody vouches
//! for. One bounded, iterative pass ([`prescan`]) reads the structure before anything else looks at the file;
//! header facts ([`instance`]), pixels ([`decode`]) and structured reports ([`sr`]) are then read from what that
//! pass found, so what was checked is what is read. Everything that cannot be read right is a
//! [`refusal::Refusal`] with a stable code.
//!
//! Where things are, in reading order.

pub mod file;
pub mod limits;
pub mod outcome;
pub mod phi;
pub mod refusal;
pub mod transfer_syntax;
pub mod uid;
pub mod warning;

mod charset;
mod dataset;
mod header;
mod inflate;
mod listed;
mod meta;
mod parse;

pub mod pixel_facts;
pub mod prescan;

pub mod code;
pub mod instance;
pub mod laterality;
pub mod patient;
pub mod plane;
pub mod read;
pub mod rejection;
pub mod species;
pub mod study_time;

mod codec;
mod contain;
mod fragments;

pub mod decode;
pub mod frame;
pub mod modality_lut;
pub mod stored;
pub mod voi;

#[cfg(feature = "decoders")]
pub mod decoders;
pub mod reader;

#[cfg(feature = "s3")]
pub mod bucket;
pub mod identity;
pub mod source;
pub mod storage;
pub mod study;
pub mod volume;

pub mod series;

pub mod write;

pub mod deidentify;

pub mod own;
pub mod phantom;
pub mod sr;
