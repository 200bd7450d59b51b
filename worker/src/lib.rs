//! Chiasm: from a study and a record to one report.
//!
//! This crate composes the pillars `dicom-ingest`, `models` and `fusion`, and is the program `chiasm`. Modules in
//! reading order, from what is asked to what is written; `ARCHITECTURE.md` has the map.

pub mod cli;
pub mod commands;
pub mod config;
pub mod declaration;
pub mod model;
pub mod readings;
pub mod risk_models;

pub mod lane;
pub mod message;
mod origin;
pub mod orthanc;
pub mod queue;

mod dimse;
pub mod intake;
pub mod job;
pub mod ledger;
pub mod receive;
mod record;
pub mod service;
pub mod telemetry;

pub mod convert;
pub mod decoders;
pub mod device;
pub mod ending;
pub mod identity;
pub mod inspect;
pub mod pipeline;
pub mod select;

pub mod compose;
pub mod remote;
pub mod report;

pub mod bench;
pub mod deliver;
pub mod demo;
pub mod outcome;
mod parquet;
pub mod terminal;
pub mod training;
pub mod withdraw;
