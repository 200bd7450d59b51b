//! From a trained classifier to a bundle: thresholds, novelty, self-test, card, and what is measured on the
//! validation patients.

use serde::{Deserialize, Serialize};

use super::classifier::{ClassifierConfig, Picture, TrainedClassifier};
use super::config::{Split, TrainError};
use crate::bundle::Bundle;
use crate::bundle::classifier::{
    Activation, Calibration, CalibrationBin, ClassifierLabel, ClassifierManifest, ClassifierSelfTest, Coding,
    KIND, NoveltyRecord, Origin, Performance,
};
use crate::bundle::gate::Gate;
use crate::bundle::make::{self, MakeError};
use crate::bundle::maker::Maker;
use crate::bundle::manifest::{FORMAT, WeightsFile};
use crate::bundle::outside::Outside;
use crate::bundle::seal::Seal;
use crate::device::Device;
use crate::evaluation::{patient_interval, reliability};
use crate::image::GreyImage;
use crate::score::Scorer;

/// Resamples of the interval in the card.
const BOOTSTRAP_ROUNDS: usize = 2000;
/// Bins of the calibration plot.
const CALIBRATION_BINS: usize = 10;

/// What the bundle says of itself, which no training can know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The bundle's name.
    pub id: String,
    /// The bundle's version.
    pub version: String,
    /// The name a person reads.
    pub title: String,
    /// What the model is for, and what it is not for.
    pub intended_use: String,
    /// What is known to go wrong.
    pub limits: Vec<String>,
    /// The training data, in words.
    pub training_data: String,
    /// Licence or terms of data and weights.
    pub licence: String,
    /// The attribution that those ask for.
    pub attribution: String,
    /// The pictures it may be used on.
    #[serde(default)]
    pub applies_to: Gate,
    /// Who made the model, when, and where more is said of it.
    #[serde(default)]
    pub maker: Maker,
    /// What becomes of a picture that is out of distribution.
    #[serde(default)]
    pub out_of_distribution: Outside,
    /// The labels in the order of the network's outputs.
    pub labels: Vec<LabelWords>,
}

/// What a label says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelWords {
    /// The stable name, as the data has it.
    pub name: String,
    /// The name a person reads.
    pub title: String,
    /// Its concepts.
    #[serde(default)]
    pub codes: Vec<Coding>,
}

/// Makes the bundle of a trained classifier and measures it once on the validation pictures.
pub fn bundle(
    trained: &TrainedClassifier,
    pictures: &[Picture],
    config: &ClassifierConfig,
    words: &Words,
    command: &str,
) -> Result<Bundle, TrainError> {
    let failed = |source: MakeError| TrainError::Make { source: Box::new(source) };
    let mut manifest = manifest(trained, pictures, config, words, command);
    let mut state = trained.state.clone();
    let held_out: Vec<GreyImage> = trained.held_out.iter().map(|i| pictures[*i].image.clone()).collect();
    let of = "training pictures that were held out from the weights";
    let whose: Vec<&str> = trained.held_out.iter().map(|i| pictures[*i].patient.as_str()).collect();
    make::fit_novelty(&mut manifest, &mut state, &held_out, Some(&whose), of).map_err(failed)?;
    let first = make::classifier(manifest.clone(), &state).map_err(failed)?;
    let scorer = Scorer::load_burn(&first, &Device::reference())
        .map_err(|source| TrainError::Load { source: Box::new(source) })?;
    let validation: Vec<&Picture> = pictures.iter().filter(|p| p.split == Split::Validation).collect();
    let images: Vec<&GreyImage> = validation.iter().map(|picture| &picture.image).collect();
    let scores = scorer.score(&images).map_err(|source| TrainError::Score { source })?;
    let patients: Vec<&str> = validation.iter().map(|picture| picture.patient.as_str()).collect();
    for (index, label) in manifest.labels.iter_mut().enumerate() {
        let logits: Vec<f64> = scores.iter().map(|scores| scores.findings[index].logit).collect();
        let cases: Vec<bool> = validation.iter().map(|picture| picture.labels[index] > 0.5).collect();
        label.performance = performance(&logits, &cases, &patients, config.seed);
    }
    let labels = manifest.labels.len();
    let probabilities: Vec<f64> =
        scores.iter().flat_map(|own| own.findings.iter().map(|finding| finding.probability)).collect();
    let outcomes: Vec<bool> =
        validation.iter().flat_map(|own| own.labels[..labels].iter().map(|label| *label > 0.5)).collect();
    let bins = reliability(&probabilities, &outcomes, CALIBRATION_BINS);
    manifest.calibration_bins = bins
        .into_iter()
        .map(|bin| CalibrationBin {
            predicted: bin.probability,
            observed: bin.observed,
            values: u32::try_from(bin.count).unwrap_or(u32::MAX),
        })
        .collect();
    make::classifier(manifest, &state).map_err(failed)
}

