//! Tests of the whole program, as its users run it.

mod analyze;
mod architecture;
mod corpus;
mod documents;
mod encodings;
mod killed;
mod records;
