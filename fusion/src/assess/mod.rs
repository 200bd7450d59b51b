//! From features, nodules and image scores to the risks of a report.
//!
//! Every risk of the list is always there: with a probability, or with none and the reason and what is
//! missing. Published formulas come first, the learned fusion last. Nothing here reads a file, a clock or
//! a pixel.

mod brock;
mod comparison;
mod concurrent;
mod course;
mod fused;
mod guideline;
mod herder;
mod inputs;
mod lesion;
mod mayo;
mod plcom2012;
mod prostate;
mod rated;
mod tabular;
mod what_if;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::features::FeatureTable;
use crate::formulas::Calculation;
use crate::learned::LateFusionModel;
use crate::nodule::Nodule;
use crate::number::stored;
use crate::prostate::{ProstateLesion, ProstateReport};

pub use comparison::Comparison;
pub use fused::assess_fused;
pub use lesion::{EarlierLesion, Lesion, lesion};
pub use tabular::assess_tabular;
pub use what_if::{WhatIf, WhatIfError, what_if};

/// All that a set of risks is made from.
#[derive(Clone, Copy)]
pub struct AssessInput<'a> {
    /// Index time of the examination.
    pub t0: Timestamp,
    /// The record's features at t0; `None` where there is no record of this patient.
    pub features: Option<&'a FeatureTable>,
    /// Nodules that the record or a DICOM SR states; may be empty.
    pub nodules: &'a [Nodule],
    /// What DICOM SR state of the prostate; may be empty.
    pub prostate: &'a [ProstateReport],
    /// Lesions of the prostate with a place that the record states; may be empty.
    pub lesions: &'a [ProstateLesion],
    /// What the image model said; `None` where no image was read.
    pub image: Option<&'a ImageScores>,
    /// What the image headers say of the person, used where the record says nothing.
    pub header: Option<HeaderDemographics>,
    /// The learned late fusion, loaded once; `None` where it is not trained.
    pub late_fusion: Option<&'a LateFusionModel>,
}

/// Scores of the image model.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageScores {
    /// Digest of the weights that made the scores, as the fusion was trained with; see
    /// [`LateFusionModel::image_model`].
    pub model: String,
    /// What tells the bundle of those weights from every other one, its preprocessing and order of labels too.
    pub bundle: String,
    /// Label and logit of every finding.
    pub labels: Vec<(String, f64)>,
    /// View of the radiograph.
    pub view: Option<ChestView>,
    /// Modality (0008,0060), such as `DX`.
    pub modality: String,
}

/// View of a frontal chest radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChestView {
    /// Antero-posterior.
    #[serde(rename = "AP")]
    Ap,
    /// Postero-anterior.
    #[serde(rename = "PA")]
    Pa,
}

/// Sex, where a formula needs one of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// What the image headers say of the person: Patient's Age (0010,1010) and Patient's Sex (0010,0040).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeaderDemographics {
    /// Age in years at the examination.
    pub age_years: Option<f64>,
    /// Sex; `None` also for `O`.
    pub sex: Option<Sex>,
}

/// Identifiers of the risks that are built in.
pub const IDS: [&str; 8] =
    ["brock", "mayo", "herder", "plcom2012", "pbcg", "pbcg-mri", "tum-rc", "icu-concurrent"];

/// Whether a built-in risk of this identifier is a published formula's, and no learned model's.
pub fn is_formula(id: &str) -> bool {
    IDS.contains(&id) && id != concurrent::ID
}