fn performance(logits: &[f64], cases: &[bool], patients: &[&str], seed: u64) -> Option<Performance> {
    let area = patient_interval(patients, BOOTSTRAP_ROUNDS, seed, |sample| {
        let scores: Vec<f64> = sample.iter().map(|i| logits[*i]).collect();
        let own: Vec<bool> = sample.iter().map(|i| cases[*i]).collect();
        crate::evaluation::auroc(&scores, &own)
    })?;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Performance {
        auroc: area.value,
        low: area.low,
        high: area.high,
        patients: count(patients.iter().collect::<std::collections::BTreeSet<_>>().len()),
        positives: count(cases.iter().filter(|case| **case).count()),
    })
}

fn manifest(
    trained: &TrainedClassifier,
    pictures: &[Picture],
    config: &ClassifierConfig,
    words: &Words,
    command: &str,
) -> ClassifierManifest {
    let training = pictures.iter().filter(|picture| picture.split == Split::Train);
    let patients: std::collections::BTreeSet<&str> =
        training.map(|picture| picture.patient.as_str()).collect();
    ClassifierManifest {
        format: FORMAT,
        kind: KIND.to_owned(),
        id: words.id.clone(),
        version: words.version.clone(),
        title: words.title.clone(),
        intended_use: words.intended_use.clone(),
        limits: words.limits.clone(),
        labels: words
            .labels
            .iter()
            .enumerate()
            .map(|(output, label)| self::label(output, label, trained))
            .collect(),
        preprocessing: trained.preprocessing.clone(),
        architecture: config.architecture.clone(),
        activation: Activation::Sigmoid,
        applies_to: words.applies_to.clone(),
        novelty: NoveltyRecord::None { reason: "being fitted".to_owned() },
        calibration_data: format!(
            "Platt scaling, fitted on {} training pictures whose patients were held out from the weights.",
            trained.held_out.len()
        ),
        origin: Origin {
            training_data: words.training_data.clone(),
            licence: words.licence.clone(),
            attribution: words.attribution.clone(),
            training_patients: Some(patients.len() as u64),
            command: command.to_owned(),
            imported_sha256: None,
        },
        maker: words.maker.clone(),
        out_of_distribution: words.out_of_distribution,
        calibration_bins: Vec::new(),
        weights: WeightsFile::default(),
        self_test: ClassifierSelfTest::default(),
        seal: Seal::default(),
    }
}

/// A label with its threshold: the share of training pictures that have it. Where probabilities are calibrated, a
/// picture above it is more likely under the finding than without, so sensitivity and specificity count alike,
/// however common the finding is where the model is used.
fn label(output: usize, words: &LabelWords, trained: &TrainedClassifier) -> ClassifierLabel {
    let platt = trained.calibration[output];
    let base_rate = trained.base_rates[output];
    ClassifierLabel {
        name: words.name.clone(),
        title: words.title.clone(),
        output,
        codes: words.codes.clone(),
        threshold_low: base_rate,
        threshold_high: base_rate,
        threshold_source:
            "the share of training pictures with the finding: above it a picture speaks for the finding, \
below it against"
                .to_owned(),
        calibration: Calibration::Platt { a: platt.a, b: platt.b },
        base_rate: Some(base_rate),
        performance: None,
    }
}
