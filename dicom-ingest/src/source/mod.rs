//! Where studies come from.

pub mod folder;