/// One risk: a probability of a state or of an outcome in a horizon, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// Stable identifier: one of [`IDS`], or that of a site's model.
    pub id: String,
    /// Whether a learned model of this identifier says it, and no published formula.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learned: bool,
    /// Title for a reader.
    pub title: String,
    /// Exactly what the probability is of.
    pub outcome: String,
    /// Horizon for a reader, such as `6 years`.
    pub horizon: Option<String>,
    /// 0 to 1; `None` where it is not computable.
    pub probability: Option<f64>,
    /// Lower bound, 0 to 1.
    pub low: Option<f64>,
    /// Upper bound, 0 to 1.
    pub high: Option<f64>,
    /// What the bounds are.
    pub interval_kind: IntervalKind,
    /// What is missing, as stable words; `population` where the method is not for this patient. A computed risk does
    /// without these.
    pub missing: Vec<String>,
    /// Of a computed risk that does without something: the least and the greatest probability that it would have with it.
    #[serde(default)]
    pub could_be: Option<(f64, f64)>,
    /// Why there is no probability, in one sentence.
    pub reason: Option<String>,
    /// Method: name, version and where it was published.
    pub method: Method,
    /// The values that went in.
    pub inputs: Vec<RiskInput>,
    /// Contributions to the logit against the method's reference, largest first.
    pub contributions: Vec<Contribution>,
    /// What other models say of the same outcome.
    pub comparators: Vec<Comparison>,
    /// Whom the method is for, in one sentence.
    pub population: String,
    /// Whether nothing speaks against this patient being one of them.
    pub in_population: bool,
    /// How the method is calibrated, in one sentence.
    pub calibration: String,
    /// Average of the outcome in the method's own data, 0 to 1.
    pub average: Option<f64>,
    /// Category by a published rule, such as `10 to 70 %`.
    #[serde(default)]
    pub category: Option<String>,
    /// What a guideline suggests for the category.
    #[serde(default)]
    pub guidance: Option<Guidance>,
    /// Where the method is weak, and what was assumed; one sentence each.
    pub limits: Vec<String>,
}

/// What a guideline suggests; never an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guidance {
    /// What it suggests.
    pub text: String,
    /// Guideline and version.
    pub citation: String,
}

/// What the bounds of a risk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalKind {
    /// There are none.
    None,
    /// Least and greatest probability over all values of what is missing.
    MissingRange,
    /// A 95 % interval over models trained on resampled patients.
    Confidence95,
}

/// A method and where it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Name.
    pub name: String,
    /// Version: the year of publication, or the model's version with its digest.
    pub version: String,
    /// Citation.
    pub citation: String,
    /// Which of the method's variants it was; empty where it has one only or none was computed.
    pub variant: String,
}

/// One value that went into a risk. Its `Debug` shows the label alone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskInput {
    /// Title for a reader.
    pub label: String,
    /// Value as text; `unknown` where it is missing.
    pub value: String,
    /// UCUM unit, where there is one.
    pub unit: Option<String>,
    /// Date or time as the source states it.
    pub date: Option<String>,
    /// Reference of the resource; `None` for values that come from the images.
    pub source: Option<String>,
    /// A clinical note states it, and nothing coded does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_note: bool,
}

impl std::fmt::Debug for RiskInput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RiskInput").field("label", &self.label).finish_non_exhaustive()
    }
}

/// One part of a risk's logit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// Title for a reader.
    pub label: String,
    /// Natural-log odds; above 0 it raises the risk.
    pub logit: f64,
}

/// The risks of one examination. Brock, Mayo, PLCOm2012 and intensive care at the time of the examination are always
/// listed, computed or with the reason why not. Herder is listed where the record states an uptake on PET, the prostate
/// formulas for a man with an antigen or a PI-RADS category in record or structured report: on other reports they would be noise.
pub fn assess(input: &AssessInput<'_>) -> Vec<Risk> {
    let mayo = mayo::risk(input);
    let brock = brock::risk(input, &mayo);
    let herder = herder::is_relevant(input).then(|| herder::risk(input, &mayo, &brock));
    let mut risks = vec![brock, mayo];
    risks.extend(herder);
    risks.push(plcom2012::risk(input));
    if prostate::is_relevant(input) {
        risks.extend(prostate::risks(input));
    }
    risks.push(concurrent::risk(input));
    for risk in &mut risks {
        risk.finish(input);
    }
    risks
}

/// What is known of a method before any patient.
struct Card {
    id: &'static str,
    title: &'static str,
    outcome: &'static str,
    horizon: Option<&'static str>,
    name: &'static str,
    version: &'static str,
    citation: &'static str,
    population: &'static str,
    /// Ages it is for, in years, both inclusive.
    ages: (f64, f64),
    calibration: &'static str,
    limits: &'static [&'static str],
}

impl Card {
    /// A risk without a probability yet.
    fn empty(&self) -> Risk {
        Risk {
            id: self.id.to_owned(),
            learned: false,
            title: self.title.to_owned(),
            outcome: self.outcome.to_owned(),
            horizon: self.horizon.map(str::to_owned),
            probability: None,
            low: None,
            high: None,
            interval_kind: IntervalKind::None,
            missing: Vec::new(),
            could_be: None,
            reason: None,
            method: Method {
                name: self.name.to_owned(),
                version: self.version.to_owned(),
                citation: self.citation.to_owned(),
                variant: String::new(),
            },
            inputs: Vec::new(),
            contributions: Vec::new(),
            comparators: Vec::new(),
            population: self.population.to_owned(),
            in_population: true,
            calibration: self.calibration.to_owned(),
            average: None,
            category: None,
            guidance: None,
            limits: self.limits.iter().map(|limit| (*limit).to_owned()).collect(),
        }
    }
}

