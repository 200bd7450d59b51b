//! What has to hold of a manifest before a bundle is one.

use super::classifier::CalibrationBin;
use super::manifest::{FORMAT, Label, Manifest, OLDEST_FORMAT};
use super::seal::Seal;
use super::{Bundle, BundleError, CARD_FILE, Contents, MANIFEST_FILE, WEIGHTS_FILE};
use crate::network::Architecture;

/// Whether the format is one this program reads, and the manifest has what its format asks for.
pub(super) fn format(contents: &Contents, format: u32) -> Result<(), BundleError> {
    let wrong = |reason| Err(BundleError::Inconsistent { reason });
    if !(OLDEST_FORMAT..=FORMAT).contains(&format) {
        return wrong("its format is not one this program reads");
    }
    match contents {
        Contents::Classifier(_) | Contents::Segmenter(_) if format != FORMAT => {
            wrong("the manifest of one network is of format 2")
        }
        Contents::Ensemble(manifest) if format == OLDEST_FORMAT && manifest.seal.is_some() => {
            wrong("format 1 has no seal")
        }
        Contents::Ensemble(manifest) if format != OLDEST_FORMAT && manifest.seal.is_none() => {
            wrong("it has no seal")
        }
        Contents::Classifier(_) | Contents::Segmenter(_) | Contents::Ensemble(_) => Ok(()),
    }
}

/// Whether card and manifest are what was sealed.
pub(super) fn seal(contents: &Contents, card: &str) -> Result<(), BundleError> {
    let Some(stated) = contents.seal() else { return Ok(()) };
    let found = sealed(contents, card)?;
    let id = || contents.id().to_owned();
    if found.card_sha256 != stated.card_sha256 {
        return Err(BundleError::Seal { id: id(), file: CARD_FILE });
    }
    if found.manifest_sha256 != stated.manifest_sha256 {
        return Err(BundleError::Seal { id: id(), file: MANIFEST_FILE });
    }
    Ok(())
}

/// The seal that belongs to manifest and card, whether or not they state one.
pub(super) fn sealed(contents: &Contents, card: &str) -> Result<Seal, BundleError> {
    match contents {
        Contents::Ensemble(manifest) => {
            Seal::new(card, |seal| Manifest { seal: Some(seal), ..manifest.as_ref().clone() })
        }
        Contents::Classifier(manifest) => {
            Seal::new(card, |seal| super::ClassifierManifest { seal, ..manifest.as_ref().clone() })
        }
        Contents::Segmenter(manifest) => {
            Seal::new(card, |seal| super::SegmenterManifest { seal, ..manifest.as_ref().clone() })
        }
    }
    .map_err(|source| BundleError::Manifest { source })
}

/// Whether a folder of the oldest format, which has no seal, is what was published: one with the weights of the built-in
/// bundle has to have its manifest and card too.
pub(super) fn published(bundle: &Bundle) -> Result<(), BundleError> {
    if bundle.contents.seal().is_some() {
        return Ok(());
    }
    let built_in = Bundle::embedded()?;
    if built_in.digest() != bundle.digest() {
        return Ok(());
    }
    let id = || bundle.id().to_owned();
    if built_in.contents != bundle.contents {
        return Err(BundleError::Seal { id: id(), file: MANIFEST_FILE });
    }
    if built_in.card != bundle.card {
        return Err(BundleError::Seal { id: id(), file: CARD_FILE });
    }
    Ok(())
}

/// Whether the manifest contradicts itself.
pub(super) fn consistent(contents: &Contents) -> Result<(), BundleError> {
    if contents.weights().file != WEIGHTS_FILE {
        return Err(BundleError::Inconsistent { reason: "it names another file of weights" });
    }
    match contents {
        Contents::Ensemble(manifest) => ensemble(manifest),
        Contents::Classifier(manifest) => manifest.check(),
        Contents::Segmenter(manifest) => manifest.check(),
    }
    .map_err(|reason| BundleError::Inconsistent { reason })
}

fn ensemble(manifest: &Manifest) -> Result<(), &'static str> {
    let labels = manifest.labels.len();
    if !manifest.calibration_bins.iter().all(CalibrationBin::is_usable) {
        return Err("a calibration bin is outside 0 to 1");
    }
    if labels == 0 || manifest.self_test.logits.len() != labels {
        return Err("the self-test does not have one logit a label");
    }
    let architecture = &manifest.architecture;
    if architecture.findings.outputs != labels + crate::network::AUXILIARY {
        return Err("the networks' outputs are not the labels and the auxiliary outputs");
    }
    let networks = [&architecture.findings, &architecture.frontal];
    if !networks.iter().all(|network| Architecture::Residual((*network).clone()).check().is_ok()) {
        return Err("its architecture is outside the limits");
    }
    if !(1..=64).contains(&architecture.members) {
        return Err("it has no member or too many");
    }
    let ordered = |label: &Label| {
        label.threshold_low <= label.threshold_high
            && [label.calibration.a, label.calibration.b].iter().all(|v| v.is_finite())
    };
    if !manifest.labels.iter().all(ordered) {
        return Err("a label's thresholds or calibration are not usable");
    }
    Ok(())
}
