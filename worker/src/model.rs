//! The models of a site: where each bundle is, how it is opened, and what tells it from every other.

use std::path::PathBuf;

use models::bundle::seal::{PublicKey, Trust};
use models::{Bundle, BundleError};
use serde::{Deserialize, Serialize};

/// Which model of a site, by its place in the list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelNumber(pub usize);

/// The built-in model: the first of every list.
pub const BUILT_IN: ModelNumber = ModelNumber(0);

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundlePlace {
    /// In the program.
    BuiltIn {
        /// The site's signature over it, where keys are pinned.
        signature: Option<PathBuf>,
    },
    /// In a folder.
    Folder(PathBuf),
}

impl BundlePlace {
    /// Opens the bundle: digests, seal and, where keys are pinned, the signature by one of them.
    pub fn open(&self, pinned: &[PublicKey]) -> Result<Bundle, BundleError> {
        let trust = Trust::pinned(pinned.to_vec());
        match self {
            Self::BuiltIn { signature } => {
                let signature = signature.as_deref().map(Bundle::read_signature).transpose()?;
                Bundle::embedded_trusted(signature.as_deref(), &trust)
            }
            Self::Folder(folder) => Bundle::open_trusted(folder, &trust),
        }
    }
}

/// A model that was verified, as it can be opened again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteModel {
    /// The bundle's name as a word, for logs and metrics.
    pub id: String,
    /// What tells the bundle from every other ([`Bundle::identity`]).
    pub identity: String,
    /// Where it is.
    pub place: BundlePlace,
}

impl SiteModel {
    /// The model of a bundle that was opened from `place`.
    pub fn of(bundle: &Bundle, place: BundlePlace) -> Result<Self, BundleError> {
        Ok(Self { id: word(bundle.id()), identity: bundle.identity()?, place })
    }

    /// The beginning of [`Self::identity`]: enough to tell the models of a site apart.
    pub fn short(&self) -> &str {
        self.identity.get(..12).unwrap_or(&self.identity)
    }
}

/// What a model is on a device, and what it took to bring it there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Whether it is on the device now.
    pub is_resident: bool,
    /// What the budget counts for it, in bytes: weights and the activations of its batches; 0 until it was loaded.
    pub bytes: u64,
    /// How often this engine has loaded it, self-test passed.
    pub loads: u64,
    /// How often it left this engine for another one.
    pub evictions: u64,
    /// Milliseconds from its files to the passed self-test, the last time.
    pub load_ms: f64,
    /// Milliseconds of its warm-up on a GPU, the last time: the largest batch and a map, so that no study waits for a
    /// kernel to be compiled. 0 on a CPU, which compiles nothing.
    pub warm_up_ms: f64,
    /// The device that it is on, in words: the CPU, where its self-test differs on the GPU.
    pub device: String,
}

/// A name as one word of letters, digits, `.`, `_` and `-`: a manifest may hold any text.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let word: String = name.chars().take(64).map(|c| if plain(c) { c } else { '_' }).collect();
    if word.is_empty() { "unnamed".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_whatever_a_manifest_says() {
        for (name, written) in
            [("cxr-findings", "cxr-findings"), ("a \"b\",\n", "a__b___"), ("", "unnamed"), ("ä/..", "__..")]
        {
            assert_eq!(word(name), written);
        }
        assert_eq!(word(&"a".repeat(1000)).len(), 64);
    }

    #[test]
    fn the_built_in_bundle_is_used_with_pinned_keys_only_where_one_signed_it() {
        use models::bundle::seal::SigningKey;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signature.json");
        let [ours, theirs] = ["1", "2"].map(|digit| SigningKey::from_seed(&digit.repeat(64)).unwrap());
        let mut bundle = Bundle::embedded().unwrap();
        bundle.sign(&ours).unwrap();
        bundle.write_signature(&file).unwrap();
        let (unsigned, signed) = (
            BundlePlace::BuiltIn { signature: None },
            BundlePlace::BuiltIn { signature: Some(file.clone()) },
        );
        let code = |place: &BundlePlace, key: &SigningKey| {
            place.open(&[key.public_key()]).err().map(|error| error.code())
        };
        assert!(unsigned.open(&[]).is_ok());
        assert_eq!(code(&unsigned, &ours), Some("BundleUnsigned"));
        assert_eq!(code(&signed, &ours), None);
        assert_eq!(code(&signed, &theirs), Some("BundleUntrustedKey"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("ed25519", "ed448")).unwrap();
        assert_eq!(code(&signed, &ours), Some("BundleSignature"));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(code(&signed, &ours), Some("BundleRead"));
    }
}
