//! What can be wrong with a site's own model of a risk, each with a stable code and what to do.

use std::path::PathBuf;

use fusion::learned::ModelFileError;
use fusion::learned::tabular::NotOfRecord;

/// What is wrong with a model of a site.
#[derive(Debug, thiserror::Error)]
pub enum RiskModelFault {
    /// A file cannot be read.
    #[error("could not read `{path}`; `chiasm fusion train --out` writes it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any model.
    #[error("`{path}` has more than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that are read.
        limit: u64,
    },
    /// The file is no model of a table.
    #[error(transparent)]
    File(#[from] ModelFileError),
    /// The model reads what no record states.
    #[error(transparent)]
    Record(#[from] NotOfRecord),
    /// The model reads of pictures what a report does not have.
    #[error(
        "the model reads what a network's last layers see of a picture, which a report does not have: train it on the findings' logits \
         (`chiasm fusion embed --logits`, and `vectors = \"logits\"` in `[image]`), or on the table alone"
    )]
    Pictures,
    /// The model keeps networks of its own.
    #[error(
        "the model keeps the gated networks (L2), whose last digits depend on the processor; a report's must not: only late fusion (L1) is \
         carried by reports"
    )]
    Level,
    /// No report with the risk is read with the model's bundle.
    #[error(
        "`image.bundle` of the model's configuration is `{bundle}`, and no pipeline whose reports carry the risk reads with that bundle \
         (`chiasm fusion embed` tells the digest)"
    )]
    Bundle {
        /// The digest that is stated; empty where none is.
        bundle: String,
    },
    /// The card is of another model.
    #[error("`card.md` does not name the digest {digest} of `model.json`: it is the card of another model")]
    Card {
        /// Digest of the model file.
        digest: String,
    },
    /// The model's identifier cannot name a risk of a report.
    #[error("the model's `id` is `{id}`: {why}; name it otherwise and train it again")]
    Identifier {
        /// The identifier.
        id: String,
        /// Why.
        why: &'static str,
    },
}

/// A model of a site that is not used.
#[derive(Debug, thiserror::Error)]
#[error("{code}: the model of `risks.{name}` is not used")]
pub struct RiskModelError {
    /// Its name in the configuration.
    pub name: String,
    /// The stable code of what is wrong.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub source: Box<RiskModelFault>,
}

impl RiskModelFault {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "RiskModelRead",
            Self::File(ModelFileError::Unit(_)) => "RiskModelUnit",
            Self::TooLarge { .. } | Self::File(_) => "RiskModelFile",
            Self::Record(_) => "RiskModelColumn",
            Self::Pictures => "RiskModelPictures",
            Self::Level => "RiskModelLevel",
            Self::Bundle { .. } => "RiskModelBundle",
            Self::Card { .. } => "RiskModelCard",
            Self::Identifier { .. } => "RiskModelId",
        }
    }
}
