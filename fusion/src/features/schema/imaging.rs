//! Earlier imaging examinations, as the schema declares them.

use serde::Deserialize;

use super::{MissingPolicy, Named, Token};
use crate::record::Concept;

/// Earlier imaging examinations of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriorImaging {
    /// The feature that says how many there were in the window.
    pub(crate) id: String,
    pub(crate) label: String,
    /// The feature that says how long ago the latest was.
    pub(crate) days: Named,
    /// The codes of every other kind count too.
    #[serde(default)]
    pub(crate) any: bool,
    /// Category or code of a DiagnosticReport, code of a Procedure.
    pub(crate) codes: Vec<Token>,
    pub(crate) window_days: u32,
    /// `zero`: none is 0 where the record states imaging of any kind.
    pub(crate) missing: MissingPolicy,
}

impl PriorImaging {
    /// Whether a concept is one of this kind; `all` are the kinds of the schema.
    pub(crate) fn is(&self, all: &[Self], concept: &Concept) -> bool {
        let own = |kind: &Self| super::any_of(concept, &kind.codes);
        own(self) || self.any && all.iter().any(own)
    }
}
