//! Digests that tie a manifest and a card together, and the signature over them.
//!
//! The seal finds damage and careless edits: labels in another order, a threshold
//! changed by hand. Only a signature by a key that the site has pinned finds an
//! edit that was meant: whoever can change a manifest can seal it again.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::sha256;

/// Digests of what the weights' digest does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// SHA-256 of `card.md`, lower-case hexadecimal.
    pub card_sha256: String,
    /// SHA-256 of the manifest as compact JSON with this field empty.
    pub manifest_sha256: String,
}

impl Seal {
    /// The seal of a manifest; `with` gives the manifest with the seal it is handed.
    pub(crate) fn new<M: Serialize>(card: &str, with: impl Fn(Self) -> M) -> Result<Self, serde_json::Error> {
        let open = Self { card_sha256: sha256(card.as_bytes()), manifest_sha256: String::new() };
        let manifest_sha256 = sha256(&serde_json::to_vec(&with(open.clone()))?);
        Ok(Self { manifest_sha256, ..open })
    }
}

/// The largest `signature.json`, in bytes.
pub(crate) const MAX_SIGNATURE_BYTES: u64 = 4096;

/// `signature.json`: an Ed25519 signature (RFC 8032) over name, version and seal of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// The public key, 64 hexadecimal digits.
    pub public_key: PublicKey,
    /// The signature, 128 hexadecimal digits.
    pub signature: String,
}

/// An Ed25519 public key, 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = unhex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a public key has to be 64 hexadecimal digits")
    }
}

/// The keys whose bundles a site accepts. With none pinned every bundle that verifies is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl Trust {
    /// Nothing pinned.
    pub fn anyone() -> Self {
        Self::default()
    }

    /// Only bundles signed with one of `keys`.
    pub fn pinned(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Whether a signature by a pinned key is asked for.
    pub fn asks_for_signature(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether `key` is pinned.
    pub fn holds(&self, key: &PublicKey) -> bool {
        self.keys.contains(key)
    }
}

/// What is signed.
fn message(id: &str, version: &str, seal: &Seal) -> Vec<u8> {
    format!("chiasm model bundle\n{id}\n{version}\n{}\n", seal.manifest_sha256).into_bytes()
}

impl Signature {
    /// Whether this is its key's signature over the bundle.
    pub(crate) fn verifies(&self, id: &str, version: &str, seal: &Seal) -> bool {
        let Some(signature) = unhex(&self.signature) else { return false };
        self.algorithm == "ed25519"
            && UnparsedPublicKey::new(&ED25519, self.public_key.0)
                .verify(&message(id, version, seal), &signature)
                .is_ok()
    }
}

/// A private key that signs bundles.
pub struct SigningKey(Ed25519KeyPair);

/// A private key is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key is not an Ed25519 key: 64 hexadecimal digits, the seed of RFC 8032")]
pub struct KeyError;

impl SigningKey {
    /// Reads a key from its seed, 64 hexadecimal digits.
    pub fn from_seed(text: &str) -> Result<Self, KeyError> {
        let seed = unhex(text.trim()).ok_or(KeyError)?;
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| KeyError)
    }

    /// The seed of a new key, from the system's generator.
    pub fn new_seed() -> Result<String, KeyError> {
        let seed: [u8; 32] =
            ring::rand::generate(&ring::rand::SystemRandom::new()).map_err(|_| KeyError)?.expose();
        Ok(PublicKey(seed).to_string())
    }

    /// The public half, which sites pin.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (own, byte) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *own = *byte;
        }
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, id: &str, version: &str, seal: &Seal) -> Signature {
        let signature = self.0.sign(&message(id, version, seal));
        let hex: Vec<String> = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Signature { algorithm: "ed25519".to_owned(), public_key: self.public_key(), signature: hex.concat() }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: RFC 8032, section 7.1, test 1 (the key pair).
    #[test]
    fn a_seed_gives_the_public_key_of_the_rfc() {
        let key = SigningKey::from_seed("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
        assert_eq!(
            key.public_key().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "00", "zz", &"g".repeat(64), &"é".repeat(32), &"0".repeat(66)] {
            assert!(SigningKey::from_seed(text).is_err() && text.parse::<PublicKey>().is_err(), "{text}");
        }
        let seed = SigningKey::new_seed().unwrap();
        assert!(SigningKey::from_seed(&seed).is_ok());
        assert_ne!(seed, SigningKey::new_seed().unwrap());
    }
}
