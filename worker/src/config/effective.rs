//! The configuration in effect, key by key, for people: without secrets, with the origin of each value.

use serde::Serialize;
use toml::{Table, Value};

use super::raw::RawConfig;
use super::tree::{Tree, leaves};

/// One key in effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The key's path, such as `queue.url`.
    pub key: String,
    /// The value. Of a secret only where it is read from.
    pub value: Value,
    /// Where the value came from.
    pub origin: String,
}

/// Every key that has a value. The raw form holds no secrets, only where they are read from.
pub(super) fn settings(raw: &RawConfig, tree: &Tree) -> Vec<Setting> {
    let table = Table::try_from(raw).unwrap_or_default();
    leaves(&table)
        .into_iter()
        .filter(|(_, value)| value.as_table().is_none_or(|table| !table.is_empty()))
        .map(|(path, value)| Setting { key: path.join("."), origin: tree.origin(&path).to_string(), value })
        .collect()
}
