//! What the manifest of `cxr-findings` says beside what is measured.

use std::collections::BTreeSet;

use super::config::{Example, Material, Split, TrainConfig};
use super::data::Data;
use super::readout::ReadoutRecipe;
use super::{findings, frontal};
use crate::bundle::WEIGHTS_FILE;
use crate::bundle::maker::Maker;
use crate::bundle::manifest::{
    AppliesTo, Architecture, FORMAT, FrontalRule, Manifest, NoveltyRule, Preprocessing, ResizeRule,
    Standardisation, TrainingRecord, WeightsFile,
};
use crate::bundle::outside::Outside;
use crate::bundle::selftest::SelfTest;

/// Patients younger than this are refused: infants' chests look different, and none was seen.
const LEAST_AGE_YEARS: f64 = 1.0;

/// The manifest with everything that is known before anything is measured.
pub(crate) fn manifest(material: Material<'_>, data: &Data, config: &TrainConfig) -> Manifest {
    let examples = material.examples;
    Manifest {
        format: FORMAT,
        id: "cxr-findings".to_owned(),
        version: config.version.clone(),
        title: "Fourteen findings on frontal chest radiographs".to_owned(),
        intended_use: "Research software, not a medical device. Scores fourteen findings on one upright frontal (PA or AP) chest radiograph of a human, to show a whole pipeline at work on real data. Not for diagnosis, triage or exclusion of disease.".to_owned(),
        labels: Vec::new(),
        preprocessing: Preprocessing {
            resize: ResizeRule::StretchAreaTriangle,
            standardisation: Standardisation::PerPicture,
            side: config.side,
            frontal_side: config.frontal_side,
            thumbnail_side: config.thumbnail_side,
            readout: config.readout.as_ref().map(ReadoutRecipe::picture),
        },
        architecture: Architecture {
            findings: findings::architecture(config),
            frontal: frontal::architecture(config),
            members: config.folds,
            age_mean: f64::from(data.age_mean),
            age_deviation: f64::from(data.age_deviation),
            readout: config.readout.as_ref().map(ReadoutRecipe::described),
        },
        applies_to: applies_to(examples),
        frontal: FrontalRule { threshold: 0.5, kept: 0.0 },
        novelty: NoveltyRule { features_threshold: 1.0, thumbnail_threshold: 1.0, quantile: 0.0 },
        training: training(material, config),
        maker: Maker::default(),
        out_of_distribution: Outside::default(),
        // the card's table, which is written from what is measured
        calibration_bins: Vec::new(),
        weights: WeightsFile { file: WEIGHTS_FILE.to_owned(), bytes: 0, sha256: String::new() },
        self_test: SelfTest {
            formula: String::new(),
            width: 1,
            height: 1,
            logits: Vec::new(),
            frontal_logit: 0.0,
            tolerance_cpu: 0.0,
            tolerance_gpu: 0.0,
        },
        seal: None,
    }
}

fn applies_to(examples: &[Example]) -> AppliesTo {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let ages = || examples.iter().filter(|e| e.split == Split::Train).map(|e| f64::from(e.age_years));
    AppliesTo {
        modalities: texts(&["CR", "DX"]),
        // Computed Radiography Image Storage; Digital X-Ray Image Storage - For Presentation
        sop_classes: texts(&["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"]),
        body_parts: texts(&["CHEST", "THORAX", "LUNG", "LUNGS", "CHEST WALL"]),
        views: texts(&["PA", "AP"]),
        age_min_years: LEAST_AGE_YEARS,
        age_seen_min_years: ages().fold(f64::INFINITY, f64::min),
        age_seen_max_years: ages().fold(0.0, f64::max),
    }
}

fn training(material: Material<'_>, config: &TrainConfig) -> TrainingRecord {
    let examples = material.examples;
    let patients = |counts: &dyn Fn(&Example) -> bool| {
        let own = examples.iter().filter(|example| counts(example));
        own.map(|example| example.patient.as_str()).collect::<BTreeSet<_>>().len()
    };
    TrainingRecord {
        data: "ChestX-ray14 of the NIH Clinical Center: frontal chest radiographs with fourteen findings mined from the reports, in a subset of one radiograph a patient. Soft targets: the probabilities of a public re-implementation of CheXNet for the same radiographs. Negatives of the frontal networks: drawn pictures, altered training radiographs, and photographs of skin from PAD-UFES-20.".to_owned(),
        licence: "ChestX-ray14: no restriction on use, attribution required. PAD-UFES-20: CC BY 4.0.".to_owned(),
        attribution: "The NIH Clinical Center provided the radiographs (https://nihcc.app.box.com/v/ChestXray-NIHCC); Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale chest X-ray database and benchmarks on weakly-supervised classification and localization of common thorax diseases. IEEE CVPR 2017. PAD-UFES-20: Pacheco AGC et al., Mendeley Data, doi 10.17632/zr7vgbcyr2.1.".to_owned(),
        patients: patients(&|example| example.split == Split::Train),
        validation_patients: patients(&|example| example.split == Split::Validation),
        patients_under_18: patients(&|example| example.age_years < 18.0),
        folds: config.folds,
        epochs: config.epochs,
        seed: config.seed,
        backbone: config.readout.as_ref().zip(material.backbone).map(|(own, weights)| own.record(weights)),
        command: config.command.clone(),
    }
}
