//! What has to hold of a manifest before a bundle is one.

use super::classifier::{Activation, CalibrationBin};
use super::manifest::{FORMAT, Label, Manifest, OLDEST_FORMAT};
use super::seal::Seal;
use super::{Bundle, BundleError, CARD_FILE, Contents, MANIFEST_FILE, WEIGHTS_FILE};
use crate::network::Architecture;
use crate::network::architecture::Task;
use crate::preprocess::pipeline::Pipeline;

/// Longest side of what an ensemble's networks read.
const MAX_SIDE: usize = 1024;
/// Longest side of its thumbnail: distances are measured with a matrix of its fourth power.
const MAX_THUMBNAIL: usize = 64;

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

/// Whether a folder of the oldest format, which has no seal, is what was published: one with the weights of `cxr-findings` 1.0.0
/// has to have its manifest and card too.
pub(super) fn published(bundle: &Bundle) -> Result<(), BundleError> {
    if bundle.contents.seal().is_some() || is_published(bundle.digest(), &bundle.identity()?) {
        return Ok(());
    }
    Err(BundleError::Seal { id: bundle.id().to_owned(), file: MANIFEST_FILE })
}

/// Whether a bundle without a seal whose weights and whole have these digests is none that was published, or that one.
fn is_published(weights: &str, identity: &str) -> bool {
    let [own, whole] = super::maker::UNSEALED;
    weights != own || identity == whole
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

/// Whether the file of weights can hold the networks: a short file must not have a device's memory filled with them before
/// it is seen that they are not in it.
pub(super) fn large_enough(contents: &Contents) -> Result<(), BundleError> {
    // a mean and a matrix
    let distance = |size: u64| size * size + size;
    let values = match contents {
        Contents::Ensemble(manifest) => {
            let architecture = &manifest.architecture;
            let networks = [&architecture.findings, &architecture.frontal];
            let weights = networks.map(|network| Architecture::Residual(network.clone()).weights());
            let features = distance(architecture.findings.features() as u64);
            let thumbnail = (manifest.preprocessing.thumbnail_side as u64).pow(2);
            let readout = architecture.readout.as_ref().map_or(0, |readout| readout.config.weights());
            architecture.members as u64 * (weights[0] + weights[1] + features) + distance(thumbnail) + readout
        }
        Contents::Classifier(manifest) => manifest.architecture.weights(),
        Contents::Segmenter(manifest) => manifest.architecture.weights(),
    };
    // four bytes each; by half of that the count need not be exact
    if (contents.weights().bytes as u64) < 2 * values {
        return Err(BundleError::Inconsistent {
            reason: "its file of weights is too short for its architecture",
        });
    }
    Ok(())
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
    // the logits of a batch are taken one a picture
    if architecture.frontal.outputs != 1 {
        return Err("a frontal network has not one output");
    }
    let networks = [&architecture.findings, &architecture.frontal];
    if !networks.iter().all(|network| Architecture::Residual((*network).clone()).check().is_ok()) {
        return Err("its architecture is outside the limits");
    }
    if !(1..=64).contains(&architecture.members) {
        return Err("it has no member or too many");
    }
    let sides = &manifest.preprocessing;
    if !(1..=MAX_SIDE).contains(&sides.side)
        || !(1..=MAX_SIDE).contains(&sides.frontal_side)
        || !(1..=MAX_THUMBNAIL).contains(&sides.thumbnail_side)
    {
        return Err("a side of its pictures is outside the limits");
    }
    if [sides.side, sides.frontal_side] != networks.map(|network| network.input) {
        return Err("a side of its pictures is not what the network takes");
    }
    if !(architecture.age_mean.is_finite() && is_above_zero(architecture.age_deviation)) {
        return Err("the mean or deviation of its ages is not usable");
    }
    readout(manifest)?;
    let novelty = &manifest.novelty;
    if !is_above_zero(novelty.features_threshold) || !is_above_zero(novelty.thumbnail_threshold) {
        return Err("the threshold of its novelty is not usable");
    }
    if !(0.0..=1.0).contains(&manifest.frontal.threshold) {
        return Err("the threshold of its frontal view is no probability");
    }
    if !are_names(manifest.labels.iter().map(|label| label.name.as_str())) {
        return Err("a label's name is empty or stands twice");
    }
    // a slope below 0 would turn every finding into its opposite
    let usable = |label: &Label| {
        (0.0..=label.threshold_high).contains(&label.threshold_low)
            && label.threshold_high <= 1.0
            && is_above_zero(label.calibration.a)
            && label.calibration.b.is_finite()
    };
    if !manifest.labels.iter().all(usable) {
        return Err("a label's thresholds or calibration are not usable");
    }
    let test = &manifest.self_test;
    if !test.logits.iter().chain([&test.frontal_logit]).all(|logit| logit.is_finite()) {
        return Err("a logit of its self-test is no number");
    }
    let tolerances = [test.tolerance_cpu, test.tolerance_gpu];
    super::selftest::check(&test.formula, tolerances, std::iter::once((test.width, test.height)))
}

/// Whether what is read beside the networks, if anything, is readable, and its map lies on the picture's.
fn readout(manifest: &Manifest) -> Result<(), &'static str> {
    let (readout, picture) = match (&manifest.architecture.readout, manifest.preprocessing.readout) {
        (None, None) => return Ok(()),
        (Some(readout), Some(picture)) => (readout, picture),
        _ => return Err("it has a readout without a picture for it, or the picture alone"),
    };
    if readout.config.check().is_err() {
        return Err("its readout is outside the limits");
    }
    if readout.config.outputs != manifest.labels.len() {
        return Err("its readout's outputs are not the labels");
    }
    if readout.config.network.input_channels != 1 {
        return Err("its readout does not take one grey picture");
    }
    if !(is_above_zero(readout.share) && readout.share <= 1.0) {
        return Err("its readout's share is not above 0 to 1");
    }
    if !(1..=MAX_SIDE).contains(&picture.side) || picture.margin >= picture.side {
        return Err("a side of its pictures is outside the limits");
    }
    match crate::score::grid(&readout.config, picture) {
        Some(_) => Ok(()),
        None => Err("its readout's maps do not lie on one grid of the picture"),
    }
}

