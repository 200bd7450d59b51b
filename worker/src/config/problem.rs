//! What is wrong with a configuration: all of it at once, each with its key and what to do.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key's path, such as `queue.url`.
    pub key: String,
    /// Where the value came from, where it was not this file: an environment variable or a flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is wrong and what to do. Never a secret; a value is repeated only where it cannot be one.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "`{}` ({origin}): {}", self.key, self.problem),
            None => write!(f, "`{}`: {}", self.key, self.problem),
        }
    }
}

/// Everything that is wrong, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Collects problems and warnings while values are checked.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    /// The value cannot be used.
    pub(super) fn wrong(&mut self, key: &str, problem: impl Into<String>) {
        self.problems.push(Problem { key: key.to_owned(), origin: None, problem: problem.into() });
    }

    /// The value can be used, but somebody should know.
    pub(super) fn warn(&mut self, key: &str, problem: impl Into<String>) {
        self.warnings.push(Problem { key: key.to_owned(), origin: None, problem: problem.into() });
    }

    /// A number within its bounds, or the nearest bound and a problem.
    pub(super) fn within(&mut self, key: &str, value: u64, least: u64, most: u64) -> u64 {
        if !(least..=most).contains(&value) {
            self.wrong(key, format!("is {value}; it must be {least} to {most}"));
        }
        value.clamp(least, most)
    }
}
