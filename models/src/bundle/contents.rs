//! What a manifest says, by its kind, and how it is read and written.

use serde::Deserialize;

use super::classifier::ClassifierManifest;
use super::manifest::{Manifest, WeightsFile};
use super::seal::Seal;
use super::segmenter::{self, SegmenterManifest};

/// The manifest by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Contents {
    /// The networks of `cxr-findings` and their gate.
    Ensemble(Box<Manifest>),
    /// One network.
    Classifier(Box<ClassifierManifest>),
    /// One network that outlines.
    Segmenter(Box<SegmenterManifest>),
}

/// What every manifest says first.
#[derive(Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    kind: Option<String>,
}

impl Contents {
    /// What a manifest's bytes say, and the format that they state.
    pub(super) fn read(manifest: &[u8]) -> serde_json::Result<(Self, u32)> {
        let head: Head = serde_json::from_slice(manifest)?;
        let contents = match head.kind.as_deref() {
            Some(segmenter::KIND) => Self::Segmenter(serde_json::from_slice(manifest)?),
            Some(_) => Self::Classifier(serde_json::from_slice(manifest)?),
            None => Self::Ensemble(serde_json::from_slice(manifest)?),
        };
        Ok((contents, head.format))
    }

    /// The manifest as it is written.
    pub(super) fn written(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Ensemble(manifest) => serde_json::to_vec_pretty(manifest),
            Self::Classifier(manifest) => serde_json::to_vec_pretty(manifest),
            Self::Segmenter(manifest) => serde_json::to_vec_pretty(manifest),
        }
    }

    /// The bundle's name.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Ensemble(manifest) => &manifest.id,
            Self::Classifier(manifest) => &manifest.id,
            Self::Segmenter(manifest) => &manifest.id,
        }
    }

    /// Which weights it states.
    pub(super) fn weights(&self) -> &WeightsFile {
        match self {
            Self::Ensemble(manifest) => &manifest.weights,
            Self::Classifier(manifest) => &manifest.weights,
            Self::Segmenter(manifest) => &manifest.weights,
        }
    }

    /// The seal, where the format has one.
    pub fn seal(&self) -> Option<&Seal> {
        match self {
            Self::Ensemble(manifest) => manifest.seal.as_ref(),
            Self::Classifier(manifest) => Some(&manifest.seal),
            Self::Segmenter(manifest) => Some(&manifest.seal),
        }
    }
}
