//! A trained model as a folder: `manifest.json`, `card.md`, the weights
//! (safetensors) and, where it was signed, `signature.json`.
//!
//! Opening one verifies the digests of weights, card and manifest and the
//! signature; a bundle that does not verify is not opened, and says why. Its
//! self-test is run when it is loaded onto a device ([`crate::Scorer::load`]).

pub mod applies;
pub mod classifier;
pub mod gate;
pub mod make;
pub mod maker;
pub mod manifest;
pub mod model_card;
pub mod outside;
pub mod seal;
pub mod segmenter;
pub mod selftest;
pub mod tensors;

mod check;
mod contents;
mod error;
mod markdown;
pub(crate) mod weights;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use classifier::ClassifierManifest;
use manifest::{FORMAT, Manifest, WeightsFile};
use model_card::ModelCard;
use seal::{MAX_SIGNATURE_BYTES, Seal, Signature, SigningKey, Trust};
use segmenter::SegmenterManifest;

use crate::image::GreyImage;
use crate::preprocess::{Resizing, resize};

pub use contents::Contents;
pub use error::BundleError;

/// The manifest's name in a bundle's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The card's name in a bundle's folder.
pub const CARD_FILE: &str = "card.md";
/// The weights' name in a bundle's folder.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The signature's name in a bundle's folder.
pub const SIGNATURE_FILE: &str = "signature.json";
/// The largest manifest or card that is read, in bytes.
pub const MAX_TEXT_BYTES: u64 = 8 << 20;
/// The largest file of weights that is read, in bytes.
pub const MAX_WEIGHTS_BYTES: u64 = 2 << 30;

/// A model bundle that verified: its weights, card and manifest are what was sealed.
#[derive(Debug, Clone)]
pub struct Bundle {
    contents: Contents,
    model_card: ModelCard,
    card: Cow<'static, str>,
    weights: Cow<'static, [u8]>,
    signature: Option<Signature>,
    /// What a signature is over: the seal, of the built-in bundle the one that it would have; `None` where a bundle of
    /// format 1 came from a folder.
    signed: Option<Seal>,
}

impl Bundle {
    /// The bundle `cxr-findings` that is part of the program.
    pub fn embedded() -> Result<Self, BundleError> {
        let mut bundle = Self::new(
            include_bytes!("../../bundles/cxr-findings/manifest.json"),
            Cow::Borrowed(include_str!("../../bundles/cxr-findings/card.md")),
            Cow::Borrowed(include_bytes!("../../bundles/cxr-findings/weights.safetensors").as_slice()),
        )?;
        bundle.signed = Some(check::sealed(&bundle.contents, &bundle.card)?);
        Ok(bundle)
    }

    /// The same, if `trust` accepts it. The program carries no signature of its own: a site that pins keys signs the
    /// bundle with one of them and keeps `signature.json`, whose bytes these are.
    pub fn embedded_trusted(signature: Option<&[u8]>, trust: &Trust) -> Result<Self, BundleError> {
        let mut bundle = Self::embedded()?;
        bundle.accept(signature, trust)?;
        Ok(bundle)
    }

    /// Reads a `signature.json`, for [`Self::embedded_trusted`].
    pub fn read_signature(file: &Path) -> Result<Vec<u8>, BundleError> {
        read_file(file, SIGNATURE_FILE, MAX_SIGNATURE_BYTES)
    }

