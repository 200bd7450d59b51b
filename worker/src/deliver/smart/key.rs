//! The key that signs: RSA (RS384) or P-384 (ES384), PKCS #8 in a PEM file. It is never printed.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA384, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

/// The largest key file.
const MAX_BYTES: u64 = 64 * 1024;

/// A key cannot be used. No text holds anything of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file cannot be read.
    #[error("the signing key `{path}` cannot be read; check its path and who may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds no key of a kind that SMART asks for.
    #[error(
        "`{path}` holds no PKCS #8 key that can sign: RSA of 2048 to 4096 bits, or P-384; make one with \
         `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384`"
    )]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The signature could not be made.
    #[error("could not sign with the key")]
    Sign,
}

/// A key pair.
pub(crate) enum KeyPair {
    Rsa(RsaKeyPair),
    P384(EcdsaKeyPair),
}

impl KeyPair {
    /// Reads a key from its file.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let mut pem = Vec::new();
        std::fs::File::open(path).map_err(failed)?.take(MAX_BYTES).read_to_end(&mut pem).map_err(failed)?;
        let kind = || KeyError::Kind { path: path.to_owned() };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| kind())?;
        let der = der.secret_pkcs8_der();
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Ok(Self::Rsa(pair));
        }
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random);
        pair.map(Self::P384).map_err(|_| kind())
    }

    /// The JWS algorithm (RFC 7518).
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS384",
            Self::P384(_) => "ES384",
        }
    }

    /// The signature as a JWS has it.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA384, &random, message, &mut signature).map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
            Self::P384(pair) => {
                pair.sign(&random, message).map(|made| made.as_ref().to_vec()).map_err(|_| KeyError::Sign)
            }
        }
    }

    /// The members of the public key that its thumbprint is made of (RFC 7638), in that order.
    fn public(&self) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let parts: PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({ "e": encoded(&parts.e), "kty": "RSA", "n": encoded(&parts.n) })
            }
            Self::P384(pair) => {
                // an uncompressed point: 4, then both coordinates
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
                json!({ "crv": "P-384", "kty": "EC", "x": encoded(x), "y": encoded(y) })
            }
        }
    }

    /// The key's name where the site gives none: the SHA-256 thumbprint of its public part (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let text = self.public().to_string(); // members in alphabetical order, no white space
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// The public key as the authorization server wants it registered (RFC 7517).
    pub(crate) fn jwk(&self, key_id: Option<&str>) -> Value {
        let mut key = self.public();
        key["kid"] = key_id.map_or_else(|| self.thumbprint(), str::to_owned).into();
        key["alg"] = self.algorithm().into();
        key["use"] = "sig".into();
        key["key_ops"] = json!(["verify"]);
        key
    }
}
