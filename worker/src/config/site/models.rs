//! Which models a site reads with, and what they may take of the device.

use std::path::PathBuf;

use models::bundle::seal::PublicKey;

use crate::declaration::SeriesRule;

/// What holds for every model.
#[derive(Debug, Clone, Default)]
pub struct ModelsConfig {
    /// Memory of the device that resident models may take, in bytes.
    pub memory_bytes: u64,
    /// Only bundles signed by one of these keys are used; any where none is pinned.
    pub pinned: Vec<PublicKey>,
    /// The site's signature over the built-in bundle.
    pub built_in_signature: Option<PathBuf>,
}

/// A pipeline of the site.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The folder of the bundle that it reads with.
    pub bundle: PathBuf,
    /// What it reads and says, in one sentence; the bundle's title where there is none.
    pub description: Option<String>,
    /// Views from the most to the least preferred (View Position, 0018,5101).
    pub prefer_views: Vec<String>,
    /// Which series it reads, beside what the bundle says that it applies to.
    pub series: SeriesRule,
    /// Whether a nodule that the bundle's model outlines is a fact for the formulas, where no person states one.
    pub outlines_are_facts: bool,
}

/// A model of a table that the site trained, whose risk reports carry.
#[derive(Debug, Clone)]
pub struct RiskConfig {
    /// The folder that `chiasm fusion train` wrote: `model.json` and `card.md`.
    pub folder: PathBuf,
    /// The pipelines whose reports carry it; all where none is named.
    pub pipelines: Vec<String>,
}
