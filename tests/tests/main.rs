//! Tests of the whole program, as its users run it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken premise is a failed test")]

mod analyze;
mod architecture;
mod corpus;
mod deliver;
mod documents;
mod encodings;
mod killed;
mod mercure;
mod orthanc;
mod proof;
mod queue;
mod records;
mod scope;
mod submit;
