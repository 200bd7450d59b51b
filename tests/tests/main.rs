//! Tests of the whole program, as its users run it.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken premise is a failed test")]
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "support inside tests: a broken premise is a failed test, and both queues are opened alike"
)]

mod analyze;
mod architecture;
mod bench;
mod bundles;
mod corpus;
mod decoders;
mod deidentify;
mod deliver;
mod device;
mod documents;
mod drawn_tables;
mod encodings;
mod fusion;
mod inspect;
mod killed;
mod mercure;
mod orthanc;
mod own_risks;
mod pacs;
mod page;
mod paper;
mod pipelines;
mod proof;
mod prostate;
mod queue;
mod receive;
mod recipes;
mod records;
mod renderings;
mod scope;
mod segments;
mod sources;
mod submit;
mod training;
mod what_if;