    /// Opens the bundle in the folder `dir`, whoever made it.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        Self::open_trusted(dir, &Trust::anyone())
    }

    /// Opens the bundle in the folder `dir` if `trust` accepts its signature.
    pub fn open_trusted(dir: &Path, trust: &Trust) -> Result<Self, BundleError> {
        let manifest = read(dir, MANIFEST_FILE, MAX_TEXT_BYTES)?;
        let card = String::from_utf8_lossy(&read(dir, CARD_FILE, MAX_TEXT_BYTES)?).into_owned();
        let signature = match read(dir, SIGNATURE_FILE, MAX_SIGNATURE_BYTES) {
            Ok(bytes) => Some(bytes),
            Err(BundleError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let weights = read(dir, WEIGHTS_FILE, MAX_WEIGHTS_BYTES)?;
        let mut bundle = Self::new(&manifest, Cow::Owned(card), Cow::Owned(weights))?;
        check::published(&bundle)?;
        bundle.accept(signature.as_deref(), trust)?;
        Ok(bundle)
    }

    /// Makes a bundle from the bytes of its files.
    pub fn new(
        manifest: &[u8],
        card: Cow<'static, str>,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, BundleError> {
        let (contents, format) =
            Contents::read(manifest).map_err(|source| BundleError::Manifest { source })?;
        check::format(&contents, format)?;
        check::seal(&contents, &card)?;
        Self::assembled(contents, card, weights)
    }

    /// Makes the bundle of an ensemble from its parts and seals it.
    pub(crate) fn from_parts(
        mut manifest: Manifest,
        card: Cow<'static, str>,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, BundleError> {
        manifest.format = FORMAT;
        let with = |seal| Manifest { seal: Some(seal), ..manifest.clone() };
        let seal = Seal::new(&card, with).map_err(|source| BundleError::Manifest { source })?;
        manifest.seal = Some(seal);
        Self::assembled(Contents::Ensemble(Box::new(manifest)), card, weights)
    }

    /// Makes the bundle of a classifier from its parts, fills in what is known of weights and card, and seals it.
    pub fn classifier(
        manifest: ClassifierManifest,
        card: String,
        weights: Vec<u8>,
    ) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Manifest { source };
        let (format, kind, seal) = (FORMAT, classifier::KIND.to_owned(), Seal::default());
        let manifest = ClassifierManifest { format, kind, weights: about(&weights), seal, ..manifest };
        let mut manifest = manifest::rounded(&manifest).map_err(failed)?;
        manifest.seal =
            Seal::new(&card, |seal| ClassifierManifest { seal, ..manifest.clone() }).map_err(failed)?;
        Self::assembled(Contents::Classifier(Box::new(manifest)), Cow::Owned(card), Cow::Owned(weights))
    }

    /// Makes the bundle of a segmenter from its parts, likewise.
    pub fn segmenter(
        manifest: SegmenterManifest,
        card: String,
        weights: Vec<u8>,
    ) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Manifest { source };
        let (format, kind, seal) = (FORMAT, segmenter::KIND.to_owned(), Seal::default());
        let manifest = SegmenterManifest { format, kind, weights: about(&weights), seal, ..manifest };
        let mut manifest = manifest::rounded(&manifest).map_err(failed)?;
        manifest.seal =
            Seal::new(&card, |seal| SegmenterManifest { seal, ..manifest.clone() }).map_err(failed)?;
        Self::assembled(Contents::Segmenter(Box::new(manifest)), Cow::Owned(card), Cow::Owned(weights))
    }

    fn assembled(
        contents: Contents,
        card: Cow<'static, str>,
        weights: Cow<'static, [u8]>,
    ) -> Result<Self, BundleError> {
        check::consistent(&contents)?;
        let stated = contents.weights();
        let found = sha256(&weights);
        if found != stated.sha256 || weights.len() != stated.bytes {
            let (id, stated) = (contents.id().to_owned(), stated.sha256.clone());
            return Err(BundleError::Digest { id, stated, found });
        }
        check::large_enough(&contents)?;
        let mut model_card = match &contents {
            Contents::Ensemble(manifest) => ModelCard::from(manifest.as_ref()),
            Contents::Classifier(manifest) => ModelCard::from(manifest.as_ref()),
            Contents::Segmenter(manifest) => ModelCard::from(manifest.as_ref()),
        };
        model_card.maker = model_card.maker.of(&check::sealed(&contents, &card)?.manifest_sha256);
        if matches!(contents, Contents::Ensemble(_)) && model_card.calibration_bins.is_empty() {
            model_card.calibration_bins = model_card::bins_of(&card);
        }
        let signed = contents.seal().cloned();
        Ok(Self { contents, model_card, card, weights, signature: None, signed })
    }

    /// What tells the bundle from every other one: SHA-256 over manifest, card and the weights' digest, lower-case
    /// hexadecimal. It changes with a threshold, too, which [`Self::digest`] does not.
    pub fn identity(&self) -> Result<String, BundleError> {
        Ok(check::sealed(&self.contents, &self.card)?.manifest_sha256)
    }

    /// Takes the signature, if it is good and, where keys are pinned, by one of them.
    fn accept(&mut self, signature: Option<&[u8]>, trust: &Trust) -> Result<(), BundleError> {
        let id = self.id().to_owned();
        let Some(bytes) = signature else {
            return if trust.asks_for_signature() { Err(BundleError::Unsigned { id }) } else { Ok(()) };
        };
        let signature: Option<Signature> = serde_json::from_slice(bytes).ok();
        let good = |own: &Signature| {
            self.signed.as_ref().is_some_and(|seal| own.verifies(self.id(), self.version(), seal))
        };
        let Some(signature) = signature.filter(good) else { return Err(BundleError::Signature { id }) };
        if trust.asks_for_signature() && !trust.holds(&signature.public_key) {
            return Err(BundleError::UntrustedKey { id, key: signature.public_key.to_string() });
        }
        self.signature = Some(signature);
        Ok(())
    }

    /// Signs the bundle; one without a seal (format 1) cannot be signed.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), BundleError> {
        let unsealed = BundleError::Inconsistent { reason: "it has no seal to sign: make the bundle again" };
        let seal = self.signed.as_ref().ok_or(unsealed)?;
        self.signature = Some(key.sign(self.id(), self.version(), seal));
        Ok(())
    }

    /// Writes the signature alone, where there is one: what [`Self::read_signature`] reads.
    pub fn write_signature(&self, file: &Path) -> Result<(), BundleError> {
        let Some(signature) = &self.signature else {
            return Err(BundleError::Unsigned { id: self.id().to_owned() });
        };
        let failed = |source| BundleError::Write { file: SIGNATURE_FILE.to_owned(), source };
        let mut bytes =
            serde_json::to_vec_pretty(signature).map_err(|source| BundleError::Manifest { source })?;
        bytes.push(b'\n');
        std::fs::write(file, bytes).map_err(failed)
    }

    /// Writes the bundle's files into the folder `dir`, which is made where it is missing.
    pub fn write(&self, dir: &Path) -> Result<(), BundleError> {
        let failed = |file: &str, source| BundleError::Write { file: file.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(|source| failed("", source))?;
        let text = |json: serde_json::Result<Vec<u8>>| {
            let mut bytes = json.map_err(|source| BundleError::Manifest { source })?;
            bytes.push(b'\n');
            Ok(bytes)
        };
        let manifest = text(self.contents.written())?;
        let signature =
            self.signature.as_ref().map(|own| text(serde_json::to_vec_pretty(own))).transpose()?;
        // the manifest last: a folder without one is no bundle
        for (file, bytes) in [
            (WEIGHTS_FILE, Some(self.weights.as_ref())),
            (CARD_FILE, Some(self.card.as_bytes())),
            (SIGNATURE_FILE, signature.as_deref()),
            (MANIFEST_FILE, Some(manifest.as_slice())),
        ] {
            if let Some(bytes) = bytes {
                std::fs::write(dir.join(file), bytes).map_err(|source| failed(file, source))?;
            }
        }
        Ok(())
    }

    /// The bundle's name.
    pub fn id(&self) -> &str {
        self.contents.id()
    }

    /// The bundle's version.
    pub fn version(&self) -> &str {
        &self.model_card.version
    }

    /// The weights' SHA-256, lower-case hexadecimal; verified.
    pub fn digest(&self) -> &str {
        &self.contents.weights().sha256
    }

    /// The manifest by its kind.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The manifest, where the bundle is an ensemble.
    pub fn ensemble(&self) -> Option<&Manifest> {
        match &self.contents {
            Contents::Ensemble(manifest) => Some(manifest),
            Contents::Classifier(_) | Contents::Segmenter(_) => None,
        }
    }

    /// What the bundle says of itself, whatever its kind.
    pub fn model_card(&self) -> &ModelCard {
        &self.model_card
    }

    /// The model card, in Markdown.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Makes what is handed to a device of the rows of a picture of this width and height: for an ensemble the picture at the
    /// size that its networks read, so that what is kept, sent and queued is small. `None` for another model, whose steps begin
    /// with the whole picture, and where no picture has such sides.
    pub fn preparation(&self, width: usize, height: usize) -> Option<Resizing> {
        let side = self.ensemble()?.preprocessing.picture_side();
        Resizing::new((width, height), (side, side)).ok()
    }

    /// The picture as it is handed to a device: what [`Self::preparation`] makes of its rows, or as it is. Scoring it gives
    /// what scoring the whole picture gives.
    pub fn prepare(&self, image: GreyImage) -> GreyImage {
        match self.ensemble().map(|manifest| manifest.preprocessing.picture_side()) {
            Some(side) => resize(&image, side, side),
            None => image,
        }
    }

    /// The signature, verified, where there is one.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
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

fn about(weights: &[u8]) -> WeightsFile {
    WeightsFile { file: WEIGHTS_FILE.to_owned(), bytes: weights.len(), sha256: sha256(weights) }
}

fn read(dir: &Path, file: &str, most: u64) -> Result<Vec<u8>, BundleError> {
    read_file(&dir.join(file), file, most)
}

fn read_file(path: &Path, file: &str, most: u64) -> Result<Vec<u8>, BundleError> {
    let failed = |source| BundleError::Read { file: file.to_owned(), source };
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() || about.len() > most {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read(path).map_err(failed)
}
