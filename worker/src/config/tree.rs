//! File, environment and flags merged into one tree of keys, each with its origin; then the raw form.
//!
//! Every key is tried alone against the raw form, so that all keys that are unknown or of a wrong type are named at
//! once, and so that the text of a variable takes the type that its key has.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::environment::Environment;
use super::problem::{Findings, Problem};
use super::raw::RawConfig;

/// Where a value came from; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program.
    Default,
    /// The configuration file.
    File,
    /// An environment variable of this name.
    Environment(String),
    /// This option on the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Flag(name) => write!(f, "flag, {name}"),
        }
    }
}

/// A key's path, segment by segment.
pub(super) type KeyPath = Vec<String>;

/// The merged tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    keys: Table,
    origins: BTreeMap<KeyPath, Origin>,
}

impl Tree {
    /// Takes the keys of a file. Relative paths in it are relative to `folder`.
    pub(super) fn add_file(&mut self, file: &Table, folder: &Path, findings: &mut Findings) {
        for (path, value) in leaves(file) {
            match fits(&path, &value) {
                Ok(()) => self.set(&path, in_folder(&path, value, folder), Origin::File),
                Err(problem) => findings.wrong(&path.join("."), problem),
            }
        }
    }

    /// Takes the variables that set keys.
    pub(super) fn add_environment(&mut self, environment: &Environment, findings: &mut Findings) {
        for (name, segments, text) in environment.settings() {
            let path = self.spelled(&segments);
            let origin = Origin::Environment(name.to_owned());
            let readings = readings(text);
            if let Some(value) = readings.iter().find(|value| fits(&path, value).is_ok()) {
                self.displace_secret(&path);
                self.set(&path, value.clone(), origin);
            } else {
                let problem = fits(&path, &Value::String(text.to_owned())).err().unwrap_or_default();
                let key = path.join(".");
                findings.problems.push(Problem { key, origin: Some(origin.to_string()), problem });
            }
        }
    }

    /// Sets one key: `state`, or `report.language` of a table.
    pub(super) fn add(&mut self, key: &str, value: String, origin: Origin) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.set(&path, Value::String(value), origin);
    }

    /// Where the value of a key came from.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// Where the value came from that a problem or warning is about.
    pub(super) fn origin_of_key(&self, key: &str) -> Option<Origin> {
        let under = |path: &KeyPath| {
            let path = path.join(".");
            path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        };
        self.origins.iter().find(|(path, _)| under(path)).map(|(_, origin)| origin.clone())
    }

    /// The raw form. Each key fitted alone, so all of them fit.
    pub(super) fn raw(&self) -> Result<RawConfig, String> {
        RawConfig::deserialize(self.keys.clone()).map_err(|error| error.message().to_owned())
    }

    fn set(&mut self, path: &[String], value: Value, origin: Origin) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut table = &mut self.keys;
        for parent in parents {
            let entry = table.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        // An empty table says nothing, and must not take away what stands there.
        if value.as_table().is_some_and(Table::is_empty) && table.contains_key(last) {
            return;
        }
        table.insert(last.clone(), value);
        self.origins.insert(path.to_vec(), origin);
    }

    /// A secret's place is one value: `{ file = .. }` from the environment takes the place of `{ env = .. }` of the file.
    fn displace_secret(&mut self, path: &[String]) {
        let Some((last, parents)) = path.split_last() else { return };
        let other = match last.as_str() {
            "env" => "file",
            "file" => "env",
            _ => return,
        };
        let sibling = [parents, &[other.to_owned()]].concat();
        if self.origins.get(&sibling) != Some(&Origin::File) {
            return;
        }
        self.origins.remove(&sibling);
        let parent = parents.iter().try_fold(&mut self.keys, |table, key| table.get_mut(key)?.as_table_mut());
        if let Some(parent) = parent {
            parent.remove(other);
        }
    }

    /// Variables are upper case and keys are not: a segment means the key that is there under another case, so that a
    /// source `Archive` can be named.
    fn spelled(&self, segments: &[&str]) -> KeyPath {
        let mut table = Some(&self.keys);
        let mut path = KeyPath::new();
        for segment in segments {
            let known =
                table.and_then(|table| table.iter().find(|(key, _)| key.eq_ignore_ascii_case(segment)));
            path.push(known.map_or_else(|| segment.to_ascii_lowercase(), |(key, _)| key.clone()));
            table = known.and_then(|(_, value)| value.as_table());
        }
        path
    }
}

/// All keys with a value that is no table, and tables without keys.
pub(super) fn leaves(table: &Table) -> Vec<(KeyPath, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                let below = leaves(inner).into_iter();
                found.extend(below.map(|(path, value)| ([vec![key.clone()], path].concat(), value)));
            }
            value => found.push((vec![key.clone()], value.clone())),
        }
    }
    found
}

/// What the text of a variable can mean, the plainest first: the first that its key takes is meant.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = vec![Value::String(text.to_owned())];
    readings.extend(text.parse().map(Value::Integer));
    readings.extend(text.parse().map(Value::Boolean));
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    readings.push(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()));
    readings
}

/// Whether the raw form takes this key with this value; else what is wrong, without the value.
fn fits(path: &[String], value: &Value) -> Result<(), String> {
    let alone = path
        .iter()
        .rev()
        .fold(value.clone(), |inner, key| Value::Table([(key.clone(), inner)].into_iter().collect()));
    match RawConfig::deserialize(alone) {
        Ok(_) => Ok(()),
        Err(error) => Err(describe(path, value, error.message())),
    }
}

fn describe(path: &[String], value: &Value, message: &str) -> String {
    let expected = message.split_once("expected ").map_or("", |(_, expected)| expected);
    if message.starts_with("unknown field") {
        return format!("there is no such key; expected {expected}");
    }
    let secrets = ["password", "token", "intake_token", "secret_access_key"];
    if path.iter().any(|key| secrets.contains(&key.as_str())) {
        return "a secret never stands in the configuration; write `{ env = \"NAME\" }` or `{ file = \"/run/secrets/name\" }`"
            .to_owned();
    }
    if message.starts_with("unknown variant") {
        return format!("the value is not known; expected {expected}");
    }
    let wanted = match expected {
        "u64" => "a whole number from 0",
        "a string" | "path string" => "a text in quotes",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        other if other.starts_with("struct") => "a table",
        other => other,
    };
    format!("the value is of type {}; expected {wanted}", value.type_str())
}

/// Keys that hold a path: their relative values are relative to the file's folder.
fn in_folder(path: &[String], value: Value, folder: &Path) -> Value {
    let last = path.last().map_or("", String::as_str);
    match value {
        Value::String(text) if ["path", "state", "file"].contains(&last) || last.ends_with("_file") => {
            Value::String(folder.join(text).to_string_lossy().into_owned())
        }
        other => other,
    }
}
