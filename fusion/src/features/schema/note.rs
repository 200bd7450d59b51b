//! What clinical notes are asked for.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Named;

/// What clinical notes are asked for: a feature of its own, or the place of one that nothing coded answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteFeature {
    /// The feature whose place it takes.
    pub(crate) fills: Option<String>,
    /// Identity of a feature of its own.
    pub(crate) is: Option<Named>,
    #[serde(default)]
    pub(crate) subject: NoteSubject,
    /// Concepts of the thing itself: stated is yes, stated absent is no.
    #[serde(default)]
    pub(crate) whole: Vec<String>,
    /// Kinds of it: stated is yes; that one kind is absent says nothing.
    #[serde(default)]
    pub(crate) part: Vec<String>,
    /// What it is a kind of: stated absent is no; that there is some kind says nothing.
    #[serde(default)]
    pub(crate) wider: Vec<String>,
    /// Codes of a feature that is one, and the concepts that say so.
    #[serde(default)]
    pub(crate) answers: BTreeMap<String, Vec<String>>,
    pub(crate) amount: Option<NoteAmount>,
    /// Older notes do not answer.
    pub(crate) max_age_days: Option<f64>,
}

impl NoteFeature {
    /// Every concept that it names.
    pub(crate) fn concepts(&self) -> impl Iterator<Item = &String> {
        self.whole.iter().chain(&self.part).chain(&self.wider).chain(self.answers.values().flatten())
    }
}

/// Whose the statement must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NoteSubject {
    /// The patient's own.
    #[default]
    Patient,
    /// A first-degree relative's, or of the family where no degree is said.
    FirstDegreeRelative,
}

/// Which amount a note states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NoteAmount {
    PackYears,
    CigarettesPerDay,
    YearsSmoked,
    YearsQuit,
}
