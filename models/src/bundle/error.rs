//! Why a bundle could not be opened or written.

use super::manifest::{FORMAT, OLDEST_FORMAT};

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
        "`manifest.json` of the model bundle is not a manifest of format {OLDEST_FORMAT} to {FORMAT}: make the bundle again"
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
    /// Manifest or card are not those that were sealed.
    #[error(
        "`{file}` of model `{id}` was changed after the bundle was made: install the bundle again, or have its maker seal the change"
    )]
    Seal {
        /// The bundle's id.
        id: String,
        /// The file that was changed.
        file: &'static str,
    },
    /// A signature by a pinned key is asked for and there is none.
    #[error(
        "model `{id}` is not signed, and only bundles signed by a pinned key are accepted: have its maker sign it"
    )]
    Unsigned {
        /// The bundle's id.
        id: String,
    },
    /// The signature is not its key's over this bundle.
    #[error("`signature.json` of model `{id}` does not verify: the bundle or its signature was changed")]
    Signature {
        /// The bundle's id.
        id: String,
    },
    /// The signature is good, but nobody pinned its key.
    #[error("model `{id}` is signed by key `{key}`, which is not pinned: pin it if you trust its holder")]
    UntrustedKey {
        /// The bundle's id.
        id: String,
        /// The key, hexadecimal.
        key: String,
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
            Self::Seal { .. } => "BundleSeal",
            Self::Unsigned { .. } => "BundleUnsigned",
            Self::Signature { .. } => "BundleSignature",
            Self::UntrustedKey { .. } => "BundleUntrustedKey",
        }
    }
}