impl Risk {
    /// What holds of every risk, however it was made: whose words and which later changes are in it, and stored numbers.
    fn finish(&mut self, input: &AssessInput<'_>) {
        self.say_what_notes_stated();
        self.say_what_changed(input.features);
        self.round();
    }

    /// Brings every number into the form in which it is stored.
    fn round(&mut self) {
        for number in [&mut self.probability, &mut self.low, &mut self.high, &mut self.average] {
            *number = number.map(stored);
        }
        self.could_be = self.could_be.map(|(low, high)| (stored(low), stored(high)));
        for part in &mut self.contributions {
            part.logit = stored(part.logit);
        }
        for other in &mut self.comparators {
            other.probability = other.probability.map(stored);
        }
    }

    /// Names the inputs that only a clinical note states: words that rules have read, and no coded entry.
    fn say_what_notes_stated(&mut self) {
        let labels = self.inputs.iter().filter(|input| input.from_note).map(|input| input.label.as_str());
        let mut labels: Vec<&str> = labels.collect();
        labels.dedup();
        if !labels.is_empty() {
            self.limits.push(format!("stated in a clinical note and not coded: {}", labels.join(", ")));
        }
    }

    /// Names the inputs whose entry in the record was changed after t0, so that they may say what nobody knew then.
    fn say_what_changed(&mut self, features: Option<&FeatureTable>) {
        let Some(table) = features else { return };
        let changed = |input: &&RiskInput| {
            let own = input.source.as_ref().is_some_and(|source| table.changed_after_t0.contains(source));
            own || table.features.iter().any(|one| one.changed_after_t0 && one.label == input.label)
        };
        let mut labels: Vec<&str> =
            self.inputs.iter().filter(changed).map(|input| input.label.as_str()).collect();
        labels.dedup();
        if !labels.is_empty() {
            self.limits.push(format!("changed in the record after the study: {}", labels.join("; ")));
        }
    }

    /// Not computable: these are missing.
    fn lacks(mut self, missing: &[&str], reason: &str) -> Self {
        self.missing.extend(missing.iter().map(|word| (*word).to_owned()));
        self.reason = Some(format!("not computable: {reason}"));
        self
    }

    /// Computed without these; with them it would be one of `probabilities`.
    fn does_without(&mut self, missing: &[&str], probabilities: &[f64]) {
        let low = probabilities.iter().copied().fold(f64::INFINITY, f64::min);
        let high = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.probability.is_some() && low <= high {
            self.missing.extend(missing.iter().map(|word| (*word).to_owned()));
            self.could_be = Some((low, high));
        }
    }

    /// Not for this patient.
    fn outside(mut self, reason: &str) -> Self {
        self.in_population = false;
        self.lacks(&["population"], reason)
    }

    /// With what a formula gave: a probability, or the range over what is unknown.
    fn calculated(mut self, calculation: &Calculation) -> Self {
        calculation.variant.clone_into(&mut self.method.variant);
        self.contributions = calculation
            .terms
            .iter()
            .filter(|term| term.known)
            .map(|term| Contribution { label: term.label.to_owned(), logit: term.low })
            .collect();
        sort(&mut self.contributions);
        self.probability = calculation.probability();
        if self.probability.is_some() {
            return self;
        }
        let (low, high) = calculation.range();
        (self.low, self.high, self.interval_kind) = (Some(low), Some(high), IntervalKind::MissingRange);
        let missing = calculation.missing();
        let labels: Vec<&str> =
            calculation.terms.iter().filter(|term| !term.known).map(|term| term.label).collect();
        let reason = format!("{} not known", labels.join(", "));
        self.lacks(&missing, &reason)
    }
}

/// Largest contribution first; equal ones by name, so that the order is fixed.
fn sort(contributions: &mut [Contribution]) {
    contributions.sort_by(|one, other| {
        other.logit.abs().total_cmp(&one.logit.abs()).then_with(|| one.label.cmp(&other.label))
    });
}
