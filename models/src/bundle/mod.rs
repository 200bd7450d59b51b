//! A trained model as a folder of three files: `manifest.json`, `card.md` and
//! the weights (safetensors). Opening one verifies the weights' digest.

pub mod applies;
pub mod manifest;
pub mod selftest;

pub(crate) mod weights;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use manifest::{FORMAT, Manifest};

/// The manifest's name in a bundle's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The card's name in a bundle's folder.
pub const CARD_FILE: &str = "card.md";
/// The weights' name in a bundle's folder.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The largest file of a bundle that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A model bundle whose weights have the digest that its manifest states.
#[derive(Debug, Clone)]
pub struct Bundle {
    manifest: Manifest,
    card: Cow<'static, str>,
    weights: Cow<'static, [u8]>,
}

/// Why a bundle could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file could not be read or is too large.
    #[error("could not read `{file}` of the model bundle: check the folder's path and rights")]
    Read {
        /// The file's name.
        file: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("could not write `{file}` of the model bundle: check the folder's path, rights and free space")]
    Write {
        /// The file's name.
        file: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The manifest is not what this program reads.
    #[error(
        "`manifest.json` of the model bundle is not a manifest of format {FORMAT}: make the bundle again"
    )]
    Manifest {
        /// The cause.
        source: serde_json::Error,
    },
    /// The manifest contradicts itself.
    #[error("`manifest.json` of the model bundle is not usable: {reason}")]
    Inconsistent {
        /// What is wrong.
        reason: &'static str,
    },
    /// The weights are not those that the manifest names.
    #[error(
        "the weights of model `{id}` have SHA-256 `{found}` but its manifest states `{stated}`: the file is damaged or was exchanged; install the bundle again"
    )]
    Digest {
        /// The bundle's id.
        id: String,
        /// The digest in the manifest.
        stated: String,
        /// The digest of the file.
        found: String,
    },
}

impl BundleError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "BundleRead",
            Self::Write { .. } => "BundleWrite",
            Self::Manifest { .. } => "BundleManifest",
            Self::Inconsistent { .. } => "BundleInconsistent",
            Self::Digest { .. } => "BundleDigest",
        }
    }
}

impl Bundle {
    /// The bundle `cxr-findings` that is part of the program.
    pub fn embedded() -> Result<Self, BundleError> {
        Self::new(
            include_bytes!("../../bundles/cxr-findings/manifest.json"),
            Cow::Borrowed(include_str!("../../bundles/cxr-findings/card.md")),
            Cow::Borrowed(include_bytes!("../../bundles/cxr-findings/weights.safetensors").as_slice()),
        )
    }

    /// Opens the bundle in the folder `dir`.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let manifest = read(dir, MANIFEST_FILE)?;
        let card = String::from_utf8_lossy(&read(dir, CARD_FILE)?).into_owned();
        Self::new(&manifest, Cow::Owned(card), Cow::Owned(read(dir, WEIGHTS_FILE)?))
    }

    /// Makes a bundle from the bytes of its files.
    pub fn new(
        manifest: &[u8],
        card: Cow<'static, str>,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, BundleError> {
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|source| BundleError::Manifest { source })?;
        Self::from_parts(manifest, card, weights)
    }

    /// Makes a bundle from its parts.
    pub(crate) fn from_parts(
        manifest: Manifest,
        card: Cow<'static, str>,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, BundleError> {
        check(&manifest)?;
        let found = sha256(&weights);
        if found != manifest.weights.sha256 || weights.len() != manifest.weights.bytes {
            let stated = manifest.weights.sha256;
            return Err(BundleError::Digest { id: manifest.id, stated, found });
        }
        Ok(Self { manifest, card, weights })
    }

    /// Writes the bundle's files into the folder `dir`, which is made where it is missing.
    pub fn write(&self, dir: &Path) -> Result<(), BundleError> {
        let failed = |file: &str, source| BundleError::Write { file: file.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(|source| failed("", source))?;
        let mut manifest =
            serde_json::to_vec_pretty(&self.manifest).map_err(|source| BundleError::Manifest { source })?;
        manifest.push(b'\n');
        for (file, bytes) in [
            (WEIGHTS_FILE, self.weights.as_ref()),
            (CARD_FILE, self.card.as_bytes()),
            (MANIFEST_FILE, manifest.as_slice()),
        ] {
            std::fs::write(dir.join(file), bytes).map_err(|source| failed(file, source))?;
        }
        Ok(())
    }

    /// The bundle's name.
    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    /// The bundle's version.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// The weights' SHA-256, lower-case hexadecimal; verified.
    pub fn digest(&self) -> &str {
        &self.manifest.weights.sha256
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model card, in Markdown.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// The weights, safetensors.
    pub(crate) fn weights(&self) -> &[u8] {
        &self.weights
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // writing into a String cannot fail
        let _ignored = write!(text, "{byte:02x}");
        text
    })
}

fn read(dir: &Path, file: &str) -> Result<Vec<u8>, BundleError> {
    let failed = |source| BundleError::Read { file: file.to_owned(), source };
    let path = dir.join(file);
    if std::fs::metadata(&path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read(path).map_err(failed)
}

fn check(manifest: &Manifest) -> Result<(), BundleError> {
    let wrong = |reason| Err(BundleError::Inconsistent { reason });
    if manifest.format != FORMAT {
        return wrong("its format is not the one this program reads");
    }
    if manifest.weights.file != WEIGHTS_FILE {
        return wrong("it names another file of weights");
    }
    if manifest.labels.is_empty() || manifest.self_test.logits.len() != manifest.labels.len() {
        return wrong("the self-test does not have one logit a label");
    }
    if manifest.architecture.findings.outputs != manifest.labels.len() + crate::network::AUXILIARY {
        return wrong("the networks' outputs are not the labels and the auxiliary outputs");
    }
    if manifest.architecture.members == 0 {
        return wrong("it has no member");
    }
    let ordered = |label: &manifest::Label| {
        label.threshold_low <= label.threshold_high
            && [label.calibration.a, label.calibration.b].iter().all(|v| v.is_finite())
    };
    if !manifest.labels.iter().all(ordered) {
        return wrong("a label's thresholds or calibration are not usable");
    }
    Ok(())
}