fn is_above_zero(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Whether each is a name, and none stands twice.
pub(super) fn are_names<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.windows(2).all(|pair| pair[0] != pair[1]) && names.first() != Some(&"")
}

/// Whether a network does this to pictures, and preprocessing and activation fit it.
pub(super) fn network(
    network: &Architecture,
    task: Task,
    preprocessing: &Pipeline,
    activation: Activation,
) -> Result<(), &'static str> {
    if network.check().is_err() {
        return Err("its architecture is outside the limits");
    }
    if network.task() != task || network.is_volumetric() {
        return Err(match task {
            Task::Classification => "its network does not classify pictures",
            Task::Segmentation => "its network does not segment pictures",
        });
    }
    if preprocessing.check().is_err() {
        return Err("its preprocessing is not usable");
    }
    if preprocessing.channels.len() != network.input_channels() {
        return Err("its preprocessing makes another number of channels than the network takes");
    }
    let least = network.least_side();
    if preprocessing.height < least || preprocessing.width < least {
        return Err("its pictures are smaller than the network can take");
    }
    if activation == Activation::Softmax && network.outputs() < 2 {
        return Err("outputs that exclude each other have to be two at least");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_were_published_without_a_seal_come_with_their_manifest_and_card() {
        let [weights, identity] = crate::bundle::maker::UNSEALED;
        assert!(is_published(weights, identity));
        assert!(!is_published(weights, &"0".repeat(64)));
        assert!(is_published(&"0".repeat(64), &"1".repeat(64)), "a bundle of others");
    }

    type Spoils = fn(&mut Manifest);

    fn readout_of(manifest: &mut Manifest) -> &mut crate::bundle::manifest::Readout {
        manifest.architecture.readout.as_mut().unwrap()
    }

    /// The built-in ensemble with one thing wrong.
    #[test]
    fn an_ensemble_that_would_prove_nothing_or_cannot_compute_is_refused() {
        let Contents::Ensemble(good) = Bundle::embedded().unwrap().contents else { panic!("an ensemble") };
        assert_eq!(ensemble(&good), Ok(()));
        let spoiled: [(&str, Spoils); 30] = [
            ("alone", |own| own.preprocessing.readout = None),
            ("alone", |own| own.architecture.readout = None),
            ("limits", |own| readout_of(own).config.cells = 0),
            ("outputs", |own| readout_of(own).config.outputs += 1),
            ("grey", |own| readout_of(own).config.network.input_channels = 3),
            ("share", |own| readout_of(own).share = f64::NAN),
            ("side", |own| own.preprocessing.readout.as_mut().unwrap().margin = usize::MAX),
            ("grid", |own| own.preprocessing.readout.as_mut().unwrap().margin += 1),
            ("tolerance", |own| own.self_test.tolerance_cpu = 1e9),
            ("tolerance", |own| own.self_test.tolerance_gpu = f64::NAN),
            ("formula", |own| own.self_test.formula.push('!')),
            ("side", |own| own.self_test.width = 0),
            ("side", |own| own.self_test.height = 1 << 20),
            ("no number", |own| own.self_test.logits[0] = f64::NAN),
            ("no number", |own| own.self_test.frontal_logit = f64::INFINITY),
            ("side", |own| own.preprocessing.side = 0),
            ("side", |own| own.preprocessing.frontal_side = 0),
            ("side", |own| own.preprocessing.thumbnail_side = 4096),
            ("takes", |own| own.preprocessing.side += 1),
            ("takes", |own| own.architecture.frontal.input += 1),
            ("one output", |own| own.architecture.frontal.outputs = 2),
            ("ages", |own| own.architecture.age_deviation = 0.0),
            ("novelty", |own| own.novelty.features_threshold = 0.0),
            ("novelty", |own| own.novelty.thumbnail_threshold = f64::INFINITY),
            ("frontal", |own| own.frontal.threshold = 1.5),
            ("name", |own| own.labels[1].name = own.labels[0].name.clone()),
            ("calibration", |own| own.labels[0].calibration.a = -1.0),
            ("calibration", |own| own.labels[0].calibration.b = f64::NAN),
            ("thresholds", |own| own.labels[0].threshold_low = f64::NAN),
            ("thresholds", |own| own.labels[0].threshold_high = 1.5),
        ];
        for (word, spoils) in spoiled {
            let mut manifest = good.as_ref().clone();
            spoils(&mut manifest);
            let refused = ensemble(&manifest).unwrap_err();
            assert!(refused.contains(word), "{word}: {refused}");
        }
    }
}
