//! What a bundle says of itself to the rest of the program, whatever its manifest's format and kind.

use super::classifier::{CalibrationBin, ClassifierManifest, Coding, NoveltyRecord, Performance};
use super::gate::Gate;
use super::maker::Maker;
use super::manifest::{Code, Manifest};
use super::outside::Outside;
use super::segmenter::{SegmentLabel, SegmenterManifest};

/// SNOMED CT's system in FHIR.
const SNOMED: &str = "http://snomed.info/sct";
/// RadLex's system in FHIR.
const RADLEX: &str = "http://www.radlex.org";

/// Identity and statements of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
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
    /// The findings, in the order of their scores.
    pub labels: Vec<Label>,
    /// What it outlines, in the order of its masks; none of a model that says findings.
    pub segments: Vec<SegmentLabel>,
    /// The pictures it may be used on.
    pub applies_to: Gate,
    /// The least probability of its own check for an upright frontal chest radiograph, where it has one.
    pub frontal_threshold: Option<f64>,
    /// Whether it measures how far a picture is from the training pictures.
    pub has_novelty: bool,
    /// What becomes of a picture that is out of distribution.
    pub out_of_distribution: Outside,
    /// Who made it, as far as that is known.
    pub maker: Maker,
    /// The training data, in words.
    pub training_data: String,
    /// How its probabilities were calibrated and on what, in words.
    pub calibration: String,
    /// Predicted against observed, all findings together; empty where nothing was measured.
    pub calibration_bins: Vec<CalibrationBin>,
    /// How its heat maps are made, in words.
    pub saliency: String,
}

/// One finding of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The stable name.
    pub name: String,
    /// The name a person reads.
    pub title: String,
    /// Its concepts, the first for FHIR's code.
    pub codes: Vec<Coding>,
    /// Below this probability the finding is absent; from here to [`Self::threshold_high`] it is indeterminate.
    pub threshold_low: f64,
    /// From this probability on the finding is present.
    pub threshold_high: f64,
    /// Share of the training patients that have the finding, where it is known.
    pub base_rate: Option<f64>,
    /// What was measured on patients that were not trained on.
    pub performance: Option<Performance>,
}

impl ModelCard {
    /// Whether [`crate::Scorer::saliency`] has an answer.
    pub fn says_where_it_looked(&self) -> bool {
        self.segments.is_empty()
    }

    /// The label of that name.
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }

    /// A sentence for the report where the patient's age is outside the ages seen in training.
    pub fn age_note(&self, age_years: f64) -> Option<String> {
        let low = self.applies_to.age_seen_min_years?;
        let high = self.applies_to.age_seen_max_years?;
        let outside = age_years < low || age_years >= high + 1.0;
        outside.then(|| {
            format!("the patient's age is outside the ages the model has seen ({low:.0} to {high:.0} years)")
        })
    }
}

/// The calibration table of an ensemble's card, which is where one from before [`Manifest::calibration_bins`] has it.
pub(super) fn bins_of(card: &str) -> Vec<CalibrationBin> {
    let mut lines =
        card.lines().skip_while(|line| !line.starts_with("| probability, mean of the bin |")).skip(2);
    let bin = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let bin = CalibrationBin {
            predicted: cells.next()?.parse().ok()?,
            observed: cells.next()?.parse().ok()?,
            values: cells.next()?.parse().ok()?,
        };
        bin.is_usable().then_some(bin)
    };
    std::iter::from_fn(|| bin(lines.next()?)).collect()
}

impl From<&Manifest> for ModelCard {
    fn from(manifest: &Manifest) -> Self {
        let rule = &manifest.applies_to;
        let patients = u32::try_from(manifest.training.validation_patients).unwrap_or(u32::MAX);
        let labels = manifest.labels.iter().map(|label| Label {
            name: label.name.clone(),
            title: label.title.clone(),
            codes: std::iter::once(coding(SNOMED, &label.snomed))
                .chain(label.radlex.as_ref().map(|code| coding(RADLEX, code)))
                .chain(label.codes.iter().cloned())
                .collect(),
            threshold_low: label.threshold_low,
            threshold_high: label.threshold_high,
            base_rate: Some(label.base_rate),
            performance: Some(Performance {
                auroc: label.auroc,
                low: label.auroc_low,
                high: label.auroc_high,
                patients,
                positives: u32::try_from(label.validation_cases).unwrap_or(u32::MAX),
            }),
        });
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            title: manifest.title.clone(),
            intended_use: manifest.intended_use.clone(),
            limits: Vec::new(),
            labels: labels.collect(),
            segments: Vec::new(),
            applies_to: Gate {
                modalities: rule.modalities.clone(),
                sop_classes: rule.sop_classes.clone(),
                body_parts: rule.body_parts.clone(),
                views: rule.views.clone(),
                age_min_years: Some(rule.age_min_years),
                age_seen_min_years: Some(rule.age_seen_min_years),
                age_seen_max_years: Some(rule.age_seen_max_years),
                ..Gate::default()
            },
            frontal_threshold: Some(manifest.frontal.threshold),
            has_novelty: true,
            out_of_distribution: manifest.out_of_distribution,
            maker: manifest.maker.clone(),
            training_data: manifest.training.data.clone(),
            calibration:
                "Platt scaling per finding, fitted on patients that the scoring network was not trained on"
                    .to_owned(),
            calibration_bins: manifest.calibration_bins.clone(),
            saliency: "class activation map, mean of the networks".to_owned(),
        }
    }
}

impl From<&ClassifierManifest> for ModelCard {
    fn from(manifest: &ClassifierManifest) -> Self {
        let mut methods: Vec<&str> = manifest.labels.iter().map(|label| label.calibration.words()).collect();
        methods.dedup();
        let labels = manifest.labels.iter().map(|label| Label {
            name: label.name.clone(),
            title: label.title.clone(),
            codes: label.codes.clone(),
            threshold_low: label.threshold_low,
            threshold_high: label.threshold_high,
            base_rate: label.base_rate,
            performance: label.performance.clone(),
        });
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            title: manifest.title.clone(),
            intended_use: manifest.intended_use.clone(),
            limits: manifest.limits.clone(),
            labels: labels.collect(),
            segments: Vec::new(),
            applies_to: manifest.applies_to.clone(),
            frontal_threshold: None,
            has_novelty: matches!(manifest.novelty, NoveltyRecord::Features { .. }),
            out_of_distribution: manifest.out_of_distribution,
            maker: manifest.maker.clone(),
            training_data: manifest.origin.training_data.clone(),
            calibration: format!("{}; {}", methods.join(", "), manifest.calibration_data),
            calibration_bins: manifest.calibration_bins.clone(),
            saliency: "Grad-CAM on the last feature maps".to_owned(),
        }
    }
}

impl From<&SegmenterManifest> for ModelCard {
    fn from(manifest: &SegmenterManifest) -> Self {
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            title: manifest.title.clone(),
            intended_use: manifest.intended_use.clone(),
            limits: manifest.limits.clone(),
            labels: Vec::new(),
            segments: manifest.segments.clone(),
            applies_to: manifest.applies_to.clone(),
            frontal_threshold: None,
            has_novelty: false,
            out_of_distribution: Outside::default(),
            maker: manifest.maker.clone(),
            training_data: manifest.origin.training_data.clone(),
            calibration: format!("none: a pixel's own probability; {}", manifest.threshold_data),
            calibration_bins: Vec::new(),
            saliency: "none: the model outlines".to_owned(),
        }
    }
}

fn coding(system: &str, code: &Code) -> Coding {
    Coding { system: system.to_owned(), code: code.code.clone(), display: code.display.clone() }
}
